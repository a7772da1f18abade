/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes in any chunks: the same records as at once; CRI records hold the bytes. The first three
 * bytes say how: format, length of lines, size of logs; then each chunk is a length and its bytes.
 */

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "log-frame.h"

#define TIME "2026-11-27T15:00:00.5Z"
#define HEAD TIME " stdout "

enum { TEXT_MAX = 50 * 1000, LINE_MAX_USED = 64 * 255 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	struct dv_strbuf text;
	uint64_t limit;
	struct log_batch batch;
	struct log_framer framer;
};

static void sink_write(void *arg, const struct iovec *iov, size_t n_iov, size_t n)
{
	struct sink *s = arg;
	size_t before = s->text.len;

	dv_assert(n_iov <= LOG_IOV && s->batch.n_text <= s->batch.text_size);
	for (size_t i = 0; i < n_iov; i++)
		dv_strbuf_add_n(&s->text, iov[i].iov_base, iov[i].iov_len);
	dv_assert(s->text.len - before == n && n > 0 && s->text.data[s->text.len - 1] == '\n');
}

static uint64_t sink_rotate(void *arg)
{
	return ((struct sink *)arg)->limit;
}

static void sink_init(struct sink *s, enum log_format format, size_t max_line, uint64_t limit)
{
	/* Kept from input to input: new ones would take longer than all the rest. */
	static struct iovec *iov;
	static char *text;

	if (!iov) {
		iov = dv_new_n(struct iovec, LOG_IOV);
		text = dv_alloc(log_batch_text_size(LINE_MAX_USED));
	}
	*s = (struct sink){ .text = DV_STRBUF_INIT, .limit = limit };
	s->framer = (struct log_framer){
		.format = format, .stream = "stdout", .attrs = "", .max_line = max_line
	};
	/* Each flushes before the other has its turn. */
	s->batch = (struct log_batch){ .iov = iov,
				       .text = text,
				       .text_size = log_batch_text_size(max_line),
				       .room = limit,
				       .write = sink_write,
				       .rotate = sink_rotate,
				       .arg = s };
}

static void sink_add(struct sink *s, const void *p, size_t n)
{
	/* Of its own, and gone afterwards. */
	char *copy = malloc(n + 1);

	memcpy(copy, p, n);
	log_framer_add(&s->framer, &s->batch, TIME, copy, n);
	log_batch_flush(&s->batch);
	free(copy);
}

static void sink_end(struct sink *s)
{
	log_framer_end(&s->framer, &s->batch, TIME);
	log_batch_flush(&s->batch);
}

static void check_cri(const struct sink *s, const struct dv_strbuf *input)
{
	const char *p = s->text.data, *end = p + s->text.len;
	size_t at = 0;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n;

		dv_assert(newline && memcmp(p, HEAD, strlen(HEAD)) == 0);
		p += strlen(HEAD);
		dv_assert((*p == 'F' || *p == 'P') && p[1] == ' ');
		n = (size_t)(newline - p) - 2;
		dv_assert(n <= s->framer.max_line && at + n <= input->len);
		dv_assert(memcmp(input->data + at, p + 2, n) == 0);
		at += n;
		if (*p == 'F')
			dv_assert(at < input->len && input->data[at++] == '\n');
		p = newline + 1;
	}
	dv_assert(at == input->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dv_strbuf input = DV_STRBUF_INIT;
	struct sink pieces, whole;
	enum log_format format;
	size_t max_line;

	if (size < 3)
		return 0;
	format = data[0] % 2 ? LOG_JSON : LOG_CRI;
	max_line = data[1] < 128 ? 4 + data[1] : 64U * data[1];
	sink_init(&pieces, format, max_line, data[2] ? 16U * data[2] : UINT64_MAX);
	sink_init(&whole, format, max_line, UINT64_MAX);
	data += 3;
	size -= 3;
	while (size > 0) {
		/* Long ones are the bytes over and over. */
		size_t times = *data & 64 ? 100 : 1, n = DV_MIN(size - 1, *data & 63U);
		size_t before = input.len;

		data++;
		size--;
		for (size_t i = 0; i < times && input.len < TEXT_MAX; i++)
			dv_strbuf_add_n(&input, data, n);
		sink_add(&pieces, input.data + before, input.len - before);
		data += n;
		size -= n;
	}
	sink_add(&whole, input.data, input.len);
	sink_end(&pieces);
	sink_end(&whole);
	dv_assert(pieces.text.len == whole.text.len &&
		  memcmp(pieces.text.data, whole.text.data, whole.text.len) == 0);
	if (format == LOG_CRI)
		check_cri(&whole, &input);
	dv_strbuf_fini(&input);
	dv_strbuf_fini(&pieces.text);
	dv_strbuf_fini(&whole.text);
	return 0;
}
