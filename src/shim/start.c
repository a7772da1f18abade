/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See start.h for the order. This process runs for each container that is made and the daemon waits
 * for it, so it does nothing that the server could do later, and links nothing that it
 * does not need. What it allocates is given back by its end.
 */

#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "start-private.h"
#include "start-server.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

enum { LISTEN_FD = 3, COMMIT_FD = 4, BACKLOG = 128 };

struct start {
	const struct shim_start_opts *opts;
	struct shim_bootstrap boot;
	struct dv_arena arena;
	struct dv_strbuf input;
	char path[SHIM_SOCKET_SIZE];
	char address[SHIM_SOCKET_SIZE + 8];
	int lock, log_fd;
	struct dv_log log;
	bool has_socket, has_files;
};

/* ---- what the daemon wrote ------------------------------------------------------------------ */

static struct dv_err *read_input(int fd, struct dv_strbuf *out)
{
	char buf[16384];
	ssize_t n;

	while ((n = sys_read(fd, buf, sizeof(buf))) > 0) {
		dv_strbuf_add_n(out, buf, (size_t)n);
		if (out->len > SHIM_BOOTSTRAP_MAX)
			break; /* the parser says so */
	}
	return n < 0 ? dv_err_sys((int)n, "read standard input") : NULL;
}

static struct dv_err *find_address(struct start *s)
{
	DV_CLEANUP(dv_freep) char *group = NULL;
	struct shim_socket_name name = {
		.dir = s->opts->socket_dir ? s->opts->socket_dir : s->boot.socket_dir,
		.address = s->boot.grpc_address,
		.ns = s->boot.ns,
	};
	struct dv_err *e;

	e = shim_group_read(s->opts->bundle_fd, s->boot.id, &group);
	if (e)
		return e;
	name.group = group;
	e = shim_socket_path(&name, s->path);
	if (e)
		return e;
	memcpy(s->address, "unix://", sizeof("unix://"));
	memcpy(s->address + strlen("unix://"), s->path, strlen(s->path) + 1);
	return NULL;
}

/* ---- files in the bundle -------------------------------------------------------------------- */

static int write_new(int dir, const char *name, const char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(dir, ".address", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fd;
	r = sys_write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	return sys_renameat(dir, ".address", dir, name);
}

/*
 * "address": 1.6 and 1.7 read it when they come back, and so does their clean-up. "s" leads
 * the clean-up to a socket that is not in the default directory; the name is containerd's.
 */
static struct dv_err *write_files(struct start *s)
{
	int dir = s->opts->bundle_fd, r;

	s->has_files = true;
	if (s->boot.daemon != SHIM_DAEMON_PROTOBUF) {
		r = write_new(dir, "address", s->address);
		if (r < 0)
			return dv_err_sys(r, "write the file address of the bundle");
	}
	if (!*s->boot.socket_dir)
		return NULL;
	r = sys_unlinkat(dir, "s", 0);
	if (r == 0 || r == -ENOENT)
		r = sys_symlinkat(s->boot.socket_dir, dir, "s");
	return r < 0 ? dv_err_sys(r, "make the link s of the bundle") : NULL;
}

static struct dv_err *write_answer(const struct start *s)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	char cwd[PATH_MAX];
	bool is_sandbox;
	int r;

	is_sandbox = sys_getcwd(cwd, sizeof(cwd)) == 0 &&
		     strstr(cwd, "/io.containerd.sandbox.controller.");
	shim_bootstrap_answer(s->boot.daemon, s->address, is_sandbox, &out);
	r = sys_write_all(s->opts->out, out.data, out.len);
	dv_strbuf_fini(&out);
	return r < 0 ? dv_err_sys(r, "write the answer") : NULL;
}

/*
 * The daemon has made the fifo and reads it. Opened for both, so that what is said while the
 * daemon is away waits for it, and without waiting: what does not fit is lost.
 */
static void open_log(struct start *s)
{
	struct stat st;

	s->log_fd = sys_openat(s->opts->bundle_fd, "log", O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
	if (s->log_fd >= 0 && (sys_fstat(s->log_fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
		s->log_fd = sys_close(s->log_fd);
	s->log = (struct dv_log){ .fd = s->log_fd,
				  .format = DV_LOG_TEXT,
				  .level = s->boot.is_debug ? DV_DEBUG : DV_INFO };
}

/* ---- a new server --------------------------------------------------------------------------- */

static struct dv_err *run_server(struct start *s, struct start_server *server)
{
	const char *cgroup = "";
	struct dv_err *e;

	e = shim_bootstrap_cgroup(&s->boot, &s->arena, &cgroup);
	if (e)
		return e;
	server->log = s->log_fd >= 0 ? &s->log : NULL;
	e = start_server_run(server, s->opts, &s->boot);
	if (!e && *cgroup)
		e = start_server_join_cgroup(server, cgroup);
	if (!e)
		e = start_server_adjust_oom(server);
	return e;
}

static struct dv_err *publish(struct start *s, struct start_server *server)
{
	struct dv_err *e;
	int r;

	e = shim_socket_listen(server->listen_fd, s->path);
	if (e)
		return e;
	s->has_socket = true;
	e = write_files(s);
	if (!e)
		e = write_answer(s);
	if (e)
		return e;
	r = shim_socket_commit(s->path);
	if (r < 0)
		return dv_err_sys(r, "give %s its mode", s->path);
	return start_server_commit(server);
}

static struct dv_err *start_new(struct start *s)
{
	struct start_server server = START_SERVER_INIT;
	struct dv_err *e;

	e = run_server(s, &server);
	if (!e)
		e = publish(s, &server);
	if (e) {
		start_server_kill(&server);
		if (s->has_socket)
			(void)sys_unlinkat(AT_FDCWD, s->path, 0);
	}
	start_server_fini(&server);
	return e;
}

static struct dv_err *join_or_start(struct start *s)
{
	enum shim_socket_state state;
	struct dv_err *e;

	e = shim_socket_lock(s->path, true, &s->lock);
	if (!e)
		e = shim_socket_probe(s->path, &state, NULL);
	if (e)
		return e;
	switch (state) {
	case SHIM_SOCKET_HUNG:
		return dv_err_new(DV_UNAVAILABLE,
				  "the shim of this group takes no connections; its socket is %s",
				  s->path);
	case SHIM_SOCKET_LIVE:
		e = write_files(s);
		return e ? e : write_answer(s);
	case SHIM_SOCKET_NONE:
	case SHIM_SOCKET_STALE:
		break;
	}
	open_log(s);
	return start_new(s);
}

static struct dv_err *start(struct start *s)
{
	struct dv_err *e;

	e = read_input(s->opts->in, &s->input);
	if (!e)
		e = shim_bootstrap_parse(&s->opts->args, s->input.data, s->input.len, &s->arena,
					 &s->boot);
	if (!e)
		e = find_address(s);
	if (!e)
		e = join_or_start(s);
	if (e && s->has_files) {
		(void)sys_unlinkat(s->opts->bundle_fd, "address", 0);
		(void)sys_unlinkat(s->opts->bundle_fd, "s", 0);
	}
	return e;
}

struct dv_err *shim_start(const struct shim_start_opts *opts)
{
	struct start s = { .opts = opts, .input = DV_STRBUF_INIT, .lock = -1, .log_fd = -1 };
	struct dv_err *e;

	/* A server that has died is an error of the commit. */
	(void)signal(SIGPIPE, SIG_IGN);
	dv_arena_init(&s.arena);
	e = start(&s);
	dv_arena_fini(&s.arena);
	dv_strbuf_fini(&s.input);
	sys_close(s.log_fd);
	sys_close(s.lock);
	return e;
}

/* ---- in the server -------------------------------------------------------------------------- */

char *shim_start_socket(int listen_fd)
{
	char path[SHIM_SOCKET_SIZE + 1];

	return dv_strdup(sys_unix_name(listen_fd, path, sizeof(path)) == 0 ? path : "");
}

char *shim_start_spool(int listen_fd)
{
	DV_CLEANUP(dv_freep) char *path = shim_start_socket(listen_fd);

	return *path == '/' ? shim_spool_path(path) : NULL;
}

/*
 * Whose is the name of our socket by now? Another start takes it over when it finds it without the
 * last mode. Once ours has that mode, it is ours for good, since others join it then. With the
 * lock held.
 */
static bool is_ours(const char *path, enum shim_socket_state *ret)
{
	struct dv_err *e;
	pid_t pid;

	e = shim_socket_probe(path, ret, &pid);
	if (e) {
		dv_err_free(e);
		*ret = SHIM_SOCKET_NONE;
	}
	return *ret == SHIM_SOCKET_HUNG || (*ret == SHIM_SOCKET_LIVE && pid == getpid());
}

/* True when it was complete all the same; else the name is gone: it is of no use to anybody. */
static bool was_committed(int listen_fd)
{
	DV_CLEANUP(dv_freep) char *path = shim_start_socket(listen_fd);
	DV_CLEANUP(sys_closep) int lock = -1;
	enum shim_socket_state state;
	bool is_committed = false;

	if (*path != '/')
		return false;
	dv_err_free(shim_socket_lock(path, false, &lock));
	if (lock < 0)
		return false;
	is_committed = is_ours(path, &state);
	if (!is_committed && state == SHIM_SOCKET_STALE)
		(void)sys_unlinkat(AT_FDCWD, path, 0);
	return is_committed;
}

struct dv_err *shim_start_adopt(int *ret_listen_fd)
{
	ssize_t n;
	char c;
	int r;

	n = sys_read(COMMIT_FD, &c, 1);
	if (n >= 0)
		sys_close(COMMIT_FD);
	/* Also makes us, not the start process, the one that peers see. */
	r = sys_listen(LISTEN_FD, BACKLOG);
	if (n == 0 && !was_committed(LISTEN_FD))
		return dv_err_new(DV_CANCELLED, "the start of this shim failed");
	if (r == 0)
		r = sys_set_cloexec(LISTEN_FD, true);
	if (r < 0)
		return dv_err_sys(r, "listen on descriptor %d, the socket from start", LISTEN_FD);
	*ret_listen_fd = LISTEN_FD;
	return NULL;
}

struct dv_err *shim_start_listen(const char *path, int *ret_listen_fd)
{
	DV_CLEANUP(sys_closep) int lock = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	enum shim_socket_state state;
	struct dv_err *e;
	int r;

	if (*path != '/')
		return dv_err_new(DV_INVALID, "-socket %s: not an absolute path", path);
	e = shim_socket_lock(path, true, &lock);
	if (!e)
		e = shim_socket_probe(path, &state, NULL);
	if (e)
		return e;
	if (state == SHIM_SOCKET_LIVE || state == SHIM_SOCKET_HUNG)
		return dv_err_new(DV_EXISTS, "%s: somebody serves there already", path);
	fd = sys_unix_socket();
	if (fd < 0)
		return dv_err_sys(fd, "make a socket");
	e = shim_socket_listen(fd, path);
	if (e)
		return e;
	r = shim_socket_commit(path);
	if (r < 0)
		return dv_err_sys(r, "give %s its mode", path);
	*ret_listen_fd = dv_steal_fd(&fd);
	return NULL;
}

void shim_start_retire(int listen_fd)
{
	DV_CLEANUP(dv_freep) char *path = shim_start_socket(listen_fd);
	DV_CLEANUP(sys_closep) int lock = -1;
	enum shim_socket_state state;

	if (*path != '/')
		return;
	dv_err_free(shim_socket_lock(path, false, &lock));
	if (lock >= 0 && is_ours(path, &state))
		(void)sys_unlinkat(AT_FDCWD, path, 0);
}
