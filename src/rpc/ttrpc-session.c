/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a connection: who may send what on which stream. The texts of the refusals are those
 * of Go's ttrpc, which peers may match. See ttrpc-private.h.
 */

#include <stdio.h>

#include "ttrpc-private.h"

static void refuse(struct ttrpc_event *ev, enum dv_code code, const char *text)
{
	ev->kind = TTRPC_EVENT_REFUSE;
	ev->code = code;
	snprintf(ev->text, sizeof(ev->text), "%s", text);
}

static void refuse_size(struct ttrpc_event *ev, enum ttrpc_read why)
{
	refuse(ev, DV_EXHAUSTED, "too many requests at a time: no memory for this one");
	if (why == TTRPC_READ_TOO_LONG)
		snprintf(ev->text, sizeof(ev->text), TTRPC_TOO_LONG_TEXT, (size_t)ev->frame.length,
			 TTRPC_PAYLOAD_MAX);
}

/* What a server makes of a frame. False: nothing, a type from the future. */
static bool serve(struct ttrpc_session *s, struct ttrpc_event *ev)
{
	if (ev->frame.stream % 2 == 0) {
		refuse(ev, DV_INVALID, "StreamID must be odd for client initiated streams");
	} else if (ev->frame.type == TTRPC_DATA) {
		ev->kind = TTRPC_EVENT_DATA;
	} else if (ev->frame.type != TTRPC_REQUEST) {
		return false;
	} else if (ev->frame.stream <= s->last_stream) {
		refuse(ev, DV_INVALID, "StreamID cannot be re-used and must increment");
	} else {
		s->last_stream = ev->frame.stream;
		ev->kind = TTRPC_EVENT_REQUEST;
	}
	return true;
}

static bool receive(struct ttrpc_event *ev)
{
	if (ev->frame.type == TTRPC_RESPONSE)
		ev->kind = TTRPC_EVENT_RESPONSE;
	else if (ev->frame.type == TTRPC_DATA)
		ev->kind = TTRPC_EVENT_DATA;
	else
		return false;
	return true;
}

void ttrpc_session_next(struct ttrpc_session *s, const uint8_t **p, size_t *n,
			struct ttrpc_event *ret)
{
	enum ttrpc_read read;
	bool is_known;

	do {
		*ret = (struct ttrpc_event){ .kind = TTRPC_EVENT_MORE };
		read = ttrpc_reader_next(&s->reader, p, n, &ret->frame);
		if (read == TTRPC_READ_MORE)
			return;
		if (read != TTRPC_READ_FRAME) {
			refuse_size(ret, read);
			return;
		}
		is_known = s->is_client ? receive(ret) : serve(s, ret);
	} while (!is_known);
}

void ttrpc_session_fini(struct ttrpc_session *s)
{
	ttrpc_reader_fini(&s->reader);
}
