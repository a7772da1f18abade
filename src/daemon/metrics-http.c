/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP by libmicrohttpd, without a thread of its own: its epoll descriptor is watched by our loop.
 * Few connections, little memory for each, and ten seconds for those that say nothing.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "socket.h"
#include "sys/file.h"
#include "sys/sock.h"

enum {
	CONNECTIONS_MAX = 32,
	CONNECTION_MEMORY = 16 << 10,
	IDLE_S = 10,
	BACKLOG = 16,
	HOST_MAX = 64,
};

struct metrics {
	struct daemon *d;
	struct MHD_Daemon *http;
	uv_poll_t poll;
	uv_timer_t timer;
	int n_open; /* handles */
};

/* ---- Answers -------------------------------------------------------------------------------- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      const void *text, size_t n)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(n, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	const struct metrics *m = arg;
	static char begun;

	(void)version;
	(void)upload;
	if (!*state) { /* only the headers are there; an answer now would close the connection */
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_size > 0) { /* nobody wants it; the answer comes behind it */
		*upload_size = 0;
		return MHD_YES;
	}
	if (!dv_streq(method, "GET") && !dv_streq(method, "HEAD"))
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "", 0);
	if (dv_streq(url, "/healthz"))
		return answer(connection, MHD_HTTP_OK, "text/plain", "ok\n", 3);
	if (!dv_streq(url, "/v1/metrics") && !dv_streq(url, "/metrics"))
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", "", 0);
	metrics_add(m->d, &out);
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", out.data,
		      out.len);
}

/* ---- The loop ----------------------------------------------------------------------------------- */

static void run(struct metrics *m);

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	(void)MHD_run(m->http);
	if (MHD_get_timeout(m->http, &ms) == MHD_YES)
		(void)uv_timer_start(&m->timer, on_timer, ms, 0);
	else
		(void)uv_timer_stop(&m->timer);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* ---- The socket ------------------------------------------------------------------------------- */

static struct dv_err *parse_address(const char *text, struct sockaddr_storage *ret, size_t *ret_n)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	char host[HOST_MAX];
	uint32_t port;

	if (!colon || n >= sizeof(host) || !dv_parse_u32(colon + 1, &port) || port > 65535)
		return dv_err_new(DV_INVALID, "metrics.address %s: neither host:port nor a path",
				  text);
	memcpy(host, text, n);
	host[n] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*ret_n = sizeof(*six);
		if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1)
			return NULL;
	} else {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		*ret_n = sizeof(*four);
		if (n == 0 || inet_pton(AF_INET, dv_streq(host, "localhost") ? "127.0.0.1" : host,
					&four->sin_addr) == 1)
			return NULL;
	}
	return dv_err_new(DV_INVALID, "metrics.address %s: the host is not an address", text);
}

static struct dv_err *open_socket(const struct daemon *d, int *ret)
{
	const struct daemon_config *c = d->config;
	struct daemon_socket path = { c->metrics_address, c->uid, c->gid, c->mode };
	struct sockaddr_storage address;
	struct dv_err *e;
	size_t n = 0;
	int fd, r;

	if (*c->metrics_address == '/') {
		e = daemon_socket_listen(&path, ret);
		if (e)
			return e;
		r = sys_fcntl(*ret, F_SETFL, O_NONBLOCK);
		return r < 0 ? dv_err_sys(r, "prepare the socket of metrics") : NULL;
	}
	e = parse_address(c->metrics_address, &address, &n);
	if (e)
		return e;
	fd = sys_tcp_listen(&address, n, BACKLOG);
	if (fd < 0)
		return dv_err_sys(fd, "listen on %s for metrics", c->metrics_address);
	*ret = fd;
	return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
	struct metrics *m = handle->data;

	if (--m->n_open > 0)
		return;
	MHD_stop_daemon(m->http); /* and closes the socket */
	free(m);
}

struct dv_err *metrics_new(struct daemon *d, struct metrics **ret)
{
	const union MHD_DaemonInfo *info;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct metrics *m;
	struct dv_err *e;

	*ret = NULL;
	if (!*d->config->metrics_address)
		return NULL;
	e = open_socket(d, &fd);
	if (e)
		return e;
	m = dv_new(struct metrics);
	m->d = d;
	m->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
				   MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				   (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				   (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
				   (unsigned)IDLE_S, MHD_OPTION_END);
	if (!m->http) {
		free(m);
		return dv_err_new(DV_INTERNAL, "start the HTTP server of metrics");
	}
	(void)dv_steal_fd(&fd);
	info = MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD);
	dv_assert(info);
	m->poll.data = m->timer.data = m;
	(void)uv_timer_init(d->loop, &m->timer);
	(void)uv_poll_init(d->loop, &m->poll, info->epoll_fd);
	(void)uv_poll_start(&m->poll, UV_READABLE, on_ready);
	m->n_open = 2;
	*ret = m;
	return NULL;
}

struct metrics *metrics_free(struct metrics *m)
{
	if (m) {
		uv_close((uv_handle_t *)&m->poll, on_closed);
		uv_close((uv_handle_t *)&m->timer, on_closed);
	}
	return NULL;
}
