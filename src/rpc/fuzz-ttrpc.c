/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer can send: the first byte chooses the end and the size of the pieces, the rest are the
 * frames. Requests are decoded as the server does it. Memory must be back in the budget.
 */

#include "api/containerd/task.pb-c.h"
#include "pb-private.h"
#include "ttrpc-private.h"

static void request(const struct ttrpc_frame *frame)
{
	struct ttrpc_request_msg msg;
	ProtobufCMessage *create;
	struct dv_arena arena;
	struct dv_err *e;
	size_t used;

	dv_arena_init(&arena);
	e = ttrpc_request_parse(frame->payload, frame->length, &arena, &msg);
	if (!e)
		e = pb_unpack_counted(&containerd__task__v2__create_task_request__descriptor,
				      msg.payload.bytes, msg.payload.n, &arena, 1 << 20, &used,
				      &create);
	if (!e) {
		/* What was taken can be sent again. */
		struct ttrpc_chunk *chunk;

		e = ttrpc_response_chunk(1, create, &chunk);
		if (!e)
			free(chunk);
	}
	dv_err_free(e);
	dv_arena_fini(&arena);
}

static void response(const struct ttrpc_frame *frame)
{
	struct ttrpc_response_msg msg;

	dv_err_free(ttrpc_response_parse(frame->payload, frame->length, &msg));
}

static void feed(struct ttrpc_session *s, const uint8_t *p, size_t n)
{
	struct ttrpc_event ev;

	do {
		ttrpc_session_next(s, &p, &n, &ev);
		if (ev.kind == TTRPC_EVENT_REQUEST || ev.kind == TTRPC_EVENT_DATA)
			request(&ev.frame);
		else if (ev.kind == TTRPC_EVENT_RESPONSE)
			response(&ev.frame);
		else if (ev.kind == TTRPC_EVENT_REFUSE)
			free(ttrpc_status_chunk(ev.frame.stream, ev.code, ev.text));
	} while (ev.kind != TTRPC_EVENT_MORE);
	dv_assert(n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ttrpc_budget budget = { .max = 64 << 10 };
	struct ttrpc_session s = { .reader.budget = &budget };
	size_t piece;

	if (!size)
		return 0;
	s.is_client = data[0] & 1;
	piece = (data[0] >> 1) + 1U;
	for (size_t at = 1; at < size; at += piece)
		feed(&s, data + at, DV_MIN(piece, size - at));
	ttrpc_session_fini(&s);
	dv_assert(budget.used == 0);
	return 0;
}
