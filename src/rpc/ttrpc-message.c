/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc's Request and Response (api/ttrpc/ttrpc.proto), by hand: the payload is up to 4 MiB, and
 * this way it is copied neither when it comes nor when it goes. See ttrpc-private.h.
 */

#include <string.h>

#include "ttrpc-private.h"
#include "wire-private.h"

/* Field numbers. */
enum { REQ_SERVICE = 1, REQ_METHOD, REQ_PAYLOAD, REQ_TIMEOUT, REQ_METADATA };
enum { RESP_STATUS = 1, RESP_PAYLOAD };
enum { STATUS_CODE = 1, STATUS_MESSAGE };
enum { PAIR_KEY = 1, PAIR_VALUE };

enum { STATUS_MESSAGE_MAX = 16 << 10 };

/* ---- In ---- */

static struct dv_err *malformed(const char *what)
{
	return dv_err_new(DV_INVALID, "%s: malformed or cut off", what);
}

static struct dv_err *get_text(const struct wire_field *f, struct ttrpc_slice *ret)
{
	if (!wire_is_text(f->bytes, f->n))
		return dv_err_new(DV_INVALID, "field %u: not UTF-8 text", f->number);
	*ret = (struct ttrpc_slice){ f->bytes, f->n };
	return NULL;
}

static struct dv_err *parse_pair(const struct wire_field *from, struct dv_arena *arena,
				 struct ttrpc_pair **ret)
{
	struct wire_reader r = { .p = from->bytes, .end = from->bytes + from->n };
	struct ttrpc_slice key = { 0 }, value = { 0 };
	struct wire_field f;
	enum wire_next next;
	struct dv_err *e = NULL;

	while (!e && (next = wire_next(&r, &f)) == WIRE_FIELD) {
		if (f.number == PAIR_KEY && f.type == WIRE_BYTES)
			e = get_text(&f, &key);
		else if (f.number == PAIR_VALUE && f.type == WIRE_BYTES)
			e = get_text(&f, &value);
	}
	if (e)
		return dv_err_wrap(e, "metadata");
	if (next == WIRE_BROKEN)
		return malformed("metadata");
	*ret = dv_arena_new(arena, struct ttrpc_pair);
	(*ret)->key = key.n ? dv_arena_strndup(arena, (const char *)key.bytes, key.n) : "";
	(*ret)->value = value.n ? dv_arena_strndup(arena, (const char *)value.bytes, value.n) : "";
	return NULL;
}

/* Where the next pair goes, and what there is already. */
struct pairs {
	struct ttrpc_pair **end;
	size_t n, bytes;
};

static struct dv_err *add_pair(struct pairs *pairs, const struct wire_field *f,
			       struct dv_arena *arena)
{
	struct dv_err *e;

	pairs->n++;
	pairs->bytes += f->n;
	if (pairs->n > TTRPC_METADATA_MAX || pairs->bytes > TTRPC_METADATA_BYTES_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d pairs or %d bytes of metadata",
				  TTRPC_METADATA_MAX, TTRPC_METADATA_BYTES_MAX);
	e = parse_pair(f, arena, pairs->end);
	if (e)
		return e;
	pairs->end = &(*pairs->end)->next;
	return NULL;
}

static struct dv_err *request_field(struct ttrpc_request_msg *msg, const struct wire_field *f,
				    struct pairs *pairs, struct dv_arena *arena)
{
	if (f->number == REQ_TIMEOUT && f->type == WIRE_VARINT)
		msg->timeout_ns = (int64_t)f->value;
	if (f->type != WIRE_BYTES)
		return NULL;
	switch (f->number) {
	case REQ_SERVICE:
		return get_text(f, &msg->service);
	case REQ_METHOD:
		return get_text(f, &msg->method);
	case REQ_PAYLOAD:
		msg->payload = (struct ttrpc_slice){ f->bytes, f->n };
		msg->has_payload = true;
		return NULL;
	case REQ_METADATA:
		return add_pair(pairs, f, arena);
	default:
		return NULL;
	}
}

struct dv_err *ttrpc_request_parse(const uint8_t *bytes, size_t n, struct dv_arena *arena,
				   struct ttrpc_request_msg *ret)
{
	struct ttrpc_request_msg msg = { 0 };
	struct pairs pairs = { .end = &msg.metadata };
	struct wire_reader r = { .p = bytes, .end = bytes + n };
	struct wire_field f;
	enum wire_next next;
	struct dv_err *e = NULL;

	while (!e && (next = wire_next(&r, &f)) == WIRE_FIELD)
		e = request_field(&msg, &f, &pairs, arena);
	if (e)
		return dv_err_wrap(e, "request");
	if (next == WIRE_BROKEN)
		return malformed("request");
	*ret = msg;
	return NULL;
}

static struct dv_err *parse_status(const struct wire_field *from, struct ttrpc_response_msg *msg)
{
	struct wire_reader r = { .p = from->bytes, .end = from->bytes + from->n };
	struct wire_field f;
	enum wire_next next;

	while ((next = wire_next(&r, &f)) == WIRE_FIELD) {
		if (f.number == STATUS_CODE && f.type == WIRE_VARINT)
			msg->code = (uint32_t)f.value;
		else if (f.number == STATUS_MESSAGE && f.type == WIRE_BYTES)
			msg->message = (struct ttrpc_slice){ f.bytes, f.n };
	}
	return next == WIRE_BROKEN ? malformed("status") : NULL;
}

struct dv_err *ttrpc_response_parse(const uint8_t *bytes, size_t n, struct ttrpc_response_msg *ret)
{
	struct ttrpc_response_msg msg = { 0 };
	struct wire_reader r = { .p = bytes, .end = bytes + n };
	struct wire_field f;
	enum wire_next next;
	struct dv_err *e = NULL;

	while (!e && (next = wire_next(&r, &f)) == WIRE_FIELD) {
		if (f.number == RESP_STATUS && f.type == WIRE_BYTES)
			e = parse_status(&f, &msg);
		else if (f.number == RESP_PAYLOAD && f.type == WIRE_BYTES)
			msg.payload = (struct ttrpc_slice){ f.bytes, f.n };
	}
	if (e)
		return dv_err_wrap(e, "response");
	if (next == WIRE_BROKEN)
		return malformed("response");
	*ret = msg;
	return NULL;
}

/* ---- Out ---- */

static struct dv_err *check_length(size_t n)
{
	if (n > TTRPC_PAYLOAD_MAX)
		return dv_err_new(DV_EXHAUSTED, TTRPC_TOO_LONG_TEXT, n, TTRPC_PAYLOAD_MAX);
	return NULL;
}

static size_t packed_size(const ProtobufCMessage *msg)
{
	return msg ? protobuf_c_message_get_packed_size(msg) : 0;
}

/* A field that holds the message; nothing when that is empty. */
static uint8_t *put_message(uint8_t *p, uint32_t number, const ProtobufCMessage *msg, size_t n)
{
	if (!n)
		return p;
	p = wire_put_bytes_head(p, number, n);
	return p + protobuf_c_message_pack(msg, p);
}

static size_t pair_size(const struct ttrpc_metadata *m)
{
	return wire_bytes_size(strlen(m->key)) + wire_bytes_size(strlen(m->value));
}

static size_t request_size(const struct ttrpc_request *r, size_t payload)
{
	size_t n = wire_bytes_size(strlen(r->service)) + wire_bytes_size(strlen(r->method)) +
		   wire_bytes_size(payload);

	if (r->timeout_ns)
		n += 1 + wire_varint_size(r->timeout_ns);
	/* An empty pair is a pair. */
	for (size_t i = 0; i < r->n_metadata; i++)
		n += 1 + wire_varint_size(pair_size(&r->metadata[i])) + pair_size(&r->metadata[i]);
	return n;
}

struct dv_err *ttrpc_request_chunk(const struct ttrpc_request *r, uint8_t flags,
				   struct ttrpc_chunk **ret)
{
	size_t payload = packed_size(r->msg), n = request_size(r, payload);
	struct dv_err *e = check_length(n);
	struct ttrpc_chunk *c;
	uint8_t *p;

	if (e)
		return e;
	c = ttrpc_chunk_new(0, TTRPC_REQUEST, flags, n);
	p = c->data + TTRPC_HEADER;
	p = wire_put_bytes(p, REQ_SERVICE, r->service, strlen(r->service));
	p = wire_put_bytes(p, REQ_METHOD, r->method, strlen(r->method));
	p = put_message(p, REQ_PAYLOAD, r->msg, payload);
	if (r->timeout_ns)
		p = wire_put_varint(wire_put_tag(p, REQ_TIMEOUT, WIRE_VARINT), r->timeout_ns);
	for (size_t i = 0; i < r->n_metadata; i++) {
		const struct ttrpc_metadata *m = &r->metadata[i];

		p = wire_put_varint(wire_put_tag(p, REQ_METADATA, WIRE_BYTES), pair_size(m));
		p = wire_put_bytes(p, PAIR_KEY, m->key, strlen(m->key));
		p = wire_put_bytes(p, PAIR_VALUE, m->value, strlen(m->value));
	}
	dv_assert(p == c->data + c->n);
	*ret = c;
	return NULL;
}

struct dv_err *ttrpc_response_chunk(uint32_t stream, const ProtobufCMessage *msg,
				    struct ttrpc_chunk **ret)
{
	size_t payload = packed_size(msg), n = wire_bytes_size(payload);
	struct dv_err *e = check_length(n);
	struct ttrpc_chunk *c;

	if (e)
		return e;
	c = ttrpc_chunk_new(stream, TTRPC_RESPONSE, 0, n);
	put_message(c->data + TTRPC_HEADER, RESP_PAYLOAD, msg, payload);
	*ret = c;
	return NULL;
}

struct dv_err *ttrpc_data_chunk(uint32_t stream, const ProtobufCMessage *msg,
				struct ttrpc_chunk **ret)
{
	size_t n = packed_size(msg);
	struct dv_err *e = check_length(n);
	struct ttrpc_chunk *c;

	if (e)
		return e;
	c = ttrpc_chunk_new(stream, TTRPC_DATA, 0, n);
	if (n)
		protobuf_c_message_pack(msg, c->data + TTRPC_HEADER);
	*ret = c;
	return NULL;
}

struct ttrpc_chunk *ttrpc_status_chunk(uint32_t stream, enum dv_code code, const char *message)
{
	size_t n_message = strnlen(message, STATUS_MESSAGE_MAX);
	size_t n_status = 1 + wire_varint_size(code) + wire_bytes_size(n_message);
	struct ttrpc_chunk *c =
		ttrpc_chunk_new(stream, TTRPC_RESPONSE, 0, wire_bytes_size(n_status));
	uint8_t *p = c->data + TTRPC_HEADER;

	p = wire_put_bytes_head(p, RESP_STATUS, n_status);
	p = wire_put_varint(wire_put_tag(p, STATUS_CODE, WIRE_VARINT), code);
	p = wire_put_bytes(p, STATUS_MESSAGE, message, n_message);
	dv_assert(p == c->data + c->n);
	/* Go refuses the whole response when a message quotes a path that is not UTF-8. */
	wire_make_text(p - n_message, n_message);
	return c;
}
