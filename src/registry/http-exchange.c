/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange.
 *
 *	new --start_task--> running --curl is done, stopped, cancelled, no progress--> ending
 *	                                                                                 |
 *	                                             end_task: done(), then freed <------+
 *
 * In `ending` curl still has the handle: only end_task() takes it away, since all that leads there
 * may be inside one of curl's callbacks.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http-private.h"

/* Of the headers of one response; and how much is read at once. */
enum { HEAD_MAX = 256 * 1024, BUFFER_SIZE = 128 * 1024 };

/* ---- The end ---- */

static void on_progress_closed(uv_handle_t *handle)
{
	struct http_exchange *x = dv_container_of(handle, struct http_exchange, progress);

	dv_arena_fini(&x->arena);
	free(x);
}

/* What curl holds; the rest follows when libuv has closed the timer. */
static void release(struct http_exchange *x)
{
	if (x->is_added)
		curl_multi_remove_handle(x->h->multi, x->easy);
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	http_unpost(&x->task);
	*x->prev = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->error = dv_err_free(x->error);
	uv_close((uv_handle_t *)&x->progress, on_progress_closed);
}

void exchange_drop(struct http_exchange *x)
{
	release(x);
}

static void end_task(struct http_task *task)
{
	struct http_exchange *x = dv_container_of(task, struct http_exchange, task);
	const struct http_handler *handler = x->handler;
	struct dv_err *error = dv_steal(&x->error);
	enum http_result result = x->result;
	void *arg = x->arg;

	release(x);
	if (handler)
		handler->done(arg, result, error);
	else
		dv_err_free(error);
}

static void end(struct http_exchange *x, enum http_result result, struct dv_err *take_error)
{
	if (x->state == EXCHANGE_ENDING) {
		dv_err_free(take_error);
		return;
	}
	uv_timer_stop(&x->progress);
	http_unpost(&x->task);
	x->state = EXCHANGE_ENDING;
	x->result = result;
	x->error = take_error;
	http_post(x->h, &x->task, end_task);
}

void exchange_ended(struct http_exchange *x, CURLcode code)
{
	enum http_result result = HTTP_OK;
	struct dv_err *e = NULL;

	if (x->state == EXCHANGE_ENDING)
		return;
	if (code != CURLE_OK)
		e = exchange_error_of(x, code, &result);
	end(x, result, e);
}

/* ---- Progress ---- */

static void on_progress_timer(uv_timer_t *timer)
{
	struct http_exchange *x = dv_container_of(timer, struct http_exchange, progress);
	uint64_t idle = uv_now(x->h->loop) - x->active_at;

	if (x->is_paused || !x->is_connected)
		idle = 0; /* it is us who wait; or curl, which has its own limit for connecting */
	if (idle >= x->progress_timeout_ms) {
		end(x, HTTP_BROKEN,
		    dv_err_new(DV_DEADLINE, "nothing came for %llu ms",
			       (unsigned long long)x->progress_timeout_ms));
		return;
	}
	(void)uv_timer_start(timer, on_progress_timer, x->progress_timeout_ms - idle, 0);
}

/* ---- The response ---- */

/* Shows the head, if it is that of the response. False: the exchange ends. */
static bool head_complete(struct http_exchange *x)
{
	long status = 0;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return true;
	x->head.status = (int)status;
	x->has_head = true;
	if (x->handler->head(x->arg, &x->head) == HTTP_STOP)
		x->is_stopped = true;
	return !x->is_stopped;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;

	n *= size;
	if (x->state != EXCHANGE_RUNNING || !x->handler)
		return 0;
	x->active_at = uv_now(x->h->loop);
	if (x->has_head)
		return n; /* trailers */
	x->n_head_bytes += n;
	if (x->n_head_bytes > HEAD_MAX) {
		end(x, HTTP_BAD,
		    dv_err_new(DV_UNAVAILABLE, "headers of more than %d bytes", HEAD_MAX));
		return 0;
	}
	if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
		exchange_head_reset(x);
	else if (n == 1 || (n == 2 && line[0] == '\r'))
		return head_complete(x) ? n : (end(x, HTTP_OK, NULL), 0);
	else
		exchange_keep_header(x, line, n);
	return n;
}

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;

	n *= size;
	if (x->state != EXCHANGE_RUNNING || !x->handler)
		return n + 1;
	x->active_at = uv_now(x->h->loop);
	switch (x->handler->data(x->arg, p, n)) {
	case HTTP_GO:
		return n;
	case HTTP_PAUSE:
		x->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	case HTTP_STOP:
		break;
	}
	end(x, HTTP_OK, NULL);
	return n + 1; /* not what curl expects: it stops */
}

/* ---- The body ---- */

/* There is a connection, and the request will be sent. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct http_exchange *x = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	x->is_connected = true;
	x->active_at = uv_now(x->h->loop);
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_exchange *x = arg;
	struct dv_err *e;
	size_t got = 0;

	n = (size_t)DV_MIN((int64_t)(n * size), x->body_size - x->body_at);
	if (x->state != EXCHANGE_RUNNING || !x->handler)
		return CURL_READFUNC_ABORT;
	if (!n)
		return 0;
	x->active_at = uv_now(x->h->loop);
	e = x->handler->body(x->arg, x->body_at, p, n, &got);
	if (e) {
		end(x, HTTP_LOCAL, e);
		return CURL_READFUNC_ABORT;
	}
	if (!got) {
		x->is_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	x->body_at += (int64_t)got;
	return got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_exchange *x = arg;

	if (origin != SEEK_SET || offset < 0 || offset > x->body_size)
		return CURL_SEEKFUNC_FAIL;
	x->body_at = offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- The beginning ---- */

static void resume_task(struct http_task *task)
{
	struct http_exchange *x = dv_container_of(task, struct http_exchange, task);

	x->is_paused = false;
	x->active_at = uv_now(x->h->loop);
	curl_easy_pause(x->easy, CURLPAUSE_CONT);
	http_kick(x->h);
}

void http_resume(struct http_exchange *x)
{
	if (x->state == EXCHANGE_RUNNING && x->is_paused)
		http_post(x->h, &x->task, resume_task);
}

static void start_task(struct http_task *task)
{
	struct http_exchange *x = dv_container_of(task, struct http_exchange, task);

	x->state = EXCHANGE_RUNNING;
	x->active_at = uv_now(x->h->loop);
	x->is_added = true;
	curl_multi_add_handle(x->h->multi, x->easy);
	(void)uv_timer_start(&x->progress, on_progress_timer, x->progress_timeout_ms, 0);
}

static void set_trust(struct http_exchange *x, const struct http_request *r)
{
	const struct registry_host *t = r->trust;
	struct curl_blob blob = { .flags = CURL_BLOB_NOCOPY };
	CURL *c = x->easy;

	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, r->skip_verify ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, r->skip_verify ? 0L : 2L);
	if (t && t->ca.n) {
		blob.data = (void *)(uintptr_t)t->ca.data;
		blob.len = t->ca.n;
		/* The system's directory of certificates still counts. */
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (t && t->cert.n && !r->without_cert) {
		blob.data = (void *)(uintptr_t)t->cert.data;
		blob.len = t->cert.n;
		curl_easy_setopt(c, CURLOPT_SSLCERT_BLOB, &blob);
		blob.data = (void *)(uintptr_t)t->key.data;
		blob.len = t->key.n;
		curl_easy_setopt(c, CURLOPT_SSLKEY_BLOB, &blob);
	}
}

/* Everything is said, so that curl asks neither the environment nor files of its own. */
static void set_proxy(struct http_exchange *x, const char *url)
{
	const struct http *h = x->h;
	const char *proxy = http_url_is_plain(url) ? h->http_proxy : h->https_proxy;

	curl_easy_setopt(x->easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(x->easy, CURLOPT_NOPROXY, h->no_proxy ? h->no_proxy : "");
	curl_easy_setopt(x->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_method(struct http_exchange *x, const struct http_request *r)
{
	CURL *c = x->easy;

	if (dv_streq(r->method, "HEAD")) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
		return;
	}
	if (r->body_size >= 0) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_size);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_body);
		curl_easy_setopt(c, CURLOPT_READDATA, x);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_headers(struct http_exchange *x, const struct http_request *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		x->headers = curl_slist_append(x->headers, r->headers[i]);
	/* Waiting for "100 Continue" costs a second where nobody says it. */
	x->headers = curl_slist_append(x->headers, "Expect:");
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(x->easy, CURLOPT_USERAGENT, x->h->user_agent);
}

struct http_exchange *http_start(struct http *h, const struct http_request *r)
{
	struct http_exchange *x = dv_new(struct http_exchange);
	CURL *c = curl_easy_init();

	dv_assert(c != NULL && !h->is_freed);
	*x = (struct http_exchange){
		.h = h,
		.easy = c,
		.handler = r->handler,
		.arg = r->arg,
		.body_size = r->body_size,
		.progress_timeout_ms = r->progress_timeout_ms,
		.connect_timeout_ms = r->connect_timeout_ms,
	};
	dv_arena_init(&x->arena);
	exchange_head_reset(x);
	x->next = h->exchanges;
	x->prev = &h->exchanges;
	if (x->next)
		x->next->prev = &x->next;
	h->exchanges = x;
	(void)uv_timer_init(h->loop, &x->progress);

	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_PRIVATE, x);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->text);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
	curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(c, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	set_method(x, r);
	set_headers(x, r);
	set_trust(x, r);
	set_proxy(x, r->url);
	http_post(h, &x->task, start_task);
	return x;
}

struct http_exchange *http_cancel(struct http_exchange *x)
{
	if (!x)
		return NULL;
	x->handler = NULL;
	end(x, HTTP_OK, NULL);
	return NULL;
}
