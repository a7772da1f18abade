/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between call.c, the life of a call; call-send.c; and call-answer.c, for what comes. */

#include "base/str.h"
#include "call.h"
#include "slots.h"

struct call {
	struct call_opts o;
	struct dv_arena arena; /* what was copied of the options, and the head */
	struct dv_arena attempt; /* while an attempt is made */
	char *url, *first_url; /* without redirects */
	struct slot slot;
	struct auth_wait wait;
	uv_timer_t timer; /* pauses; its memory is the call's */
	struct http_exchange *exchange;
	char *used; /* what was sent as Authorization */
	bool is_away; /* redirected to another server */
	unsigned attempts, attempts_all, n_redirects, n_refused;

	struct http_head head;
	struct dv_strbuf body;
	bool is_cut;
	bool is_stream; /* the body is what `data` is for */
	bool is_stopped; /* by `data` */
	int64_t at, at_failed; /* of the stream; now, and when it last broke */
	int64_t n_skip; /* bytes of the answer that were delivered before */
	struct dv_err *error; /* on the way: ends the call */
};

void call_send(struct call *c); /* another attempt */
void call_on_done(void *arg, enum http_result result, struct dv_err *take_error);
enum http_go call_on_head(void *arg, const struct http_head *head);
enum http_go call_on_data(void *arg, const void *p, size_t n);

/* Retry-After in milliseconds; 0: not understood. */
uint64_t call_retry_after(const char *text);
