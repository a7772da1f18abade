/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "io/pidfd.h"
#include "sandbox-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"
#include "task-private.h"

struct sandbox_wait {
	struct sandbox_wait *next;
	sandbox_fn fn;
	void *arg;
};

struct sandbox {
	struct shim_env *env;
	const char *program;
	char *id, *bundle;
	int netns_fd; /* -1: the host's */
	bool has_mounts;
	struct sandbox_pod *pod;
	struct sandbox_info info;
	struct io_pidfd *watch;
	uv_timer_t *kill_timer;
	struct sandbox_wait *waits;
};

/* ---- making ----------------------------------------------------------------------------------------- */

struct sandbox *sandbox_new(struct shim_env *env, const char *program)
{
	struct sandbox *s = dv_new(struct sandbox);

	*s = (struct sandbox){ .env = env, .program = program, .netns_fd = -1 };
	return s;
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void drop_timer(struct sandbox *s)
{
	if (s->kill_timer)
		uv_close((uv_handle_t *)s->kill_timer, free_handle);
	s->kill_timer = NULL;
}

static void forget(struct sandbox *s)
{
	drop_timer(s);
	s->watch = io_pidfd_free(s->watch);
	s->netns_fd = sys_close(s->netns_fd);
	sandbox_pod_undo(s->pod, s->id, s->env->log);
	s->pod = sandbox_pod_free(s->pod);
	free(s->id);
	free(s->bundle);
	s->id = s->bundle = NULL;
	s->has_mounts = false;
	s->info = (struct sandbox_info){ 0 };
}

struct sandbox *sandbox_free(struct sandbox *s)
{
	if (!s)
		return NULL;
	if (s->watch && io_pidfd_kill(s->watch, SIGKILL) < 0)
		dv_log(s->env->log, DV_DEBUG, "sandbox %s: its process is gone already", s->id);
	while (s->waits)
		sandbox_wait_cancel(s, s->waits);
	if (s->has_mounts)
		dv_err_free(rootfs_unmount(s->bundle));
	forget(s);
	free(s);
	return NULL;
}

struct dv_err *sandbox_create(struct sandbox *s, const struct sandbox_create *create)
{
	DV_CLEANUP(sys_closep) int netns_fd = -1;
	struct dv_err *e;

	if (s->info.state != SANDBOX_NONE)
		return dv_err_new(DV_EXISTS, "sandbox %s already exists", s->id);
	if (!task_id_is_valid(create->id))
		return dv_err_new(DV_INVALID, "sandbox id \"%.100s\" is not an identifier",
				  create->id);
	if (create->bundle[0] != '/')
		return dv_err_new(DV_INVALID, "sandbox %s: bundle \"%s\" is no absolute path",
				  create->id, create->bundle);
	if (*create->netns) {
		netns_fd = sys_openat(AT_FDCWD, create->netns, O_RDONLY, 0);
		if (netns_fd < 0)
			return dv_err_sys(netns_fd, "sandbox %s: open network namespace %s",
					  create->id, create->netns);
		if (sys_ns_type(netns_fd) != CLONE_NEWNET)
			return dv_err_new(DV_INVALID, "sandbox %s: %s is no network namespace",
					  create->id, create->netns);
	}
	e = sandbox_pod_check(create->pod, *create->netns != '\0');
	if (!e)
		e = rootfs_mount(create->bundle, create->mounts, create->n_mounts);
	if (e)
		return dv_err_wrap(e, "sandbox %s", create->id);
	s->pod = sandbox_pod_dup(create->pod);
	s->id = dv_strdup(create->id);
	s->bundle = dv_strdup(create->bundle);
	s->netns_fd = dv_steal_fd(&netns_fd);
	s->has_mounts = create->n_mounts > 0;
	s->info = (struct sandbox_info){ .id = s->id, .state = SANDBOX_CREATED };
	return NULL;
}

bool sandbox_is_stopped(const struct sandbox *s)
{
	return s->info.state == SANDBOX_STOPPED;
}

bool sandbox_is_needed(const struct sandbox *s)
{
	return s->info.state == SANDBOX_CREATED || s->info.state == SANDBOX_READY;
}

struct dv_err *sandbox_lookup(const struct sandbox *s, const char *id, struct sandbox_info *ret)
{
	if (s->info.state == SANDBOX_NONE || !dv_streq(s->id, id))
		return dv_err_new(DV_NOT_FOUND, "sandbox \"%.100s\" does not exist", id);
	*ret = s->info;
	return NULL;
}

/* ---- its end ------------------------------------------------------------------------------------------ */

static void set_stopped(struct sandbox *s, uint32_t status)
{
	s->info.state = SANDBOX_STOPPED;
	s->info.exit_status = status;
	(void)clock_gettime(CLOCK_REALTIME, &s->info.exited_at);
	drop_timer(s);
	while (s->waits) {
		struct sandbox_wait *wait = s->waits;

		s->waits = wait->next;
		wait->fn(wait->arg, &s->info);
		free(wait);
	}
}

static void on_exit_event(void *arg, const siginfo_t *si)
{
	struct sandbox *s = arg;

	s->watch = io_pidfd_free(s->watch);
	set_stopped(s, (uint32_t)io_exit_status(si));
}

struct sandbox_wait *sandbox_wait(struct sandbox *s, sandbox_fn fn, void *arg)
{
	struct sandbox_wait *wait = dv_new(struct sandbox_wait);

	dv_assert(s->info.state == SANDBOX_CREATED || s->info.state == SANDBOX_READY);
	*wait = (struct sandbox_wait){ .next = s->waits, .fn = fn, .arg = arg };
	s->waits = wait;
	return wait;
}

void sandbox_wait_cancel(struct sandbox *s, struct sandbox_wait *wait)
{
	struct sandbox_wait **link = &s->waits;

	while (*link != wait)
		link = &(*link)->next;
	*link = wait->next;
	free(wait);
}

/* ---- running -------------------------------------------------------------------------------------------- */

struct dv_err *sandbox_start(struct sandbox *s, const char *id)
{
	char *const argv[] = { (char *)s->program, (char *)"pause", NULL };
	char *const envp[] = { NULL };
	struct sandbox_info info = { 0 };
	struct sys_spawn_opts opts = { .path = s->program,
				       .argv = argv,
				       .envp = envp,
				       .stdio = { -1, -1, -1 },
				       .cwd = "/",
				       .has_new_group = true,
				       /* It may be told to end before it has begun. */
				       .blocks_signals = true,
				       .ns_flags = sandbox_pod_namespaces(s->pod, s->netns_fd >= 0),
				       .ns_fds = &s->netns_fd,
				       .n_ns_fds = s->netns_fd >= 0,
				       .pdeathsig = SIGKILL };
	struct dv_err *e = sandbox_lookup(s, id, &info);
	int r, pidfd, status;
	pid_t pid;

	if (e)
		return e;
	if (info.state != SANDBOX_CREATED)
		return dv_err_new(DV_PRECONDITION, "sandbox %s was started before", id);
	r = sys_spawn_with(&opts, &pid, &pidfd);
	if (r < 0)
		return dv_err_sys(r, "sandbox %s: start its process %s", id, s->program);
	e = sandbox_pod_apply(s->pod, id, s->bundle, s->netns_fd >= 0, pid);
	if (!e)
		e = io_pidfd_new(s->env->loop, pid, pidfd, on_exit_event, s, &s->watch);
	else
		sys_close(pidfd);
	if (e) {
		(void)sys_kill(pid, SIGKILL);
		(void)sys_waitpid(pid, &status, 0);
		sandbox_pod_undo(s->pod, id, s->env->log);
		return dv_err_wrap(e, "sandbox %s", id);
	}
	s->info.state = SANDBOX_READY;
	s->info.pid = pid;
	(void)clock_gettime(CLOCK_REALTIME, &s->info.created_at);
	return NULL;
}

static void on_kill_time(uv_timer_t *timer)
{
	struct sandbox *s = timer->data;
	int r = s->watch ? io_pidfd_kill(s->watch, SIGKILL) : 0;

	if (r < 0 && r != -ESRCH)
		dv_log(s->env->log, DV_WARN, "sandbox %s: kill its process: %s", s->id,
		       dv_errno_text(-r));
}

struct dv_err *sandbox_stop(struct sandbox *s, const char *id, unsigned seconds)
{
	struct sandbox_info info = { 0 };
	struct dv_err *e = sandbox_lookup(s, id, &info);
	int r;

	if (e)
		return e;
	if (info.state == SANDBOX_CREATED)
		set_stopped(s, 0);
	if (s->info.state == SANDBOX_STOPPED)
		return NULL;
	r = io_pidfd_kill(s->watch, SIGTERM);
	if (r < 0 && r != -ESRCH)
		return dv_err_sys(r, "sandbox %s: end its process", id);
	if (!s->kill_timer) {
		s->kill_timer = dv_new(uv_timer_t);
		s->kill_timer->data = s;
		(void)uv_timer_init(s->env->loop, s->kill_timer);
	}
	(void)uv_timer_start(s->kill_timer, on_kill_time, (uint64_t)seconds * 1000, 0);
	return NULL;
}

struct dv_err *sandbox_remove(struct sandbox *s, const char *id)
{
	struct sandbox_info info = { 0 };
	struct dv_err *e = sandbox_lookup(s, id, &info);

	if (e)
		return e;
	if (info.state == SANDBOX_READY)
		return dv_err_new(DV_PRECONDITION, "sandbox %s is running", id);
	e = s->has_mounts ? rootfs_unmount(s->bundle) : NULL;
	if (e)
		return dv_err_wrap(e, "sandbox %s", id);
	if (info.state == SANDBOX_CREATED)
		set_stopped(s, 0);
	forget(s);
	return NULL;
}

/* ---- the process ------------------------------------------------------------------------------------------- */

int sandbox_pause(void)
{
	sigset_t set;
	int signo;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sys_prctl(PR_SET_NAME, (unsigned long)"davit-pause", 0, 0, 0);
	for (;;) {
		if (sigwait(&set, &signo) != 0)
			continue;
		if (signo != SIGCHLD)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
