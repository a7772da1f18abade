/* SPDX-License-Identifier: Apache-2.0 */
/* Of the headers of a response, those that somebody wants to see. */

#include <string.h>
#include <strings.h>

#include "http-private.h"

enum { HEADER_MAX = 16 * 1024 }; /* longer ones are as if they were not there */

/* The value of the header @line if it is @name; NULL if it is another one. */
static const char *header_value(struct http_exchange *x, const char *line, size_t n,
				const char *name)
{
	size_t len = strlen(name);

	if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
		return NULL;
	for (line += len + 1, n -= len + 1; n && (*line == ' ' || *line == '\t'); line++)
		n--;
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	return dv_arena_strndup(&x->arena, line, n);
}

void exchange_keep_header(struct http_exchange *x, const char *line, size_t n)
{
	struct http_head *h = &x->head;
	const struct {
		const char *name;
		const char **field;
	} fields[] = {
		{ "content-type", &h->content_type },
		{ "content-range", &h->content_range },
		{ "content-encoding", &h->content_encoding },
		{ "location", &h->location },
		{ "range", &h->range },
		{ "retry-after", &h->retry_after },
		{ "link", &h->link },
		{ "docker-content-digest", &h->digest },
		{ "oci-subject", &h->subject },
		{ "oci-filters-applied", &h->filters },
		{ "docker-upload-uuid", &h->upload_uuid },
		{ "oci-chunk-min-length", &h->min_length },
	};
	const char *value;

	if (n > HEADER_MAX)
		return;
	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++) {
		value = header_value(x, line, n, fields[i].name);
		if (value && !*fields[i].field)
			*fields[i].field = value;
	}
	value = header_value(x, line, n, "content-length");
	if (value) {
		uint64_t length;

		if (dv_parse_u64(value, &length) && length <= INT64_MAX)
			h->content_length = (int64_t)length;
	}
	value = header_value(x, line, n, "www-authenticate");
	if (value)
		h->authenticate = !h->authenticate ? value
						   : dv_arena_printf(&x->arena, "%s, %s",
								     h->authenticate, value);
}

void exchange_head_reset(struct http_exchange *x)
{
	dv_arena_fini(&x->arena);
	dv_arena_init(&x->arena);
	x->head = (struct http_head){ .content_length = -1 };
}
