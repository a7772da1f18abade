/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to the server. After a redirect to another one there are no credentials, none of the
 * headers that are configured for ours, and no client certificate.
 */

#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "call-private.h"

enum { HEADERS_BESIDES = 2 }; /* Range and Authorization */

static struct dv_err *on_body(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n)
{
	struct call *c = arg;

	if (!c->o.body)
		return c->o.body_fn(c->o.arg, offset, p, n, ret_n);
	memcpy(p, (const char *)c->o.body + offset, n);
	*ret_n = n;
	return NULL;
}

static const struct http_handler handler = {
	.head = call_on_head,
	.data = call_on_data,
	.body = on_body,
	.done = call_on_done,
};

static void add_header(struct call *c, const char **headers, size_t *n, const char *name,
		       const char *value)
{
	/* curl takes "Name:" for "none of that name", and "Name;" for an empty one. */
	headers[(*n)++] = *value ? dv_arena_printf(&c->attempt, "%s: %s", name, value)
				 : dv_arena_printf(&c->attempt, "%s;", name);
}

static void remember_used(struct call *c, const char *value)
{
	if (c->used)
		explicit_bzero(c->used, strlen(c->used));
	free(c->used);
	c->used = dv_strdup(value);
}

static const char **make_headers(struct call *c, size_t *ret_n)
{
	const struct registry_host *host = c->o.host;
	const char **headers, *secret;
	size_t n = 0;

	headers = dv_arena_new_n(&c->attempt, const char *,
				 c->o.n_headers + host->n_headers + HEADERS_BESIDES);
	for (size_t i = 0; i < c->o.n_headers; i++)
		headers[n++] = c->o.headers[i];
	if (c->is_stream && (c->at > 0 || c->o.end < c->o.size)) {
		bool is_open = c->o.end == c->o.size;

		headers[n++] = is_open ? dv_arena_printf(&c->attempt, "Range: bytes=%lld-",
							 (long long)c->at)
				       : dv_arena_printf(&c->attempt, "Range: bytes=%lld-%lld",
							 (long long)c->at, (long long)c->o.end - 1);
	}
	if (!c->is_away) {
		secret = c->o.auth ? auth_header(c->o.auth, c->o.scope) : c->o.authorization;
		for (size_t i = 0; i < host->n_headers && c->o.auth; i++)
			add_header(c, headers, &n, host->headers[i].name, host->headers[i].value);
		if (secret)
			add_header(c, headers, &n, "Authorization", secret);
		remember_used(c, secret);
	}
	*ret_n = n;
	return headers;
}

void call_send(struct call *c)
{
	const struct registry_opts *opts = &c->o.registry->opts;
	struct http_request request = {
		.method = c->o.method,
		.url = c->url,
		.body_size = c->o.body_size,
		.trust = c->o.host,
		.skip_verify = c->o.host->skip_verify,
		.without_cert = c->is_away,
		.connect_timeout_ms = opts->connect_timeout_ms,
		.progress_timeout_ms = c->o.progress_timeout_ms ? c->o.progress_timeout_ms
								: opts->progress_timeout_ms,
		.handler = &handler,
		.arg = c,
	};

	if (c->o.host->dial_timeout_ns)
		request.connect_timeout_ms = (uint64_t)(c->o.host->dial_timeout_ns / 1000000) + 1;
	c->is_stream = c->o.data != NULL;
	c->head = (struct http_head){ .content_length = -1 };
	dv_strbuf_clear(&c->body);
	c->is_cut = false;
	dv_arena_init(&c->attempt);
	request.headers = make_headers(c, &request.n_headers);
	c->exchange = http_start(c->o.registry->http, &request);
	dv_arena_fini(&c->attempt);
}
