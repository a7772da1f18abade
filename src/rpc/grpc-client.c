/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: connections that are made when they are needed. Calls are in grpc-stream.c.
 *
 * A connection that got a GOAWAY answers what is under way, and new calls make another one. Results
 * are callbacks that may do anything to the client, freeing it included: its memory stays until
 * libuv has closed the handles.
 */

#include <errno.h>

#include "base/str.h"
#include "grpc-client-private.h"
#include "sys/file.h"
#include "sys/sock.h"

#define MS UINT64_C(1000000)

#define CONNECT_RETRY	(10 * MS)
#define CONNECT_DEFAULT (10000 * MS)

enum { HEADERS_MAX = 64 << 10, MEMORY_MAX = 256 << 20 };

/* ---- Connections ---- */

static void conn_closed(struct grpc_h2 *h)
{
	struct grpc_client_conn *conn = dv_container_of(h, struct grpc_client_conn, h2);

	if (conn->client->conn == conn)
		conn->client->conn = NULL;
	*conn->prev = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	free(conn);
}

static void conn_goaway(struct grpc_h2 *h)
{
	struct grpc_client_conn *conn = dv_container_of(h, struct grpc_client_conn, h2);

	if (conn->client->conn == conn)
		conn->client->conn = NULL;
}

static const struct grpc_h2_ops conn_ops = { .goaway = conn_goaway, .closed = conn_closed };

static int new_connection(struct grpc_client *c)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct grpc_client_conn *conn;
	int r;

	fd = sys_unix_connect_nonblock(c->path);
	if (fd < 0)
		return fd;
	conn = dv_new(struct grpc_client_conn);
	conn->client = c;
	conn->h2.hub = &c->hub;
	conn->h2.ops = &conn_ops;
	conn->h2.input = (struct grpc_budget){ .max = MEMORY_MAX };
	conn->h2.output = (struct grpc_budget){ .max = MEMORY_MAX };
	r = grpc_h2_open(&conn->h2, fd, 0, HEADERS_MAX);
	if (r < 0) {
		free(conn);
		return r;
	}
	dv_steal_fd(&fd);
	conn->next = c->conns;
	conn->prev = &c->conns;
	if (conn->next)
		conn->next->prev = &conn->next;
	c->conns = conn;
	c->conn = conn;
	return 0;
}

/* 0: there is a connection. */
static int connect_client(struct grpc_client *c)
{
	struct grpc_client_conn *conn = c->conn;

	/* One with calls on it will tell by itself. */
	if (conn && !grpc_h2_is_dead(&conn->h2) && (conn->h2.n_flows || grpc_h2_check(&conn->h2)))
		return 0;
	c->conn = NULL; /* a dead one goes by itself */
	return new_connection(c);
}

static bool is_worth_a_wait(const struct grpc_client *c, int r)
{
	return r == -EAGAIN || (c->is_patient && (r == -ENOENT || r == -ECONNREFUSED));
}

/* @r: of connect_client(). False: it has to wait. */
static bool go(struct grpc_client *c, struct grpc_stream *st, int r, uint64_t now)
{
	if (r == 0)
		grpc_stream_submit(st, c->conn);
	else if (is_worth_a_wait(c, r) && now < st->connect_by)
		return false;
	else
		grpc_stream_fail(st, dv_err_new(DV_UNAVAILABLE, "connect to %s: %s", c->path,
						dv_errno_text(-r)));
	return true;
}

void grpc_client_go(struct grpc_client *c, struct grpc_stream *st)
{
	uint64_t now = uv_hrtime();

	if (!st->is_over && !go(c, st, connect_client(c), now))
		grpc_alarm_by(&c->hub, &c->retry, now + CONNECT_RETRY);
}

/* All that wait. */
static void retry(struct grpc_alarm *a)
{
	struct grpc_client *c = dv_container_of(a, struct grpc_client, retry);
	uint64_t now = uv_hrtime();
	int r = connect_client(c);

	for (struct grpc_stream *st = c->streams; st; st = st->next) {
		if (!st->is_submitted && !st->is_over && !go(c, st, r, now))
			grpc_alarm_by(&c->hub, a, now + CONNECT_RETRY);
	}
}

/* ---- Life ---- */

static void hub_closed(struct grpc_hub *hub)
{
	struct grpc_client *c = dv_container_of(hub, struct grpc_client, hub);

	free(c->path);
	free(c);
}

struct grpc_client *grpc_client_new(const struct grpc_client_opts *opts)
{
	struct grpc_client *c = dv_new(struct grpc_client);
	const char *path = opts->path;

	c->path = dv_strdup(dv_starts_with(path, "unix://") ? path + strlen("unix://") : path);
	c->max_message = opts->max_message ? opts->max_message : GRPC_MESSAGE_MAX;
	c->connect_ns = opts->connect_ns ? opts->connect_ns : CONNECT_DEFAULT;
	c->is_patient = opts->is_patient;
	c->last = &c->streams;
	c->input.max = c->output.max = MEMORY_MAX;
	c->retry.fn = retry;
	grpc_hub_init(&c->hub, opts->loop, hub_closed);
	return c;
}

struct grpc_client *grpc_client_free(struct grpc_client *c)
{
	if (!c || c->is_freed)
		return NULL;
	c->is_freed = true;
	while (c->streams)
		grpc_stream_finish(c->streams,
				   dv_err_new(DV_CANCELLED, "%s: %s: the client was closed",
					      c->path, c->streams->path));
	for (struct grpc_client_conn *conn = c->conns; conn; conn = conn->next)
		grpc_h2_kill(&conn->h2, "closed by us", 0);
	grpc_hub_close(&c->hub);
	return NULL;
}
