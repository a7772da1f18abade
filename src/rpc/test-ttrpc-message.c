/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc's two messages, by hand, against what protoc-c makes of the schema. */

#include "api/containerd/task.pb-c.h"
#include "api/ttrpc/ttrpc.pb-c.h"
#include "base/test.h"
#include "rpc/pb.h"
#include "ttrpc-private.h"

static struct dv_arena arena;

static void init(void)
{
	dv_arena_init(&arena);
}

static void fini(void)
{
	dv_arena_fini(&arena);
}

TestSuite(ttrpc_message, .init = init, .fini = fini);

static bool slice_is(const struct ttrpc_slice *s, const char *text)
{
	return s->n == strlen(text) && (!s->n || memcmp(s->bytes, text, s->n) == 0);
}

static const struct ttrpc_metadata metadata[] = { { "ns", "default" }, { "", "" }, { "k", "" } };

static ProtobufCMessage *generated(const ProtobufCMessageDescriptor *type,
				   const struct ttrpc_chunk *c)
{
	ProtobufCMessage *msg = NULL;

	T_NULL(pb_unpack(type, c->data + TTRPC_HEADER, c->n - TTRPC_HEADER, &arena, 0, &msg));
	T_NOT_NULL((void *)msg);
	return msg;
}

Test(ttrpc_message, request)
{
	Containerd__Task__V2__StateRequest state = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_request r = { .service = "a.B",
				   .method = "C",
				   .msg = &state.base,
				   .timeout_ns = 5000000000,
				   .metadata = metadata,
				   .n_metadata = DV_ARRAY_SIZE(metadata) };
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;
	struct ttrpc_request_msg msg;
	const Ttrpc__Request *g;

	state.id = (char *)"c1";
	T_NULL(ttrpc_request_chunk(&r, TTRPC_REMOTE_CLOSED, &c));
	T_INT(c->data[8], ==, TTRPC_REQUEST);
	T_INT(c->data[9], ==, TTRPC_REMOTE_CLOSED);
	g = (const void *)generated(&ttrpc__request__descriptor, c);
	T_STR(g->service, "a.B");
	T_STR(g->method, "C");
	T_INT(g->payload.len, ==, 4);
	T_INT(g->timeout_nano, ==, 5000000000);
	T_INT(g->n_metadata, ==, 3);
	T_STR(g->metadata[0]->value, "default");
	T_STR(g->metadata[2]->key, "k");
	/* Byte for byte what protobuf-c writes. */
	T_INT(protobuf_c_message_get_packed_size(&g->base), ==, c->n - TTRPC_HEADER);

	T_NULL(ttrpc_request_parse(c->data + TTRPC_HEADER, c->n - TTRPC_HEADER, &arena, &msg));
	T_TRUE(slice_is(&msg.service, "a.B"));
	T_TRUE(slice_is(&msg.method, "C"));
	T_TRUE(slice_is(&msg.payload, "\x0a\x02"
				      "c1"));
	T_TRUE(msg.has_payload);
	T_INT(msg.timeout_ns, ==, 5000000000);
	T_STR(msg.metadata->key, "ns");
	T_STR(msg.metadata->next->value, "");
	T_STR(msg.metadata->next->next->key, "k");
	T_NULL(msg.metadata->next->next->next);
}

Test(ttrpc_message, empty_request)
{
	struct ttrpc_request r = { .service = "", .method = "" };
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;
	struct ttrpc_request_msg msg;

	T_NULL(ttrpc_request_chunk(&r, 0, &c));
	T_INT(c->n, ==, TTRPC_HEADER);
	T_NULL(ttrpc_request_parse(NULL, 0, &arena, &msg));
	T_FALSE(msg.has_payload);
	T_INT(msg.service.n, ==, 0);
	T_NULL(msg.metadata);
}

Test(ttrpc_message, response)
{
	Containerd__Task__V2__StateRequest state = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;
	struct ttrpc_response_msg msg;
	const Ttrpc__Response *g;

	state.id = (char *)"c1";
	T_NULL(ttrpc_response_chunk(9, &state.base, &c));
	g = (const void *)generated(&ttrpc__response__descriptor, c);
	T_NULL(g->status);
	T_INT(g->payload.len, ==, 4);
	T_NULL(ttrpc_response_parse(c->data + TTRPC_HEADER, c->n - TTRPC_HEADER, &msg));
	T_INT(msg.code, ==, 0);
	T_INT(msg.payload.n, ==, 4);
}

Test(ttrpc_message, empty_response)
{
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;

	T_NULL(ttrpc_response_chunk(9, NULL, &c));
	T_INT(memcmp(c->data, "\0\0\0\0\0\0\0\x09\2\0", 10), ==, 0);
	T_INT(c->n, ==, 10);
}

static const struct {
	const char *text, *want;
} statuses[] = {
	{ "", "" },
	{ "container c1: not found", "container c1: not found" },
	{ "path /\xff/x", "path /?/x" }, /* Go takes no response that is not UTF-8 */
};

Test(ttrpc_message, status)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(statuses); i++) {
		DV_CLEANUP(dv_freep)
		struct ttrpc_chunk *c = ttrpc_status_chunk(3, DV_NOT_FOUND, statuses[i].text);
		const Ttrpc__Response *g = (const void *)generated(&ttrpc__response__descriptor, c);
		struct ttrpc_response_msg msg;

		T_INT(g->status->code, ==, DV_NOT_FOUND);
		T_STR(g->status->message, statuses[i].want);
		T_NULL(ttrpc_response_parse(c->data + TTRPC_HEADER, c->n - TTRPC_HEADER, &msg));
		T_INT(msg.code, ==, DV_NOT_FOUND);
		T_TRUE(slice_is(&msg.message, statuses[i].want));
	}
}

Test(ttrpc_message, long_status_is_cut)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(100001);
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;
	const Ttrpc__Response *g;

	for (size_t i = 0; i < 100000; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[0] = 'x';
	c = ttrpc_status_chunk(3, DV_INTERNAL, text + 1);
	g = (const void *)generated(&ttrpc__response__descriptor, c);
	T_INT(strlen(g->status->message), ==, 16384);
}

Test(ttrpc_message, data)
{
	Containerd__Task__V2__StateRequest state = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = NULL;

	state.id = (char *)"c1";
	T_NULL(ttrpc_data_chunk(5, &state.base, &c));
	T_INT(c->data[8], ==, TTRPC_DATA);
	T_INT(c->n, ==, 14);
}

Test(ttrpc_message, too_long)
{
	Containerd__Task__V2__StateRequest state = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_request r = { .service = "a", .method = "b", .msg = &state.base };
	struct ttrpc_chunk *c = NULL;
	struct dv_err *errors[3];

	state.id = dv_alloc(TTRPC_PAYLOAD_MAX + 1);
	memset(state.id, 'x', TTRPC_PAYLOAD_MAX);
	errors[0] = ttrpc_request_chunk(&r, 0, &c);
	errors[1] = ttrpc_response_chunk(1, &state.base, &c);
	errors[2] = ttrpc_data_chunk(1, &state.base, &c);
	for (size_t i = 0; i < DV_ARRAY_SIZE(errors); i++) {
		T_NOT_NULL(errors[i]);
		T_INT(dv_err_code(errors[i]), ==, DV_EXHAUSTED);
		dv_err_free(errors[i]);
	}
	T_NULL(c);
	free(state.id);
}

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static const struct {
	const uint8_t *bytes;
	size_t n;
	const char *message;
} bad_requests[] = {
	{ BYTES("\x0a\x03x"), "request: malformed or cut off" },
	{ BYTES("\x0a\x01\xff"), "request: field 1: not UTF-8 text" },
	{ BYTES("\x12\x01\0"), "request: field 2: not UTF-8 text" },
	{ BYTES("\x2a\x02\x0a\x05"), "request: metadata: malformed or cut off" },
	{ BYTES("\x2a\x03\x12\x01\xc0"), "request: metadata: field 2: not UTF-8 text" },
};

Test(ttrpc_message, bad_requests)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad_requests); i++) {
		struct ttrpc_request_msg msg;
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e =
			ttrpc_request_parse(bad_requests[i].bytes, bad_requests[i].n, &arena, &msg);

		T_NOT_NULL(e);
		T_INT(dv_err_code(e), ==, DV_INVALID);
		T_STR(dv_err_message(e), bad_requests[i].message);
	}
}

Test(ttrpc_message, bad_responses)
{
	static const char *const bad[] = { "\x0a\x05\x08", "\x12\x01", "\x0a\x02\x12\x05" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		struct ttrpc_response_msg msg;
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e =
			ttrpc_response_parse((const uint8_t *)bad[i], strlen(bad[i]), &msg);

		T_NOT_NULL(e);
		T_INT(dv_err_code(e), ==, DV_INVALID);
	}
}

/* Unknown fields, known ones of another type: for later versions. */
Test(ttrpc_message, fields_of_the_future)
{
	struct ttrpc_request_msg msg;

	T_NULL(ttrpc_request_parse(BYTES("\x08\x01\x32\x01y\x12\x01m"), &arena, &msg));
	T_TRUE(slice_is(&msg.method, "m"));
	T_INT(msg.service.n, ==, 0);
}

Test(ttrpc_message, metadata_has_limits)
{
	enum { N = TTRPC_METADATA_MAX + 1 };
	uint8_t bytes[2 * N];
	DV_CLEANUP(dv_freep) uint8_t *large = dv_alloc(TTRPC_METADATA_BYTES_MAX + 32);
	struct ttrpc_request_msg msg;
	struct dv_err *e;
	uint8_t *p;

	for (size_t i = 0; i < N; i++)
		memcpy(bytes + 2 * i, "\x2a\x00", 2);
	T_NULL(ttrpc_request_parse(bytes, sizeof(bytes) - 2, &arena, &msg));
	e = ttrpc_request_parse(bytes, sizeof(bytes), &arena, &msg);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	dv_err_free(e);

	p = large; /* one pair, zeros: its size is looked at first */
	*p++ = 0x2a;
	*p++ = 0x81;
	*p++ = 0x80;
	*p++ = 0x04;
	e = ttrpc_request_parse(large, 4 + TTRPC_METADATA_BYTES_MAX + 1, &arena, &msg);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	dv_err_free(e);
}
