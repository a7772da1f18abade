/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from a server: heads, streams and their ranges, and the text of errors. */

#include "call.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call-private.h"
#include "codec/json.h"
#include "text.h"

enum { ERROR_BODY_MAX = 64 * 1024, ERROR_TEXT_MAX = 300 };

/* ---- Heads ---- */

static void copy_head(struct call *c, const struct http_head *from)
{
	struct http_head *h = &c->head;
	const char **fields[] = { &h->content_type, &h->content_range, &h->content_encoding,
				  &h->location,	    &h->range,	       &h->authenticate,
				  &h->retry_after,  &h->link,	       &h->digest,
				  &h->subject,	    &h->filters,       &h->upload_uuid,
				  &h->min_length };

	*h = *from;
	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++)
		*fields[i] = dv_arena_strdup(&c->arena, *fields[i]);
}

/* "bytes 5-9/10" or "bytes 5-9/" "*" */
static bool parse_content_range(const char *text, int64_t *ret_from, int64_t *ret_to,
				int64_t *ret_size)
{
	uint64_t from, to, size;
	char rest[32];
	int n = 0;

	if (!text ||
	    sscanf(text, "bytes %18" SCNu64 "-%18" SCNu64 "/%31[0-9*]%n", &from, &to, rest, &n) !=
		    3 ||
	    text[n])
		return false;
	*ret_from = (int64_t)from;
	*ret_to = (int64_t)to;
	*ret_size = -1;
	if (dv_streq(rest, "*"))
		return true;
	if (!dv_parse_u64(rest, &size) || size > INT64_MAX)
		return false;
	*ret_size = (int64_t)size;
	return true;
}

static struct dv_err *wrong_size(const struct call *c, int64_t size)
{
	return dv_err_new(DV_DATA_LOSS, "has %lld bytes, and not %lld", (long long)size,
			  (long long)c->o.size);
}

/* Does the stream go on where it has to? */
static struct dv_err *check_stream(struct call *c)
{
	const struct http_head *h = &c->head;
	int64_t from, to, size;

	if (h->content_encoding && !dv_streq(h->content_encoding, "identity"))
		return dv_err_new(DV_UNAVAILABLE, "sends an encoding that nobody asked for");
	c->n_skip = 0;
	if (h->status == 200 && c->o.is_part)
		return dv_err_new(DV_UNIMPLEMENTED, "has no ranges");
	if (h->status == 200) {
		if (h->content_length >= 0 && h->content_length != c->o.size)
			return wrong_size(c, h->content_length);
		/* The whole although a part was asked for: some have no ranges. */
		c->n_skip = c->at;
		return NULL;
	}
	if (!parse_content_range(h->content_range, &from, &to, &size))
		return dv_err_new(DV_UNAVAILABLE, "sends a part and does not say which");
	if (size >= 0 && size != c->o.size)
		return wrong_size(c, size);
	if (from != c->at || to < from || to >= c->o.end)
		return dv_err_new(DV_UNAVAILABLE,
				  "sends bytes %lld to %lld, asked for those from %lld to %lld",
				  (long long)from, (long long)to, (long long)c->at,
				  (long long)c->o.end - 1);
	return NULL;
}

enum http_go call_on_head(void *arg, const struct http_head *head)
{
	struct call *c = arg;
	bool is_good = head->status == 200 || head->status == 206;

	copy_head(c, head);
	if (!c->o.data)
		return HTTP_GO;
	c->is_stream = is_good;
	if (is_good)
		c->error = check_stream(c);
	return c->error ? HTTP_STOP : HTTP_GO;
}

/* ---- Bodies ---- */

static enum http_go add_to_body(struct call *c, const void *p, size_t n)
{
	bool is_good = c->head.status >= 200 && c->head.status < 300;
	size_t max = is_good ? c->o.answer_max : ERROR_BODY_MAX;

	c->is_cut = n > max - c->body.len;
	dv_strbuf_add_n(&c->body, p, DV_MIN(n, max - c->body.len));
	return c->is_cut ? HTTP_STOP : HTTP_GO;
}

enum http_go call_on_data(void *arg, const void *p, size_t n)
{
	struct call *c = arg;
	const char *bytes = p;
	size_t skip;

	if (!c->is_stream)
		return add_to_body(c, p, n);
	skip = (size_t)DV_MIN((int64_t)n, c->n_skip);
	if (n > skip) {
		size_t rest = n - skip;
		enum http_go go;

		if ((int64_t)rest > c->o.end - c->at) {
			c->error =
				dv_err_new(DV_DATA_LOSS, "sends more than the %lld bytes that %s",
					   (long long)(c->o.end - c->o.at),
					   c->o.is_part ? "were wanted" : "it has");
			return HTTP_STOP;
		}
		go = c->o.data(c->o.arg, c->at, bytes + skip, rest);
		if (go == HTTP_PAUSE)
			return go;
		c->at += (int64_t)rest;
		c->is_stopped = go == HTTP_STOP;
		if (c->is_stopped)
			return HTTP_STOP;
	}
	c->n_skip -= (int64_t)skip;
	return HTTP_GO;
}

/* ---- Errors ---- */

uint64_t call_retry_after(const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int day, year, hour, minute, second;
	struct tm tm = { 0 };
	uint64_t seconds;
	const char *at;
	char month[4];
	time_t when;

	if (dv_parse_u64(text, &seconds))
		return DV_MIN(seconds, (uint64_t)1000000) * 1000;
	/* "Fri, 27 Nov 2026 23:59:59 GMT" */
	if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute,
		   &second) != 6)
		return 0;
	at = strstr(months, month);
	if (!at || strlen(month) != 3 || (at - months) % 3)
		return 0;
	tm = (struct tm){ .tm_mday = day,
			  .tm_mon = (int)(at - months) / 3,
			  .tm_year = year - 1900,
			  .tm_hour = hour,
			  .tm_min = minute,
			  .tm_sec = second };
	when = timegm(&tm);
	return when > time(NULL) ? (uint64_t)DV_MIN(when - time(NULL), 1000000) * 1000 : 0;
}

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 400, "bad request" },	      { 401, "not authorised" },
		{ 403, "forbidden" },	      { 404, "not found" },
		{ 405, "not allowed" },	      { 408, "request timeout" },
		{ 413, "too large" },	      { 416, "no such range" },
		{ 429, "too many requests" }, { 500, "internal server error" },
		{ 502, "bad gateway" },	      { 503, "not available" },
		{ 504, "gateway timeout" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return status < 400 ? "not an answer that was expected" : "an error";
}

static enum dv_code code_of(int status)
{
	switch (status) {
	case 400:
	case 416:
		return DV_INVALID;
	case 401:
		return DV_UNAUTHENTICATED;
	case 403:
		return DV_PERMISSION;
	case 404:
		return DV_NOT_FOUND;
	case 405:
		return DV_UNIMPLEMENTED;
	case 413:
	case 429:
		return DV_EXHAUSTED;
	default:
		return DV_UNAVAILABLE;
	}
}

/* {"errors":[{"code":..., "message":...}]}, or {"details":...} of token servers; heap or NULL. */
static char *error_text(const char *body, size_t n)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *first, *message = NULL;
	static const char *const names[] = { "message", "error_description", "details", "error",
					     "code" };
	const char *text;
	size_t len;

	if (!n || dv_err_free(dv_json_parse(body, n, &doc)) || !doc)
		return NULL;
	first = dv_json_get(doc, "errors");
	first = dv_json_type(first) == DV_JSON_ARRAY && dv_json_array_len(first)
			? dv_json_array_at(first, 0)
			: doc;
	if (dv_json_type(first) != DV_JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		message = dv_json_get(first, names[i]);
		if (dv_json_type(message) != DV_JSON_STRING)
			continue;
		text = dv_json_string(message, &len);
		if (len)
			return text_clean(text, len, ERROR_TEXT_MAX);
	}
	return NULL;
}

struct dv_err *call_status_error(const struct call_reply *reply)
{
	DV_CLEANUP(dv_freep) char *text = error_text(reply->body, reply->n_body);
	int status = reply->head->status;

	return dv_err_new(code_of(status), "%d %s%s%s", status, status_text(status),
			  text && *text ? ": " : "", text ? text : "");
}
