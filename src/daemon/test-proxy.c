/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshotter behind a socket: a table instead of trees, on the loop of the test. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/containerd/snapshots.pb-c.h"
#include "api/google/protobuf/empty.pb-c.h"
#include "base/test.h"
#include "daemon-private.h"
#include "proxy.h"
#include "store/snapshot-driver.h"
#include "sys/sock.h"

#define REQ(type, msg) ((const Containerd__Services__Snapshots__V1__##type *)(msg))

static uv_loop_t loop;
static struct daemon d;
static struct snapshot_driver *driver;
static char dir[] = "/tmp/davit-proxy-XXXXXX";
static char path[64];
static bool is_closed;

/* ---- The plugin ---- */

static struct row {
	char key[64], parent[64], label[64];
} rows[16];

static struct row *find(const char *key)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

static struct row *need(struct grpc_call *call, const char *key)
{
	struct row *row = key[0] ? find(key) : NULL;

	T_STR(grpc_call_metadata(call, "containerd-namespace"), "davit");
	if (!row)
		grpc_fail(call, dv_err_new(DV_NOT_FOUND, "snapshot %s does not exist", key));
	return row;
}

static void do_prepare(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Services__Snapshots__V1__PrepareSnapshotRequest *r =
		REQ(PrepareSnapshotRequest, msg);
	struct row *row = find("");

	(void)arg;
	T_STR(r->snapshotter, "remote");
	if (r->parent[0] && !need(call, r->parent))
		return;
	snprintf(row->key, sizeof(row->key), "%s", r->key);
	snprintf(row->parent, sizeof(row->parent), "%s", r->parent);
	if (r->n_labels)
		snprintf(row->label, sizeof(row->label), "%s=%s", r->labels[0]->key,
			 r->labels[0]->value);
	grpc_reply(call, NULL);
}

static void do_mounts(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	Containerd__Services__Snapshots__V1__MountsResponse reply =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_RESPONSE__INIT;
	Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT, *mounts = &mount;
	char *options[] = { (char *)"rbind", (char *)"rw" };

	(void)arg;
	if (!need(call, REQ(MountsRequest, msg)->key))
		return;
	mount.type = (char *)"bind";
	mount.source = REQ(MountsRequest, msg)->key;
	mount.n_options = 2;
	mount.options = options;
	reply.n_mounts = 1;
	reply.mounts = &mounts;
	grpc_reply(call, &reply.base);
}

static void do_commit(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct row *row = need(call, REQ(CommitSnapshotRequest, msg)->key);

	(void)arg;
	if (!row)
		return;
	snprintf(row->key, sizeof(row->key), "%s", REQ(CommitSnapshotRequest, msg)->name);
	grpc_reply(call, NULL);
}

static void do_remove(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct row *row = need(call, REQ(RemoveSnapshotRequest, msg)->key);

	(void)arg;
	if (!row)
		return;
	row->key[0] = '\0';
	grpc_reply(call, NULL);
}

static void do_usage(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	Containerd__Services__Snapshots__V1__UsageResponse reply =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_RESPONSE__INIT;

	(void)arg;
	if (!need(call, REQ(UsageRequest, msg)->key))
		return;
	reply.size = 4096;
	reply.inodes = 7;
	grpc_reply(call, &reply.base);
}

static void do_list(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	(void)msg;
	(void)arg;
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		Containerd__Services__Snapshots__V1__ListSnapshotsResponse reply =
			CONTAINERD__SERVICES__SNAPSHOTS__V1__LIST_SNAPSHOTS_RESPONSE__INIT;
		Containerd__Services__Snapshots__V1__Info
			info = CONTAINERD__SERVICES__SNAPSHOTS__V1__INFO__INIT,
			*infos = &info;

		info.name = rows[i].key;
		reply.n_info = 1;
		reply.info = &infos;
		if (rows[i].key[0])
			T_NULL(grpc_send(call, &reply.base));
	}
	grpc_reply(call, NULL);
}

#define TYPE(name) &containerd__services__snapshots__v1__##name##__descriptor

static const struct grpc_method methods[] = {
	{ .name = "Prepare", .request = TYPE(prepare_snapshot_request), .fn = do_prepare },
	{ .name = "View", .request = TYPE(prepare_snapshot_request), .fn = do_prepare },
	{ .name = "Mounts", .request = TYPE(mounts_request), .fn = do_mounts },
	{ .name = "Commit", .request = TYPE(commit_snapshot_request), .fn = do_commit },
	{ .name = "Remove", .request = TYPE(remove_snapshot_request), .fn = do_remove },
	{ .name = "Usage", .request = TYPE(usage_request), .fn = do_usage },
	{ .name = "List",
	  .request = TYPE(list_snapshots_request),
	  .fn = do_list,
	  .is_server_stream = true },
};

static const struct grpc_service service = {
	.name = "containerd.services.snapshots.v1.Snapshots",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};

/* ---- Ours ---- */

static void server_closed(void *arg)
{
	(void)arg;
	is_closed = true;
}

static void listen_now(void)
{
	struct grpc_listen_opts l = { .take_fd = sys_unix_socket() };

	cr_assert(sys_unix_bind(l.take_fd, path, 0600) == 0);
	cr_assert(sys_listen(l.take_fd, 16) == 0);
	T_NULL(grpc_server_listen(d.server, &l));
}

static void setup(void)
{
	struct grpc_server_opts opts = { .loop = &loop };
	struct io_work_pool_opts pool = { .loop = &loop, .name = "test", .max_threads = 4 };

	uv_loop_init(&loop);
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	d.loop = &loop;
	T_NULL(io_work_pool_new(&pool, &d.fast));
	T_NULL(grpc_server_new(&opts, &d.server));
	grpc_server_add(d.server, &service, NULL);
	driver = proxy_snapshotter_new(&d, "remote", path);
}

static void teardown(void)
{
	uint64_t end = uv_hrtime() + UINT64_C(10000000000);

	driver->ops->free(driver);
	grpc_server_close(d.server, 0, server_closed, NULL);
	while (!is_closed && uv_hrtime() < end)
		uv_run(&loop, UV_RUN_NOWAIT);
	d.fast = io_work_pool_free(d.fast);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	unlink(path);
	rmdir(dir);
}

TestSuite(proxy, .init = setup, .fini = teardown);

static bool is_done;

static void done(void *arg)
{
	(void)arg;
	is_done = true;
}

static void tick(uv_timer_t *timer)
{
	(void)timer;
}

static void on_worker(io_work_fn fn)
{
	uint64_t end = uv_hrtime() + UINT64_C(10000000000);
	static uv_timer_t ticker; /* a loop with nothing to wait for does not run */

	uv_timer_init(&loop, &ticker);
	uv_timer_start(&ticker, tick, 1, 1);
	io_work_submit(d.fast, fn, done, NULL);
	while (!is_done) {
		uv_run(&loop, UV_RUN_NOWAIT);
		cr_assert(uv_hrtime() < end);
	}
	uv_close((uv_handle_t *)&ticker, NULL);
}

static void note_id(void *arg, int64_t id)
{
	*(int64_t *)arg += id;
}

static void life_of_two(void *arg)
{
	struct meta_label label = { "containerd.io/snapshot/x", "y" };
	struct meta_snapshot parent = { .id = 3 };
	struct snapshot_node base = { .id = 3,
				      .kind = META_SNAPSHOT_ACTIVE,
				      .labels = { .items = &label, .n_items = 1 } };
	struct snapshot_node child = {
		.id = 12, .kind = META_SNAPSHOT_VIEW, .parents = &parent, .n_parents = 1
	};
	struct snapshot_usage usage = { 0 };
	struct snapshot_mounts mounts = { 0 };
	struct dv_arena arena;
	int64_t sum = 0;

	(void)arg;
	dv_arena_init(&arena);
	T_NULL(driver->ops->create(driver, &base));
	T_NOT_NULL(find("davit-3-active"));
	T_STR(find("davit-3-active")->label, "containerd.io/snapshot/x=y");
	T_NULL(driver->ops->commit(driver, &base, &usage));
	T_INT(usage.size, ==, 4096);
	T_INT(usage.inodes, ==, 7);
	T_NULL(driver->ops->commit(driver, &base, &usage)); /* after a crash */
	base.kind = META_SNAPSHOT_COMMITTED;
	T_NULL(driver->ops->usage(driver, &base, &usage));
	T_NULL(driver->ops->create(driver, &child));
	T_STR(find("davit-12-active")->parent, "davit-3");
	T_NULL(driver->ops->mounts(driver, &child, &arena, &mounts));
	T_INT(mounts.n_items, ==, 1);
	T_STR(mounts.items[0].type, "bind");
	T_STR(mounts.items[0].source, "davit-12-active");
	T_STR(mounts.items[0].options[1], "rw");
	snprintf(rows[9].key, sizeof(rows[9].key), "somebody-else-5");
	T_NULL(driver->ops->each(driver, note_id, &sum));
	T_INT(sum, ==, 15);
	T_NULL(driver->ops->remove(driver, 12));
	T_NULL(driver->ops->remove(driver, 3));
	T_NULL(driver->ops->remove(driver, 3)); /* is gone */
	T_NULL(find("davit-3"));
	T_NULL(find("davit-12-active"));
	dv_arena_fini(&arena);
}

Test(proxy, life_of_two)
{
	listen_now();
	on_worker(life_of_two);
}

static void ask_nobody(void *arg)
{
	struct snapshot_node node = { .id = 1, .kind = META_SNAPSHOT_ACTIVE };
	DV_CLEANUP(dv_err_freep) struct dv_err *e = driver->ops->create(driver, &node);

	(void)arg;
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_UNAVAILABLE);
	T_TRUE(strncmp(dv_err_message(e), "snapshotter remote: connect to ", 31) == 0);
}

Test(proxy, nobody_there)
{
	on_worker(ask_nobody);
}
