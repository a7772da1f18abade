/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/attach.h"

#include "base/macros.h"

void dv_attach_header(unsigned type, size_t n, uint8_t buf[DV_ATTACH_HEADER])
{
	dv_assert(n <= DV_ATTACH_MAX);
	buf[0] = (uint8_t)type;
	for (int i = 0; i < 4; i++)
		buf[1 + i] = (uint8_t)(n >> (24 - 8 * i));
}

/* False: there is not all of it. */
static bool read_header(struct dv_attach_reader *r, const uint8_t **p, size_t *n)
{
	while (r->n_header<DV_ATTACH_HEADER && * n> 0) {
		r->header[r->n_header++] = *(*p)++;
		--*n;
	}
	if (r->n_header < DV_ATTACH_HEADER)
		return false;
	r->length = 0;
	for (int i = 1; i < DV_ATTACH_HEADER; i++)
		r->length = r->length << 8 | r->header[i];
	r->n_read = 0;
	return true;
}

enum dv_attach_next dv_attach_read(struct dv_attach_reader *r, const uint8_t **p, size_t *n,
				   struct dv_attach_piece *ret)
{
	if (r->n_header < DV_ATTACH_HEADER && !read_header(r, p, n))
		return DV_ATTACH_MORE;
	if (r->length > DV_ATTACH_MAX)
		return DV_ATTACH_BAD;
	if (r->length > 0 && *n == 0)
		return DV_ATTACH_MORE;
	*ret = (struct dv_attach_piece){ .type = r->header[0],
					 .length = r->length,
					 .bytes = *p,
					 .n = DV_MIN(*n, (size_t)(r->length - r->n_read)) };
	*p += ret->n;
	*n -= ret->n;
	r->n_read += (uint32_t)ret->n;
	ret->is_last = r->n_read == r->length;
	if (ret->is_last)
		r->n_header = 0;
	return DV_ATTACH_PIECE;
}

void dv_attach_unread(struct dv_attach_reader *r, const struct dv_attach_piece *piece,
		      size_t n_used)
{
	dv_assert(n_used < piece->n);
	r->n_header = DV_ATTACH_HEADER;
	r->n_read -= (uint32_t)(piece->n - n_used);
}

bool dv_attach_is_between(const struct dv_attach_reader *r)
{
	return r->n_header == 0;
}
