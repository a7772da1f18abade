/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's configuration. Its process does nothing by itself: we put it into its cgroup, and what is to
 * be set in its namespaces we set from within, for a moment. Nothing else runs in the shim then, which
 * has one thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "host/sysctl.h"
#include "sandbox-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

#define CGROUP_FILE "sandbox-cgroup"

enum { SYSCTLS_MAX = 1024 };

/* ---- the configuration itself ------------------------------------------------------------------ */

static bool is_of_ipc(const char *key)
{
	return dv_starts_with(key, "kernel.shm") || dv_starts_with(key, "kernel.msg") ||
	       dv_streq(key, "kernel.sem") || dv_starts_with(key, "fs.mqueue.");
}

/* With the host's namespaces it would be the host's. */
static struct dv_err *check_sysctl(const struct sandbox_pod *pod, const char *key)
{
	char path[PATH_MAX];
	bool is_right = dv_starts_with(key, "net.") ? !pod->has_host_net
						    : is_of_ipc(key) && !pod->has_host_ipc;

	/* One separator only, so that nothing else is meant than what was checked. */
	if (is_right && !strchr(key, '/') && host_sysctl_path(key, path, sizeof(path)) == 0)
		return NULL;
	return dv_err_new(DV_INVALID, "sysctl %.200s: belongs to no namespace of the sandbox", key);
}

struct dv_err *sandbox_pod_check(const struct sandbox_pod *pod, bool has_netns)
{
	if (!pod)
		return NULL;
	if (strlen(pod->hostname) > HOST_NAME_MAX)
		return dv_err_new(DV_INVALID, "host name \"%.100s...\" is longer than %d bytes",
				  pod->hostname, HOST_NAME_MAX);
	if (pod->has_host_net && has_netns)
		return dv_err_new(DV_INVALID,
				  "a network namespace is given for a pod with the host's network");
	if (pod->n_sysctls > SYSCTLS_MAX)
		return dv_err_new(DV_INVALID, "%zu sysctls are too many", pod->n_sysctls);
	for (size_t i = 0; i < pod->n_sysctls; i++) {
		struct dv_err *e = check_sysctl(pod, pod->sysctls[i].key);

		if (e)
			return e;
	}
	return NULL;
}

struct sandbox_pod *sandbox_pod_dup(const struct sandbox_pod *pod)
{
	struct sandbox_sysctl *sysctls;
	struct sandbox_pod *copy;

	if (!pod)
		return NULL;
	copy = dv_new(struct sandbox_pod);
	sysctls = dv_new_n(struct sandbox_sysctl, pod->n_sysctls + 1);
	*copy = *pod;
	copy->hostname = dv_strdup(pod->hostname);
	copy->cgroup_parent = dv_strdup(pod->cgroup_parent);
	for (size_t i = 0; i < pod->n_sysctls; i++)
		sysctls[i] = (struct sandbox_sysctl){ dv_strdup(pod->sysctls[i].key),
						      dv_strdup(pod->sysctls[i].value) };
	copy->sysctls = sysctls;
	return copy;
}

struct sandbox_pod *sandbox_pod_free(struct sandbox_pod *pod)
{
	if (!pod)
		return NULL;
	for (size_t i = 0; i < pod->n_sysctls; i++) {
		free((char *)pod->sysctls[i].key);
		free((char *)pod->sysctls[i].value);
	}
	free((void *)pod->sysctls);
	free((char *)pod->cgroup_parent);
	free((char *)pod->hostname);
	free(pod);
	return NULL;
}

int sandbox_pod_namespaces(const struct sandbox_pod *pod, bool has_netns)
{
	int flags = 0;

	if (!pod)
		return CLONE_NEWIPC | CLONE_NEWUTS;
	if (!pod->has_host_ipc)
		flags |= CLONE_NEWIPC;
	if (!pod->has_host_net)
		flags |= CLONE_NEWUTS | (has_netns ? 0 : CLONE_NEWNET);
	if (pod->has_own_pids)
		flags |= CLONE_NEWPID;
	return flags;
}

/* ---- the cgroup ----------------------------------------------------------------------------------- */

static bool has_cgroup(const struct sandbox_pod *pod)
{
	return pod && *pod->cgroup_parent;
}

static struct dv_err *cgroup_open(const char *path, const char *id, struct host_cgroup **ret)
{
	return host_cgroup_new(&(struct host_cgroup_opts){ .id = id, .cgroups_path = path }, ret);
}

static int put(int fd, pid_t pid)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d", pid);

	return sys_write_all(fd, text, (size_t)n);
}

static struct dv_err *enter(struct host_cgroup *cg, pid_t pid)
{
	struct host_cgroup_join join = HOST_CGROUP_JOIN_INIT;
	DV_CLEANUP(sys_closep) int procs = -1;
	struct dv_err *e = host_cgroup_join_open(cg, NULL, 0, &join);
	int r = 0;

	if (e)
		return e;
	if (join.v2_dirfd >= 0) {
		procs = sys_openat(join.v2_dirfd, "cgroup.procs", O_WRONLY, 0);
		r = procs < 0 ? procs : put(procs, pid);
	}
	for (size_t i = 0; i < join.n_tasks && r >= 0; i++)
		r = put(join.tasks[i], pid);
	host_cgroup_join_close(&join);
	return r < 0 ? dv_err_sys(r, "put process %d into it", pid) : NULL;
}

static struct dv_err *set_cgroup(const struct sandbox_pod *pod, const char *id, const char *bundle,
				 pid_t pid)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", pod->cgroup_parent, id);
	DV_CLEANUP(dv_freep) char *note = dv_printf("%s/" CGROUP_FILE, bundle);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct spec_resources none = {};
	struct dv_err *e;
	int r;

	/* First of all, so that one that is there can be found. */
	fd = sys_openat(AT_FDCWD, note, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, path, strlen(path));
	if (r < 0)
		return dv_err_sys(r, "write %s", note);
	e = cgroup_open(path, id, &cg);
	if (!e)
		e = host_cgroup_create(cg, HOST_CGROUP_ALL, &none);
	if (!e)
		e = enter(cg, pid);
	return dv_err_wrap(e, "cgroup %s", path);
}

static struct dv_err *remove_cgroup(const char *path, const char *id)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct dv_err *e = cgroup_open(path, id, &cg);

	return e ? e : host_cgroup_destroy(cg);
}

void sandbox_pod_undo(const struct sandbox_pod *pod, const char *id, const struct dv_log *log)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	DV_CLEANUP(dv_freep) char *path = NULL;

	if (!id || !has_cgroup(pod))
		return;
	path = dv_printf("%s/%s", pod->cgroup_parent, id);
	e = remove_cgroup(path, id);
	if (e)
		dv_log(log, DV_WARN, "sandbox %s: remove its cgroup %s: %s", id, path,
		       dv_err_message(e));
}

struct dv_err *sandbox_pod_cleanup(int bundle_fd, const char *id)
{
	char path[PATH_MAX];
	ssize_t n = sys_read_file_at(bundle_fd, CGROUP_FILE, path, sizeof(path));

	if (n == -ENOENT)
		return NULL;
	if (n < 0)
		return dv_err_sys((int)n, "read " CGROUP_FILE);
	return dv_err_wrap(remove_cgroup(path, id), "cgroup %s", path);
}

/* ---- in its namespaces ------------------------------------------------------------------------------ */

static const struct {
	int flag;
	const char *path;
} kinds[] = {
	{ CLONE_NEWUTS, "/proc/self/ns/uts" },
	{ CLONE_NEWIPC, "/proc/self/ns/ipc" },
	{ CLONE_NEWNET, "/proc/self/ns/net" },
};

static struct dv_err *set_sysctls(const struct sandbox_pod *pod)
{
	DV_CLEANUP(sys_closep) int proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);

	if (proc < 0)
		return dv_err_sys(proc, "open /proc");
	for (size_t i = 0; i < pod->n_sysctls; i++) {
		const struct sandbox_sysctl *s = &pod->sysctls[i];
		int r = host_sysctl_write(proc, s->key, s->value);

		if (r < 0)
			return dv_err_sys(r, "set sysctl %s to \"%.200s\"", s->key, s->value);
	}
	return NULL;
}

static struct dv_err *set_inside(const struct sandbox_pod *pod, bool has_netns)
{
	int r = 0;

	if (*pod->hostname && !pod->has_host_net)
		r = sys_sethostname(pod->hostname);
	if (r < 0)
		return dv_err_sys(r, "set host name %s", pod->hostname);
	if (!pod->has_host_net && !has_netns)
		r = sys_loopback_up();
	if (r < 0)
		return dv_err_sys(r, "bring the loopback device up");
	return set_sysctls(pod);
}

struct dv_err *sandbox_pod_apply(const struct sandbox_pod *pod, const char *id, const char *bundle,
				 bool has_netns, pid_t pid)
{
	int ours[DV_ARRAY_SIZE(kinds)], flags, r = 0;
	DV_CLEANUP(sys_closep) int pidfd = -1;
	struct dv_err *e = NULL;

	if (!pod)
		return NULL;
	if (has_cgroup(pod))
		e = set_cgroup(pod, id, bundle, pid);
	if (e)
		return e;
	flags = sandbox_pod_namespaces(pod, has_netns) & (CLONE_NEWUTS | CLONE_NEWIPC);
	if (!pod->has_host_net)
		flags |= CLONE_NEWNET;
	pidfd = sys_pidfd_open(pid);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		ours[i] = sys_openat(AT_FDCWD, kinds[i].path, O_RDONLY, 0);
		r = ours[i] < 0 ? ours[i] : r;
	}
	if (pidfd < 0)
		r = pidfd;
	if (r == 0 && flags)
		r = sys_setns(pidfd, flags);
	if (r < 0)
		e = dv_err_sys(r, "enter its namespaces");
	else
		e = set_inside(pod, has_netns);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		/* A shim that is lost in a pod's namespaces would do harm with every next step. */
		if (r == 0 && (flags & kinds[i].flag))
			dv_assert(sys_setns(ours[i], kinds[i].flag) == 0);
		sys_closep(&ours[i]);
	}
	return e;
}
