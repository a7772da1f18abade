/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	call_start()
 *	    |
 *	    v        granted            401
 *	 queued ---------------> sent ---------> refused --auth_refused() is done--> sent
 *	                         |  |  |
 *	                         |  |  +--- redirect: to the new URL -------------> sent
 *	                         |  +------ overload, cut: pauses, on_pause_over() -> sent
 *	                         +--------- anything else --> done() and freed
 *
 * A redirect to another server gets no credentials, none of the headers that are configured for
 * ours, and no client certificate.
 */

#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "call-private.h"

enum {
	REDIRECTS_MAX = 10,
	REFUSED_MAX = 2,
	ATTEMPTS_ALL = 1000, /* of a stream that always gets a little further */
	PROGRESS = 1024 * 1024, /* that makes a broken stream's attempts count anew */
	BACKOFF_MAX_MS = 30000,
};

/* ---- The end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct call *c = dv_container_of(handle, struct call, timer);

	dv_arena_fini(&c->arena);
	dv_strbuf_fini(&c->body);
	free(c);
}

static void call_free(struct call *c)
{
	c->exchange = http_cancel(c->exchange);
	auth_wait_cancel(&c->wait);
	slot_release(c->o.registry, &c->slot);
	c->error = dv_err_free(c->error);
	if (c->used)
		explicit_bzero(c->used, strlen(c->used));
	free(c->used);
	free(c->url);
	free(c->first_url);
	c->used = c->url = c->first_url = NULL;
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

struct call *call_cancel(struct call *c)
{
	if (c)
		call_free(c);
	return NULL;
}

static void call_done(struct call *c, struct dv_err *take_error)
{
	struct call_reply reply = {
		.head = &c->head,
		.body = c->body.data,
		.n_body = c->body.len,
		.is_cut = c->is_cut,
		.url = c->url,
		.first_url = c->first_url,
		.at = c->at,
	};

	if (take_error) {
		DV_CLEANUP(dv_freep) char *host = http_url_host(c->url);

		take_error = dv_err_wrap(take_error, "registry %s", host);
	}
	/* The next in the queue need not wait for what is done with the answer. */
	slot_release(c->o.registry, &c->slot);
	c->o.done(c->o.arg, take_error ? NULL : &reply, take_error);
	call_free(c);
}

/* ---- Pauses ---- */

static void on_pause_over(uv_timer_t *timer)
{
	call_send(dv_container_of(timer, struct call, timer));
}

static uint64_t jitter(uint64_t ms)
{
	uint32_t random = 0;

	(void)uv_random(NULL, NULL, &random, sizeof(random), 0, NULL);
	return ms / 2 + random % (ms / 2 + 1);
}

static uint64_t backoff(const struct call *c)
{
	uint64_t ms = c->o.registry->opts.backoff_ms;

	for (unsigned i = 1; i < c->attempts && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return jitter(DV_MIN(ms, (uint64_t)BACKOFF_MAX_MS));
}

/* Takes the error; ends the call with it, or pauses for another attempt. */
static void again(struct call *c, struct dv_err *take_error, uint64_t at_least_ms)
{
	const struct registry_opts *opts = &c->o.registry->opts;
	uint64_t ms;

	if (c->at - c->at_failed >= PROGRESS)
		c->attempts = 0;
	c->at_failed = c->at;
	c->attempts++;
	c->attempts_all++;
	if (c->o.is_once || c->attempts >= opts->max_attempts || c->attempts_all >= ATTEMPTS_ALL) {
		if (c->attempts_all > 1)
			take_error = dv_err_wrap(take_error, "%u attempts", c->attempts_all);
		call_done(c, take_error);
		return;
	}
	ms = DV_MAX(backoff(c), at_least_ms);
	dv_err_free(take_error);
	/* From the start: where a redirect leads to may be good for a minute only. */
	free(c->url);
	c->url = dv_strdup(c->first_url);
	c->is_away = c->o.is_away;
	c->n_redirects = 0;
	uv_update_time(http_loop(c->o.registry->http));
	(void)uv_timer_start(&c->timer, on_pause_over, ms, 0);
}

/* ---- What to do with an answer ---- */

static bool is_redirect(const struct call *c)
{
	int s = c->head.status;

	return (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) && c->head.location &&
	       (dv_streq(c->o.method, "GET") || dv_streq(c->o.method, "HEAD"));
}

static struct dv_err *follow(struct call *c)
{
	char *url = NULL;
	struct dv_err *e;

	if (++c->n_redirects > REDIRECTS_MAX)
		return dv_err_new(DV_UNAVAILABLE, "more than %d redirects", REDIRECTS_MAX);
	e = http_url_resolve(c->url, c->head.location, &url);
	if (e)
		return dv_err_wrap(e, "redirect");
	if (http_url_is_plain(url) && !http_url_is_plain(c->url)) {
		DV_CLEANUP(dv_freep) char *host = http_url_host(url);

		free(url);
		return dv_err_new(DV_UNAVAILABLE, "redirects from https to plain http at %s", host);
	}
	/* Once away, always away: a way back may be somebody else's idea. */
	if (!http_url_same_origin(c->url, url))
		c->is_away = true;
	free(c->url);
	c->url = url;
	return NULL;
}

static void on_refused_done(struct auth_wait *w, struct dv_err *take_error)
{
	struct call *c = dv_container_of(w, struct call, wait);

	if (take_error)
		call_done(c, take_error);
	else
		call_send(c);
}

static bool is_overload(int status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	       status == 504;
}

static void on_overload(struct call *c)
{
	struct call_reply reply = { .head = &c->head, .body = c->body.data, .n_body = c->body.len };
	uint64_t ms = c->head.retry_after ? call_retry_after(c->head.retry_after) : 0;
	struct dv_err *e;

	if (!c->o.is_last) {
		call_done(c, NULL);
		return;
	}
	e = call_status_error(&reply);
	if (ms > c->o.registry->opts.retry_after_max_ms) {
		e = dv_err_wrap(e, "asks to come back after %llu s",
				(unsigned long long)(ms / 1000));
		call_done(c, e);
		return;
	}
	again(c, e, ms);
}

static void on_answer(struct call *c)
{
	if (is_redirect(c)) {
		struct dv_err *e = follow(c);

		if (e)
			call_done(c, e);
		else
			call_send(c);
	} else if (c->head.status == 401 && c->o.auth && !c->is_away &&
		   c->n_refused++ < REFUSED_MAX) {
		auth_refused(c->o.auth, &c->wait, c->o.scope,
			     c->head.authenticate ? c->head.authenticate : "", c->used,
			     on_refused_done);
	} else if (is_overload(c->head.status)) {
		on_overload(c);
	} else {
		call_done(c, NULL);
	}
}

/* The other side has no TLS, and is this machine: plain HTTP from here on. */
static bool try_plain(struct call *c)
{
	char *url;

	if (!c->o.host->may_be_plain || c->is_away || http_url_is_plain(c->url))
		return false;
	url = dv_printf("http%s", c->url + strlen("https"));
	free(c->url);
	free(c->first_url);
	c->url = url;
	c->first_url = dv_strdup(url);
	return true;
}

void call_on_done(void *arg, enum http_result result, struct dv_err *take_error)
{
	struct call *c = arg;

	c->exchange = NULL;
	if (c->error) { /* our own judgement on the way */
		dv_err_free(take_error);
		call_done(c, dv_steal(&c->error));
		return;
	}
	if (result == HTTP_BROKEN && c->is_stream && c->at == c->o.end && c->o.end > c->o.at) {
		result = HTTP_OK; /* it was complete all the same */
		take_error = dv_err_free(take_error);
	} else if (result == HTTP_OK && c->is_stream && !c->is_stopped && c->at < c->o.end) {
		result = HTTP_BROKEN;
		take_error = dv_err_new(DV_UNAVAILABLE, "the answer ended after %lld of %lld bytes",
					(long long)c->at, (long long)c->o.end);
	}
	switch (result) {
	case HTTP_OK:
		if (c->is_stream)
			call_done(c, NULL);
		else
			on_answer(c);
		return;
	case HTTP_BROKEN:
		again(c, take_error, 0);
		return;
	case HTTP_NO_TLS:
		if (try_plain(c)) {
			dv_err_free(take_error);
			call_send(c);
			return;
		}
		break;
	case HTTP_UNREACHABLE:
	case HTTP_BAD:
	case HTTP_LOCAL:
		break;
	}
	call_done(c, take_error);
}

/* ---- The beginning ---- */

static void on_granted(struct slot *slot)
{
	call_send(dv_container_of(slot, struct call, slot));
}

struct call *call_start(const struct call_opts *opts)
{
	struct call *c = dv_new(struct call);
	const char **headers;

	c->o = *opts;
	c->url = dv_strdup(opts->url);
	c->is_away = opts->is_away;
	c->first_url = dv_strdup(opts->url);
	c->at = c->at_failed = opts->at;
	c->body = (struct dv_strbuf)DV_STRBUF_INIT;
	dv_arena_init(&c->arena);
	headers = dv_arena_new_n(&c->arena, const char *, opts->n_headers + 1);
	for (size_t i = 0; i < opts->n_headers; i++)
		headers[i] = dv_arena_strdup(&c->arena, opts->headers[i]);
	c->o.headers = headers;
	c->o.scope = dv_arena_strdup(&c->arena, opts->scope);
	c->o.authorization = dv_arena_strdup(&c->arena, opts->authorization);
	(void)uv_timer_init(http_loop(opts->registry->http), &c->timer);
	if (opts->auth)
		slot_request(opts->registry, opts->host->name, &c->slot, on_granted);
	else
		call_send(c);
	return c;
}

void call_resume(struct call *c)
{
	if (c->exchange)
		http_resume(c->exchange);
}
