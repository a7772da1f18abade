/* SPDX-License-Identifier: Apache-2.0 */
/* Entering cgroups and namespaces, and becoming root of the user namespace. */

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child-private.h"
#include "host/lsm.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/sock.h"

/* Permission bits of keyctl_setperm(3). */
enum { KEY_OTH_SEARCH = 0x8, KEY_USR_SEARCH = 0x80000 };

/*
 * A process that moves itself, by writing 0 to a v1 `tasks` file, takes neither
 * cgroup_threadgroup_rwsem nor the RCU grace period behind it, which cost a parent that
 * writes our pid to cgroup.procs milliseconds.
 */
static int join_cgroups(struct rt_launch *l, char *text)
{
	for (size_t i = 0; i < l->join.n_tasks; i++) {
		ssize_t r = sys_write(l->join.tasks[i], "0", 1);

		if (r < 0)
			return rt_explain(text, (int)r, "join cgroup");
	}
	return 0;
}

/* The CPUs the runtime was pinned to are not the container's; its cpuset is the limit. */
static int set_affinity(struct rt_launch *l, char *text)
{
	uint64_t all[RT_AFFINITY_WORDS];
	int r;

	if (l->affinity) {
		r = sys_sched_setaffinity(0, l->affinity, sizeof(all));
		return r < 0 ? rt_explain(text, r, "process.execCPUAffinity.final: set CPUs") : 0;
	}
	if (l->keeps_affinity)
		return 0;
	memset(all, 0xff, sizeof(all));
	(void)sys_sched_setaffinity(0, all, sizeof(all));
	return 0;
}

/*
 * For a parent without privilege, who could not do it for us once we hide: our files in /proc
 * are root's then.
 */
int rt_child_oom_score(struct rt_launch *l, char *text)
{
	char value[24];
	int r;

	snprintf(value, sizeof(value), "%lld", (long long)l->process->oom_score_adj.value);
	r = sys_write_file_at(l->procfd, "thread-self/oom_score_adj", value);
	if (r == -EACCES && l->ctx->is_rootless) {
		rt_child_warn(
			l, "process.oomScoreAdj: cannot be lowered to %s in a rootless container",
			value);
		return 0;
	}
	return r < 0 ? rt_explain(text, r, "process.oomScoreAdj: write %s", value) : 0;
}

/* With privilege the parent was hidden before it forked; the maps of others need the opposite. */
void rt_child_hide(void)
{
	(void)sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int rt_child_enter(struct rt_launch *l, char *text)
{
	int r;

	if (l->ns_joined)
		rt_child_hide();
	r = join_cgroups(l, text);
	if (r == 0)
		r = set_affinity(l, text);
	return r;
}

static int join(struct rt_launch *l, enum spec_ns ns, char *text)
{
	int r = sys_setns(l->ns_fds[ns], (int)rt_ns_flag(ns));

	if (r < 0)
		return rt_explain(text, r, "join %s namespace", spec_ns_name(ns));
	return 0;
}

/* "deny" or "allow", which for a namespace that is joined somebody else has decided. */
static bool is_setgroups_denied(const struct rt_launch *l)
{
	char text[16] = "";

	return sys_read_file_at(l->procfd, "thread-self/setgroups", text, sizeof(text)) > 0 &&
	       dv_starts_with(text, "deny");
}

static int become_root(struct rt_launch *l, char *text)
{
	int r = sys_setresgid(0);

	if (r == 0)
		r = sys_setresuid(0);
	if (r < 0)
		return rt_explain(text, r, "become root of the user namespace (is id 0 mapped?)");
	if (l->ns_joined & NS_BIT(SPEC_NS_USER))
		l->setgroups_is_denied = is_setgroups_denied(l);
	if (l->setgroups_is_denied)
		return 0;
	r = sys_setgroups(0, NULL);
	return r < 0 && r != -EPERM ? rt_explain(text, r, "drop supplementary groups") : 0;
}

/* Those that the parent could not enter for us. */
int rt_child_user(struct rt_launch *l, char *text)
{
	int r = 0;

	if (l->joins_in_child) {
		/* With privilege the user namespace comes last: the others may be older than it. */
		for (int ns = l->is_unprivileged ? 0 : 1; ns < SPEC_NS__N && r == 0; ns++) {
			if (l->ns_joined & NS_BIT(ns) && ns != SPEC_NS_MNT)
				r = join(l, ns, text);
		}
		if (r == 0 && !l->is_unprivileged)
			r = join(l, SPEC_NS_USER, text);
	}
	if (r == 0 && l->ns_joined & NS_BIT(SPEC_NS_MNT))
		r = join(l, SPEC_NS_MNT, text);
	return r < 0 || !rt_has_userns(l) ? r : become_root(l, text);
}

/* A container that shares the host's mounts has nothing but its root directory. */
static int enter_root(const struct rt_launch *l)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/root", l->c->pid);
	fd = sys_openat(l->procfd, path, O_PATH | O_DIRECTORY, 0);
	/* While it is alive, the pid is still its own. */
	r = fd < 0 ? fd : sys_pidfd_send_signal(l->init_pidfd, 0);
	if (r == 0)
		r = sys_fchdir(fd);
	return r < 0 ? r : sys_chroot(".");
}

int rt_child_join_exec(struct rt_launch *l, char *text)
{
	bool has_user = l->exec_ns_mask & rt_ns_flag(SPEC_NS_USER);
	bool has_mnt = l->exec_ns_mask & rt_ns_flag(SPEC_NS_MNT);
	int r = has_mnt ? 0 : enter_root(l);

	if (r < 0)
		return rt_explain(text, r, "enter the container's root");
	/* All at once: the kernel checks each against the user namespace we are about to enter. */
	if (l->exec_ns_mask)
		r = sys_setns(l->init_pidfd, (int)l->exec_ns_mask);
	if (r < 0)
		return rt_explain(text, r, "join the container's namespaces");
	l->rootfd = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (l->rootfd < 0)
		return rt_explain(text, l->rootfd, "open the container's root");
	return has_user ? become_root(l, text) : 0;
}

int rt_child_unshare_cgroup(struct rt_launch *l, char *text)
{
	int r = sys_unshare(CLONE_NEWCGROUP);

	(void)l;
	return r < 0 ? rt_explain(text, r, "make a cgroup namespace") : 0;
}

int rt_child_unshare(struct rt_launch *l, char *text)
{
	int r = sys_unshare((int)l->unshare_flags);

	return r < 0 ? rt_explain(text, r, "make namespaces") : 0;
}

/* "type;uid;gid;perm;description": keep what is, add search for the user or everybody. */
static int keyring_permissions(struct rt_launch *l, int32_t serial, char *text)
{
	bool has_userns = rt_has_userns(l);
	uint32_t add = has_userns ? KEY_OTH_SEARCH : KEY_USR_SEARCH;
	char info[512], *perm;
	int r;

	r = sys_keyctl_describe(serial, info, sizeof(info));
	if (r < 0)
		return rt_explain(text, r, "describe session keyring");
	perm = info;
	for (int i = 0; i < 3 && perm; i++) {
		perm = strchr(perm, ';');
		perm = perm ? perm + 1 : NULL;
	}
	if (!perm)
		return rt_explain(text, -EIO, "describe session keyring");
	r = sys_keyctl_setperm(serial, (uint32_t)strtoul(perm, NULL, 16) | add);
	return r < 0 ? rt_explain(text, r, "unable to mod keyring permissions") : 0;
}

static int new_keyring(struct rt_launch *l, char *text)
{
	const char *label = l->process->selinux_label;
	char name[1100];
	int64_t serial;
	int r;

	if (l->has_selinux && label && *label) {
		r = host_selinux_set_keycreate(l->procfd, label);
		if (r < 0)
			return rt_explain(text, r, "set the keyring's label %s", label);
	}
	snprintf(name, sizeof(name), "_ses.%s", l->c->id);
	serial = sys_join_session_keyring(name);
	if (serial == -ENOSYS)
		return 0;
	if (serial == -EDQUOT) {
		/* The user's quota of keys is used up by others: isolation by uid remains. */
		rt_child_warn(l, "unable to join session keyring: disk quota exceeded");
		return 0;
	}
	if (serial < 0)
		return rt_explain(text, (int)serial, "unable to join session keyring");
	r = l->is_exec ? 0 : keyring_permissions(l, (int32_t)serial, text);
	if (r == 0 && l->has_selinux && label && *label)
		r = host_selinux_set_keycreate(l->procfd, "");
	return r;
}

int rt_child_session(struct rt_launch *l, char *text)
{
	bool no_new_keyring = l->create ? l->create->no_new_keyring : l->no_new_keyring;
	int r = sys_setsid();

	if (r < 0 && r != -EPERM)
		return rt_explain(text, r, "setsid");
	return no_new_keyring ? 0 : new_keyring(l, text);
}

int rt_child_network(struct rt_launch *l, char *text)
{
	int r = sys_loopback_up();

	(void)l;
	return r < 0 ? rt_explain(text, r, "bring the loopback interface up") : 0;
}
