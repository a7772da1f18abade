/* SPDX-License-Identifier: Apache-2.0 */
/* Framing: whatever the chunks, the records are the same, and hold what was written. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "log-frame.h"

#define TIME  "2026-11-27T15:00:00.5Z"
#define HEAD  TIME " stdout "
#define TAIL  "\",\"stream\":\"stdout\",\"time\":\"" TIME "\"}\n"
#define ATTRS "\"attrs\":{\"a\":\"b\"},"

/* Everything that was written, and where new logs began. */
struct sink {
	struct dv_strbuf text;
	size_t starts[8192], n_starts, n_writes;
	uint64_t limit; /* UINT64_MAX: none */
	struct log_batch batch;
};

static void sink_write(void *arg, const struct iovec *iov, size_t n_iov, size_t n)
{
	struct sink *s = arg;
	size_t before = s->text.len;

	s->n_writes++;
	cr_expect_leq(n_iov, LOG_IOV);
	for (size_t i = 0; i < n_iov; i++)
		dv_strbuf_add_n(&s->text, iov[i].iov_base, iov[i].iov_len);
	T_INT(s->text.len - before, ==, n);
	T_TRUE(n > 0 && s->text.data[s->text.len - 1] == '\n');
}

static uint64_t sink_rotate(void *arg)
{
	struct sink *s = arg;

	cr_assert_lt(s->n_starts, DV_ARRAY_SIZE(s->starts));
	s->starts[s->n_starts++] = s->text.len;
	return s->limit;
}

static struct sink *sink_new(size_t max_line, uint64_t limit)
{
	struct sink *s = dv_new(struct sink);
	size_t size = log_batch_text_size(max_line);

	s->text = (struct dv_strbuf)DV_STRBUF_INIT;
	s->limit = limit;
	s->batch = (struct log_batch){
		.iov = dv_new_n(struct iovec, LOG_IOV),
		.text = dv_alloc(size),
		.text_size = size,
		.room = limit,
		.write = sink_write,
		.rotate = sink_rotate,
		.arg = s,
	};
	return s;
}

static void sink_free(struct sink *s)
{
	free(s->batch.iov);
	free(s->batch.text);
	dv_strbuf_fini(&s->text);
	free(s);
}

static struct log_framer framer(enum log_format format, size_t max_line)
{
	return (struct log_framer){
		.format = format, .stream = "stdout", .attrs = "", .max_line = max_line
	};
}

/*
 * Writes @text in chunks of up to @chunk bytes (0: at once), each from memory of its own that is
 * overwritten after the flush, as a pump does.
 */
static void feed(struct log_framer *f, struct sink *s, const char *text, size_t n, size_t chunk)
{
	char *copy = dv_alloc(n + 1);

	while (n > 0) {
		size_t part = chunk ? 1 + (size_t)rand() % chunk : n;

		part = DV_MIN(part, n);
		memcpy(copy, text, part);
		log_framer_add(f, &s->batch, TIME, copy, part);
		log_batch_flush(&s->batch);
		memset(copy, 'Z', part);
		text += part;
		n -= part;
	}
	log_framer_end(f, &s->batch, TIME);
	log_batch_flush(&s->batch);
	T_NULL(f->pending);
	free(copy);
}

static void check(enum log_format format, size_t max_line, const char *text, const char *expected)
{
	static const size_t chunks[] = { 0, 1, 2, 3, 7 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(chunks); i++) {
		struct sink *s = sink_new(max_line, UINT64_MAX);
		struct log_framer f = framer(format, max_line);

		feed(&f, s, text, strlen(text), chunks[i]);
		T_STR(s->text.data, expected);
		sink_free(s);
	}
}

/* ---- Kubernetes' format ------------------------------------------------------------------------- */

Test(cri, lines)
{
	check(LOG_CRI, 16, "", "");
	check(LOG_CRI, 16, "one\n", HEAD "F one\n");
	check(LOG_CRI, 16, "\n", HEAD "F \n");
	check(LOG_CRI, 16, "one\n\n two\n", HEAD "F one\n" HEAD "F \n" HEAD "F  two\n");
	check(LOG_CRI, 16, "a\r\n", HEAD "F a\r\n");
	check(LOG_CRI, 16, "one\nrest", HEAD "F one\n" HEAD "P rest\n");
}

Test(cri, long_lines)
{
	check(LOG_CRI, 4, "0123\n", HEAD "F 0123\n");
	check(LOG_CRI, 4, "01234\n", HEAD "P 0123\n" HEAD "F 4\n");
	check(LOG_CRI, 4, "01234567\n", HEAD "P 0123\n" HEAD "F 4567\n");
	check(LOG_CRI, 4, "0123", HEAD "P 0123\n");
	check(LOG_CRI, 4, "01234", HEAD "P 0123\n" HEAD "P 4\n");
	/* Bytes, not characters. */
	check(LOG_CRI, 4, "012\xc3\xa4\n", HEAD "P 012\xc3\n" HEAD "F \xa4\n");
}

/* ---- docker's format ---------------------------------------------------------------------------- */

Test(json, lines)
{
	check(LOG_JSON, 16, "", "");
	check(LOG_JSON, 16, "one\n", "{\"log\":\"one\\n" TAIL);
	check(LOG_JSON, 16, "\n", "{\"log\":\"\\n" TAIL);
	check(LOG_JSON, 16, "one\nrest", "{\"log\":\"one\\n" TAIL "{\"log\":\"rest" TAIL);
	check(LOG_JSON, 4, "012345\n", "{\"log\":\"0123" TAIL "{\"log\":\"45\\n" TAIL);
}

Test(json, escapes)
{
	check(LOG_JSON, 99, "a\"b\\c/\n", "{\"log\":\"a\\\"b\\\\c/\\n" TAIL);
	check(LOG_JSON, 99, "\b\t\f\r\x01\x1f\x7f\n",
	      "{\"log\":\"\\b\\t\\f\\r\\u0001\\u001f\x7f\\n" TAIL);
	check(LOG_JSON, 99, "12345678\x1b[1m\"12345678\n",
	      "{\"log\":\"12345678\\u001b[1m\\\"12345678\\n" TAIL);
}

#define BAD "\xef\xbf\xbd"

Test(json, characters)
{
	check(LOG_JSON, 99, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2\n",
	      "{\"log\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2\\n" TAIL);
	/* Each byte that belongs to none is one U+FFFD, as in Go. */
	check(LOG_JSON, 99, "\xff\n", "{\"log\":\"" BAD "\\n" TAIL);
	check(LOG_JSON, 99, "\xe2\x82\n", "{\"log\":\"" BAD BAD "\\n" TAIL);
	check(LOG_JSON, 99,
	      "\xe2\x82"
	      "a\n",
	      "{\"log\":\"" BAD BAD "a\\n" TAIL);
	check(LOG_JSON, 99, "\xa4x\xc3\n", "{\"log\":\"" BAD "x" BAD "\\n" TAIL);
	check(LOG_JSON, 99, "\xc0\xaf\n", "{\"log\":\"" BAD BAD "\\n" TAIL); /* overlong */
	check(LOG_JSON, 99, "\xed\xa0\x80\n", "{\"log\":\"" BAD BAD BAD "\\n" TAIL); /* surrogate */
	check(LOG_JSON, 99, "\xf4\x90\x80\x80\n", "{\"log\":\"" BAD BAD BAD BAD "\\n" TAIL);
	check(LOG_JSON, 99, "\xc3", "{\"log\":\"" BAD TAIL);
}

Test(json, characters_are_not_cut)
{
	check(LOG_JSON, 4, "012\xc3\xa4\n", "{\"log\":\"012" TAIL "{\"log\":\"\xc3\xa4\\n" TAIL);
	check(LOG_JSON, 4, "\xf0\x9f\x9a\xa2\n", "{\"log\":\"\xf0\x9f\x9a\xa2\\n" TAIL);
	check(LOG_JSON, 4, "0\xf0\x9f\x9a\xa2\n",
	      "{\"log\":\"0" TAIL "{\"log\":\"\xf0\x9f\x9a\xa2\\n" TAIL);
}

/* What is pending is used again by the next line of the same batch. */
Test(json, long_pending_line)
{
	char text[8192], *expected;
	struct sink *s = sink_new(sizeof(text), UINT64_MAX);
	struct log_framer f = framer(LOG_JSON, sizeof(text));

	memset(text, 'a', sizeof(text));
	log_framer_add(&f, &s->batch, TIME, text, 5000);
	log_batch_flush(&s->batch);
	log_framer_add(&f, &s->batch, TIME, "bb\ncc", 5);
	log_framer_end(&f, &s->batch, TIME);
	log_batch_flush(&s->batch);
	expected = dv_printf("{\"log\":\"%.5000sbb\\n" TAIL "{\"log\":\"cc" TAIL, text);
	T_STR(s->text.data, expected);
	free(expected);
	sink_free(s);
}

Test(json, attributes)
{
	struct sink *s = sink_new(16, UINT64_MAX);
	struct log_framer f = framer(LOG_JSON, 16);

	f.attrs = ATTRS;
	feed(&f, s, "x\n", 2, 0);
	T_STR(s->text.data,
	      "{\"log\":\"x\\n\",\"stream\":\"stdout\"," ATTRS "\"time\":\"" TIME "\"}\n");
	sink_free(s);
}

/* ---- random ------------------------------------------------------------------------------------- */

static char *random_text(size_t n, bool is_text)
{
	static const char *const pieces[] = {
		"\n",	"\"", "\\", "\xc3\xa4", "\xe2\x82\xac", "\x01", "\xf0\x9f\x9a\xa2",
		"\xff", "\t"
	};
	struct dv_strbuf b = DV_STRBUF_INIT;

	while (b.len < n) {
		size_t run = 1 + (size_t)rand() % (rand() % 16 ? 40 : 5000);

		if (is_text) {
			while (run--)
				dv_strbuf_addc(&b, (char)('!' + rand() % ('Z' - '!') + 1));
			dv_strbuf_add(&b, pieces[(size_t)rand() % DV_ARRAY_SIZE(pieces)]);
		} else {
			while (run--)
				dv_strbuf_addc(&b, (char)rand());
			if (rand() % 4)
				dv_strbuf_addc(&b, '\n');
		}
	}
	return b.data;
}

/* The text of CRI records. */
static void unframe(const struct dv_strbuf *log, size_t max_line, struct dv_strbuf *ret)
{
	const char *p = log->data, *end = p + log->len;
	const size_t head = strlen(HEAD);

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		cr_assert(newline && (size_t)(newline - p) >= head + 2);
		cr_assert(memcmp(p, HEAD, head) == 0 && p[head + 1] == ' ');
		p += head;
		cr_assert(*p == 'F' || *p == 'P');
		cr_assert_leq((size_t)(newline - p) - 2, max_line);
		if (*p == 'P') /* full, or the last */
			cr_assert((size_t)(newline - p) - 2 == max_line || newline + 1 == end);
		dv_strbuf_add_n(ret, p + 2, (size_t)(newline - p) - 2);
		if (*p == 'F')
			dv_strbuf_addc(ret, '\n');
		p = newline + 1;
	}
}

Test(random, cri_holds_what_was_written)
{
	static const size_t lengths[] = { 4, 100, 1024, 16384 }, chunks[] = { 3, 500, 70000 };
	enum { SIZE = 200 * 1000 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(lengths) * DV_ARRAY_SIZE(chunks); i++) {
		size_t max_line = lengths[i % 4];
		struct sink *s = sink_new(max_line, UINT64_MAX);
		struct log_framer f = framer(LOG_CRI, max_line);
		struct dv_strbuf found = DV_STRBUF_INIT;
		DV_CLEANUP(dv_freep) char *text = random_text(SIZE, false);

		feed(&f, s, text, SIZE, chunks[i / 4]);
		unframe(&s->text, max_line, &found);
		cr_assert(found.len == SIZE && memcmp(found.data, text, SIZE) == 0);
		dv_strbuf_fini(&found);
		sink_free(s);
	}
}

Test(random, chunks_do_not_matter)
{
	static const size_t lengths[] = { 4, 50, 3000, 16384 }, chunks[] = { 2, 600, 20000 };
	enum { SIZE = 100 * 1000 };

	for (size_t i = 0; i < 2 * DV_ARRAY_SIZE(lengths) * DV_ARRAY_SIZE(chunks); i++) {
		size_t max_line = lengths[i % 4];
		struct sink *at_once = sink_new(max_line, UINT64_MAX);
		struct sink *s = sink_new(max_line, UINT64_MAX);
		struct log_framer f = framer(i < 12 ? LOG_JSON : LOG_CRI, max_line), g = f;
		DV_CLEANUP(dv_freep) char *text = random_text(SIZE, true);

		feed(&f, at_once, text, SIZE, 0);
		feed(&g, s, text, SIZE, chunks[i / 4 % 3]);
		cr_assert(s->text.len == at_once->text.len &&
			  memcmp(s->text.data, at_once->text.data, s->text.len) == 0);
		sink_free(at_once);
		sink_free(s);
	}
}

Test(random, raw_is_what_was_written)
{
	enum { SIZE = 100 * 1000 };
	DV_CLEANUP(dv_freep) char *text = random_text(SIZE, false);
	struct sink *s = sink_new(4, UINT64_MAX);
	struct log_framer f = framer(LOG_RAW, 4);

	text[SIZE - 1] = '\n'; /* for sink_write */
	log_framer_add(&f, &s->batch, TIME, text, SIZE);
	log_framer_end(&f, &s->batch, TIME);
	log_batch_flush(&s->batch);
	T_TRUE(s->text.len == SIZE && memcmp(s->text.data, text, SIZE) == 0);
	sink_free(s);
}

/* ---- rotation ------------------------------------------------------------------------------------ */

/* Logs of whole records, none too large unless it is one record, and all of it in order. */
static void check_rotation(enum log_format format, uint64_t limit)
{
	enum { SIZE = 100 * 1000 };
	DV_CLEANUP(dv_freep) char *text = random_text(SIZE, true);
	struct sink *all = sink_new(2000, UINT64_MAX), *s = sink_new(2000, limit);
	struct log_framer f = framer(format, 2000), g = f;

	feed(&f, all, text, SIZE, 0);
	feed(&g, s, text, SIZE, 30000);
	cr_assert(s->text.len == all->text.len &&
		  memcmp(s->text.data, all->text.data, s->text.len) == 0);
	T_TRUE(s->n_starts >= all->text.len / (limit + 2000 * 6 + 200));
	for (size_t i = 0; i < s->n_starts; i++) {
		size_t from = i ? s->starts[i - 1] : 0, n = s->starts[i] - from;

		if (n == 0) /* the first record was too large for the empty log */
			continue;
		cr_assert_eq(s->text.data[s->starts[i] - 1], '\n');
		if (n > limit)
			cr_assert_eq((char *)memchr(s->text.data + from, '\n', n),
				     s->text.data + s->starts[i] - 1);
	}
	sink_free(all);
	sink_free(s);
}

Test(rotation, whole_records)
{
	static const uint64_t limits[] = { 500, 4096, 65536 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(limits); i++) {
		check_rotation(LOG_CRI, limits[i]);
		check_rotation(LOG_JSON, limits[i]);
	}
}

/* ---- the note ------------------------------------------------------------------------------------ */

Test(note, is_a_record)
{
	static const struct {
		enum log_format format;
		const char *record;
	} table[] = {
		{ LOG_RAW, "a\"b\n" },
		{ LOG_CRI, TIME " stderr F a\"b\n" },
		{ LOG_JSON, "{\"log\":\"a\\\"b\\n\",\"stream\":\"stderr\"," ATTRS "\"time\":\"" TIME
			    "\"}\n" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		DV_CLEANUP(dv_freep)
		char *record = log_format_record(table[i].format, TIME, "stderr", ATTRS, "a\"b");

		T_STR(record, table[i].record);
	}
}
