/* SPDX-License-Identifier: Apache-2.0 */
/* The service of the tests. See test-grpc-service.h. */

#include "test-grpc-service.h"

#include <string.h>

static const ProtobufCMessageDescriptor *const status = &google__rpc__status__descriptor;

static void pc_unlink(struct peer_call *pc)
{
	*pc->prev = pc->next;
	if (pc->next)
		pc->next->prev = pc->prev;
	pc->peer->n_held--;
}

static void pc_cancelled(void *arg)
{
	struct peer_call *pc = arg;

	pc->peer->n_cancelled++;
	pc_unlink(pc);
	grpc_fail(pc->call, dv_err_new(DV_CANCELLED, "cancelled"));
}

static struct peer_call *pc_new(struct grpc_call *call, struct peer *p)
{
	struct peer_call *pc = dv_arena_new(grpc_call_arena(call), struct peer_call);

	p->n_requests++;
	pc->peer = p;
	pc->call = call;
	pc->next = p->held;
	pc->prev = &p->held;
	if (pc->next)
		pc->next->prev = &pc->next;
	p->held = pc;
	p->n_held++;
	grpc_call_on_cancel(call, pc_cancelled, pc);
	return pc;
}

static void pc_reply(struct peer_call *pc, const ProtobufCMessage *msg)
{
	pc_unlink(pc);
	grpc_reply(pc->call, msg);
}

static void pc_fail(struct peer_call *pc, struct dv_err *take_e)
{
	pc_unlink(pc);
	grpc_fail(pc->call, take_e);
}

static void do_echo(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	((struct peer *)arg)->n_requests++;
	grpc_reply(call, req);
}

static void do_fail(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const peer_msg *r = (const void *)req;

	((struct peer *)arg)->n_requests++;
	grpc_fail_details(call, dv_err_new((enum dv_code)r->code, "%s", r->message), r->details,
			  r->n_details);
}

static void do_hold(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)req;
	pc_new(call, arg);
}

static const char *hex_of(struct grpc_call *call, const char *key)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;
	const uint8_t *p = grpc_call_metadata_bin(call, key, &n);
	char *out = dv_arena_alloc(grpc_call_arena(call), 2 * n + 1);

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	return out;
}

static void do_meta(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const peer_msg *r = (const void *)req;
	peer_msg reply = GOOGLE__RPC__STATUS__INIT;
	const char *value = grpc_call_metadata(call, r->message);
	size_t n = strlen(r->message);

	(void)arg;
	if (value && n > 4 && strcmp(r->message + n - 4, "-bin") == 0)
		value = hex_of(call, r->message);
	reply.message = (char *)(value ? value : "(none)");
	reply.code = grpc_call_peer_pid(call);
	grpc_reply(call, &reply.base);
}

static void do_make(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const peer_msg *r = (const void *)req;
	peer_msg reply = GOOGLE__RPC__STATUS__INIT;
	size_t n = (size_t)r->code;

	((struct peer *)arg)->n_requests++;
	if (r->code < 0 || r->code > 64 << 20) {
		grpc_fail(call, dv_err_new(DV_INVALID, "%d bytes", r->code));
		return;
	}
	reply.message = dv_arena_alloc(grpc_call_arena(call), n + 1);
	memset(reply.message, 'x', n);
	grpc_reply(call, &reply.base);
}

static void do_stats(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct peer *p = arg;
	peer_msg reply = GOOGLE__RPC__STATUS__INIT;
	struct grpc_server_stats stats;

	(void)req;
	grpc_server_stats(p->server, &stats);
	reply.message = dv_arena_printf(grpc_call_arena(call), "%zu %zu %zu %zu", stats.connections,
					stats.calls, stats.memory, p->n_cancelled);
	grpc_reply(call, &reply.base);
}

/* ---- Streams ---- */

static void count_more(void *arg)
{
	struct peer_call *pc = arg;
	peer_msg m = GOOGLE__RPC__STATUS__INIT;
	struct dv_err *e = NULL;

	m.message = pc->text;
	while (!e && pc->at < pc->end && grpc_call_is_writable(pc->call)) {
		m.code = ++pc->at;
		e = grpc_send(pc->call, &m.base);
	}
	if (e)
		pc_fail(pc, e);
	else if (pc->at >= pc->end)
		pc_reply(pc, NULL);
}

static void do_count(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const peer_msg *r = (const void *)req;
	struct peer_call *pc = pc_new(call, arg);

	pc->end = r->code;
	pc->text = r->message;
	grpc_call_on_writable(call, count_more, pc);
	count_more(pc);
}

static void collect(void *arg, const ProtobufCMessage *msg)
{
	const peer_msg *r = (const void *)msg;
	struct peer_call *pc = arg;
	peer_msg reply = GOOGLE__RPC__STATUS__INIT;

	if (msg) {
		pc->n++;
		pc->n_bytes += strlen(r->message);
		grpc_call_next(pc->call);
		return;
	}
	reply.code = pc->n;
	reply.message = dv_arena_printf(grpc_call_arena(pc->call), "%zu", pc->n_bytes);
	pc_reply(pc, &reply.base);
}

static void do_collect(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)req;
	grpc_call_on_data(call, collect, pc_new(call, arg));
}

static void slow(void *arg, const ProtobufCMessage *msg)
{
	struct peer_call *pc = arg;
	peer_msg reply = GOOGLE__RPC__STATUS__INIT;

	if (msg) {
		pc->n++;
		pc->peer->n_slow++;
		return;
	}
	reply.code = pc->n;
	pc_reply(pc, &reply.base);
}

static void do_slow(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct peer_call *pc = pc_new(call, arg);

	(void)req;
	pc->end = -1;
	grpc_call_on_data(call, slow, pc);
}

static void chat(void *arg, const ProtobufCMessage *msg);

static void chat_more(void *arg)
{
	struct peer_call *pc = arg;

	grpc_call_next(pc->call);
}

static void chat(void *arg, const ProtobufCMessage *msg)
{
	struct peer_call *pc = arg;
	struct dv_err *e;

	if (!msg) {
		pc_reply(pc, NULL);
		return;
	}
	e = grpc_send(pc->call, msg);
	if (e)
		pc_fail(pc, e);
	else if (grpc_call_is_writable(pc->call))
		grpc_call_next(pc->call);
}

static void do_chat(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct peer_call *pc = pc_new(call, arg);

	(void)req;
	grpc_call_on_data(call, chat, pc);
	grpc_call_on_writable(call, chat_more, pc);
}

static const struct grpc_method methods[] = {
	{ .name = "Echo", .request = status, .fn = do_echo },
	{ .name = "Fail", .request = status, .fn = do_fail },
	{ .name = "Hold", .request = status, .fn = do_hold },
	{ .name = "Meta", .request = status, .fn = do_meta, .is_read_only = true },
	{ .name = "Make", .request = status, .fn = do_make },
	{ .name = "Stats", .request = status, .fn = do_stats, .is_read_only = true },
	{ .name = "Count", .request = status, .fn = do_count, .is_server_stream = true },
	{ .name = "Collect", .request = status, .fn = do_collect, .is_client_stream = true },
	{ .name = "Slow", .request = status, .fn = do_slow, .is_client_stream = true },
	{ .name = "Chat",
	  .request = status,
	  .fn = do_chat,
	  .is_client_stream = true,
	  .is_server_stream = true },
};

const struct grpc_service peer_service = { .name = "davit.test.Peer",
					   .methods = methods,
					   .n_methods = DV_ARRAY_SIZE(methods) };

void peer_release(struct peer *p)
{
	while (p->held) {
		struct peer_call *pc = p->held;

		if (pc->call)
			pc_fail(pc, dv_err_new(DV_ABORTED, "released"));
	}
}

void peer_next(struct peer *p)
{
	struct peer_call *next;

	for (struct peer_call *pc = p->held; pc; pc = next) {
		next = pc->next;
		if (pc->end == -1)
			grpc_call_next(pc->call);
	}
}
