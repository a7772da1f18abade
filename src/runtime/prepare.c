/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parent, before the fork: descriptors, namespaces and seccomp of a launch.
 *
 * Which side enters or makes a namespace:
 *  - New ones are made by the one clone3, the user namespace first, so that it owns the rest.
 *    The cgroup namespace is unshared by the child after it joined its cgroup, since its root
 *    is the cgroup of that moment.
 *  - Joined ones are entered by the parent around the clone3 and left again: pid and time
 *    namespaces only ever take effect for children, so this saves the second fork.
 *  - When the user namespace is joined, or the parent has no privilege of its own, the child
 *    enters it and only then the others; a new or joined pid namespace needs a second fork there.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

enum { MAX_FDS = 65536 };

static const unsigned long ns_flag[SPEC_NS__N] = {
	[SPEC_NS_USER] = CLONE_NEWUSER, [SPEC_NS_CGROUP] = CLONE_NEWCGROUP,
	[SPEC_NS_IPC] = CLONE_NEWIPC,	[SPEC_NS_UTS] = CLONE_NEWUTS,
	[SPEC_NS_NET] = CLONE_NEWNET,	[SPEC_NS_PID] = CLONE_NEWPID,
	[SPEC_NS_MNT] = CLONE_NEWNS,	[SPEC_NS_TIME] = CLONE_NEWTIME,
};

static const char *const ns_file[SPEC_NS__N] = {
	[SPEC_NS_USER] = "user", [SPEC_NS_CGROUP] = "cgroup", [SPEC_NS_IPC] = "ipc",
	[SPEC_NS_UTS] = "uts",	 [SPEC_NS_NET] = "net",	      [SPEC_NS_PID] = "pid",
	[SPEC_NS_MNT] = "mnt",	 [SPEC_NS_TIME] = "time",
};

unsigned long rt_ns_flag(enum spec_ns ns)
{
	return ns_flag[ns];
}

const char *rt_ns_file(enum spec_ns ns)
{
	return ns_file[ns];
}

bool rt_is_unprivileged(void)
{
	enum { CAP_SYS_ADMIN_NR = 21 };
	struct sys_cap_set caps;

	return sys_capget(&caps) < 0 || !(caps.effective & 1ULL << CAP_SYS_ADMIN_NR);
}

void rt_launch_init(struct rt_launch *l, const struct rt_context *ctx)
{
	*l = (struct rt_launch){
		.ctx = ctx,
		.init_pidfd = -1,
		.procfd = -1,
		.devnull_tree = -1,
		.join = HOST_CGROUP_JOIN_INIT,
		.rootfs_tree = -1,
		.rootfd = -1,
		.notify_tree = -1,
		.seccomp_fd = -1,
		.sync = { -1, -1 },
		.console_sock = -1,
		.pidfd_sock = -1,
		.fifofd = -1,
		.pidfd = -1,
	};
	for (int i = 0; i < SPEC_NS__N; i++)
		l->ns_fds[i] = l->runtime_ns_fds[i] = -1;
	dv_arena_init(&l->arena);
}

void rt_launch_fini(struct rt_launch *l)
{
	for (size_t i = 0; i < l->n_mounts; i++)
		sys_close(l->mounts[i].tree);
	for (int i = 0; i < SPEC_NS__N; i++) {
		sys_close(l->ns_fds[i]);
		sys_close(l->runtime_ns_fds[i]);
	}
	rt_terminal_free(l->terminal);
	host_idmap_cache_fini(&l->idmap_cache);
	host_cgroup_join_close(&l->join);
	host_seccomp_program_fini(&l->seccomp);
	sys_close(l->procfd);
	sys_close(l->devnull_tree);
	sys_close(l->rootfs_tree);
	sys_close(l->notify_tree);
	if (l->notify_dir)
		sys_close(l->notify_sock);
	sys_close(l->sync[0]);
	sys_close(l->sync[1]);
	sys_close(l->console_sock);
	sys_close(l->pidfd_sock);
	sys_close(l->fifofd);
	sys_close(l->pidfd);
	dv_arena_fini(&l->arena);
}

/* ---- descriptors ------------------------------------------------------------------------ */

struct dv_err *rt_prepare_fds(const struct rt_context *ctx, const struct rt_io_opts *io,
			      unsigned *ret_preserve)
{
	unsigned n;
	int r;

	if (io->preserve_fds > MAX_FDS || ctx->n_listen_fds > MAX_FDS)
		return dv_err_new(DV_INVALID, "too many file descriptors to preserve: %u",
				  DV_MAX(io->preserve_fds, ctx->n_listen_fds));
	n = io->preserve_fds + ctx->n_listen_fds;
	for (unsigned fd = 3; fd < 3 + n; fd++) {
		int flags = sys_fcntl((int)fd, F_GETFD, 0);

		/* One of ours carries FD_CLOEXEC; what the caller handed down cannot. */
		if (flags < 0 || flags & FD_CLOEXEC)
			return dv_err_new(DV_INVALID,
					  "please check that preserved-fd %u (of %u) is present",
					  fd - 3, n);
	}
	r = sys_close_range(3 + n, ~0U, CLOSE_RANGE_CLOEXEC);
	if (r < 0)
		return dv_err_sys(r, "mark descriptors close-on-exec");
	*ret_preserve = n;
	return NULL;
}

static struct dv_err *connect_to(const char *path, const char *what, int *ret_fd)
{
	int fd = sys_unix_connect(path);

	if (fd < 0)
		return dv_err_sys(fd, "connect to %s %s", what, path);
	*ret_fd = fd;
	return NULL;
}

static struct dv_err *check_terminal(const struct rt_launch *l)
{
	bool terminal = l->process->terminal;

	if (terminal && l->io->is_detached && !l->io->console_socket)
		return dv_err_new(
			DV_INVALID,
			"cannot allocate tty if runc will detach without setting console socket");
	if (l->io->console_socket && !(terminal && l->io->is_detached))
		return dv_err_new(
			DV_INVALID,
			"cannot use console socket if runc will not detach or allocate tty");
	return NULL;
}

struct dv_err *rt_prepare_io(struct rt_launch *l)
{
	struct dv_err *e = check_terminal(l);

	if (!e)
		e = rt_proc_open(&l->procfd);
	if (!e && l->io->console_socket)
		e = connect_to(l->io->console_socket, "console socket", &l->console_sock);
	if (!e && l->process->terminal && !l->io->is_detached)
		e = rt_terminal_new(l, &l->terminal);
	if (!e && l->io->pidfd_socket)
		e = connect_to(l->io->pidfd_socket, "pidfd socket", &l->pidfd_sock);
	return e;
}

/* ---- namespaces ----------------------------------------------------------------------- */

/* "namespace path: lstat ... no such file" is what runc's users look for. */
static struct dv_err *open_namespace(struct rt_launch *l, enum spec_ns ns, const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	long type = 0;
	int r;

	if (fd < 0)
		return dv_err_sys(fd, "open %s namespace %s", spec_ns_name(ns), path);
	l->ns_fds[ns] = fd;
	r = sys_fstatfs_type(fd, &type);
	if (r < 0)
		return dv_err_sys(r, "statfs %s", path);
	if (type != NSFS_MAGIC)
		return dv_err_new(DV_INVALID, "%s namespace %s: not a namespace file",
				  spec_ns_name(ns), path);
	r = sys_ns_type(fd);
	if (r >= 0 && (unsigned long)r != ns_flag[ns])
		return dv_err_new(DV_INVALID, "%s is not a %s namespace", path, spec_ns_name(ns));
	return NULL;
}

static bool has(unsigned set, enum spec_ns ns)
{
	return set & NS_BIT(ns);
}

static struct dv_err *read_joined_maps(struct rt_launch *l)
{
	const struct spec_linux *x = &l->spec->linux;
	const struct host_idmap wanted = {
		.uids = x->uid_mappings,
		.gids = x->gid_mappings,
		.n_uids = x->n_uid_mappings,
		.n_gids = x->n_gid_mappings,
	};
	struct dv_err *e;

	e = host_idmap_read_ns(l->procfd, l->ns_fds[SPEC_NS_USER], &l->arena, &l->idmap);
	if (!e && (wanted.n_uids > 0 || wanted.n_gids > 0) &&
	    !host_idmap_is_equal(&wanted, &l->idmap))
		e = dv_err_new(
			DV_INVALID,
			"user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only provide one");
	return e;
}

/* A sysctl of the network is only separated by a network namespace that is not ours. */
static struct dv_err *check_net_sysctl(const struct rt_launch *l)
{
	const char *key = spec_runtime_net_sysctl(l->spec);
	struct stat own, joined;

	if (!key || l->ns_fds[SPEC_NS_NET] < 0)
		return NULL;
	if (sys_fstatat(l->procfd, "thread-self/ns/net", &own, 0) < 0 ||
	    sys_fstat(l->ns_fds[SPEC_NS_NET], &joined) < 0 || own.st_ino != joined.st_ino)
		return NULL;
	return dv_err_new(DV_INVALID,
			  "linux.sysctl: sysctl \"%s\" not allowed in host network namespace", key);
}

static struct dv_err *plan_user_namespace(struct rt_launch *l)
{
	const struct spec_linux *x = &l->spec->linux;

	/* Somebody else wrote its maps; owners of files are to be looked up in them. */
	if (has(l->ns_joined, SPEC_NS_USER))
		return read_joined_maps(l);

	l->idmap = (struct host_idmap){
		.uids = x->uid_mappings,
		.gids = x->gid_mappings,
		.n_uids = x->n_uid_mappings,
		.n_gids = x->n_gid_mappings,
	};
	l->denies_setgroups = has(l->ns_new, SPEC_NS_USER) &&
			      host_idmap_must_deny_setgroups(&l->idmap, l->ctx->is_rootless);
	l->setgroups_is_denied = l->denies_setgroups;
	return NULL;
}

static void plan_flags(struct rt_launch *l)
{
	/* Made by the child, where it gains the privilege or saves time. */
	unsigned late = 0;
	unsigned elsewhere = NS_BIT(SPEC_NS_CGROUP);
	bool user_is_joined = has(l->ns_joined, SPEC_NS_USER);

	l->joins_in_child = user_is_joined || (l->is_unprivileged && l->ns_joined);
	/*
	 * These take the kernel as long as the v1 cgroups take the parent: side by side then.
	 * The cgroup namespace has a stage of its own, after the cgroup was joined.
	 */
	if (l->is_late_cgroup)
		late |= NS_BIT(SPEC_NS_NET) | NS_BIT(SPEC_NS_IPC) | NS_BIT(SPEC_NS_UTS) |
			NS_BIT(SPEC_NS_MNT);
	/* The root of its mqueue file system belongs to whoever makes it: root inside, not yet us. */
	if (has(l->ns_new, SPEC_NS_USER))
		late |= NS_BIT(SPEC_NS_IPC);
	if (user_is_joined)
		late = ~0U;
	/* clone3 cannot make it; exec enters what the child unshared, from Linux 6.3 on. */
	l->time_in_child = l->is_unprivileged || user_is_joined;
	if (l->time_in_child)
		late |= NS_BIT(SPEC_NS_TIME);
	else
		elsewhere |= NS_BIT(SPEC_NS_TIME);
	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (!has(l->ns_new & ~elsewhere, ns))
			continue;
		if (has(late, ns))
			l->unshare_flags |= ns_flag[ns];
		else
			l->clone_flags |= ns_flag[ns];
	}
	l->forks_twice = (l->unshare_flags & CLONE_NEWPID) ||
			 (l->joins_in_child && has(l->ns_joined, SPEC_NS_PID));
}

struct dv_err *rt_prepare_namespaces(struct rt_launch *l)
{
	const struct spec_namespace *list = l->spec->linux.namespaces;
	struct dv_err *e;

	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (!list[ns].is_listed)
			continue;
		if (!list[ns].path) {
			l->ns_new |= NS_BIT(ns);
			continue;
		}
		l->ns_joined |= NS_BIT(ns);
		e = open_namespace(l, ns, list[ns].path);
		if (e)
			return e;
	}
	l->c->state->namespaces = l->ns_new | l->ns_joined;
	l->c->state->new_namespaces = l->ns_new;
	e = check_net_sysctl(l);
	if (!e)
		e = plan_user_namespace(l);
	if (e)
		return e;
	plan_flags(l);
	return NULL;
}

/* ---- seccomp ---------------------------------------------------------------------------- */

/* Beside the containers, under a name that is no container id. */
static int open_cache(struct rt_launch *l)
{
	static const char name[] = "@seccomp";
	int fd = sys_openat(l->c->state->rootfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOENT && sys_mkdirat(l->c->state->rootfd, name, 0700) == 0)
		fd = sys_openat(l->c->state->rootfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return fd;
}

struct dv_err *rt_prepare_seccomp(struct rt_launch *l, const struct spec_seccomp *s)
{
	DV_CLEANUP(sys_closep) int cache = -1;
	struct dv_err *e;

	if (!s)
		return NULL;
	cache = open_cache(l);
	e = host_seccomp_get(cache, s, l->ctx->log, &l->seccomp);
	if (e)
		return dv_err_wrap(e, "linux.seccomp");
	l->has_seccomp = l->seccomp.n_insns > 0;
	dv_log(l->ctx->log, DV_DEBUG, "seccomp filter flags: %u", l->seccomp.load_flags);
	l->listener_path = s->listener_path;
	l->listener_metadata = s->listener_metadata;
	return NULL;
}
