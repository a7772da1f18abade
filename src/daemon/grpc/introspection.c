/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.introspection.v1. Parts that containerd calls plugins are listed by its types and
 * ids, since clients look for them: which snapshotters there are, and what they can do.
 */

#include "api/containerd/introspection.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/google/protobuf/empty.pb-c.h"
#include "base/str.h"
#include "codec/filter.h"
#include "convert.h"
#include "service.h"
#include "services.h"
#include "store/snapshot.h"
#include "sys/file.h"

#define TYPE(name) Containerd__Services__Introspection__V1__##name
#define UUID_DIR   "io.containerd.grpc.v1.introspection"

typedef TYPE(Plugin) Plugin;

enum { UUID_SIZE = 37, PLUGINS_MAX = 64 };

/* ---- Plugins --------------------------------------------------------------------------------- */

static const struct {
	const char *type, *id;
} parts[] = {
	{ "io.containerd.content.v1", "content" },    { "io.containerd.event.v1", "exchange" },
	{ "io.containerd.gc.v1", "scheduler" },	      { "io.containerd.grpc.v1", "containers" },
	{ "io.containerd.grpc.v1", "content" },	      { "io.containerd.grpc.v1", "events" },
	{ "io.containerd.grpc.v1", "healthcheck" },   { "io.containerd.grpc.v1", "images" },
	{ "io.containerd.grpc.v1", "introspection" }, { "io.containerd.grpc.v1", "leases" },
	{ "io.containerd.grpc.v1", "namespaces" },    { "io.containerd.grpc.v1", "snapshots" },
	{ "io.containerd.grpc.v1", "tasks" },	      { "io.containerd.grpc.v1", "version" },
	{ "io.containerd.metadata.v1", "sqlite" },    { "io.containerd.runtime.v2", "task" },
};

static const char *architecture(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },
						{ "aarch64", "arm64" },
						{ "i686", "386" } };
	static struct utsname name;

	if (uname(&name) < 0)
		return "";
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (dv_streq(name.machine, names[i][0]))
			return names[i][1];
	}
	return name.machine;
}

static const char *plugin_field(const void *object, const struct dv_filter_path *path)
{
	const Plugin *plugin = object;

	if (path->n_parts != 1)
		return NULL;
	if (dv_streq(path->parts[0], "type"))
		return plugin->type;
	return dv_streq(path->parts[0], "id") ? plugin->id : NULL;
}

struct listing {
	struct dv_arena *arena;
	struct dv_filter *filter;
	Plugin *items[PLUGINS_MAX];
	size_t n_items;
};

static Plugin *plugin_new(struct listing *l, const char *type, const char *id)
{
	Plugin *plugin = dv_arena_new(l->arena, Plugin);

	containerd__services__introspection__v1__plugin__init(plugin);
	plugin->type = (char *)type;
	plugin->id = (char *)id;
	return plugin;
}

static void list_add(struct listing *l, Plugin *plugin)
{
	if (l->n_items < PLUGINS_MAX && dv_filter_match(l->filter, plugin_field, plugin))
		l->items[l->n_items++] = plugin;
}

static void add_platform(struct listing *l, Plugin *plugin)
{
	plugin->platforms = dv_arena_new(l->arena, Containerd__Types__Platform *);
	plugin->platforms[0] = dv_arena_new(l->arena, Containerd__Types__Platform);
	containerd__types__platform__init(plugin->platforms[0]);
	plugin->platforms[0]->os = (char *)"linux";
	plugin->platforms[0]->architecture = (char *)architecture();
	plugin->n_platforms = 1;
}

static void add_problem(struct listing *l, Plugin *plugin, const char *problem)
{
	plugin->init_err = dv_arena_new(l->arena, Google__Rpc__Status);
	google__rpc__status__init(plugin->init_err);
	plugin->init_err->code = DV_UNKNOWN;
	/* As containerd marks a part that is left out on this machine. */
	plugin->init_err->message = dv_arena_printf(l->arena, "%s: skip plugin", problem);
}

static void list_driver(struct listing *l, const struct snapshot_driver_info *info)
{
	Plugin *plugin = plugin_new(l, "io.containerd.snapshotter.v1", info->name);

	add_platform(l, plugin);
	if (info->root) {
		struct meta_label root = { "root", info->root };
		struct meta_labels exports = { &root, 1 };

		CONVERT_LABELS_OUT(plugin, exports, &exports, l->arena);
	}
	while (info->capabilities && info->capabilities[plugin->n_capabilities])
		plugin->n_capabilities++;
	plugin->capabilities = (char **)info->capabilities;
	if (info->problem)
		add_problem(l, plugin, info->problem);
	list_add(l, plugin);
}

static void plugins(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const TYPE(PluginsRequest) *req = (const TYPE(PluginsRequest) *)msg;
	TYPE(PluginsResponse)
	reply = CONTAINERD__SERVICES__INTROSPECTION__V1__PLUGINS_RESPONSE__INIT;
	struct listing l = { .arena = grpc_call_arena(call) };
	struct snapshot_driver_info info;
	struct daemon *d = arg;
	struct dv_err *e;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &l.filter);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(parts); i++) {
		Plugin *plugin = plugin_new(&l, parts[i].type, parts[i].id);

		if (dv_streq(parts[i].type, "io.containerd.runtime.v2"))
			add_platform(&l, plugin);
		list_add(&l, plugin);
	}
	for (size_t i = 0; snapshots_driver_info(d->snapshots, i, &info); i++)
		list_driver(&l, &info);
	dv_filter_free(l.filter);
	reply.plugins = l.items;
	reply.n_plugins = l.n_items;
	grpc_reply(call, &reply.base);
}

/* ---- Server ---------------------------------------------------------------------------------- */

static void make_uuid(char ret[UUID_SIZE])
{
	uint8_t b[16];

	dv_assert(getrandom(b, sizeof(b), 0) == (ssize_t)sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 of RFC 9562 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret, UUID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

/* The one on record; a new one goes on record. */
static struct dv_err *get_uuid(const char *root, char ret[UUID_SIZE])
{
	DV_CLEANUP(dv_freep) char *dir = dv_printf("%s/%s", root, UUID_DIR);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/uuid", dir);
	DV_CLEANUP(dv_freep) char *temporary = dv_printf("%s/.uuid-%d", dir, (int)gettid());
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	if (sys_read_file_at(AT_FDCWD, path, ret, UUID_SIZE) == UUID_SIZE - 1)
		return NULL;
	r = sys_mkdirat(AT_FDCWD, dir, 0711);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make directory %s", dir);
	make_uuid(ret);
	fd = sys_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, ret, UUID_SIZE - 1);
	if (r >= 0)
		r = sys_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
	return r < 0 ? dv_err_sys(r, "write %s", path) : NULL;
}

static struct dv_err *server(struct daemon_call *c, const ProtobufCMessage *req,
			     const ProtobufCMessage **ret)
{
	TYPE(ServerResponse) *reply = dv_arena_new(c->arena, TYPE(ServerResponse));
	struct stat st;
	struct dv_err *e;

	(void)req;
	containerd__services__introspection__v1__server_response__init(reply);
	reply->uuid = dv_arena_alloc(c->arena, UUID_SIZE);
	e = get_uuid(c->d->config->root, reply->uuid);
	if (e)
		return e;
	reply->pid = (uint64_t)getpid();
	if (sys_fstatat(AT_FDCWD, "/proc/self/ns/pid", &st, 0) == 0)
		reply->pidns = st.st_ino;
	*ret = &reply->base;
	return NULL;
}

static const struct grpc_method methods[] = {
	{ .name = "Plugins",
	  .request = &containerd__services__introspection__v1__plugins_request__descriptor,
	  .fn = plugins,
	  .is_read_only = true },
	DAEMON_UNARY("Server", google__protobuf__empty, server, (.needs_no_ns = true),
		     .is_read_only = true),
};

const struct grpc_service daemon_introspection_service = {
	.name = "containerd.services.introspection.v1.Introspection",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
