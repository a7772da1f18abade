/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing the parts up, one after the other, and taking them down. Everything that was made is
 * freed by daemon_fini(), also of a daemon that did not get far.
 *
 * The end: servers are closed (their calls with them), then tasks let go of their shims, then
 * workers end, then stores are closed.
 */

#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "daemon-private.h"
#include "events.h"
#include "gc.h"
#include "io/child.h"
#include "metrics.h"
#include "observe.h"
#include "rpc/ttrpc.h"
#include "sandboxes.h"
#include "service.h"
#include "socket.h"
#include "stores.h"
#include "streams.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tasks.h"
#include "ttrpc.h"

enum {
	FAST_THREADS = 8,
	SLOW_THREADS = 16,
	TRANSFER_THREADS = 32,
	PATIENCE_MS = 10000, /* at the end, for tasks that are being created or deleted */
};
#define GRACE_NS 2000000000ULL

/* ---- directories --------------------------------------------------------------------------- */

/* Makes @path and locks it for this daemon alone. */
static struct dv_err *take_directory(const char *what, const char *path, mode_t mode, int *ret_lock)
{
	DV_CLEANUP(sys_closep) int root = -1, path_fd = -1, dir = -1;
	int r;

	if (*path != '/')
		return dv_err_new(DV_INVALID, "%s directory %s: not an absolute path", what, path);
	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	path_fd = root < 0 ? root : sys_mkdir_in_root(root, path, mode);
	if (path_fd < 0)
		return dv_err_sys(path_fd, "make the %s directory %s", what, path);
	dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dv_err_sys(dir, "open the %s directory %s", what, path);
	r = sys_try_lock(dir);
	if (r == -EAGAIN)
		return dv_err_new(DV_UNAVAILABLE,
				  "the %s directory %s is used by another daemon; stop it, or give "
				  "this one other directories (--root, --state)",
				  what, path);
	if (r < 0)
		return dv_err_sys(r, "lock the %s directory %s", what, path);
	*ret_lock = dv_steal_fd(&dir);
	return NULL;
}

static struct dv_err *take_directories(struct daemon *d)
{
	struct dv_err *e;

	/* Everybody may pass: a container of a user namespace reaches its root through here. */
	e = take_directory("root", d->config->root, 0711, &d->root_lock);
	if (!e && dv_streq(d->config->root, d->config->state))
		e = dv_err_new(DV_INVALID, "root and state are the same directory, %s",
			       d->config->root);
	if (!e)
		e = take_directory("state", d->config->state, 0711, &d->state_lock);
	return e;
}

/* ---- our other programs ----------------------------------------------------------------------- */

static const char *env(const char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++) {
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	}
	return "";
}

/* Beside us, where it is installed, or in PATH. Whoever wants it is told that it is not there. */
static void find_unpacker(struct daemon *d)
{
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s:%s/../libexec/davit:%s", d->program_dir, d->program_dir,
			       env(d->envp, "PATH"));
	struct dv_err *e = io_path_find("davit-unpack", path, &d->unpacker);

	if (!e)
		return;
	dv_log(d->log, DV_WARN, "layers cannot be unpacked: %s", dv_err_message(e));
	dv_err_free(e);
	d->unpacker = dv_strdup("davit-unpack");
}

/* ---- sockets -------------------------------------------------------------------------------------- */

static struct dv_err *listen_grpc(struct daemon *d, const struct daemon_socket *s,
				  bool is_read_only)
{
	struct grpc_listen_opts opts = { .take_fd = -1, .is_read_only = is_read_only };
	struct dv_err *e;

	e = daemon_socket_listen(s, &opts.take_fd);
	return e ? e : grpc_server_listen(d->server, &opts);
}

static struct dv_err *open_sockets(struct daemon *d)
{
	const struct daemon_config *c = d->config;
	struct daemon_socket main = { c->address, c->uid, c->gid, c->mode };
	struct daemon_socket reader = { c->read_only_address, c->uid, c->read_only_gid,
					c->read_only_mode };
	struct grpc_server_opts opts = { .loop = d->loop,
					 .log = d->log,
					 .limits = { .max_message = c->max_message } };
	struct dv_err *e;

	e = grpc_server_new(&opts, &d->server);
	if (e)
		return e;
	d->observations = observations_new(d);
	daemon_services_add(d, d->server);
	/* Shims first: once a client can ask for one, it has somebody to talk to. */
	e = daemon_ttrpc_listen(d);
	if (!e && *c->read_only_address)
		e = listen_grpc(d, &reader, true);
	if (!e)
		e = metrics_new(d, &d->metrics);
	if (!e)
		e = listen_grpc(d, &main, false);
	return e;
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static struct dv_err *make_pools(struct daemon *d)
{
	struct io_work_pool_opts fast = { .loop = d->loop,
					  .name = "fast",
					  .max_threads = FAST_THREADS };
	struct io_work_pool_opts slow = { .loop = d->loop,
					  .name = "slow",
					  .max_threads = SLOW_THREADS };
	struct io_work_pool_opts transfers = { .loop = d->loop,
					       .name = "transfer",
					       .max_threads = TRANSFER_THREADS };
	struct dv_err *e = io_work_pool_new(&fast, &d->fast);

	if (!e)
		e = io_work_pool_new(&slow, &d->slow);
	return e ? e : io_work_pool_new(&transfers, &d->transfers);
}

static struct dv_err *begin(struct daemon *d)
{
	struct dv_err *e;

	find_unpacker(d);
	e = take_directories(d);
	if (!e)
		e = make_pools(d);
	if (!e)
		e = daemon_stores_open(d);
	if (e)
		return e;
	d->events = events_new(d->fast);
	d->streams = streams_new(d);
	d->gc = gc_new(d);
	e = sandboxes_new(d, &d->sandboxes);
	if (!e)
		e = tasks_new(d, &d->tasks);
	return e ? e : open_sockets(d);
}

static void daemon_fini(struct daemon *d)
{
	d->observations = observations_free(d->observations);
	d->tasks = tasks_free(d->tasks);
	d->sandboxes = sandboxes_free(d->sandboxes);
	/*
	 * Work that is under way may still publish, or ask the stores; and what is quick may leave
	 * trees to be removed to the slow workers (snapshots.c), who are the last.
	 */
	d->transfers = io_work_pool_free(d->transfers);
	d->fast = io_work_pool_free(d->fast);
	d->slow = io_work_pool_free(d->slow);
	d->streams = streams_free(d->streams);
	d->gc = gc_free(d->gc);
	d->events = events_free(d->events);
	daemon_stores_close(d);
	free(d->unpacker);
	free(d->ttrpc_address);
	sys_closep(&d->root_lock);
	sys_closep(&d->state_lock);
	free(d);
}

struct dv_err *daemon_new(const struct daemon_opts *opts, struct daemon **ret)
{
	struct daemon *d = dv_new(struct daemon);
	struct dv_err *e;

	d->loop = opts->loop;
	d->log = opts->log;
	d->config = opts->config;
	d->program_dir = opts->program_dir;
	d->envp = opts->envp;
	d->root_lock = d->state_lock = -1;
	clock_gettime(CLOCK_REALTIME, &d->started_at);
	d->ttrpc_address = *d->config->ttrpc_address ? dv_strdup(d->config->ttrpc_address)
						     : dv_printf("%s.ttrpc", d->config->address);
	e = begin(d);
	if (e) {
		d->metrics = metrics_free(d->metrics);
		if (d->server)
			grpc_server_close(d->server, 0, NULL, NULL);
		if (d->ttrpc)
			ttrpc_server_close(d->ttrpc, NULL, NULL);
		daemon_fini(d);
		return e;
	}
	*ret = d;
	return NULL;
}

static void on_patience(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	dv_log(d->log, DV_WARN,
	       "a task or a sandbox is still being created or deleted; the next start cleans up");
	sys_exit(EXIT_SUCCESS);
}

static void on_patience_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_settled(void *arg)
{
	struct daemon *d = arg;
	void (*stopped)(void *arg) = d->stopped;
	void *stopped_arg = d->stopped_arg;

	uv_close((uv_handle_t *)d->patience, on_patience_closed);
	daemon_fini(d);
	stopped(stopped_arg);
}

static void on_tasks_settled(void *arg)
{
	struct daemon *d = arg;

	sandboxes_when_settled(d->sandboxes, on_settled, d);
}

/* Nobody can ask for anything any more; what was asked for before comes to its end. */
static void on_closed(void *arg)
{
	struct daemon *d = arg;

	if (--d->n_closing > 0)
		return;
	d->patience = dv_new(uv_timer_t);
	(void)uv_timer_init(d->loop, d->patience);
	d->patience->data = d;
	(void)uv_timer_start(d->patience, on_patience, PATIENCE_MS, 0);
	tasks_when_settled(d->tasks, on_tasks_settled, d);
}

void daemon_stop(struct daemon *d, void (*stopped)(void *arg), void *arg)
{
	d->stopped = stopped;
	d->stopped_arg = arg;
	d->n_closing = 2;
	d->metrics = metrics_free(d->metrics);
	grpc_server_close(d->server, GRACE_NS, on_closed, d);
	ttrpc_server_close(d->ttrpc, on_closed, d);
}

void daemon_dump(struct daemon *d)
{
	struct grpc_server_stats s;

	grpc_server_stats(d->server, &s);
	dv_log(d->log, DV_INFO,
	       "%zu connections, %zu calls, %zu bytes; work: %zu fast, %zu slow, "
	       "%zu transfers",
	       s.connections, s.calls, s.memory, io_work_pending(d->fast), io_work_pending(d->slow),
	       io_work_pending(d->transfers));
	sandboxes_dump(d->sandboxes);
	tasks_dump(d->tasks);
}
