/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between http.c, which is curl on the loop, and http-exchange.c. */

#include <curl/curl.h>

#include "base/str.h"
#include "http.h"

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer; /* curl's */
	uv_timer_t task_timer;
	struct http_task *tasks;
	struct http_exchange *exchanges;
	char *user_agent, *http_proxy, *https_proxy, *no_proxy;
	unsigned n_handles; /* to be closed before the memory goes */
	bool is_freed;
};

enum http_state {
	EXCHANGE_NEW, /* will be given to curl by a task */
	EXCHANGE_RUNNING,
	EXCHANGE_ENDING, /* a task takes it from curl, calls done, and frees it */
};

struct http_exchange {
	struct http *h;
	struct http_exchange *next, **prev;
	struct http_task task;
	enum http_state state;
	CURL *easy;
	bool is_added; /* to curl's */
	bool is_connected;
	struct curl_slist *headers;
	const struct http_handler *handler; /* NULL: cancelled */
	void *arg;
	int64_t body_size, body_at;
	uint64_t progress_timeout_ms, connect_timeout_ms;
	uint64_t active_at; /* of the loop's clock */
	uv_timer_t progress; /* its memory is the exchange's: that goes when it is closed */
	struct dv_arena arena; /* of head */
	struct http_head head;
	size_t n_head_bytes;
	bool has_head; /* shown */
	bool is_paused;
	bool is_stopped; /* by HTTP_STOP */
	enum http_result result;
	struct dv_err *error; /* becomes the result's */
	char text[CURL_ERROR_SIZE];
};

/* curl says that the transfer has ended. */
void exchange_ended(struct http_exchange *x, CURLcode code);
void exchange_drop(struct http_exchange *x); /* http_free() */
struct dv_err *exchange_error_of(struct http_exchange *x, CURLcode code, enum http_result *ret);
/* http-head.c: a line of the head; and the beginning of one. */
void exchange_keep_header(struct http_exchange *x, const char *line, size_t n);
void exchange_head_reset(struct http_exchange *x);
/* Lets curl work; for what is no event of a socket. */
void http_kick(struct http *h);
