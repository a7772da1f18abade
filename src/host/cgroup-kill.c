/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a cgroup: listing and signalling. With cgroup.kill (v2 and hybrid, 5.14)
 * the kernel kills without missing a fork; otherwise the cgroup is frozen, each process
 * signalled, and the cgroup thawed, and where it cannot be frozen either, the list is read
 * until it has nothing new.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { FREEZE_MS = 500, ROUNDS = 100, ROUND_MS = 20 };

/* ---- listing -------------------------------------------------------------------------- */

struct pid_list {
	pid_t *items;
	size_t n, size;
};

static void add_pid(struct pid_list *l, uint64_t pid)
{
	/* 0 stands for a process of another pid namespace. */
	if (pid == 0 || pid > INT32_MAX)
		return;
	if (l->n == l->size) {
		l->size = l->size ? 2 * l->size : 64;
		l->items = dv_realloc_n(l->items, l->size, sizeof(*l->items));
	}
	l->items[l->n++] = (pid_t)pid;
}

static int read_procs(int dirfd, struct pid_list *l)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	const char *s;
	int r;

	r = cgroup_read_text(dirfd, "cgroup.procs", &text);
	if (r < 0)
		return r;
	for (s = text.data; *s; s++) {
		uint64_t pid = 0;

		for (; *s >= '0' && *s <= '9'; s++)
			pid = pid * 10 + (uint64_t)(*s - '0');
		add_pid(l, pid);
		if (!*s)
			break;
	}
	return 0;
}

static int collect(int dirfd, struct pid_list *l);

static int collect_sub(int dirfd, const char *name, void *arg)
{
	DV_CLEANUP(sys_closep) int fd = cgroup_open_below(dirfd, name);

	/*
	 * Gone meanwhile: then it had no process. Threaded ones refuse to be read; their
	 * processes are listed by the ancestor that is not.
	 */
	if (fd >= 0)
		(void)collect(fd, arg);
	return 0;
}

static int collect(int dirfd, struct pid_list *l)
{
	int r = read_procs(dirfd, l);

	return r < 0 && r != -EOPNOTSUPP ? r : cgroup_each_subdir(dirfd, collect_sub, l);
}

int cgroup_collect_pids(int dirfd, pid_t **pids, size_t *n)
{
	struct pid_list l = { .items = *pids, .n = *n, .size = *n };
	int r = collect(dirfd, &l);

	*pids = l.items;
	*n = l.n;
	return r;
}

static struct dv_err *gone(void)
{
	return dv_err_new(DV_NOT_FOUND, "container's cgroup does not exist");
}

struct dv_err *host_cgroup_pids(struct host_cgroup *cg, pid_t **ret, size_t *ret_n)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	int i = cgroup_main(cg), r;
	size_t n = 0;

	r = i < 0 ? -ENOENT : cgroup_dir(cg, i);
	if (r >= 0)
		r = cgroup_collect_pids(r, &pids, &n);
	if (r == -ENOENT || r == -ENODEV)
		return gone();
	if (r < 0)
		return dv_err_sys(r, "list processes of %s%s", cg->pub[i].mountpoint,
				  cg->pub[i].path);
	*ret = dv_steal(&pids);
	*ret_n = n;
	return NULL;
}

/* ---- signalling ----------------------------------------------------------------------- */

/* True when the kernel did it. */
static bool kill_by_kernel(struct host_cgroup *cg)
{
	int i = cgroup_find_v2(cg), dirfd;

	dirfd = i < 0 ? -1 : cgroup_dir(cg, i);
	return dirfd >= 0 && cgroup_write(cg, dirfd, "cgroup.kill", "1") == 0;
}

void cgroup_wait_exits(const pid_t *pids, size_t n, int64_t deadline_ms)
{
	for (size_t i = 0; i < n; i++) {
		int64_t left = deadline_ms - cgroup_now_ms();
		int fd = left > 0 ? sys_pidfd_open(pids[i]) : -1;

		if (fd >= 0)
			(void)sys_poll_in(fd, (int)left);
		sys_close(fd);
	}
}

/* Signals those in the list; SIGKILL: waits @wait_ms for them to be gone. */
static struct dv_err *kill_once(struct host_cgroup *cg, int signo, int wait_ms, size_t *ret_n)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct dv_err *e;

	e = host_cgroup_pids(cg, &pids, ret_n);
	if (e)
		return e;
	for (size_t i = 0; i < *ret_n; i++) {
		int r = sys_kill(pids[i], signo);

		if (r < 0 && r != -ESRCH)
			dv_log(cg->log, DV_WARN, "kill %d: %s", pids[i], dv_errno_text(-r));
	}
	if (wait_ms > 0)
		cgroup_wait_exits(pids, *ret_n, cgroup_now_ms() + wait_ms);
	return NULL;
}

static struct dv_err *kill_by_hand(struct host_cgroup *cg, int signo)
{
	bool was_frozen = false, is_frozen;
	struct dv_err *e;
	size_t n = 0;

	e = host_cgroup_is_frozen(cg, &was_frozen);
	dv_err_free(e);
	e = was_frozen ? NULL : host_cgroup_freeze(cg, FREEZE_MS);
	is_frozen = !e;
	if (e)
		dv_log(cg->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);

	e = kill_once(cg, signo, 0, &n);
	if (is_frozen && (!was_frozen || signo == SIGKILL))
		dv_err_free(host_cgroup_thaw(cg));
	/* Not frozen: some may have been forked while we were reading. */
	for (int i = 0; i < ROUNDS && !e && !is_frozen && n > 0 && signo == SIGKILL; i++)
		e = kill_once(cg, signo, ROUND_MS, &n);
	return e;
}

struct dv_err *host_cgroup_kill(struct host_cgroup *cg, int signo)
{
	int i = cgroup_main(cg);

	if (i < 0)
		return gone();
	if (cgroup_is_root(cg, i))
		return dv_err_new(DV_PRECONDITION, "refusing to signal all processes of the host");
	if (signo == SIGKILL && kill_by_kernel(cg)) {
		/* A task frozen by v1 only dies when it is thawed. */
		if (cg->mode == HOST_CGROUP_HYBRID)
			cgroup_thaw_v1(cg);
		return NULL;
	}
	return kill_by_hand(cg, signo);
}
