/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "publish": what shims without a TTRPC_ADDRESS run to tell an event. Standard input is an encoded
 * google.protobuf.Any. The options are containerd's.
 */

#include <stddef.h>
#include <unistd.h>
#include <uv.h>

#include "api/containerd/events-grpc.pb-c.h"
#include "api/google/protobuf/any.pb-c.h"
#include "base/mem.h"
#include "cli.h"
#include "rpc/grpc.h"
#include "rpc/pb.h"
#include "sys/file.h"

enum { EVENT_MAX = 1 << 20 };
#define TIMEOUT_NS 5000000000ULL

struct publish_opts {
	const char *topic, *ns;
};

#define FIELD(name) offsetof(struct publish_opts, name)

static const struct dv_opt options[] = {
	{ .name = "namespace",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(ns),
	  .arg = "name",
	  .help = "namespace of the event" },
	{ .name = "topic",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(topic),
	  .arg = "topic",
	  .help = "topic of the event, such as /tasks/exit" },
	DV_OPT_END,
};

struct result {
	uv_loop_t loop;
	struct dv_err *e;
};

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct result *result = arg;

	(void)reply;
	result->e = take_e;
	uv_stop(&result->loop);
}

static struct dv_err *send_event(const struct cli *cli, const struct publish_opts *opts,
				 Google__Protobuf__Any *any)
{
	Containerd__Services__Events__V1__PublishRequest msg =
		CONTAINERD__SERVICES__EVENTS__V1__PUBLISH_REQUEST__INIT;
	struct grpc_metadata ns = { "containerd-namespace", opts->ns };
	struct grpc_request req = { .service = "containerd.services.events.v1.Events",
				    .method = "Publish",
				    .msg = &msg.base,
				    .timeout_ns = TIMEOUT_NS,
				    .metadata = &ns,
				    .n_metadata = 1 };
	struct grpc_client_opts client_opts = { .path = cli->config.address };
	struct result result = {};
	struct grpc_client *client;

	if (uv_loop_init(&result.loop) < 0)
		return dv_err_new(DV_INTERNAL, "make an event loop");
	client_opts.loop = &result.loop;
	client = grpc_client_new(&client_opts);
	msg.topic = (char *)opts->topic;
	msg.event = any;
	(void)grpc_client_call(client, &req, on_result, &result);
	uv_run(&result.loop, UV_RUN_DEFAULT);
	grpc_client_free(client);
	uv_run(&result.loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&result.loop);
	return result.e;
}

static struct dv_err *run(void *program, const void *verb_opts, char **args, int *ret_status)
{
	const struct publish_opts *opts = verb_opts;
	DV_CLEANUP(dv_freep) char *bytes = dv_alloc(EVENT_MAX);
	ProtobufCMessage *msg;
	struct dv_arena arena;
	struct dv_err *e;
	ssize_t n;

	(void)args;
	(void)ret_status;
	if (!opts->topic || !opts->ns)
		return dv_err_new(DV_INVALID, "publish needs --topic and --namespace");
	e = cli_configure(program);
	if (e)
		return e;
	n = sys_read_all(STDIN_FILENO, bytes, EVENT_MAX);
	if (n < 0)
		return dv_err_sys((int)n, "read the event from standard input");
	dv_arena_init(&arena);
	e = pb_unpack(&google__protobuf__any__descriptor, bytes, (size_t)n, &arena, 0, &msg);
	if (!e)
		e = send_event(program, opts, (Google__Protobuf__Any *)msg);
	dv_arena_fini(&arena);
	return dv_err_wrap(e, "publish an event of topic %s", opts->topic);
}

const struct dv_opt_verb davitd_verb_publish = {
	.name = "publish",
	.args = "",
	.summary = "hand an event of a shim to the daemon; for shims",
	.opts = options,
	.opts_size = sizeof(struct publish_opts),
	.stop_after = -1,
	.run = run,
};
