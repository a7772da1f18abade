/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.introspection.v1: which daemon this is, of which parts, with what runtimes. */

#include "api/containerd/introspection.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/containerd/types.pb-c.h"
#include "api/google/protobuf/any.pb-c.h"
#include "api/google/protobuf/empty.pb-c.h"
#include "base/str.h"
#include "codec/filter.h"
#include "plugins.h"
#include "rpc/pb.h"
#include "service.h"
#include "services.h"
#include "sys/file.h"
#include "tasks.h"

#define TYPE(name) Containerd__Services__Introspection__V1__##name
#define UUID_DIR   "io.containerd.grpc.v1.introspection"

enum { UUID_SIZE = 37 };

/* ---- Plugins --------------------------------------------------------------------------------- */

static void plugins(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const TYPE(PluginsRequest) *req = (const TYPE(PluginsRequest) *)msg;
	TYPE(PluginsResponse)
	reply = CONTAINERD__SERVICES__INTROSPECTION__V1__PLUGINS_RESPONSE__INIT;
	struct dv_arena *arena = grpc_call_arena(call);
	struct dv_filter *filter;
	struct plugin_list list;
	struct dv_err *e;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	plugin_list_make(arg, arena, &list);
	plugin_list_filter(&list, filter);
	dv_filter_free(filter);
	reply.plugins = list.items;
	reply.n_plugins = list.n_items;
	grpc_reply(call, &reply.base);
}

/* ---- PluginInfo -------------------------------------------------------------------------------- */

/* In the call's arena. */
struct info_call {
	struct grpc_call *call;
	TYPE(PluginInfoResponse) reply;
};

static void on_info(void *arg, struct dv_err *take_e, const void *out, size_t n)
{
	struct info_call *info = arg;
	struct dv_arena *arena = grpc_call_arena(info->call);
	Google__Protobuf__Any *extra = dv_arena_new(arena, Google__Protobuf__Any);
	ProtobufCMessage *checked;
	struct dv_err *e = take_e;

	if (!e)
		e = dv_err_wrap(pb_unpack(&containerd__types__runtime_info__descriptor, out, n,
					  arena, 0, &checked),
				"what the shim says of itself");
	if (e) {
		grpc_fail(info->call, e);
		return;
	}
	google__protobuf__any__init(extra);
	extra->type_url = (char *)"containerd.types.RuntimeInfo";
	extra->value = (ProtobufCBinaryData){ .data = (uint8_t *)out, .len = n };
	info->reply.extra = extra;
	grpc_reply(info->call, &info->reply.base);
}

static struct dv_err *ask_runtime(struct info_call *info, struct daemon *d,
				  const Google__Protobuf__Any *any)
{
	struct dv_arena *arena = grpc_call_arena(info->call);
	const Containerd__Types__RuntimeRequest *req;
	ProtobufCBinaryData options = { 0 };
	ProtobufCMessage *msg;
	const char *type = strrchr(any->type_url, '/');
	struct dv_err *e;

	if (!dv_streq(type ? type + 1 : any->type_url, "containerd.types.RuntimeRequest"))
		return dv_err_new(DV_INVALID, "options of type %s: a RuntimeRequest is wanted",
				  any->type_url);
	e = pb_unpack(&containerd__types__runtime_request__descriptor, any->value.data,
		      any->value.len, arena, 0, &msg);
	if (e)
		return e;
	req = (const Containerd__Types__RuntimeRequest *)msg;
	if (req->options)
		options = pb_pack_arena(&req->options->base, arena);
	return shim_info(d, req->runtime_path, options.data, options.len, on_info, info);
}

static void plugin_info(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const TYPE(PluginInfoRequest) *req = (const TYPE(PluginInfoRequest) *)msg;
	struct info_call *info = dv_arena_new(grpc_call_arena(call), struct info_call);
	struct plugin_list list;
	struct dv_err *e = NULL;

	info->call = call;
	containerd__services__introspection__v1__plugin_info_response__init(&info->reply);
	plugin_list_make(arg, grpc_call_arena(call), &list);
	info->reply.plugin = plugin_list_find(&list, req->type, req->id);
	if (!info->reply.plugin)
		e = dv_err_new(DV_NOT_FOUND, "plugin %s.%s not found: not found", req->type,
			       req->id);
	else if (req->options && info->reply.plugin->init_err)
		e = dv_err_new(DV_PRECONDITION, "plugin %s.%s is not there: %s", req->type, req->id,
			       info->reply.plugin->init_err->message);
	else if (req->options && !dv_streq(req->type, "io.containerd.runtime.v2"))
		e = dv_err_new(DV_UNIMPLEMENTED, "plugin %s.%s has nothing more to tell", req->type,
			       req->id);
	else if (req->options)
		e = ask_runtime(info, arg, req->options);
	if (e)
		grpc_fail(call, e);
	else if (!req->options)
		grpc_reply(call, &info->reply.base);
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
	{ .name = "PluginInfo",
	  .request = &containerd__services__introspection__v1__plugin_info_request__descriptor,
	  .fn = plugin_info },
	DAEMON_UNARY("Server", google__protobuf__empty, server, (.needs_no_ns = true),
		     .is_read_only = true),
};

const struct grpc_service daemon_introspection_service = {
	.name = "containerd.services.introspection.v1.Introspection",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
