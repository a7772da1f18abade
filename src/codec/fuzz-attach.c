/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of attach.sock: whatever the chunks, the same frames come out. */

#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "codec/attach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t n_frames, n_bytes;
	uint64_t hash;
	bool is_bad;
};

static void add(struct sum *s, const struct dv_attach_piece *piece)
{
	s->n_frames += piece->is_last;
	s->n_bytes += piece->n;
	for (size_t i = 0; i < piece->n; i++)
		s->hash = s->hash * 31 + piece->bytes[i];
	if (piece->is_last)
		s->hash = s->hash * 31 + piece->type;
}

static struct sum read_all(const uint8_t *p, size_t n, size_t chunk)
{
	struct dv_attach_reader r = { 0 };
	struct sum s = { 0 };

	while (n > 0 && !s.is_bad) {
		size_t left = DV_MIN(n, chunk);
		const uint8_t *end = p + left;
		struct dv_attach_piece piece;
		enum dv_attach_next next;

		n -= left;
		while ((next = dv_attach_read(&r, &p, &left, &piece)) == DV_ATTACH_PIECE) {
			dv_assert(piece.length <= DV_ATTACH_MAX && piece.n <= piece.length);
			dv_assert(piece.n > 0 || (piece.length == 0 && piece.is_last));
			dv_assert(piece.bytes + piece.n <= end && p <= end);
			add(&s, &piece);
		}
		s.is_bad = next == DV_ATTACH_BAD;
		dv_assert(s.is_bad || (left == 0 && p == end));
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, parts;

	if (size < 1)
		return 0;
	whole = read_all(data + 1, size - 1, size);
	parts = read_all(data + 1, size - 1, 1 + data[0] % 16u);
	dv_assert(whole.is_bad == parts.is_bad && whole.n_frames == parts.n_frames);
	dv_assert(whole.n_bytes == parts.n_bytes && whole.hash == parts.hash);
	return 0;
}
