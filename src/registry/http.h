/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HTTP/1.1 exchanges by libcurl on a libuv loop: one request, one response, no redirects, no
 * retries, no authentication. HTTP/2 is not used: a response that nobody reads would hold up the
 * others on its connection, or fill memory.
 *
 * No callback comes from within http_start() or http_cancel(); both may be called from callbacks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "registry/hosts.h"

struct http;
struct http_exchange;

struct http_opts {
	uv_loop_t *loop;
	const char *user_agent;
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL: none */
};

struct dv_err *http_new(const struct http_opts *opts, struct http **ret) DV_CHECK;
/* What is running ends without a callback. The memory goes when the loop has closed the handles. */
struct http *http_free(struct http *h);
uv_loop_t *http_loop(const struct http *h);

/* ---- Later, from the loop ---- */

/* Part of who is called; zeroed at first. */
struct http_task {
	void (*fn)(struct http_task *task);
	struct http_task *next, **prev; /* prev NULL: not waiting */
};

/* @fn once, from the loop, and not within any other callback. A task that waits already stays. */
void http_post(struct http *h, struct http_task *task, void (*fn)(struct http_task *task));
void http_unpost(struct http_task *task);

/* ---- Exchanges ---- */

/* What is kept of the headers of a response. Strings are NULL when they did not come. */
struct http_head {
	int status;
	int64_t content_length; /* -1: not said */
	const char *content_type, *content_range, *content_encoding, *location, *range;
	const char *authenticate; /* all of them, commas between */
	const char *retry_after, *link, *digest, *subject, *filters, *upload_uuid, *min_length;
};

enum http_go {
	HTTP_GO,
	HTTP_PAUSE, /* of data: not taken, and will be shown again after http_resume() */
	HTTP_STOP, /* enough: done is called, without an error */
};

enum http_result {
	HTTP_OK, /* the response was read to its end, or until HTTP_STOP */
	HTTP_UNREACHABLE, /* no such host, refused, or not trusted: not worth another attempt */
	HTTP_NO_TLS, /* the other side answers, but does not speak TLS */
	HTTP_BROKEN, /* cut, or no progress for too long */
	HTTP_BAD, /* not HTTP, or beyond a limit */
	HTTP_LOCAL, /* our own side failed: the body could not be read */
};

struct http_handler {
	/* Once the headers are complete; those of 1xx are not shown. */
	enum http_go (*head)(void *arg, const struct http_head *head);
	enum http_go (*data)(void *arg, const void *p, size_t n);
	/*
	 * Bytes of the body, from @offset on, into @p; at most @n. *ret_n 0: none yet, http_resume()
	 * will be called. May go back (a connection that was kept had ended). An error ends it.
	 */
	struct dv_err *(*body)(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n);
	/* The last callback. @take_error is NULL with HTTP_OK. */
	void (*done)(void *arg, enum http_result result, struct dv_err *take_error);
};

struct http_request {
	const char *method; /* static */
	const char *url;
	const char *const *headers; /* "Name: value" */
	size_t n_headers;
	int64_t body_size; /* 0 is an empty body; -1: none */
	const struct registry_host
		*trust; /* certificates; lives as long as the exchange. May be NULL */
	bool skip_verify, without_cert;
	uint64_t connect_timeout_ms, progress_timeout_ms;
	const struct http_handler *handler;
	void *arg;
};

struct http_exchange *http_start(struct http *h, const struct http_request *request);
/* No callback will come. Accepts NULL. */
struct http_exchange *http_cancel(struct http_exchange *x);
/* After HTTP_PAUSE, or a body of 0 bytes. */
void http_resume(struct http_exchange *x);

/* ---- URLs ---- */

/*
 * @url as seen from @base (NULL: it must be absolute); heap. DV_INVALID: not http or https, with a
 * user, or not understood.
 */
struct dv_err *http_url_resolve(const char *base, const char *url, char **ret) DV_CHECK;
/* The same scheme, host and port. False also for what is no URL. */
bool http_url_same_origin(const char *a, const char *b);
bool http_url_is_plain(const char *url); /* http */
/* "host:port" or "host", for messages; heap. */
char *http_url_host(const char *url);
/* "?name=value" or "&name=value" is added, escaped. */
struct dv_strbuf;
void http_url_add_query(struct dv_strbuf *url, const char *name, const char *value);
