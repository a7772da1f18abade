/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.snapshots.v1. What walks trees is slow work; Prepare is not, so that a
 * container starts while images are being unpacked, although native copies a tree there.
 */

#include "store/snapshot.h"

#include <stdlib.h>

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/snapshots.pb-c.h"
#include "convert.h"
#include "service.h"
#include "services.h"

enum { LIST_CHUNK = 100 };

typedef Containerd__Services__Snapshots__V1__Info Info;

#define REQ(type, msg) ((const Containerd__Services__Snapshots__V1__##type *)(msg))
#define REPLY(type, reply) \
	Containerd__Services__Snapshots__V1__##type *reply = \
		dv_arena_new(c->arena, Containerd__Services__Snapshots__V1__##type)

/* The kinds have the same numbers everywhere. */
_Static_assert((int)META_SNAPSHOT_VIEW == CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__VIEW &&
		       (int)META_SNAPSHOT_ACTIVE ==
			       CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__ACTIVE &&
		       (int)META_SNAPSHOT_COMMITTED ==
			       CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__COMMITTED,
	       "kinds of snapshots");

static struct snapshot_at at(const struct daemon_call *c, const char *snapshotter)
{
	return (struct snapshot_at){ .ns = c->ns, .snapshotter = snapshotter, .lease = c->lease };
}

static Info *info_out(const struct meta_snapshot *from, struct dv_arena *arena)
{
	Info *info = dv_arena_new(arena, Info);

	containerd__services__snapshots__v1__info__init(info);
	info->name = (char *)from->key;
	info->parent = (char *)from->parent;
	info->kind = (Containerd__Services__Snapshots__V1__Kind)from->kind;
	info->created_at = convert_time_out(&from->created_at, arena);
	info->updated_at = convert_time_out(&from->updated_at, arena);
	CONVERT_LABELS_OUT(info, labels, &from->labels, arena);
	return info;
}

static struct dv_err *prepare_call(struct daemon_call *c, const ProtobufCMessage *msg,
				   const ProtobufCMessage **ret_reply)
{
	Containerd__Events__SnapshotPrepare event = CONTAINERD__EVENTS__SNAPSHOT_PREPARE__INIT;
	const Containerd__Services__Snapshots__V1__PrepareSnapshotRequest *req =
		REQ(PrepareSnapshotRequest, msg);
	struct snapshot_at where = at(c, req->snapshotter);
	struct snapshot_new new = {
		.key = req->key,
		.parent = req->parent,
		.labels = convert_labels_in(req->labels, req->n_labels, c->arena),
	};
	REPLY(PrepareSnapshotResponse, reply);
	struct snapshot_mounts mounts;
	struct dv_err *e;

	e = snapshot_prepare(c->d->snapshots, &where, &new, c->arena, &mounts);
	if (e)
		return e;
	event.key = req->key;
	event.parent = req->parent;
	event.snapshotter = req->snapshotter;
	daemon_publish(c->d, c->ns, "/snapshot/prepare", &event.base);
	containerd__services__snapshots__v1__prepare_snapshot_response__init(reply);
	reply->n_mounts = mounts.n_items;
	reply->mounts = convert_mounts_out(&mounts, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *view_call(struct daemon_call *c, const ProtobufCMessage *msg,
				const ProtobufCMessage **ret_reply)
{
	const Containerd__Services__Snapshots__V1__ViewSnapshotRequest *req =
		REQ(ViewSnapshotRequest, msg);
	struct snapshot_at where = at(c, req->snapshotter);
	struct snapshot_new new = {
		.key = req->key,
		.parent = req->parent,
		.is_view = true,
		.labels = convert_labels_in(req->labels, req->n_labels, c->arena),
	};
	REPLY(ViewSnapshotResponse, reply);
	struct snapshot_mounts mounts;
	struct dv_err *e;

	e = snapshot_prepare(c->d->snapshots, &where, &new, c->arena, &mounts);
	if (e)
		return e;
	containerd__services__snapshots__v1__view_snapshot_response__init(reply);
	reply->n_mounts = mounts.n_items;
	reply->mounts = convert_mounts_out(&mounts, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *mounts_call(struct daemon_call *c, const ProtobufCMessage *msg,
				  const ProtobufCMessage **ret_reply)
{
	struct snapshot_at where = at(c, REQ(MountsRequest, msg)->snapshotter);
	REPLY(MountsResponse, reply);
	struct snapshot_mounts mounts;
	struct dv_err *e;

	e = snapshot_mounts(c->d->snapshots, &where, REQ(MountsRequest, msg)->key, c->arena,
			    &mounts);
	if (e)
		return e;
	containerd__services__snapshots__v1__mounts_response__init(reply);
	reply->n_mounts = mounts.n_items;
	reply->mounts = convert_mounts_out(&mounts, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *commit_call(struct daemon_call *c, const ProtobufCMessage *msg,
				  const ProtobufCMessage **ret_reply)
{
	Containerd__Events__SnapshotCommit event = CONTAINERD__EVENTS__SNAPSHOT_COMMIT__INIT;
	const Containerd__Services__Snapshots__V1__CommitSnapshotRequest *req =
		REQ(CommitSnapshotRequest, msg);
	struct snapshot_at where = at(c, req->snapshotter);
	struct snapshot_commit cm = {
		.name = req->name,
		.key = req->key,
		.parent = req->parent,
		.labels = convert_labels_in(req->labels, req->n_labels, c->arena),
	};
	struct dv_err *e;

	(void)ret_reply;
	e = snapshot_commit(c->d->snapshots, &where, &cm);
	if (e)
		return e;
	event.key = req->key;
	event.name = req->name;
	event.snapshotter = req->snapshotter;
	daemon_publish(c->d, c->ns, "/snapshot/commit", &event.base);
	return NULL;
}

static struct dv_err *remove_call(struct daemon_call *c, const ProtobufCMessage *msg,
				  const ProtobufCMessage **ret_reply)
{
	Containerd__Events__SnapshotRemove event = CONTAINERD__EVENTS__SNAPSHOT_REMOVE__INIT;
	const Containerd__Services__Snapshots__V1__RemoveSnapshotRequest *req =
		REQ(RemoveSnapshotRequest, msg);
	struct snapshot_at where = at(c, req->snapshotter);
	struct dv_err *e;

	(void)ret_reply;
	e = snapshot_remove(c->d->snapshots, &where, req->key);
	if (e)
		return e;
	event.key = req->key;
	event.snapshotter = req->snapshotter;
	daemon_publish(c->d, c->ns, "/snapshot/remove", &event.base);
	daemon_gc_kick(c->d);
	return NULL;
}

static struct dv_err *stat_call(struct daemon_call *c, const ProtobufCMessage *msg,
				const ProtobufCMessage **ret_reply)
{
	struct snapshot_at where = at(c, REQ(StatSnapshotRequest, msg)->snapshotter);
	REPLY(StatSnapshotResponse, reply);
	struct meta_snapshot row;
	struct dv_err *e;

	e = snapshot_stat(c->d->snapshots, &where, REQ(StatSnapshotRequest, msg)->key, c->arena,
			  &row);
	if (e)
		return e;
	containerd__services__snapshots__v1__stat_snapshot_response__init(reply);
	reply->info = info_out(&row, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *update_call(struct daemon_call *c, const ProtobufCMessage *msg,
				  const ProtobufCMessage **ret_reply)
{
	const Info *info = REQ(UpdateSnapshotRequest, msg)->info;
	struct snapshot_at where = at(c, REQ(UpdateSnapshotRequest, msg)->snapshotter);
	struct dv_mask mask = convert_mask_in(REQ(UpdateSnapshotRequest, msg)->update_mask);
	struct meta_snapshot given = { 0 }, row;
	REPLY(UpdateSnapshotResponse, reply);
	struct dv_err *e;

	if (!info || !*info->name)
		return dv_err_new(DV_INVALID, "info.name must be given: invalid argument");
	given.key = info->name;
	given.labels = convert_labels_in(info->labels, info->n_labels, c->arena);
	e = snapshot_update(c->d->snapshots, &where, &given, &mask, c->arena, &row);
	if (e)
		return e;
	containerd__services__snapshots__v1__update_snapshot_response__init(reply);
	reply->info = info_out(&row, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *usage_call(struct daemon_call *c, const ProtobufCMessage *msg,
				 const ProtobufCMessage **ret_reply)
{
	struct snapshot_at where = at(c, REQ(UsageRequest, msg)->snapshotter);
	REPLY(UsageResponse, reply);
	struct snapshot_usage usage;
	struct dv_err *e;

	e = snapshot_usage(c->d->snapshots, &where, REQ(UsageRequest, msg)->key, &usage);
	if (e)
		return e;
	containerd__services__snapshots__v1__usage_response__init(reply);
	reply->size = usage.size;
	reply->inodes = usage.inodes;
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *cleanup_call(struct daemon_call *c, const ProtobufCMessage *msg,
				   const ProtobufCMessage **ret_reply)
{
	(void)ret_reply;
	return snapshots_cleanup(c->d->snapshots, REQ(CleanupRequest, msg)->snapshotter);
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
	const Containerd__Services__Snapshots__V1__ListSnapshotsRequest *req =
		REQ(ListSnapshotsRequest, msg);
	Containerd__Services__Snapshots__V1__ListSnapshotsResponse *reply;
	struct snapshot_at where = at(c, req->snapshotter);
	struct meta_list list = { .limit = LIST_CHUNK };
	struct listing *l = *io_state;
	struct meta_snapshot *rows;
	struct dv_err *e;
	size_t n;

	if (!l) {
		*io_state = l = dv_new(struct listing);
		e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &l->filter);
		if (e)
			return e;
	}
	list.filter = l->filter;
	list.after = l->after;
	e = snapshot_list(c->d->snapshots, &where, &list, next->arena, &rows, &n);
	if (e)
		return e;
	next->is_last = n < LIST_CHUNK;
	if (n == 0)
		return NULL;
	reply = dv_arena_new(next->arena,
			     Containerd__Services__Snapshots__V1__ListSnapshotsResponse);
	containerd__services__snapshots__v1__list_snapshots_response__init(reply);
	reply->n_info = n;
	reply->info = dv_arena_new_n(next->arena, Info *, n);
	for (size_t i = 0; i < n; i++)
		reply->info[i] = info_out(&rows[i], next->arena);
	free(l->after);
	l->after = dv_strdup(rows[n - 1].key);
	next->msg = &reply->base;
	return NULL;
}

#define UNARY(name, type, fn, lane_, ...) \
	DAEMON_UNARY(name, containerd__services__snapshots__v1__##type, fn, (.lane = lane_), \
		     __VA_ARGS__)

static const struct grpc_method methods[] = {
	UNARY("Prepare", prepare_snapshot_request, prepare_call, DAEMON_FAST),
	UNARY("View", view_snapshot_request, view_call, DAEMON_FAST),
	UNARY("Mounts", mounts_request, mounts_call, DAEMON_FAST, .is_read_only = true),
	UNARY("Commit", commit_snapshot_request, commit_call, DAEMON_SLOW),
	UNARY("Remove", remove_snapshot_request, remove_call, DAEMON_FAST),
	UNARY("Stat", stat_snapshot_request, stat_call, DAEMON_FAST, .is_read_only = true),
	UNARY("Update", update_snapshot_request, update_call, DAEMON_FAST),
	DAEMON_STREAM("List", containerd__services__snapshots__v1__list_snapshots_request,
		      list_next, (.end = list_end, .lane = DAEMON_FAST), .is_read_only = true),
	UNARY("Usage", usage_request, usage_call, DAEMON_SLOW, .is_read_only = true),
	UNARY("Cleanup", cleanup_request, cleanup_call, DAEMON_SLOW),
};

const struct grpc_service daemon_snapshots_service = {
	.name = "containerd.services.snapshots.v1.Snapshots",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
