/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.introspection.v1: which daemon this is, of which parts, with what runtimes. */

#include "api/containerd/introspection.pb-c.h"

#include <fcntl.h>
#include <string.h>
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
#include "uuid.h"

#define TYPE(name) Containerd__Services__Introspection__V1__##name

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

static struct dv_err *server(struct daemon_call *c, const ProtobufCMessage *req,
			     const ProtobufCMessage **ret)
{
	TYPE(ServerResponse) *reply = dv_arena_new(c->arena, TYPE(ServerResponse));
	struct stat st;
	struct dv_err *e;

	(void)req;
	containerd__services__introspection__v1__server_response__init(reply);
	reply->uuid = dv_arena_alloc(c->arena, DAEMON_UUID_SIZE);
	e = daemon_uuid(c->d->config->root, reply->uuid);
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
