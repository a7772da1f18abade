/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that gets a container's output. We keep a reading end of both pipes, so that the
 * process does not get EPIPE if the logger dies: then what it writes is read and dropped.
 *
 *	starting --ready--> serving --free--> ending --2 s--> terminated --12 s--> killed
 *	    \--failed, or its time was up--> killed
 *
 * The logger sees the end of its input when the process has ended and ends by itself, as a
 * rule: SIGTERM would cost it what it has read and not yet written, hence the two seconds.
 */

#include "stdio-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "io/child.h"
#include "io/copy.h"
#include "io/pidfd.h"
#include "sys/file.h"
#include "sys/process.h"

enum {
	READY_MS = 30 * 1000,
	GRACE_MS = 2 * 1000,
	TERM_MS = 12 * 1000,
};

enum state { STARTING, SERVING, ENDING, TERMINATED, KILLED };

struct stdio_logger {
	struct shim_env *env;
	enum state state;
	struct io_child *child; /* NULL: has ended, with status */
	int status;
	uv_poll_t ready_poll;
	bool has_ready_poll, needs_byte;
	int ready_fd;
	uv_timer_t timer;
	int readers[2], writers[2]; /* -1: closed, or handed over */
	struct io_copy *drops[2]; /* once the logger is dead */
	char *path;
	bool is_freed;
	unsigned n_handles;
	stdio_logger_ready_fn ready;
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	struct stdio_logger *l = handle->data;

	if (--l->n_handles > 0)
		return;
	free(l->path);
	free(l);
}

static void close_ready(struct stdio_logger *l)
{
	if (l->has_ready_poll)
		uv_close((uv_handle_t *)&l->ready_poll, on_closed);
	l->has_ready_poll = false;
	l->ready_fd = sys_close(l->ready_fd);
}

static void close_pipes(struct stdio_logger *l)
{
	for (int i = 0; i < 2; i++) {
		l->readers[i] = sys_close(l->readers[i]);
		l->writers[i] = sys_close(l->writers[i]);
		l->drops[i] = io_copy_free(l->drops[i]);
	}
}

static void close_all(struct stdio_logger *l)
{
	close_ready(l);
	close_pipes(l);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}

/* ---- without it ------------------------------------------------------------------------- */

/* Nobody but us has the other ends any more. */
static bool has_input_ended(const struct stdio_logger *l)
{
	struct pollfd p[2] = { { .fd = l->readers[0] }, { .fd = l->readers[1] } };

	(void)sys_poll(p, 2, 0);
	return (p[0].revents & POLLHUP) && (p[1].revents & POLLHUP);
}

static void on_dropped(void *arg, int neg_errno)
{
	/* Ended: there is nothing to be done about it before all is freed. */
	(void)arg;
	(void)neg_errno;
}

static void drop_output(struct stdio_logger *l)
{
	for (int i = 0; i < 2; i++) {
		int fd = stdio_reopen_fd(l->readers[i], O_RDONLY | O_NONBLOCK);
		struct io_copy_opts opts = { .take_from = fd,
					     .take_to = -1,
					     .scratch = l->env->scratch,
					     .ended = on_dropped,
					     .arg = l };
		struct dv_err *e = fd < 0 ? dv_err_sys(fd, "open a pipe")
					  : io_copy_new(l->env->loop, &opts, &l->drops[i]);

		if (e)
			dv_log(l->env->log, DV_WARN, "stdio: logger %s: %s", l->path,
			       dv_err_message(e));
		dv_err_free(e);
	}
}

/* It is dead: nobody else will read what the process writes. */
static void lost(struct stdio_logger *l)
{
	if (has_input_ended(l))
		return;
	dv_log(l->env->log, DV_WARN,
	       "stdio: logger %s ended with status %d while it was needed: further output is lost",
	       l->path, l->status);
	drop_output(l);
}

/* ---- starting ---------------------------------------------------------------------------- */

static void started(struct stdio_logger *l, struct dv_err *take_e)
{
	close_ready(l);
	uv_timer_stop(&l->timer);
	if (take_e && l->child)
		(void)io_child_kill(l->child, SIGKILL);
	l->state = take_e ? KILLED : SERVING;
	/* Its end may have been seen before that of the ready pipe. */
	if (!take_e && !l->child)
		lost(l);
	l->ready(l->arg, take_e);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct stdio_logger *l = dv_container_of(poll, struct stdio_logger, ready_poll);
	char byte;
	ssize_t n = sys_read(l->ready_fd, &byte, 1);

	(void)status;
	(void)events;
	if (n == -EAGAIN)
		return;
	/* The first version only closes it, so that it cannot be told from one that crashed. */
	if (n > 0 || (n == 0 && !l->needs_byte))
		started(l, NULL);
	else
		started(l, dv_err_new(DV_UNAVAILABLE, "stdio: logger %s ended before it was ready",
				      l->path));
}

/* ---- ending ------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
	struct stdio_logger *l = dv_container_of(timer, struct stdio_logger, timer);
	pid_t pid = l->child ? io_child_pid(l->child) : -1;

	switch (l->state) {
	case STARTING:
		started(l, dv_err_new(DV_DEADLINE, "stdio: logger %s was not ready in %d s",
				      l->path, READY_MS / 1000));
		return;
	case ENDING:
		/* To the program alone, which knows what to do with its own children. */
		if (pid > 0)
			(void)sys_kill(pid, SIGTERM);
		l->state = TERMINATED;
		(void)uv_timer_start(timer, on_timer, TERM_MS, 0);
		return;
	case TERMINATED:
		if (l->child)
			(void)io_child_kill(l->child, SIGKILL);
		l->state = KILLED;
		return;
	default:
		return;
	}
}

static void on_exit_seen(void *arg, const struct io_child_result *result)
{
	struct stdio_logger *l = arg;

	l->child = NULL;
	if (l->is_freed) {
		close_all(l);
		return;
	}
	l->status = io_exit_status(&result->si);
	/* While it is starting the ready pipe says so. */
	if (l->state == SERVING)
		lost(l);
}

/* ---- public ------------------------------------------------------------------------------ */

static struct dv_err *run(struct stdio_logger *l, const struct stdio_uri *uri, const char *id,
			  const char *ns, int ready_fd)
{
	DV_CLEANUP(dv_freep) char *id_env = dv_printf("CONTAINER_ID=%s", id ? id : "");
	DV_CLEANUP(dv_freep) char *ns_env = dv_printf("CONTAINER_NAMESPACE=%s", ns ? ns : "");
	const char **argv DV_CLEANUP(dv_freep) = dv_new_n(const char *, 2 * uri->n_params + 2);
	const char *envp[] = { id_env, ns_env, NULL };
	const int fds[] = { l->readers[0], l->readers[1], ready_fd };
	struct io_child_opts opts = { .path = uri->path,
				      .argv = argv,
				      .envp = envp,
				      .stdio = { -1, -1, -1 },
				      .fds = fds,
				      .n_fds = DV_ARRAY_SIZE(fds),
				      .has_new_group = true };
	size_t n = 0;

	argv[n++] = uri->path;
	for (size_t i = 0; i < uri->n_params; i++) {
		argv[n++] = uri->params[i].key;
		argv[n++] = uri->params[i].value;
	}
	argv[n] = NULL;
	return dv_err_wrap(io_child_run(l->env->loop, &opts, on_exit_seen, l, &l->child),
			   "stdio: logger");
}

static struct dv_err *open_pipes(struct stdio_logger *l, int *ret_ready)
{
	int fds[2], r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		r = sys_pipe(fds);
		if (r < 0)
			break;
		*(i < 2 ? &l->readers[i] : &l->ready_fd) = fds[0];
		*(i < 2 ? &l->writers[i] : ret_ready) = fds[1];
	}
	if (r == 0)
		r = uv_poll_init(l->env->loop, &l->ready_poll, l->ready_fd);
	if (r < 0)
		return dv_err_sys(r, "stdio: pipes for a logger");
	l->has_ready_poll = true;
	l->n_handles++;
	return NULL;
}

struct dv_err *stdio_logger_start(struct shim_env *env, const struct stdio_uri *uri,
				  const char *container_id, const char *ns,
				  stdio_logger_ready_fn ready, void *arg, struct stdio_logger **ret)
{
	struct stdio_logger *l = dv_new(struct stdio_logger);
	int ready_fd = -1;
	struct dv_err *e;

	l->env = env;
	l->ready_fd = l->readers[0] = l->readers[1] = l->writers[0] = l->writers[1] = -1;
	l->needs_byte = uri->scheme == STDIO_BINARY_V2;
	l->path = dv_strdup(uri->path);
	l->ready = ready;
	l->arg = arg;
	(void)uv_timer_init(env->loop, &l->timer);
	l->timer.data = l->ready_poll.data = l;
	l->n_handles = 1;

	e = open_pipes(l, &ready_fd);
	if (!e)
		e = run(l, uri, container_id, ns, ready_fd);
	sys_close(ready_fd);
	if (e) {
		close_all(l);
		return e;
	}
	(void)uv_poll_start(&l->ready_poll, UV_READABLE, on_ready);
	(void)uv_timer_start(&l->timer, on_timer, READY_MS, 0);
	*ret = l;
	return NULL;
}

int stdio_logger_take_writer(struct stdio_logger *l, int which)
{
	return dv_steal_fd(&l->writers[which]);
}

static bool is_empty(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) < 0 || n == 0;
}

bool stdio_logger_is_drained(struct stdio_logger *l)
{
	return !l->child || (is_empty(l->readers[0]) && is_empty(l->readers[1]));
}

struct stdio_logger *stdio_logger_free(struct stdio_logger *l)
{
	bool has_ended;

	if (!l)
		return NULL;
	l->writers[0] = sys_close(l->writers[0]);
	l->writers[1] = sys_close(l->writers[1]);
	if (!l->child) {
		close_all(l);
		return NULL;
	}
	has_ended = has_input_ended(l);
	l->is_freed = true;
	close_ready(l);
	close_pipes(l);
	if (l->state == STARTING || l->state == KILLED) {
		(void)io_child_kill(l->child, SIGKILL);
		l->state = KILLED;
		return NULL;
	}
	l->state = ENDING;
	(void)uv_timer_start(&l->timer, on_timer, has_ended ? GRACE_MS : 0, 0);
	return NULL;
}
