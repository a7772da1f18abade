/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a launch, in their order, with what either side does. The comments say why
 * a stage cannot stand elsewhere.
 */

#include <stddef.h>

#include "child-private.h"
#include "launch-private.h"
#include "parent-private.h"

static bool has_new(const struct rt_launch *l, enum spec_ns ns)
{
	return l->ns_new & NS_BIT(ns);
}

static bool is_joined_by_parent(const struct rt_launch *l)
{
	return l->parent_joins;
}

static bool has_new_user(const struct rt_launch *l)
{
	return has_new(l, SPEC_NS_USER);
}

static bool unshares(const struct rt_launch *l)
{
	return l->unshare_flags != 0;
}

static bool has_new_time_by_child(const struct rt_launch *l)
{
	return has_new(l, SPEC_NS_TIME) && l->time_in_child;
}

static bool has_late_cgroup(const struct rt_launch *l)
{
	return l->is_late_cgroup;
}

static bool has_new_cgroup(const struct rt_launch *l)
{
	return has_new(l, SPEC_NS_CGROUP);
}

static bool forks_twice(const struct rt_launch *l)
{
	return l->forks_twice;
}

static bool has_new_net(const struct rt_launch *l)
{
	return has_new(l, SPEC_NS_NET);
}

static bool has_net_devices(const struct rt_launch *l)
{
	return l->spec->linux.n_net_devices > 0;
}

static bool has_own_dev(const struct rt_launch *l)
{
	return l->sets_up_dev;
}

static bool has_runtime_hooks(const struct rt_launch *l)
{
	return l->spec->hooks[SPEC_HOOK_PRESTART].n_items > 0 ||
	       l->spec->hooks[SPEC_HOOK_CREATE_RUNTIME].n_items > 0;
}

static bool has_container_hooks(const struct rt_launch *l)
{
	return l->spec->hooks[SPEC_HOOK_CREATE_CONTAINER].n_items > 0;
}

static bool has_terminal(const struct rt_launch *l)
{
	return l->process->terminal;
}

static bool has_pidfd_socket(const struct rt_launch *l)
{
	return l->pidfd_sock >= 0;
}

static bool has_labels(const struct rt_launch *l)
{
	return l->has_apparmor || l->has_selinux;
}

static bool has_early_seccomp(const struct rt_launch *l)
{
	return l->has_seccomp && !l->process->no_new_privileges;
}

static bool has_late_seccomp(const struct rt_launch *l)
{
	return l->has_seccomp && l->process->no_new_privileges;
}

static bool has_early_listener(const struct rt_launch *l)
{
	return has_early_seccomp(l) && l->seccomp.has_listener;
}

static bool has_late_listener(const struct rt_launch *l)
{
	return has_late_seccomp(l) && l->seccomp.has_listener;
}

/* Else the parent sets them. */
static bool sets_own_rlimits(const struct rt_launch *l)
{
	return !rt_has_userns(l) && l->process->n_rlimits > 0;
}

/* Else the parent does. */
static bool sets_own_oom_score(const struct rt_launch *l)
{
	return l->is_unprivileged && l->process->oom_score_adj.is_set;
}

static bool wants_home(const struct rt_launch *l)
{
	return l->home != NULL;
}

const struct rt_stage rt_create_stages[] = {
	{ .name = "oom score", .is_needed = sets_own_oom_score, .child = rt_child_oom_score },
	{ .name = "cgroup", .is_needed = is_joined_by_parent, .parent = rt_parent_join_cgroup },
	/* Maps are the parent's to write: the child has no rights outside its namespace. */
	{ .name = "user namespace", .is_needed = has_new_user, .parent = rt_parent_write_maps },
	{ .name = "namespaces", .child = rt_child_user },
	{ .name = "unshare", .is_needed = unshares, .child = rt_child_unshare },
	{ .name = "time namespace",
	  .is_needed = has_new_time_by_child,
	  .parent = rt_parent_write_time_offsets },
	{ .name = "fork", .is_needed = forks_twice, .child = rt_child_fork_again },
	/* The parent made it meanwhile. All that costs memory for long comes after this. */
	{ .name = "cgroup",
	  .is_needed = has_late_cgroup,
	  .brings_fds = true,
	  .parent = rt_parent_hand_cgroup },
	{ .name = "enter cgroup", .child = rt_child_enter },
	/* Its root is the cgroup of this moment. */
	{ .name = "cgroup namespace",
	  .is_needed = has_new_cgroup,
	  .child = rt_child_unshare_cgroup },
	{ .name = "session", .child = rt_child_session },
	{ .name = "network", .is_needed = has_new_net, .child = rt_child_network },
	{ .name = "network devices",
	  .is_needed = has_net_devices,
	  .parent = rt_parent_move_net_devices },
	{ .name = "rootfs", .child = rt_child_rootfs },
	{ .name = "mounts", .child = rt_child_mounts },
	{ .name = "devices", .is_needed = has_own_dev, .child = rt_child_devices },
	/* Mounts are there, the host's root still is: hooks may move things between the two. */
	{ .name = "runtime hooks", .is_needed = has_runtime_hooks, .parent = rt_parent_run_hooks },
	{ .name = "createContainer hooks",
	  .is_needed = has_container_hooks,
	  .child = rt_child_create_hooks },
	{ .name = "working directory", .child = rt_child_cwd_make },
	{ .name = "terminal", .is_needed = has_terminal, .child = rt_child_console },
	{ .name = "pidfd socket", .is_needed = has_pidfd_socket, .child = rt_child_pidfd },
	{ .name = "read-only mounts", .child = rt_child_finish_mounts },
	{ .name = "names", .child = rt_child_names },
	{ .name = "sysctl", .child = rt_child_sysctl },
	{ .name = "masks", .child = rt_child_mask },
	{ .name = "home", .is_needed = wants_home, .child = rt_child_home },
	{ .name = "root", .child = rt_child_pivot },
	{ .name = "attributes", .child = rt_child_attributes },
	{ .name = "labels", .is_needed = has_labels, .child = rt_child_labels },
	/* Loading needs a privilege that the next stage gives up, unless no_new_privs is set. */
	{ .name = "seccomp", .is_needed = has_early_seccomp, .child = rt_child_seccomp },
	{ .name = "seccomp listener",
	  .is_needed = has_early_listener,
	  .parent = rt_parent_send_listener,
	  .child = rt_child_drop_listener },
	{ .name = "descriptors", .child = rt_child_descriptors },
	{ .name = "rlimits", .is_needed = sets_own_rlimits, .child = rt_child_rlimits },
	{ .name = "identity", .child = rt_child_identity },
	{ .name = "lookup", .child = rt_child_lookup },
	/* All that can fail is behind us. */
	{ .name = "ready", .parent = rt_parent_ready },
	{ .name = "seccomp", .is_needed = has_late_seccomp, .child = rt_child_seccomp },
	{ .name = "seccomp listener",
	  .is_needed = has_late_listener,
	  .parent = rt_parent_send_listener,
	  .child = rt_child_drop_listener },
	{ .name = NULL },
};

const struct rt_stage rt_exec_stages[] = {
	{ .name = "oom score", .is_needed = sets_own_oom_score, .child = rt_child_oom_score },
	{ .name = "cgroup", .is_needed = is_joined_by_parent, .parent = rt_parent_join_cgroup },
	{ .name = "enter cgroup", .child = rt_child_enter },
	{ .name = "namespaces", .child = rt_child_join_exec },
	{ .name = "fork", .is_needed = forks_twice, .child = rt_child_fork_again },
	{ .name = "session", .child = rt_child_session },
	{ .name = "terminal", .is_needed = has_terminal, .child = rt_child_console },
	{ .name = "pidfd socket", .is_needed = has_pidfd_socket, .child = rt_child_pidfd },
	{ .name = "home", .is_needed = wants_home, .child = rt_child_home },
	{ .name = "attributes", .child = rt_child_attributes },
	{ .name = "labels", .is_needed = has_labels, .child = rt_child_labels },
	{ .name = "seccomp", .is_needed = has_early_seccomp, .child = rt_child_seccomp },
	{ .name = "seccomp listener",
	  .is_needed = has_early_listener,
	  .parent = rt_parent_send_listener,
	  .child = rt_child_drop_listener },
	{ .name = "descriptors", .child = rt_child_descriptors },
	{ .name = "rlimits", .is_needed = sets_own_rlimits, .child = rt_child_rlimits },
	{ .name = "identity", .child = rt_child_identity },
	{ .name = "lookup", .child = rt_child_lookup },
	{ .name = "ready", .parent = rt_parent_ready },
	{ .name = "seccomp", .is_needed = has_late_seccomp, .child = rt_child_seccomp },
	{ .name = "seccomp listener",
	  .is_needed = has_late_listener,
	  .parent = rt_parent_send_listener,
	  .child = rt_child_drop_listener },
	{ .name = NULL },
};
