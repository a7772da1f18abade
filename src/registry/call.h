/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One exchange with a server of a repository, as often as it takes: with its turn in the server's
 * queue, credentials when they are asked for, redirects, attempts with growing pauses, and the
 * rest of a stream that broke.
 *
 * Nothing is called from within call_start() or call_cancel().
 */

#include "auth.h"
#include "http.h"
#include "registry-private.h"

struct call;

struct call_reply {
	const struct http_head *head;
	const char *body; /* of any status; NUL-terminated; not of a stream */
	size_t n_body;
	bool is_cut; /* the body was longer than answer_max */
	const char *url; /* that gave the answer */
	const char *first_url; /* without redirects: a URL of the server that was asked */
	int64_t at; /* of a stream: the offset that was reached */
};

struct call_opts {
	struct registry *registry;
	const struct registry_host *host; /* certificates and headers; its queue */
	const char *method; /* static */
	const char *url; /* absolute; copied, as are headers and scope */
	const char *const *headers;
	size_t n_headers;

	struct auth *auth; /* NULL: `authorization` is all, and there is no queue */
	const char *scope; /* of tokens */
	const char *authorization; /* NULL: none */

	const void *body; /* borrowed until done; NULL: body_fn */
	int64_t body_size; /* -1: none */
	struct dv_err *(*body_fn)(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n);

	size_t answer_max; /* of the body of a good answer */

	/* A stream of bytes [at, end) of `size`; data NULL: it is none. */
	enum http_go (*data)(void *arg, int64_t at, const void *p, size_t n);
	int64_t at, end, size;
	bool is_part; /* DV_UNIMPLEMENTED if the server sends the whole instead */

	bool is_last; /* no other server can be asked: overload is worth waiting for */
	bool is_once; /* one attempt: not to be repeated */
	bool is_away; /* the URL is another server's: no credentials, headers, client certificate */
	uint64_t progress_timeout_ms; /* 0: the registry's */

	/*
	 * @take_error NULL: there is an answer with whatever status, or a stream has ended, or was
	 * stopped by `data`. The call is freed afterwards.
	 */
	void (*done)(void *arg, const struct call_reply *reply, struct dv_err *take_error);
	void *arg;
};

struct call *call_start(const struct call_opts *opts);
struct call *call_cancel(struct call *c); /* accepts NULL */
void call_resume(struct call *c); /* after HTTP_PAUSE, or a body of 0 bytes */

/* What an answer that is none of success means: "404 Not Found: manifest unknown". */
struct dv_err *call_status_error(const struct call_reply *reply) DV_CHECK;
