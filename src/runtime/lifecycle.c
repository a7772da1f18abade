/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a container after it was created.
 *
 *   created --start--> running <--pause/resume--> paused
 *      |                  | exit, kill                |
 *      +-------kill-----> stopped <-------kill--------+
 *                         | delete
 *                         gone
 *
 * No state is written on the way: a status is what the process, the fifo and the freezer say.
 * Nothing waits by sleeping: the end of the process is its pidfd's to tell.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "lifecycle-private.h"
#include "notify-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { KILL_WAIT_MS = 10 * 1000, FREEZE_WAIT_MS = 10 * 1000 };

/* Otherwise its first process is nothing special, and others may outlive it. */
static bool has_own_pids(const struct rt_container *c)
{
	return c->state->new_namespaces & NS_BIT(SPEC_NS_PID);
}

static bool is_alive(const struct rt_container *c)
{
	return c->state->pidfd >= 0;
}

static struct dv_err *not_running(void)
{
	return dv_err_new(DV_PRECONDITION, "container not running");
}

static struct dv_err *keep_first(struct dv_err *first, struct dv_err *second)
{
	if (!first)
		return second;
	dv_err_free(second);
	return first;
}

/* ---- kill ------------------------------------------------------------------------------------ */

static struct dv_err *signal_init(struct rt_container *c, int signo)
{
	int r;

	if (!is_alive(c))
		return not_running();
	r = sys_pidfd_send_signal(c->state->pidfd, signo);
	if (r == -ESRCH)
		return not_running();
	if (r < 0)
		return dv_err_sys(r, "unable to signal init");
	/* On cgroup v1 a frozen process dies when it is thawed. */
	if (signo == SIGKILL && c->status == RT_PAUSED)
		dv_err_free(host_cgroup_thaw(c->cgroup));
	return NULL;
}

static struct dv_err *kill_cgroup(struct rt_container *c)
{
	if (!c->cgroup)
		return dv_err_new(DV_NOT_FOUND, "container has no cgroup");
	return host_cgroup_kill(c->cgroup, SIGKILL);
}

static struct dv_err *kill_all(const struct rt_context *ctx, struct rt_container *c)
{
	struct dv_err *e;

	if (has_own_pids(c)) /* the kernel ends the namespace with its init */
		return signal_init(c, SIGKILL);
	e = kill_cgroup(c);
	if (!e)
		return NULL;
	if (ctx->is_rootless || c->state->is_rootless) {
		dv_log(ctx->log, DV_WARN,
		       "failed to kill all processes, possibly due to lack of cgroup (Hint: enable cgroup v2 delegation): %s",
		       dv_err_message(e));
		dv_err_free(e);
		return signal_init(c, SIGKILL);
	}
	if (dv_err_code(e) == DV_NOT_FOUND && !is_alive(c)) {
		dv_err_free(e);
		e = not_running();
	}
	return dv_err_wrap(e, "unable to kill all processes");
}

static struct dv_err *kill_and_wait(const struct rt_context *ctx, struct rt_container *c)
{
	struct dv_err *e = kill_all(ctx, c);
	int r;

	if (e && dv_err_code(e) != DV_PRECONDITION)
		return e;
	dv_err_free(e);
	if (!is_alive(c))
		return NULL;
	r = sys_poll_in(c->state->pidfd, KILL_WAIT_MS);
	if (r < 0)
		return dv_err_sys(r, "wait for the container's end");
	return r == 0 ? dv_err_new(DV_DEADLINE, "container init still running") : NULL;
}

struct dv_err *rt_kill(const struct rt_context *ctx, const char *id, int signo, bool all)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	if (e)
		return e;
	e = signo == SIGKILL ? kill_all(ctx, c) : signal_init(c, signo);
	if (e && all && dv_err_code(e) == DV_PRECONDITION)
		e = dv_err_free(e);
	return e;
}

/* ---- start ----------------------------------------------------------------------------------- */

static struct dv_err *check_startable(const struct rt_container *c)
{
	switch (c->status) {
	case RT_CREATED:
		return NULL;
	case RT_STOPPED:
		return dv_err_new(DV_PRECONDITION, "cannot start a container that has stopped");
	case RT_RUNNING:
		return dv_err_new(DV_PRECONDITION, "cannot start an already running container");
	default:
		return dv_err_new(DV_PRECONDITION, "cannot start a container in the %s state",
				  rt_status_name(c->status));
	}
}

/* Another start was faster, or the process died. */
static struct dv_err *no_reader(struct rt_container *c)
{
	struct dv_err *e = rt_container_refresh(c);

	if (!e)
		e = check_startable(c);
	return e ? e : dv_err_new(DV_ABORTED, "exec fifo has no reader");
}

/*
 * One byte lets the process go. Whoever is killed between the write and the unlink has started it
 * all the same: a name without a reader is not taken for a fifo, see rt_container_refresh().
 */
static struct dv_err *write_fifo(struct rt_container *c, int *ret_fifo)
{
	DV_CLEANUP(sys_closep) int reader = -1;
	int dir = c->state->dirfd, r;
	ssize_t n;

	*ret_fifo = sys_openat(dir, RT_FIFO, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	if (*ret_fifo == -ENOENT || *ret_fifo == -ENXIO)
		return no_reader(c);
	if (*ret_fifo < 0)
		return dv_err_sys(*ret_fifo, "exec fifo");
	/* Held while we write: should the container's be gone just now, that is no SIGPIPE for us. */
	reader = sys_openat(dir, RT_FIFO, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	n = reader < 0 ? reader : sys_write(*ret_fifo, "0", 1);
	if (n < 0)
		return dv_err_sys((int)n, "write exec fifo");
	r = sys_unlinkat(dir, RT_FIFO, 0);
	return r < 0 && r != -ENOENT ? dv_err_sys(r, "remove exec fifo") : NULL;
}

/* One at a time, and not while somebody deletes it. */
static struct dv_err *open_gate(struct rt_container *c, int *ret_fifo)
{
	struct dv_err *e = rt_container_lock(c);

	if (e)
		return e;
	e = write_fifo(c, ret_fifo);
	rt_container_unlock(c);
	return e;
}

/* The last reader is gone when the process executes; then POLLERR is reported unasked. */
static struct dv_err *wait_for_exec(const struct rt_container *c, int fifo)
{
	struct pollfd p[2] = {
		{ .fd = fifo },
		{ .fd = c->state->pidfd, .events = POLLIN },
	};
	int r = sys_poll(p, 2, -1);

	return r < 0 ? dv_err_sys(r, "wait for the container's process") : NULL;
}

/*
 * poststart is "after the user-specified process is executed" (runtime-spec, runtime.md): the
 * process may keep its end of the fifo until then. Its failure ends the container.
 */
static struct dv_err *run_poststart(const struct rt_context *ctx, struct rt_container *c, int fifo)
{
	struct spec_hook_list hooks[SPEC_HOOK__N];
	struct dv_strbuf state = DV_STRBUF_INIT;
	struct dv_err *e;

	e = rt_hooks_load(c, hooks);
	if (!e && hooks[SPEC_HOOK_POSTSTART].n_items == 0)
		return NULL;
	if (!e)
		e = wait_for_exec(c, fifo);
	if (!e)
		e = rt_container_refresh(c);
	if (!e) {
		rt_hook_state_format(c, &state);
		e = rt_hooks_run(&hooks[SPEC_HOOK_POSTSTART], SPEC_HOOK_POSTSTART, state.data,
				 ctx->log);
		dv_strbuf_fini(&state);
	}
	if (e) {
		DV_CLEANUP(dv_err_freep) struct dv_err *kill = kill_and_wait(ctx, c);

		if (kill)
			dv_log(ctx->log, DV_WARN, "kill after failed poststart: %s",
			       dv_err_message(kill));
	}
	return e;
}

/* *ret_sock -1: nobody waits, or the container was created when nobody did. */
static struct dv_err *listen_for_ready(const struct rt_context *ctx, struct rt_container *c,
				       int *ret_sock)
{
	struct dv_err *e;

	if (!ctx->notify_socket || !*ctx->notify_socket)
		return NULL;
	e = rt_notify_listen(c, ret_sock);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	return e;
}

static struct dv_err *start(const struct rt_context *ctx, struct rt_container *c)
{
	DV_CLEANUP(sys_closep) int fifo = -1, sock = -1;
	struct rt_notify n = RT_NOTIFY_INIT;
	struct dv_err *e;

	e = check_startable(c);
	if (!e)
		e = listen_for_ready(ctx, c, &sock);
	if (!e)
		e = open_gate(c, &fifo);
	if (!e && c->state->has_hooks)
		e = run_poststart(ctx, c, fifo);
	if (e || sock < 0)
		return e;
	e = rt_notify_open(ctx, dv_steal_fd(&sock), c->pid, &n);
	if (!e)
		e = rt_notify_wait(&n, c->state->pidfd, ctx->log);
	rt_notify_close(&n);
	return e;
}

struct dv_err *rt_start(const struct rt_context *ctx, const char *id)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	return e ? e : start(ctx, c);
}

/* ---- delete ------------------------------------------------------------------------------------- */

static struct dv_err *remove_cgroup(struct rt_container *c)
{
	if (!c->cgroup)
		return NULL;
	if (!has_own_pids(c))
		dv_err_free(host_cgroup_kill(c->cgroup, SIGKILL));
	return dv_err_wrap(host_cgroup_destroy(c->cgroup), "unable to remove container's cgroup");
}

static struct dv_err *remove_resctrl(struct rt_container *c)
{
	DV_CLEANUP(sys_closep) int root = -1;
	struct rt_state *st = c->state;
	struct dv_err *e;

	if (!st->resctrl.is_used)
		return NULL;
	e = host_resctrl_open(st->procfd, &root);
	if (!e)
		e = host_resctrl_destroy(root, &st->resctrl, st->clos_id, c->id);
	return dv_err_wrap(e, "unable to remove container's IntelRDT group");
}

/*
 * While `run` waited, or we did, somebody may have deleted the container by force and made one of
 * the same name, whose cgroup has the same path. We hold our directory, so its inode tells.
 */
enum presence { PRESENT, REPLACED, GONE };

static struct dv_err *find_dir(const struct rt_container *c, enum presence *ret)
{
	struct stat ours, there;
	int r = sys_fstat(c->state->dirfd, &ours);

	if (r == 0)
		r = sys_fstatat(c->state->rootfd, c->id, &there, AT_SYMLINK_NOFOLLOW);
	if (r < 0 && r != -ENOENT)
		return dv_err_sys(r, "find state directory of %s", c->id);
	if (r == -ENOENT)
		*ret = GONE;
	else
		*ret = ours.st_dev == there.st_dev && ours.st_ino == there.st_ino ? PRESENT
										  : REPLACED;
	return NULL;
}

static struct dv_err *remove_dir(struct rt_container *c)
{
	enum presence presence = GONE;
	struct dv_err *e;

	e = find_dir(c, &presence);
	if (e || presence != PRESENT)
		return e;
	e = rt_container_remove_dir(c);
	return e && dv_err_code(e) == DV_NOT_FOUND ? dv_err_free(e) : e;
}

static void run_poststop(const struct rt_context *ctx, struct rt_container *c,
			 const struct spec_hook_list *hooks)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	struct dv_strbuf state = DV_STRBUF_INIT;

	if (!hooks || hooks->n_items == 0)
		return;
	c->status = RT_STOPPED;
	rt_hook_state_format(c, &state);
	e = rt_hooks_run(hooks, SPEC_HOOK_POSTSTOP, state.data, ctx->log); /* only warns */
	dv_strbuf_fini(&state);
}

static struct dv_err *undo_locked(struct rt_container *c, enum presence presence)
{
	struct dv_err *e = NULL;

	/* What delete saw is removed; what we made since is not. */
	if (presence == REPLACED)
		return NULL;
	/* Before there was a process, the cgroup may be somebody else's: create refuses those. */
	if (c->cgroup && (c->pid == 0 || presence == GONE))
		host_cgroup_rollback(c->cgroup);
	else
		e = remove_cgroup(c);
	e = keep_first(e, remove_resctrl(c));
	return presence == GONE ? e : keep_first(e, remove_dir(c));
}

struct dv_err *rt_container_undo(const struct rt_context *ctx, struct rt_container *c,
				 const struct spec_hook_list *poststop)
{
	struct dv_err *lock = rt_container_lock(c), *e;
	enum presence presence = GONE;

	e = find_dir(c, &presence);
	if (!e)
		e = undo_locked(c, presence);
	if (!lock)
		rt_container_unlock(c);
	if (presence == PRESENT)
		run_poststop(ctx, c, poststop);
	return keep_first(e, lock);
}

/* What cannot be removed keeps its state, so that delete can be tried again. */
static struct dv_err *destroy(const struct rt_context *ctx, struct rt_container *c)
{
	struct spec_hook_list hooks[SPEC_HOOK__N];
	struct dv_err *e;

	e = rt_hooks_load(c, hooks);
	if (e) {
		dv_log(ctx->log, DV_WARN, "%s", dv_err_message(e));
		dv_err_free(e);
	}
	e = remove_cgroup(c);
	if (!e)
		e = remove_resctrl(c);
	if (!e)
		e = remove_dir(c);
	if (e)
		return dv_err_wrap(e, "unable to destroy container");
	rt_container_unlock(c);
	run_poststop(ctx, c, &hooks[SPEC_HOOK_POSTSTOP]);
	return NULL;
}

/*
 * The creator was killed, or is still at work: then it loses. Before it made the cgroup, a
 * process in there is not ours; then the cgroup is left alone.
 */
static struct dv_err *kill_half_made(struct rt_container *c)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct dv_err *e;
	size_t n = 0;

	if (!c->cgroup)
		return NULL;
	if (!c->state->cgroup_is_made) {
		e = host_cgroup_pids(c->cgroup, &pids, &n);
		dv_err_free(e);
		if (n > 0)
			c->cgroup = host_cgroup_free(c->cgroup);
		return NULL;
	}
	e = kill_cgroup(c);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	return e;
}

struct dv_err *rt_delete(const struct rt_context *ctx, const char *id, bool force)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load_locked(ctx, id, force, &c);
	if (e)
		return force && dv_err_code(e) == DV_NOT_FOUND ? dv_err_free(e) : e;
	if (force && c->status == RT_CREATING)
		e = kill_half_made(c);
	else if (force || c->status == RT_CREATED)
		e = kill_and_wait(ctx, c);
	else if (c->status != RT_STOPPED)
		e = dv_err_new(DV_PRECONDITION,
			       "cannot delete container %s that is not stopped: %s", id,
			       rt_status_name(c->status));
	return e ? e : destroy(ctx, c);
}

/* ---- pause, resume, pids ---------------------------------------------------------------------- */

struct dv_err *rt_pause(const struct rt_context *ctx, const char *id)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	if (e)
		return e;
	if (c->status != RT_RUNNING && c->status != RT_CREATED)
		return not_running();
	if (!c->cgroup)
		return dv_err_new(DV_PRECONDITION, "container %s has no cgroup to freeze", id);
	return host_cgroup_freeze(c->cgroup, FREEZE_WAIT_MS);
}

struct dv_err *rt_resume(const struct rt_context *ctx, const char *id)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	if (e)
		return e;
	if (c->status != RT_PAUSED)
		return dv_err_new(DV_PRECONDITION, "container not paused");
	return host_cgroup_thaw(c->cgroup);
}

struct dv_err *rt_pids(const struct rt_context *ctx, const char *id, pid_t **ret, size_t *ret_n)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	if (e)
		return e;
	e = c->cgroup ? host_cgroup_pids(c->cgroup, ret, ret_n)
		      : dv_err_new(DV_NOT_FOUND, "container has no cgroup");
	if (e && dv_err_code(e) == DV_NOT_FOUND && !is_alive(c)) {
		*ret = NULL;
		*ret_n = 0;
		return dv_err_free(e);
	}
	return dv_err_wrap(e, "unable to get all container pids");
}
