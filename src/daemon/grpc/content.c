/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.content.v1: blobs. Write is in content-write.c. */

#include "store/content.h"

#include <fcntl.h>
#include <stdlib.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/events-store.pb-c.h"
#include "base/str.h"
#include "content-write.h"
#include "convert.h"
#include "service.h"
#include "services.h"
#include "sys/disk.h"
#include "sys/file.h"

/*
 * containerd reads 1 MiB at a time. Smaller pieces are sent while the next one is read, and their
 * buffers, here and below, are memory that was used before (less than davitd's mmap threshold).
 */
enum {
	LIST_CHUNK = 100,
	READ_CHUNK = 96 << 10,
};

typedef Containerd__Services__Content__V1__Info Info;
typedef Containerd__Services__Content__V1__Status Status;

#define REQ(type, msg) ((const Containerd__Services__Content__V1__##type *)(msg))
#define REPLY(type, reply) \
	Containerd__Services__Content__V1__##type *reply = \
		dv_arena_new(c->arena, Containerd__Services__Content__V1__##type)

static Info *info_out(const struct meta_blob *blob, struct dv_arena *arena)
{
	Info *info = dv_arena_new(arena, Info);

	containerd__services__content__v1__info__init(info);
	info->digest = (char *)blob->digest;
	info->size = blob->size;
	info->created_at = convert_time_out(&blob->created_at, arena);
	info->updated_at = convert_time_out(&blob->updated_at, arena);
	CONVERT_LABELS_OUT(info, labels, &blob->labels, arena);
	return info;
}

static struct dv_err *content_info_call(struct daemon_call *c, const ProtobufCMessage *msg,
					const ProtobufCMessage **ret_reply)
{
	REPLY(InfoResponse, reply);
	struct meta_blob blob;
	struct dv_err *e;

	e = content_info(c->d->content, c->ns, REQ(InfoRequest, msg)->digest, c->arena, &blob);
	if (e)
		return e;
	containerd__services__content__v1__info_response__init(reply);
	reply->info = info_out(&blob, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *content_update_call(struct daemon_call *c, const ProtobufCMessage *msg,
					  const ProtobufCMessage **ret_reply)
{
	const Info *info = REQ(UpdateRequest, msg)->info;
	struct dv_mask mask = convert_mask_in(REQ(UpdateRequest, msg)->update_mask);
	REPLY(UpdateResponse, reply);
	struct meta_blob blob = { 0 }, updated;
	struct dv_err *e;

	if (!info)
		return dv_err_new(DV_INVALID, "info must be given: invalid argument");
	blob.digest = info->digest;
	blob.labels = convert_labels_in(info->labels, info->n_labels, c->arena);
	e = content_update(c->d->content, c->ns, &blob, &mask, c->arena, &updated);
	if (e)
		return e;
	containerd__services__content__v1__update_response__init(reply);
	reply->info = info_out(&updated, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *content_delete_call(struct daemon_call *c, const ProtobufCMessage *msg,
					  const ProtobufCMessage **ret_reply)
{
	Containerd__Events__ContentDelete event = CONTAINERD__EVENTS__CONTENT_DELETE__INIT;
	struct dv_err *e;

	(void)ret_reply;
	event.digest = REQ(DeleteContentRequest, msg)->digest;
	e = content_delete(c->d->content, c->ns, c->lease, event.digest);
	if (e)
		return e;
	daemon_publish(c->d, c->ns, "/content/delete", &event.base);
	daemon_gc_kick(c->d);
	return NULL;
}

/* ---- List ---- */

struct listing {
	struct dv_filter *filter;
	char *after;
};

static void list_end(void *state)
{
	struct listing *l = state;

	dv_filter_free(l->filter);
	free(l->after);
	free(l);
}

static struct dv_err *list_next(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
				struct daemon_next *next)
{
	Containerd__Services__Content__V1__ListContentResponse *reply;
	struct meta_list list = { .limit = LIST_CHUNK };
	struct listing *l = *io_state;
	struct meta_blob *blobs;
	struct dv_err *e;
	size_t n;

	if (!l) {
		*io_state = l = dv_new(struct listing);
		e = dv_filter_parse((const char *const *)REQ(ListContentRequest, msg)->filters,
				    REQ(ListContentRequest, msg)->n_filters, &l->filter);
		if (e)
			return e;
	}
	list.filter = l->filter;
	list.after = l->after;
	e = content_list(c->d->content, c->ns, &list, next->arena, &blobs, &n);
	if (e)
		return e;
	next->is_last = n < LIST_CHUNK;
	if (n == 0)
		return NULL;
	reply = dv_arena_new(next->arena, Containerd__Services__Content__V1__ListContentResponse);
	containerd__services__content__v1__list_content_response__init(reply);
	reply->n_info = n;
	reply->info = dv_arena_new_n(next->arena, Info *, n);
	for (size_t i = 0; i < n; i++)
		reply->info[i] = info_out(&blobs[i], next->arena);
	free(l->after);
	l->after = dv_strdup(blobs[n - 1].digest);
	next->msg = &reply->base;
	return NULL;
}

/* ---- Read ---- */

struct reading {
	int fd;
	int64_t at, end;
	int64_t sent; /* containerd counts from the start of what was asked for */
	uint8_t *buf; /* of READ_CHUNK: touched once, not with each message */
};

static void read_end(void *state)
{
	struct reading *r = state;

	sys_close(r->fd);
	free(r->buf);
	free(r);
}

static struct dv_err *read_open(struct daemon_call *c,
				const Containerd__Services__Content__V1__ReadContentRequest *req,
				struct reading *r)
{
	struct dv_err *e;
	int64_t size;

	e = content_open_blob(c->d->content, c->ns, req->digest, &r->fd, &size);
	if (e)
		return e;
	r->at = DV_MAX(req->offset, 0);
	if (r->at > size)
		return dv_err_new(DV_OUT_OF_RANGE, "read past object length %lld bytes",
				  (long long)size);
	r->end = req->size <= 0 || req->size > size - r->at ? size : r->at + req->size;
	sys_fadvise(r->fd, r->at, r->end - r->at, POSIX_FADV_SEQUENTIAL);
	return NULL;
}

static struct dv_err *read_next(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
				struct daemon_next *next)
{
	Containerd__Services__Content__V1__ReadContentResponse *reply;
	struct reading *r = *io_state;
	struct dv_err *e;
	ssize_t n;

	if (!r) {
		*io_state = r = dv_new(struct reading);
		r->fd = -1;
		e = read_open(c, REQ(ReadContentRequest, msg), r);
		if (e)
			return e;
	}
	n = (ssize_t)DV_MIN(r->end - r->at, READ_CHUNK);
	next->is_last = r->at + n >= r->end;
	if (n == 0)
		return NULL;
	reply = dv_arena_new(next->arena, Containerd__Services__Content__V1__ReadContentResponse);
	containerd__services__content__v1__read_content_response__init(reply);
	reply->offset = r->sent;
	if (!r->buf)
		r->buf = dv_alloc((size_t)DV_MIN(r->end - r->at, READ_CHUNK));
	reply->data.data = r->buf;
	n = sys_pread(r->fd, r->buf, (size_t)n, r->at);
	if (n < 0)
		return dv_err_sys((int)n, "read content");
	if (n == 0)
		return dv_err_new(DV_DATA_LOSS, "content ends early");
	reply->data.len = (size_t)n;
	r->at += n;
	r->sent += n;
	next->msg = &reply->base;
	return NULL;
}

/* ---- Ingests ---- */

static Status *status_out(const struct content_status *from, struct dv_arena *arena)
{
	Status *status = dv_arena_new(arena, Status);

	containerd__services__content__v1__status__init(status);
	status->ref = (char *)from->ref;
	status->offset = from->offset;
	status->total = from->total;
	status->expected = (char *)from->expected;
	status->started_at = convert_time_out(&from->started_at, arena);
	status->updated_at = convert_time_out(&from->updated_at, arena);
	return status;
}

static struct dv_err *content_status_call(struct daemon_call *c, const ProtobufCMessage *msg,
					  const ProtobufCMessage **ret_reply)
{
	const char *ref = REQ(StatusRequest, msg)->ref;
	REPLY(StatusResponse, reply);
	struct content_status status;
	struct dv_err *e;

	e = content_ingest_stat(c->d->content, c->ns, ref, c->arena, &status);
	if (e)
		return dv_err_wrap(e, "could not get status for ref \"%s\"", ref);
	containerd__services__content__v1__status_response__init(reply);
	reply->status = status_out(&status, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *content_statuses_call(struct daemon_call *c, const ProtobufCMessage *msg,
					    const ProtobufCMessage **ret_reply)
{
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	REPLY(ListStatusesResponse, reply);
	struct content_status *items;
	struct dv_err *e;
	size_t n;

	e = dv_filter_parse((const char *const *)REQ(ListStatusesRequest, msg)->filters,
			    REQ(ListStatusesRequest, msg)->n_filters, &filter);
	if (!e)
		e = content_ingest_list(c->d->content, c->ns, filter, c->arena, &items, &n);
	if (e)
		return e;
	containerd__services__content__v1__list_statuses_response__init(reply);
	reply->n_statuses = n;
	reply->statuses = dv_arena_new_n(c->arena, Status *, n);
	for (size_t i = 0; i < n; i++)
		reply->statuses[i] = status_out(&items[i], c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *content_abort_call(struct daemon_call *c, const ProtobufCMessage *msg,
					 const ProtobufCMessage **ret_reply)
{
	(void)ret_reply;
	return content_ingest_abort(c->d->content, c->ns, c->lease, REQ(AbortRequest, msg)->ref);
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Info", containerd__services__content__v1__info_request, content_info_call,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("Update", containerd__services__content__v1__update_request,
		     content_update_call, (.lane = DAEMON_FAST)),
	DAEMON_STREAM("List", containerd__services__content__v1__list_content_request, list_next,
		      (.end = list_end, .lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("Delete", containerd__services__content__v1__delete_content_request,
		     content_delete_call, (.lane = DAEMON_FAST)),
	DAEMON_STREAM("Read", containerd__services__content__v1__read_content_request, read_next,
		      (.end = read_end, .lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("Status", containerd__services__content__v1__status_request,
		     content_status_call, (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("ListStatuses", containerd__services__content__v1__list_statuses_request,
		     content_statuses_call, (.lane = DAEMON_FAST), .is_read_only = true),
	{ .name = "Write",
	  .request = &containerd__services__content__v1__write_content_request__descriptor,
	  .fn = content_write_call,
	  .is_client_stream = true,
	  .is_server_stream = true },
	DAEMON_UNARY("Abort", containerd__services__content__v1__abort_request, content_abort_call,
		     (.lane = DAEMON_SLOW)),
};

const struct grpc_service daemon_content_service = {
	.name = "containerd.services.content.v1.Content",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
