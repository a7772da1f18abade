/* SPDX-License-Identifier: Apache-2.0 */
/* See log-frame.h. The rules of the formats: Kubernetes' CRI logging, docker's jsonlog. */

#include "log-frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
	COPY_MAX = 1024, /* shorter ones are copied: a vector costs more than that */
	FLUSH_TEXT = 128 * 1024, /* enough for a write to be worth it */
	RECORD_IOV = 8,
	HEADER_MAX = 256,
	ESCAPED_MAX = 6, /* bytes that one byte may become */
	BLOCK = 64,
};

/* ---- batch ------------------------------------------------------------------------------- */

size_t log_batch_text_size(size_t max_line)
{
	return FLUSH_TEXT + HEADER_MAX + LOG_EXTRA_MAX + ESCAPED_MAX * max_line;
}

void log_batch_flush(struct log_batch *b)
{
	if (b->n_bytes > 0) {
		b->write(b->arg, b->iov, b->n_iov, b->n_bytes);
		if (b->room != UINT64_MAX)
			b->room -= DV_MIN(b->room, (uint64_t)b->n_bytes);
	}
	b->n_iov = b->n_text = b->n_bytes = 0;
}

static void record_begin(struct log_batch *b, size_t text)
{
	if (b->n_text >= FLUSH_TEXT || b->n_text + text > b->text_size ||
	    b->n_iov + RECORD_IOV > LOG_IOV)
		log_batch_flush(b);
	b->record.n_iov = b->n_iov;
	b->record.iov_len = b->n_iov ? b->iov[b->n_iov - 1].iov_len : 0;
	b->record.n_text = b->n_text;
	b->record.n_bytes = 0;
}

/* What was just put at the end of the text. */
static void record_grow(struct log_batch *b, size_t n)
{
	char *at = b->text + b->n_text;
	struct iovec *last = b->n_iov ? &b->iov[b->n_iov - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += n;
	else
		b->iov[b->n_iov++] = (struct iovec){ at, n };
	b->n_text += n;
	b->record.n_bytes += n;
}

static char *put(char *to, const char *p, size_t n)
{
	if (n > 0)
		memcpy(to, p, n);
	return to + n;
}

static char *put_string(char *to, const char *s)
{
	return put(to, s, strlen(s));
}

/* Where a record's text goes on; record_grown() says up to where it was filled. */
static char *record_at(struct log_batch *b)
{
	return b->text + b->n_text;
}

static void record_grown(struct log_batch *b, const char *end)
{
	record_grow(b, (size_t)(end - record_at(b)));
}

/* Bytes that stay where they are until the next flush. */
static void record_bytes(struct log_batch *b, const char *p, size_t n)
{
	if (n < COPY_MAX) {
		record_grown(b, put(record_at(b), p, n));
		return;
	}
	b->iov[b->n_iov++] = (struct iovec){ (void *)(uintptr_t)p, n };
	b->record.n_bytes += n;
}

/* Writes the records before this one, which becomes the first. */
static void write_others(struct log_batch *b)
{
	size_t first = b->record.n_iov, n_others = first;
	size_t shared = first ? b->iov[first - 1].iov_len - b->record.iov_len : 0;
	char *start = shared ? (char *)b->iov[first - 1].iov_base + b->record.iov_len : NULL;

	/* It may have begun in the last vector of those before it. */
	if (shared)
		b->iov[first - 1].iov_len = b->record.iov_len;
	b->write(b->arg, b->iov, n_others, b->n_bytes);
	if (shared)
		b->iov[--first] = (struct iovec){ start, shared };
	memmove(b->iov, b->iov + first, (b->n_iov - first) * sizeof(*b->iov));
	b->n_iov -= first;
	b->n_bytes = 0;
}

/* A log that is too large by itself still gets a first record. */
static void record_end(struct log_batch *b)
{
	if (b->room != UINT64_MAX && b->n_bytes + b->record.n_bytes > b->room) {
		if (b->n_bytes > 0)
			write_others(b);
		b->room = b->rotate(b->arg);
	}
	b->n_bytes += b->record.n_bytes;
}

/* ---- JSON -------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at @p (RFC 3629), 0: there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || n < length)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* High bits where a byte is zero, or (harmless here) above such a one. */
static uint64_t zero_bytes(uint64_t x)
{
	return (x - EACH(1)) & ~x & EACH(0x80);
}

/* No branch in it, so that the compiler makes a few vector instructions of it. */
static bool is_plain_block(const unsigned char *p)
{
	unsigned char special = 0;

	for (size_t i = 0; i < BLOCK; i++)
		special |= (unsigned char)((p[i] < 0x20) | (p[i] >= 0x80) | (p[i] == '"') |
					   (p[i] == '\\'));
	return !special;
}

/* How many bytes need no escape; whole words only. */
static size_t plain_prefix(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t x;

	while (i + BLOCK <= n && is_plain_block((const unsigned char *)p + i))
		i += BLOCK;
	for (; i + sizeof(x) <= n; i += sizeof(x)) {
		memcpy(&x, p + i, sizeof(x));
		if (((x | (x - EACH(0x20))) & EACH(0x80)) | zero_bytes(x ^ EACH('"')) |
		    zero_bytes(x ^ EACH('\\')))
			break;
	}
	return i;
}

static char *escape_byte(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	*to++ = '\\';
	if (c >= 0x20 || letters[c]) {
		*to++ = c < 0x20 ? letters[c] : (char)c;
		return to;
	}
	memcpy(to, "u00", 3);
	to[3] = hex[c >> 4];
	to[4] = hex[c & 15];
	return to + 5;
}

/* Returns the end. What is not UTF-8 becomes U+FFFD, as docker does. */
static char *escape(char *to, const char *p, size_t n)
{
	while (n > 0) {
		unsigned char c = (unsigned char)*p;
		size_t length = plain_prefix(p, n);

		if (length == 0 && c >= 0x80)
			length = utf8_length((const unsigned char *)p, n);
		else if (length == 0 && c >= 0x20 && c != '"' && c != '\\')
			length = 1;
		if (length > 0) {
			memcpy(to, p, length);
			to += length;
		} else {
			length = 1;
			if (c >= 0x80)
				to = (char *)memcpy(to, "\xef\xbf\xbd", 3) + 3;
			else
				to = escape_byte(to, c);
		}
		p += length;
		n -= length;
	}
	return to;
}

/* Of bytes that stay where they are until the next flush. */
static void record_escaped(struct log_batch *b, const char *p, size_t n)
{
	size_t plain = n < COPY_MAX ? 0 : plain_prefix(p, n);

	/* All but the last few, which are no whole word. */
	if (plain > 0 && plain + sizeof(uint64_t) > n) {
		record_bytes(b, p, plain);
		p += plain;
		n -= plain;
	}
	record_grown(b, escape(record_at(b), p, n));
}

/* ---- records ----------------------------------------------------------------------------- */

struct piece {
	/* Is copied, since its memory is needed again before the next flush. */
	const char *pending;
	size_t n_pending;
	const char *rest; /* stays where it is */
	size_t n_rest;
	bool is_full; /* the line ends here */
};

static void emit_cri(const struct log_framer *f, struct log_batch *b, const char *time,
		     const struct piece *l)
{
	char *to = put_string(record_at(b), time);

	*to++ = ' ';
	to = put_string(to, f->stream);
	to = put(to, l->is_full ? " F " : " P ", 3);
	to = put(to, l->pending, l->n_pending);
	if (l->n_rest >= COPY_MAX) {
		record_grown(b, to);
		record_bytes(b, l->rest, l->n_rest);
		to = record_at(b);
	} else {
		to = put(to, l->rest, l->n_rest);
	}
	*to++ = '\n';
	record_grown(b, to);
}

static void emit_json(const struct log_framer *f, struct log_batch *b, const char *time,
		      const struct piece *l)
{
	char *to = put_string(record_at(b), "{\"log\":\"");

	to = escape(to, l->pending, l->n_pending);
	if (l->n_rest >= COPY_MAX) {
		record_grown(b, to);
		record_escaped(b, l->rest, l->n_rest);
		to = record_at(b);
	} else {
		to = escape(to, l->rest, l->n_rest);
	}
	to = put_string(to, l->is_full ? "\\n\",\"stream\":\"" : "\",\"stream\":\"");
	to = put_string(to, f->stream);
	to = put_string(to, "\",");
	to = put_string(to, f->attrs);
	to = put_string(to, "\"time\":\"");
	to = put_string(to, time);
	to = put_string(to, "\"}\n");
	record_grown(b, to);
}

static void emit(const struct log_framer *f, struct log_batch *b, const char *time,
		 const struct piece *l)
{
	size_t n = l->n_pending + l->n_rest;

	if (f->format == LOG_JSON) {
		record_begin(b, HEADER_MAX + strlen(f->attrs) + ESCAPED_MAX * n);
		emit_json(f, b, time, l);
	} else {
		record_begin(b, HEADER_MAX + n);
		emit_cri(f, b, time, l);
	}
	record_end(b);
}

static void emit_pending(const struct log_framer *f, struct log_batch *b, const char *time,
			 size_t n, bool is_full)
{
	emit(f, b, time,
	     &(struct piece){ .pending = f->pending, .n_pending = n, .is_full = is_full });
}

static void emit_rest(const struct log_framer *f, struct log_batch *b, const char *time,
		      const char *p, size_t n, bool is_full)
{
	emit(f, b, time, &(struct piece){ .rest = p, .n_rest = n, .is_full = is_full });
}

/* ---- framing ----------------------------------------------------------------------------- */

static void keep(struct log_framer *f, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (f->n_pending + n > f->pending_size) {
		size_t size = f->pending_size ? f->pending_size : 256;

		while (size < f->n_pending + n)
			size *= 2;
		f->pending = dv_realloc_n(f->pending, size, 1);
		f->pending_size = size;
	}
	memcpy(f->pending + f->n_pending, p, n);
	f->n_pending += n;
}

static void drop_pending(struct log_framer *f)
{
	free(f->pending);
	f->pending = NULL;
	f->n_pending = f->pending_size = 0;
}

/*
 * Where a piece of @n bytes ends, with more of the line behind it (@next is the first byte
 * of that). JSON cannot hold half a character.
 */
static size_t cut(const struct log_framer *f, const char *p, size_t n, char next)
{
	size_t at = n;

	if (f->format != LOG_JSON || ((unsigned char)next & 0xc0) != 0x80)
		return n;
	for (size_t back = 1; back <= 3 && back < n; back++) {
		unsigned char c = (unsigned char)p[--at];

		if (c >= 0xc0)
			return at;
		if (c < 0x80)
			break;
	}
	return n; /* not a character anyway */
}

/* The line that is pending goes on with @p: how many bytes of that it took. */
static size_t add_to_pending(struct log_framer *f, struct log_batch *b, const char *time,
			     const char *p, size_t n)
{
	size_t space = f->max_line - f->n_pending, length;
	const char *newline = memchr(p, '\n', DV_MIN(n, space + 1));

	if (newline) {
		length = (size_t)(newline - p);
		if (f->format == LOG_JSON) { /* the first half of a character may be pending */
			keep(f, p, length);
			emit_pending(f, b, time, f->n_pending, true);
		} else {
			emit(f, b, time,
			     &(struct piece){ f->pending, f->n_pending, p, length, true });
		}
		f->n_pending = 0;
		return length + 1;
	}
	if (n <= space) {
		keep(f, p, n);
		return n;
	}
	keep(f, p, space);
	length = cut(f, f->pending, f->n_pending, p[space]);
	emit_pending(f, b, time, length, false);
	f->n_pending -= length;
	memmove(f->pending, f->pending + length, f->n_pending);
	return space;
}

static void add_lines(struct log_framer *f, struct log_batch *b, const char *time, const char *p,
		      size_t n)
{
	while (n > 0) {
		const char *newline;
		size_t used;

		if (f->n_pending > 0) {
			used = add_to_pending(f, b, time, p, n);
			p += used;
			n -= used;
			continue;
		}
		/* A line of exactly max_line bytes is whole. */
		newline = memchr(p, '\n', DV_MIN(n, f->max_line + 1));
		if (newline) {
			used = (size_t)(newline - p);
			emit_rest(f, b, time, p, used++, true);
		} else if (n > f->max_line) {
			used = cut(f, p, f->max_line, p[f->max_line]);
			emit_rest(f, b, time, p, used, false);
		} else {
			keep(f, p, n);
			return;
		}
		p += used;
		n -= used;
	}
}

void log_framer_add(struct log_framer *f, struct log_batch *b, const char *time, const char *p,
		    size_t n)
{
	if (f->format == LOG_RAW) {
		while (n > 0) {
			size_t part =
				DV_MIN((uint64_t)n, DV_MAX(b->room - b->n_bytes, (uint64_t)1));

			record_begin(b, COPY_MAX);
			record_bytes(b, p, part);
			record_end(b);
			p += part;
			n -= part;
		}
		return;
	}
	add_lines(f, b, time, p, n);
	if (f->n_pending == 0 && f->pending)
		drop_pending(f);
}

void log_framer_end(struct log_framer *f, struct log_batch *b, const char *time)
{
	if (f->n_pending > 0)
		emit_pending(f, b, time, f->n_pending, false);
	drop_pending(f);
}

void log_framer_fini(struct log_framer *f)
{
	drop_pending(f);
}

char *log_format_record(enum log_format format, const char *time, const char *stream,
			const char *attrs, const char *text)
{
	size_t n = ESCAPED_MAX * strlen(text) + 1;
	DV_CLEANUP(dv_freep) char *escaped = dv_alloc(n);

	switch (format) {
	case LOG_CRI:
		return dv_printf("%s %s F %s\n", time, stream, text);
	case LOG_JSON:
		*escape(escaped, text, strlen(text)) = '\0';
		return dv_printf("{\"log\":\"%s\\n\",\"stream\":\"%s\",%s\"time\":\"%s\"}\n",
				 escaped, stream, attrs, time);
	default:
		return dv_printf("%s\n", text);
	}
}
