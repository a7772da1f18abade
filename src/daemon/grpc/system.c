/* SPDX-License-Identifier: Apache-2.0 */
/* davit.system.v1: check and repair, disk usage, prune. All of it is slow work. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/containerd/images.pb-c.h"
#include "api/davit/system.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"
#include "store/check.h"
#include "store/content.h"
#include "store/meta-blob.h"
#include "store/meta-container.h"
#include "store/meta-image.h"
#include "store/meta-namespace.h"
#include "store/meta-snapshot.h"
#include "system-private.h"

#define TYPE(name) Davit__System__V1__##name

/* ---- Check, Repair ---- */

/* The findings of a check: made by the first call, sent by all. */
struct findings {
	struct dv_arena arena;
	TYPE(Finding) * *items;
	size_t n, size, at;
	struct daemon_call *c;
};

static void findings_end(void *state)
{
	struct findings *f = state;

	dv_arena_fini(&f->arena);
	free(f->items);
	free(f);
}

static void on_finding(void *arg, const struct store_finding *from)
{
	struct findings *f = arg;
	TYPE(Finding) *to = dv_arena_new(&f->arena, TYPE(Finding));

	davit__system__v1__finding__init(to);
	to->kind = dv_arena_strdup(&f->arena, from->kind);
	to->namespace_ = dv_arena_strdup(&f->arena, from->ns);
	to->object = dv_arena_strdup(&f->arena, from->object);
	to->problem = dv_arena_strdup(&f->arena, from->problem);
	to->action = dv_arena_strdup(&f->arena, from->action);
	to->can_repair = from->can_repair;
	to->repaired = from->is_repaired;
	if (f->n == f->size) {
		f->size = f->size ? f->size * 2 : 16;
		f->items = dv_realloc_n(f->items, f->size, sizeof(*f->items));
	}
	f->items[f->n++] = to;
}

static bool is_cancelled(void *arg)
{
	const struct findings *f = arg;

	return grpc_call_is_cancelled(f->c->grpc);
}

static struct dv_err *next_finding(struct daemon_call *c, bool is_deep, bool is_repair,
				   void **io_state, struct daemon_next *next)
{
	struct findings *f = *io_state;

	if (!f) {
		struct store_check_opts opts = {
			.meta = c->d->meta,
			.content = c->d->content,
			.snapshots = c->d->snapshots,
			.root = c->d->config->root,
			.is_deep = is_deep,
			.is_repair = is_repair,
			.is_cancelled = is_cancelled,
			.fn = on_finding,
		};
		struct dv_err *e;

		*io_state = opts.arg = f = dv_new(struct findings);
		dv_arena_init(&f->arena);
		f->c = c;
		e = store_check(&opts);
		if (e)
			return e;
		if (is_repair)
			daemon_gc_kick(c->d);
	}
	if (f->at < f->n)
		next->msg = &f->items[f->at++]->base;
	next->is_last = f->at == f->n;
	return NULL;
}

static struct dv_err *check(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
			    struct daemon_next *next)
{
	return next_finding(c, ((const TYPE(CheckRequest) *)msg)->deep, false, io_state, next);
}

static struct dv_err *repair(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
			     struct daemon_next *next)
{
	return next_finding(c, ((const TYPE(RepairRequest) *)msg)->deep, true, io_state, next);
}

/* ---- DiskUsage ---- */

enum usage { IMAGES, CONTAINERS, SNAPSHOTS, CONTENT, METADATA, USAGE__N };

struct usages {
	const char *ns; /* "": all */
	TYPE(Usage) items[USAGE__N];
};

static struct dv_err *add_blob(void *arg, const char *digest, int64_t size)
{
	struct usages *u = arg;

	(void)digest;
	u->items[CONTENT].count++;
	u->items[CONTENT].size += DV_MAX(size, 0);
	return NULL;
}

static struct dv_err *add_snapshot(void *arg, const char *ns, const char *snapshotter,
				   const struct meta_snapshot *s)
{
	struct usages *u = arg;

	(void)snapshotter;
	if (u->ns[0] && !dv_streq(u->ns, ns))
		return NULL;
	u->items[SNAPSHOTS].count++;
	u->items[SNAPSHOTS].active += s->kind != META_SNAPSHOT_COMMITTED;
	u->items[SNAPSHOTS].size += DV_MAX(s->size, 0);
	return NULL;
}

static bool has_image(const struct meta_container *containers, size_t n, const char *image)
{
	for (size_t i = 0; i < n; i++)
		if (dv_streq(containers[i].image, image))
			return true;
	return false;
}

static struct dv_err *add_namespace(struct usages *u, struct meta_tx *tx, const char *ns,
				    struct dv_arena *arena)
{
	struct meta_list brief = { .is_brief = true };
	struct meta_container *containers = NULL;
	struct meta_image *images = NULL;
	size_t n_containers = 0, n_images = 0;
	struct dv_err *e;

	e = meta_container_list(tx, ns, &brief, arena, &containers, &n_containers);
	if (!e)
		e = meta_image_list(tx, ns, NULL, arena, &images, &n_images);
	if (e)
		return e;
	u->items[CONTAINERS].count += n_containers;
	u->items[IMAGES].count += n_images;
	for (size_t i = 0; i < n_images; i++)
		u->items[IMAGES].active += has_image(containers, n_containers, images[i].name);
	return NULL;
}

static struct dv_err *add_content(struct usages *u, struct meta_tx *tx, struct dv_arena *arena)
{
	struct meta_blob *blobs = NULL;
	struct dv_err *e;
	size_t n = 0;

	if (!u->ns[0])
		return meta_blob_each(tx, add_blob, u);
	e = meta_blob_list(tx, u->ns, NULL, arena, &blobs, &n);
	for (size_t i = 0; i < n && !e; i++)
		e = add_blob(u, blobs[i].digest, blobs[i].size);
	return e;
}

static struct dv_err *measure(struct usages *u, struct meta_tx *tx, struct dv_arena *arena)
{
	struct meta_namespace *namespaces = NULL;
	struct meta_stats stats;
	struct dv_err *e;
	size_t n = 0;

	e = meta_stats(tx, &stats);
	if (!e)
		e = meta_namespace_list(tx, arena, &namespaces, &n);
	for (size_t i = 0; i < n && !e; i++)
		if (!u->ns[0] || dv_streq(u->ns, namespaces[i].name))
			e = add_namespace(u, tx, namespaces[i].name, arena);
	if (!e)
		e = add_content(u, tx, arena);
	if (!e)
		e = meta_snapshot_each(tx, NULL, add_snapshot, u);
	if (e)
		return e;
	u->items[METADATA].count = stats.namespaces;
	u->items[METADATA].size = (int64_t)stats.bytes;
	return NULL;
}

static struct dv_err *disk_usage(struct daemon_call *c, const ProtobufCMessage *msg,
				 const ProtobufCMessage **ret)
{
	static const char *const kinds[] = { "images", "containers", "snapshots", "content",
					     "metadata" };
	TYPE(DiskUsageResponse) *reply = dv_arena_new(c->arena, TYPE(DiskUsageResponse));
	struct usages *u = dv_arena_new(c->arena, struct usages);
	struct timespec now;
	struct meta_tx *tx;
	struct dv_err *e;

	u->ns = ((const TYPE(DiskUsageRequest) *)msg)->namespace_;
	davit__system__v1__disk_usage_response__init(reply);
	reply->n_usages = USAGE__N;
	reply->usages = dv_arena_new_n(c->arena, TYPE(Usage) *, USAGE__N);
	for (size_t i = 0; i < USAGE__N; i++) {
		davit__system__v1__usage__init(&u->items[i]);
		u->items[i].kind = (char *)kinds[i];
		reply->usages[i] = &u->items[i];
	}
	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, measure(u, tx, c->arena));
	if (e)
		return dv_err_wrap(e, "measure what is stored");
	clock_gettime(CLOCK_REALTIME, &now);
	reply->at = convert_time_out(&now, c->arena);
	*ret = &reply->base;
	return NULL;
}

/* ---- Prune ---- */

static struct dv_err *bytes_stored(struct daemon_call *c, int64_t *ret)
{
	struct usages *u = dv_arena_new(c->arena, struct usages);
	struct meta_tx *tx;
	struct dv_err *e;

	u->ns = "";
	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, measure(u, tx, c->arena));
	*ret = u->items[CONTENT].size + u->items[SNAPSHOTS].size;
	return e;
}

/* Deletes the images that no container of the namespace has; one transaction. */
static struct dv_err *delete_images(struct daemon_call *c, struct meta_tx *tx,
				    const TYPE(PruneRequest) * req, const struct dv_filter *filter,
				    TYPE(PruneResponse) * reply)
{
	struct meta_list brief = { .is_brief = true }, list = { .filter = filter };
	struct meta_container *containers = NULL;
	struct meta_image *images = NULL;
	size_t n_containers = 0, n_images = 0;
	struct dv_err *e;

	e = meta_container_list(tx, req->namespace_, &brief, c->arena, &containers, &n_containers);
	if (!e)
		e = meta_image_list(tx, req->namespace_, &list, c->arena, &images, &n_images);
	if (e)
		return e;
	reply->images = dv_arena_new_n(c->arena, char *, n_images + 1);
	for (size_t i = 0; i < n_images && !e; i++) {
		if (has_image(containers, n_containers, images[i].name))
			continue;
		e = meta_image_delete(tx, req->namespace_, NULL, images[i].name, NULL);
		reply->images[reply->n_images++] = (char *)images[i].name;
	}
	return e;
}

static struct dv_err *prune_images(struct daemon_call *c, const TYPE(PruneRequest) * req,
				   TYPE(PruneResponse) * reply)
{
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	struct meta_tx *tx;
	struct dv_err *e;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (e)
		return e;
	e = store_end(tx, delete_images(c, tx, req, filter, reply));
	for (size_t i = 0; i < reply->n_images && !e; i++) {
		Containerd__Services__Images__V1__ImageDelete event =
			CONTAINERD__SERVICES__IMAGES__V1__IMAGE_DELETE__INIT;

		event.name = reply->images[i];
		daemon_publish(c->d, req->namespace_, "/images/delete", &event.base);
	}
	return e;
}

static struct dv_err *prune(struct daemon_call *c, const ProtobufCMessage *msg,
			    const ProtobufCMessage **ret)
{
	const TYPE(PruneRequest) *req = (const TYPE(PruneRequest) *)msg;
	TYPE(PruneResponse) *reply = dv_arena_new(c->arena, TYPE(PruneResponse));
	int64_t before = 0, after = 0;
	struct dv_err *e;

	davit__system__v1__prune_response__init(reply);
	e = meta_id_check("namespace", req->namespace_);
	if (!e)
		e = bytes_stored(c, &before);
	if (!e && req->all_images)
		e = prune_images(c, req, reply);
	if (!e)
		e = daemon_gc_sync(c->d);
	if (!e)
		e = bytes_stored(c, &after);
	if (e)
		return dv_err_wrap(e, "prune");
	reply->reclaimed = DV_MAX(before - after, 0);
	*ret = &reply->base;
	return NULL;
}

#define SLOW	    (.lane = DAEMON_SLOW, .needs_no_ns = true)
#define SLOW_STREAM (.lane = DAEMON_SLOW, .needs_no_ns = true, .end = findings_end)

static const struct grpc_method methods[] = {
	{ .name = "Info",
	  .request = &davit__system__v1__info_request__descriptor,
	  .fn = system_info,
	  .is_read_only = true },
	DAEMON_STREAM("Check", davit__system__v1__check_request, check, SLOW_STREAM,
		      .is_read_only = true),
	DAEMON_STREAM("Repair", davit__system__v1__repair_request, repair, SLOW_STREAM),
	DAEMON_UNARY("DiskUsage", davit__system__v1__disk_usage_request, disk_usage, SLOW,
		     .is_read_only = true),
	DAEMON_UNARY("Prune", davit__system__v1__prune_request, prune, SLOW),
};

const struct grpc_service daemon_system_service = {
	.name = "davit.system.v1.System",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
