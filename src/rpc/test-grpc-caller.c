/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests/e2e: our client as a program, for servers that others wrote.
 *
 *	grpc-caller SOCKET METHOD KIND CODE MESSAGE [TIMES [TIMEOUT-MS [CANCEL-MS]]]
 *
 * KIND: unary, out (the server's stream), in (the client's), both. TIMES: messages of a client's
 * stream, else calls at the same time. Prints, for each call, "CODE MESSAGES LAST-CODE TEXT": the
 * error's code or 0, how many messages came, the code of the last, and its text or the error's
 * (over 200 bytes: its length alone), and " (N details)" if the error came with some.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/pb.h"
#include "test-grpc-service.h"

struct caller {
	struct grpc_stream *st;
	size_t n_messages, n_text, n_details;
	int32_t last;
	char text[201];
	int left; /* to send */
	const char *message;
};

static int n_running;

static void note(struct caller *c, const char *text)
{
	c->n_text = strlen(text);
	snprintf(c->text, sizeof(c->text), "%.200s", text);
}

static void got(struct caller *c, const ProtobufCMessage *msg)
{
	const peer_msg *m = (const void *)msg;

	c->n_messages++;
	c->last = m->code;
	note(c, m->message);
}

static void on_data(void *arg, const ProtobufCMessage *msg)
{
	struct caller *c = arg;

	got(c, msg);
	grpc_stream_next(c->st);
}

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct caller *c = arg;

	c->st = NULL;
	n_running--;
	if (reply)
		got(c, reply);
	if (take_e)
		note(c, dv_err_message(take_e));
	printf("%d %zu %d ", take_e ? (int)dv_err_code(take_e) : 0, c->n_messages, c->last);
	if (c->n_text > 200)
		printf("%zu", c->n_text);
	else
		printf("%s", c->text);
	if (c->n_details)
		printf(" (%zu details)", c->n_details);
	printf("\n");
	dv_err_free(take_e);
}

static void on_details(void *arg, const void *p, size_t n)
{
	struct caller *c = arg;
	ProtobufCMessage *msg;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = pb_unpack(&google__rpc__status__descriptor, p, n, &arena, 0, &msg);
	if (!e)
		c->n_details = ((const peer_msg *)msg)->n_details;
	dv_err_free(e);
	dv_arena_fini(&arena);
}

static void on_writable(void *arg)
{
	struct caller *c = arg;
	peer_msg m = GOOGLE__RPC__STATUS__INIT;

	m.message = (char *)c->message;
	while (c->left > 0 && grpc_stream_is_writable(c->st)) {
		struct dv_err *e = grpc_stream_send(c->st, &m.base);

		if (e) {
			dv_err_free(e);
			return; /* the result says more */
		}
		if (--c->left == 0)
			grpc_stream_end(c->st);
	}
}

static uv_timer_t timer;
static struct caller *callers;
static int n_callers;

static void cancel(uv_timer_t *t)
{
	(void)t;
	for (int i = 0; i < n_callers; i++) {
		if (callers[i].st)
			grpc_stream_cancel(callers[i].st);
	}
}

/* "@1000": a text of so many bytes. */
static char *make_text(const char *arg)
{
	size_t n = arg[0] == '@' ? strtoul(arg + 1, NULL, 10) : 0;
	char *text;

	if (arg[0] != '@')
		return dv_strdup(arg);
	text = dv_alloc(n + 1);
	memset(text, 'x', n);
	return text;
}

static int argument(int argc, char **argv, int i, int preset)
{
	return argc > i ? (int)strtol(argv[i], NULL, 10) : preset;
}

int main(int argc, char **argv)
{
	static const struct grpc_metadata metadata[] = { { .key = "x-test", .value = "value" },
							 { "x-test-bin", "\0\1\377", 3 } };
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	uv_loop_t *loop = uv_default_loop();
	struct grpc_client_opts copts = { .loop = loop };
	struct grpc_stream_opts o = {
		.data = on_data, .result = on_result, .writable = on_writable, .details = on_details
	};
	struct grpc_client *client;
	int times, cancel_ms;

	if (argc < 6)
		return 2;
	times = argument(argc, argv, 6, 1);
	cancel_ms = argument(argc, argv, 8, 0);
	copts.path = argv[1];
	client = grpc_client_new(&copts);
	msg.code = argument(argc, argv, 4, 0);
	msg.message = make_text(argv[5]);
	o.request =
		(struct grpc_request){ .service = "davit.test.Peer",
				       .method = argv[2],
				       .msg = &msg.base,
				       .reply = &google__rpc__status__descriptor,
				       .timeout_ns = (uint64_t)argument(argc, argv, 7, 0) * 1000000,
				       .metadata = metadata,
				       .n_metadata = DV_ARRAY_SIZE(metadata) };
	o.is_server_stream = strcmp(argv[3], "out") == 0 || strcmp(argv[3], "both") == 0;
	o.is_client_stream = strcmp(argv[3], "in") == 0 || strcmp(argv[3], "both") == 0;
	n_callers = o.is_client_stream ? 1 : times;
	callers = calloc((size_t)n_callers, sizeof(*callers));
	for (int i = 0; i < n_callers; i++) {
		struct caller *c = &callers[i];

		o.arg = c;
		n_running++;
		if (o.is_client_stream) {
			o.request.msg = NULL;
			c->left = times;
			c->message = msg.message;
		}
		c->st = grpc_client_stream(client, &o);
		if (o.is_client_stream)
			on_writable(c);
	}
	uv_timer_init(loop, &timer);
	if (cancel_ms)
		uv_timer_start(&timer, cancel, (uint64_t)cancel_ms, 0);
	while (n_running)
		uv_run(loop, UV_RUN_ONCE);
	grpc_client_free(client);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	free(msg.message);
	free(callers);
	return uv_loop_close(loop) == 0 ? 0 : 1;
}
