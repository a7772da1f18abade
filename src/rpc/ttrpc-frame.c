/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc's frames: a header of ten bytes (length and stream, big endian, type, flags) and the
 * payload. See ttrpc-private.h.
 */

#include <arpa/inet.h>
#include <string.h>

#include "ttrpc-private.h"

enum { BODY_MIN = 4096 };

bool ttrpc_budget_take(struct ttrpc_budget *b, size_t n)
{
	if (n > b->max - DV_MIN(b->used, b->max))
		return false;
	b->used += n;
	return true;
}

void ttrpc_budget_give(struct ttrpc_budget *b, size_t n)
{
	dv_assert(n <= b->used);
	b->used -= n;
}

static uint32_t get_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, sizeof(v));
}

static void release_body(struct ttrpc_reader *r)
{
	ttrpc_budget_give(r->budget, r->body_size);
	free(r->body);
	r->body = NULL;
	r->n_body = r->body_size = 0;
	r->is_handed_out = false;
}

static size_t skip(struct ttrpc_reader *r, const uint8_t **p, size_t *n)
{
	size_t some = DV_MIN(*n, r->n_skip);

	*p += some;
	*n -= some;
	r->n_skip -= some;
	return r->n_skip;
}

/* True when the header is whole. */
static bool read_head(struct ttrpc_reader *r, const uint8_t **p, size_t *n)
{
	size_t some = DV_MIN(*n, sizeof(r->head) - r->n_head);

	if (some) /* nothing may come as NULL */
		memcpy(r->head + r->n_head, *p, some);
	r->n_head += some;
	*p += some;
	*n -= some;
	if (r->n_head < sizeof(r->head))
		return false;
	r->frame = (struct ttrpc_frame){ .length = get_u32(r->head),
					 .stream = get_u32(r->head + 4),
					 .type = r->head[8],
					 .flags = r->head[9] };
	return true;
}

/* Makes room for @some more bytes. */
static bool grow(struct ttrpc_reader *r, size_t some)
{
	size_t need = r->n_body + some, size;

	if (need <= r->body_size)
		return true;
	size = DV_MAX(DV_MAX(need, 2 * r->body_size), (size_t)BODY_MIN);
	size = DV_MIN(size, (size_t)r->frame.length);
	if (!ttrpc_budget_take(r->budget, size - r->body_size))
		return false;
	r->body = dv_realloc_n(r->body, size, 1);
	r->body_size = size;
	return true;
}

static enum ttrpc_read refuse(struct ttrpc_reader *r, enum ttrpc_read why, struct ttrpc_frame *ret)
{
	r->n_skip = r->frame.length - r->n_body;
	r->n_head = 0;
	release_body(r);
	*ret = r->frame;
	return why;
}

static enum ttrpc_read read_body(struct ttrpc_reader *r, const uint8_t **p, size_t *n,
				 struct ttrpc_frame *ret)
{
	size_t some = DV_MIN(*n, r->frame.length - r->n_body);

	if (some == r->frame.length) { /* in one piece */
		r->frame.payload = *p;
	} else {
		if (!grow(r, some))
			return refuse(r, TTRPC_READ_NO_MEMORY, ret);
		if (some)
			memcpy(r->body + r->n_body, *p, some);
		r->n_body += some;
		r->frame.payload = r->body;
		r->is_handed_out = r->n_body == r->frame.length;
	}
	*p += some;
	*n -= some;
	if (some < r->frame.length && !r->is_handed_out)
		return TTRPC_READ_MORE;
	r->n_head = 0;
	*ret = r->frame;
	return TTRPC_READ_FRAME;
}

enum ttrpc_read ttrpc_reader_next(struct ttrpc_reader *r, const uint8_t **p, size_t *n,
				  struct ttrpc_frame *ret)
{
	if (r->is_handed_out)
		release_body(r);
	if (skip(r, p, n))
		return TTRPC_READ_MORE;
	if (r->n_head < sizeof(r->head)) {
		if (!read_head(r, p, n))
			return TTRPC_READ_MORE;
		if (r->frame.length > TTRPC_PAYLOAD_MAX)
			return refuse(r, TTRPC_READ_TOO_LONG, ret);
	}
	return read_body(r, p, n, ret);
}

bool ttrpc_reader_is_midway(const struct ttrpc_reader *r)
{
	return r->n_head || r->n_skip;
}

void ttrpc_reader_fini(struct ttrpc_reader *r)
{
	release_body(r);
	*r = (struct ttrpc_reader){ .budget = r->budget };
}

struct ttrpc_chunk *ttrpc_chunk_new(uint32_t stream, enum ttrpc_type type, uint8_t flags,
				    size_t length)
{
	struct ttrpc_chunk *c = dv_realloc_n(NULL, sizeof(*c) + TTRPC_HEADER + length, 1);

	dv_assert(length <= TTRPC_PAYLOAD_MAX);
	*c = (struct ttrpc_chunk){ .n = TTRPC_HEADER + length };
	put_u32(c->data, (uint32_t)length);
	put_u32(c->data + 4, stream);
	c->data[8] = (uint8_t)type;
	c->data[9] = flags;
	return c;
}

void ttrpc_chunk_set_stream(struct ttrpc_chunk *c, uint32_t stream)
{
	put_u32(c->data + 4, stream);
}
