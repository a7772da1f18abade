/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl's multi interface on libuv: curl says which sockets it waits for and how long, and is called
 * when something is there. Nothing of ours calls curl from within one of its callbacks; what such
 * a callback wants done is a task, which runs by itself.
 */

#include "http.h"

#include <stdlib.h>
#include <string.h>

#include "http-private.h"

enum { CONNECTIONS_KEPT = 16 };

struct http_socket {
	struct http *h;
	uv_poll_t poll;
	curl_socket_t fd;
};

/* ---- Memory ---- */

static void unref(struct http *h)
{
	if (--h->n_handles > 0)
		return;
	free(h->user_agent);
	free(h->http_proxy);
	free(h->https_proxy);
	free(h->no_proxy);
	free(h);
}

static void on_closed(uv_handle_t *handle)
{
	unref(handle->data);
}

/* ---- Tasks ---- */

static void on_tasks(uv_timer_t *timer)
{
	struct http *h = timer->data;
	struct http_task *task;

	/* Those that are added meanwhile run as well: each of them is a step towards an end. */
	while ((task = h->tasks)) {
		http_unpost(task);
		task->fn(task);
		if (h->is_freed)
			return;
	}
}

void http_post(struct http *h, struct http_task *task, void (*fn)(struct http_task *task))
{
	struct http_task **last = &h->tasks;

	if (task->prev || h->is_freed)
		return;
	while (*last)
		last = &(*last)->next;
	task->fn = fn;
	task->next = NULL;
	task->prev = last;
	*last = task;
	(void)uv_timer_start(&h->task_timer, on_tasks, 0, 0);
}

void http_unpost(struct http_task *task)
{
	if (!task->prev)
		return;
	*task->prev = task->next;
	if (task->next)
		task->next->prev = task->prev;
	task->prev = NULL;
}

/* ---- curl's events ---- */

static void take_ended(struct http *h)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		char *arg = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg);
		exchange_ended((struct http_exchange *)(void *)arg, msg->data.result);
	}
}

void http_kick(struct http *h)
{
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(h);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct http_socket *s = dv_container_of(poll, struct http_socket, poll);
	int flags = 0, running;
	struct http *h = s->h;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, s->fd, flags, &running);
	take_ended(h);
}

static void on_timer(uv_timer_t *timer)
{
	http_kick(timer->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct http_socket *s = dv_container_of(handle, struct http_socket, poll);

	unref(s->h);
	free(s);
}

static struct http_socket *socket_new(struct http *h, curl_socket_t fd)
{
	struct http_socket *s = dv_new(struct http_socket);

	s->h = h;
	s->fd = fd;
	if (uv_poll_init(h->loop, &s->poll, fd) < 0) {
		free(s);
		return NULL;
	}
	h->n_handles++;
	return s;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
	struct http_socket *s = socket;
	struct http *h = arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			uv_poll_stop(&s->poll);
			uv_close((uv_handle_t *)&s->poll, on_socket_closed);
			curl_multi_assign(h->multi, fd, NULL);
		}
		return 0;
	}
	if (!s) {
		s = socket_new(h, fd);
		if (!s)
			return -1;
		curl_multi_assign(h->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&s->poll, events, on_socket) < 0 ? -1 : 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&h->timer);
	else
		(void)uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

/* ---- The whole ---- */

struct dv_err *http_new(const struct http_opts *opts, struct http **ret)
{
	struct http *h;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return dv_err_new(DV_INTERNAL, "libcurl cannot be initialised");
	h = dv_new(struct http);
	h->loop = opts->loop;
	h->user_agent = dv_strdup(opts->user_agent);
	h->http_proxy = dv_strdup(opts->http_proxy);
	h->https_proxy = dv_strdup(opts->https_proxy);
	h->no_proxy = dv_strdup(opts->no_proxy);
	h->multi = curl_multi_init();
	dv_assert(h->multi != NULL);
	(void)uv_timer_init(h->loop, &h->timer);
	(void)uv_timer_init(h->loop, &h->task_timer);
	h->timer.data = h->task_timer.data = h;
	h->n_handles = 2;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	*ret = h;
	return NULL;
}

uv_loop_t *http_loop(const struct http *h)
{
	return h->loop;
}

/* From the loop, when nothing of curl is on the stack. */
static void on_free(uv_timer_t *timer)
{
	struct http *h = timer->data;

	while (h->exchanges)
		exchange_drop(h->exchanges);
	curl_multi_cleanup(h->multi);
	uv_close((uv_handle_t *)&h->timer, on_closed);
	uv_close((uv_handle_t *)&h->task_timer, on_closed);
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	for (struct http_exchange *x = h->exchanges; x; x = x->next)
		x->handler = NULL;
	while (h->tasks)
		http_unpost(h->tasks);
	h->is_freed = true;
	(void)uv_timer_start(&h->task_timer, on_free, 0, 0);
	return NULL;
}
