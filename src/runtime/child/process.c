/* SPDX-License-Identifier: Apache-2.0 */
/* The process' own attributes, identity, working directory, and the program to execute. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child-private.h"
#include "host/lsm.h"
#include "host/user.h"
#include "sys/file.h"
#include "sys/process.h"

static int set_scheduler(const struct spec_process *p, char *text)
{
	const struct spec_scheduler *s = p->scheduler;
	struct sys_sched_attr attr;
	int r;

	if (!s)
		return 0;
	attr = (struct sys_sched_attr){
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};
	r = sys_sched_setattr(0, &attr);
	if (r == -EPERM)
		return rt_explain(
			text, r,
			"error setting scheduler: process scheduler can't be used together with AllowedCPUs, or CAP_SYS_NICE is missing");
	return r < 0 ? rt_explain(text, r, "error setting scheduler") : 0;
}

static int set_memory_policy(const struct rt_launch *l, char *text)
{
	const struct spec_memory_policy *m = l->memory_policy;
	int r;

	if (!m)
		return 0;
	r = sys_set_mempolicy(m->mode | (int)m->flags, m->has_nodes ? m->nodes : NULL,
			      m->has_nodes ? sizeof(m->nodes) * 8 : 0);
	return r < 0 ? rt_explain(text, r, "set memory policy") : 0;
}

int rt_child_attributes(struct rt_launch *l, char *text)
{
	const struct spec_process *p = l->process;
	int r = 0;

	if (p->user.umask.is_set)
		umask((mode_t)p->user.umask.value);
	else
		umask(0022);
	if (p->no_new_privileges) {
		r = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (r < 0)
			return rt_explain(text, r, "set no_new_privs");
	}
	r = set_scheduler(p, text);
	if (r < 0)
		return r;
	if (p->io_priority) {
		r = sys_ioprio_set(p->io_priority->class, p->io_priority->priority);
		if (r < 0)
			return rt_explain(text, r, "failed to set io priority");
	}
	if (l->has_personality) {
		r = sys_personality(l->personality);
		if (r < 0)
			return rt_explain(text, r, "set personality");
	}
	return set_memory_policy(l, text);
}

int rt_child_labels(struct rt_launch *l, char *text)
{
	const struct spec_process *p = l->process;
	int r;

	if (l->has_apparmor) {
		r = host_apparmor_set_exec(l->procfd, p->apparmor_profile);
		if (r < 0)
			return rt_explain(
				text, r,
				"unable to apply apparmor profile: apparmor failed to apply profile \"%s\"",
				p->apparmor_profile);
	}
	if (l->has_selinux && p->selinux_label && *p->selinux_label) {
		r = host_selinux_set_exec(l->procfd, p->selinux_label);
		if (r < 0)
			return rt_explain(text, r, "can't set process label %s", p->selinux_label);
	}
	return 0;
}

int rt_child_seccomp(struct rt_launch *l, char *text)
{
	const struct host_seccomp_program *p = &l->seccomp;
	int r = sys_seccomp_load(p->insns, p->n_insns, p->load_flags);

	if (r < 0)
		return rt_explain(text, r,
				  "unable to init seccomp: load filter of %zu instructions",
				  p->n_insns);
	if (p->has_listener)
		l->seccomp_fd = r;
	return 0;
}

int rt_child_drop_listener(struct rt_launch *l, char *text)
{
	(void)text;
	l->seccomp_fd = sys_close(l->seccomp_fd);
	return 0;
}

/* ---- identity ---------------------------------------------------------------------------- */

/* The user may use its own stdio; /dev/null belongs to everybody, and so may a pipe's other end. */
static int own_stdio(uid_t uid, char *text)
{
	struct stat st;
	int r;

	for (int i = 0; i < 3; i++) {
		if (sys_fstat(i, &st) < 0)
			continue;
		if (st.st_uid == uid || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		r = sys_fchown(i, uid, (gid_t)-1);
		/* Not ours to give: an unmapped owner, a read-only or foreign file system. */
		if (r < 0 && r != -EINVAL && r != -EPERM && r != -EROFS && r != -ENOSYS)
			return rt_explain(text, r, "change the owner of standard stream %d", i);
	}
	return 0;
}

static int set_groups(struct rt_launch *l, const struct spec_user *u, char *text)
{
	int r;

	if (l->setgroups_is_denied) {
		if (u->n_additional_gids > 0)
			return rt_explain(
				text, -EPERM,
				"process.user.additionalGids: cannot set any additional groups in a rootless container");
		return 0;
	}
	r = sys_setgroups(u->n_additional_gids, u->additional_gids);
	return r < 0 ? rt_explain(text, r, "setgroups") : 0;
}

static int set_user(struct rt_launch *l, char *text)
{
	const struct spec_user *u = &l->process->user;
	int r;

	r = own_stdio(u->uid, text);
	if (r == 0)
		r = set_groups(l, u, text);
	if (r < 0)
		return r;
	r = sys_setresgid(u->gid);
	if (r < 0)
		return rt_explain(text, r, "setgid %u%s", u->gid,
				  r == -EINVAL ? " (is it mapped in the user namespace?)" : "");
	r = sys_setresuid(u->uid);
	if (r < 0)
		return rt_explain(text, r, "setuid %u%s", u->uid,
				  r == -EINVAL ? " (is it mapped in the user namespace?)" : "");
	return 0;
}

/*
 * CVE-2024-21626: a working directory that is a leaked descriptor lies outside the root; the
 * kernel marks such a path.
 */
static int verify_cwd(char *text)
{
	char path[PATH_MAX];
	int r = sys_getcwd(path, sizeof(path));

	if (r == -ENOENT || (r >= 0 && path[0] != '/'))
		return rt_explain(
			text, -EXDEV,
			"current working directory is outside of container mount namespace root -- possible container breakout detected");
	return r < 0 ? rt_explain(text, r, "verify the working directory") : 0;
}

static int enter_cwd(const char *cwd, char *text)
{
	int r = sys_chdir(cwd);

	return r < 0 ? rt_explain(text, r, "chdir to cwd (\"%s\") set in config.json failed", cwd)
		     : 0;
}

int rt_child_cwd_make(struct rt_launch *l, char *text)
{
	const char *cwd = l->process->cwd;
	int fd;

	if (!cwd || !*cwd)
		return 0;
	/* Also "../.." in it stays below the root. */
	fd = sys_mkdir_in_root(l->rootfd, cwd, 0755);
	if (fd >= 0)
		sys_close(fd);
	else if (fd != -EACCES && fd != -EPERM && fd != -EROFS && fd != -ENOTDIR && fd != -ELOOP)
		return rt_explain(text, fd, "make working directory %s", cwd);
	return 0;
}

int rt_child_identity(struct rt_launch *l, char *text)
{
	const char *cwd = l->process->cwd && *l->process->cwd ? l->process->cwd : "/";
	uint64_t unraised = 0;
	int unraised_errno = 0;
	unsigned failed = 0;
	int tried, r;

	/* Root may enter what the user cannot, and (NFS) the other way round: try both. */
	tried = enter_cwd(cwd, text);
	if (tried < 0 && tried != -EACCES && tried != -EPERM)
		return tried;
	r = host_caps_apply_bounding(&l->caps, &failed);
	if (r < 0)
		return rt_explain(text, r, "unable to apply bounding set: drop %s",
				  spec_cap_name(failed));
	r = sys_prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (r < 0)
		return rt_explain(text, r, "unable to set keep caps");
	r = set_user(l, text);
	if (r == 0 && tried < 0)
		r = enter_cwd(cwd, text);
	if (r == 0)
		r = verify_cwd(text);
	if (r < 0)
		return r;
	r = sys_prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (r == 0)
		r = host_caps_apply(&l->caps, &unraised, &unraised_errno);
	if (r < 0)
		return rt_explain(text, r, "unable to apply caps");
	for (unsigned cap = 0; unraised; cap++, unraised >>= 1) {
		if (unraised & 1)
			rt_child_warn(l, "can't raise ambient capability %s: %s",
				      spec_cap_name(cap), dv_errno_text(unraised_errno));
	}
	/* A change of user cleared it. */
	(void)sys_prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
	return 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

int rt_child_home(struct rt_launch *l, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;

	(void)text;
	fd = sys_open_in_root(l->rootfd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    host_user_home(fd, l->process->user.uid, l->home + 5, RT_HOME_MAX - 5) < 0 ||
	    l->home[5] == '\0')
		memcpy(l->home, "HOME=/", 7);
	return 0;
}

/* 0, or why @path cannot be executed, as Go's exec.LookPath says it. */
static int check_program(const char *path)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, path, &st, 0);

	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0) {
		if (errno == ENOSYS || errno == EPERM)
			return st.st_mode & 0111 ? 0 : -EACCES;
		return -errno;
	}
	return 0;
}

int rt_child_lookup(struct rt_launch *l, char *text)
{
	const char *name = l->argv[0];
	bool was_denied = false;
	int r;

	if (strchr(name, '/')) {
		r = check_program(name);
		snprintf(l->exec_path, PATH_MAX, "%s", name);
		if (r == -ENOENT || r == -ENOTDIR)
			return rt_explain(text, r, "exec: \"%s\": stat %s", name, name);
		return r < 0 ? rt_explain(text, r, "exec: \"%s\"", name) : 0;
	}
	for (const char *p = l->path; *name; p++) {
		size_t n = strcspn(p, ":");
		int len = n ? snprintf(l->exec_path, PATH_MAX, "%.*s/%s", (int)n, p, name)
			    : snprintf(l->exec_path, PATH_MAX, "./%s", name);

		r = len < PATH_MAX ? check_program(l->exec_path) : -ENAMETOOLONG;
		if (r == 0)
			return 0;
		was_denied |= r == -EACCES;
		p += n;
		if (!*p)
			break;
	}
	if (was_denied)
		return rt_explain(text, -EACCES, "exec: \"%s\"", name);
	rt_explain(text, 0, "exec: \"%s\": executable file not found in $PATH", name);
	return -RT_NO_ERRNO;
}
