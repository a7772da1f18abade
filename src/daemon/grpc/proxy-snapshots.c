/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshotter that is another process. See proxy.h. */

#include "proxy.h"

#include <stdio.h>

#include "api/containerd/snapshots.pb-c.h"
#include "api/google/protobuf/empty.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "daemon-private.h"
#include "rpc/grpc-sync.h"
#include "store/snapshot-driver.h"

#define MINUTE	   UINT64_C(60000000000)
#define SERVICE	   "containerd.services.snapshots.v1.Snapshots"
#define TYPE(name) containerd__services__snapshots__v1__##name

struct proxy {
	struct snapshot_driver base;
	struct grpc_sync sync;
	char *name, *address;
};

enum { KEY_SIZE = 40 };

static struct proxy *self(struct snapshot_driver *d)
{
	return dv_container_of(d, struct proxy, base);
}

static char *key_of(int64_t id, bool is_committed, char buf[KEY_SIZE])
{
	snprintf(buf, KEY_SIZE, "davit-%lld%s", (long long)id, is_committed ? "" : "-active");
	return buf;
}

static char *node_key(const struct snapshot_node *node, char buf[KEY_SIZE])
{
	return key_of(node->id, node->kind == META_SNAPSHOT_COMMITTED, buf);
}

static struct grpc_request request(const char *method, const ProtobufCMessage *msg,
				   const ProtobufCMessageDescriptor *reply)
{
	static const struct grpc_metadata ns = { "containerd-namespace", "davit" };

	return (struct grpc_request){ .service = SERVICE,
				      .method = method,
				      .msg = msg,
				      .reply = reply,
				      .timeout_ns = 10 * MINUTE,
				      .metadata = &ns,
				      .n_metadata = 1 };
}

static struct dv_err *call(struct proxy *p, const char *method, const ProtobufCMessage *msg,
			   const ProtobufCMessageDescriptor *reply, struct dv_arena *arena,
			   const ProtobufCMessage **ret)
{
	struct grpc_request r = request(method, msg, reply);
	struct dv_err *e = grpc_sync_call(&p->sync, &r, arena, ret);

	return dv_err_wrap(e, "snapshotter %s", p->name);
}

/* An error of this code is none. */
static struct dv_err *forgive(struct dv_err *take_e, enum dv_code code, bool *ret_was_so)
{
	*ret_was_so = take_e && dv_err_code(take_e) == code;
	return *ret_was_so ? dv_err_free(take_e) : take_e;
}

/*
 * Not supported yet: a snapshotter that has the layer already and commits it under the name that
 * this label has. Without the label it does what others do.
 */
static struct meta_labels without_ref(const struct meta_labels *labels, struct dv_arena *arena)
{
	struct meta_label *items = dv_arena_new_n(arena, struct meta_label, labels->n_items + 1);
	size_t n = 0;

	for (size_t i = 0; i < labels->n_items; i++)
		if (!dv_streq(labels->items[i].key, "containerd.io/snapshot.ref"))
			items[n++] = labels->items[i];
	return (struct meta_labels){ .items = items, .n_items = n };
}

static struct dv_err *create(struct snapshot_driver *d, const struct snapshot_node *node)
{
	Containerd__Services__Snapshots__V1__PrepareSnapshotRequest prepare =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__PREPARE_SNAPSHOT_REQUEST__INIT;
	Containerd__Services__Snapshots__V1__ViewSnapshotRequest view =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__VIEW_SNAPSHOT_REQUEST__INIT;
	const ProtobufCMessageDescriptor *reply = &TYPE(prepare_snapshot_response__descriptor);
	char key[KEY_SIZE], parent[KEY_SIZE] = "";
	struct proxy *p = self(d);
	struct meta_labels labels;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	labels = without_ref(&node->labels, &arena);
	if (node->n_parents)
		key_of(node->parents[0].id, true, parent);
	view.snapshotter = prepare.snapshotter = p->name;
	view.key = prepare.key = key_of(node->id, false, key);
	view.parent = prepare.parent = parent;
	CONVERT_LABELS_OUT(&prepare, labels, &labels, &arena);
	CONVERT_LABELS_OUT(&view, labels, &labels, &arena);
	if (node->kind == META_SNAPSHOT_VIEW)
		e = call(p, "View", &view.base, reply, &arena, NULL); /* the replies are alike */
	else
		e = call(p, "Prepare", &prepare.base, reply, &arena, NULL);
	dv_arena_fini(&arena);
	return e;
}

static struct dv_err *mounts(struct snapshot_driver *d, const struct snapshot_node *node,
			     struct dv_arena *arena, struct snapshot_mounts *ret)
{
	Containerd__Services__Snapshots__V1__MountsRequest msg =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__MountsResponse *m;
	const ProtobufCMessage *reply;
	struct proxy *p = self(d);
	char key[KEY_SIZE];
	struct dv_err *e;

	msg.snapshotter = p->name;
	msg.key = key_of(node->id, false, key);
	e = call(p, "Mounts", &msg.base, &TYPE(mounts_response__descriptor), arena, &reply);
	if (e)
		return e;
	m = (const void *)reply;
	*ret = convert_mounts_in(m->mounts, m->n_mounts, arena);
	return NULL;
}

static struct dv_err *usage_of(struct proxy *p, char *key, struct snapshot_usage *ret)
{
	Containerd__Services__Snapshots__V1__UsageRequest msg =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__UsageResponse *u;
	const ProtobufCMessage *reply;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	msg.snapshotter = p->name;
	msg.key = key;
	e = call(p, "Usage", &msg.base, &TYPE(usage_response__descriptor), &arena, &reply);
	if (!e) {
		u = (const void *)reply;
		*ret = (struct snapshot_usage){ .size = u->size, .inodes = u->inodes };
	}
	dv_arena_fini(&arena);
	return e;
}

static struct dv_err *usage(struct snapshot_driver *d, const struct snapshot_node *node,
			    struct snapshot_usage *ret)
{
	char key[KEY_SIZE];

	return usage_of(self(d), node_key(node, key), ret);
}

static struct dv_err *commit(struct snapshot_driver *d, const struct snapshot_node *node,
			     struct snapshot_usage *ret)
{
	Containerd__Services__Snapshots__V1__CommitSnapshotRequest msg =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__COMMIT_SNAPSHOT_REQUEST__INIT;
	char key[KEY_SIZE], name[KEY_SIZE];
	struct proxy *p = self(d);
	struct dv_arena arena;
	struct dv_err *e;
	bool is_gone;

	dv_arena_init(&arena);
	msg.snapshotter = p->name;
	msg.key = key_of(node->id, false, key);
	msg.name = key_of(node->id, true, name);
	CONVERT_LABELS_OUT(&msg, labels, &node->labels, &arena);
	/* Not there: a commit before this one, that we did not live to write down. */
	e = forgive(
		call(p, "Commit", &msg.base, &google__protobuf__empty__descriptor, &arena, NULL),
		DV_NOT_FOUND, &is_gone);
	dv_arena_fini(&arena);
	return e ? e : usage_of(p, name, ret);
}

static struct dv_err *remove_key(struct proxy *p, char *key, bool *ret_was_gone)
{
	Containerd__Services__Snapshots__V1__RemoveSnapshotRequest msg =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;

	msg.snapshotter = p->name;
	msg.key = key;
	return forgive(call(p, "Remove", &msg.base, NULL, NULL, NULL), DV_NOT_FOUND, ret_was_gone);
}

static struct dv_err *remove_id(struct snapshot_driver *d, int64_t id)
{
	char key[KEY_SIZE];
	bool was_gone;
	struct dv_err *e;

	e = remove_key(self(d), key_of(id, true, key), &was_gone);
	if (!e && was_gone)
		e = remove_key(self(d), key_of(id, false, key), &was_gone);
	return e;
}

/* "davit-12" or "davit-12-active"; false: not ours. */
static bool parse_key(const char *key, int64_t *ret)
{
	const char *text = dv_starts_with(key, "davit-") ? key + strlen("davit-") : "";
	DV_CLEANUP(dv_freep) char *digits = dv_strndup(text, strcspn(text, "-"));
	uint64_t id;

	if (!dv_parse_u64(digits, &id) || id > INT64_MAX)
		return false;
	if (text[strlen(digits)] && !dv_streq(text + strlen(digits), "-active"))
		return false;
	*ret = (int64_t)id;
	return true;
}

static void each_of(const ProtobufCMessage *msg, snapshot_id_fn fn, void *arg)
{
	const Containerd__Services__Snapshots__V1__ListSnapshotsResponse *list = (const void *)msg;
	int64_t id;

	for (size_t i = 0; i < list->n_info; i++) {
		if (parse_key(list->info[i]->name, &id))
			fn(arg, id);
	}
}

static struct dv_err *each(struct snapshot_driver *d, snapshot_id_fn fn, void *arg)
{
	DV_CLEANUP(grpc_sync_closep) struct grpc_sync_stream *st = NULL;
	Containerd__Services__Snapshots__V1__ListSnapshotsRequest msg =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__LIST_SNAPSHOTS_REQUEST__INIT;
	const ProtobufCMessage *reply = NULL;
	struct proxy *p = self(d);
	struct grpc_request r =
		request("List", &msg.base, &TYPE(list_snapshots_response__descriptor));
	struct dv_err *e;

	msg.snapshotter = p->name;
	e = grpc_sync_open(&p->sync, &r, false, &st);
	while (!e && !(e = grpc_sync_receive(st, &reply)) && reply)
		each_of(reply, fn, arg);
	return dv_err_wrap(e, "snapshotter %s", p->name);
}

static void free_driver(struct snapshot_driver *d)
{
	struct proxy *p = self(d);

	grpc_client_free(p->sync.client);
	free(p->name);
	free(p->address);
	free(p);
}

static const struct snapshot_driver_ops proxy_ops = {
	.create = create,
	.mounts = mounts,
	.usage = usage,
	.commit = commit,
	.remove = remove_id,
	.each = each,
	.free = free_driver,
};

struct snapshot_driver *proxy_snapshotter_new(struct daemon *d, const char *name,
					      const char *address)
{
	struct grpc_client_opts opts = { .loop = d->loop, .path = address };
	struct proxy *p = dv_new(struct proxy);

	p->name = dv_strdup(name);
	p->address = dv_strdup(address);
	p->base.ops = &proxy_ops;
	p->base.info = (struct snapshot_driver_info){ .name = p->name };
	p->sync = (struct grpc_sync){ .client = grpc_client_new(&opts), .pool = d->fast };
	return &p->base;
}
