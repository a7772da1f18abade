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

static bool wants_home(const struct rt_launch *l)
{
	return l->home != NULL;
}

const struct rt_stage rt_create_stages[] = {
	{ "cgroup", is_joined_by_parent, rt_parent_join_cgroup, NULL },
	{ "enter cgroup", NULL, NULL, rt_child_enter },
	/* Maps are the parent's to write: the child has no rights outside its namespace. */
	{ "user namespace", has_new_user, rt_parent_write_maps, NULL },
	{ "namespaces", NULL, NULL, rt_child_user },
	/* After the cgroup was entered: it becomes the root of the cgroup namespace. */
	{ "unshare", unshares, NULL, rt_child_unshare },
	{ "time namespace", has_new_time_by_child, rt_parent_write_time_offsets, NULL },
	{ "fork", forks_twice, NULL, rt_child_fork_again },
	{ "session", NULL, NULL, rt_child_session },
	{ "network", has_new_net, NULL, rt_child_network },
	{ "network devices", has_net_devices, rt_parent_move_net_devices, NULL },
	{ "rootfs", NULL, NULL, rt_child_rootfs },
	{ "mounts", NULL, NULL, rt_child_mounts },
	{ "devices", has_own_dev, NULL, rt_child_devices },
	/* Mounts are there, the host's root still is: hooks may move things between the two. */
	{ "runtime hooks", has_runtime_hooks, rt_parent_run_hooks, NULL },
	{ "createContainer hooks", has_container_hooks, NULL, rt_child_create_hooks },
	{ "working directory", NULL, NULL, rt_child_cwd_make },
	{ "terminal", has_terminal, NULL, rt_child_console },
	{ "pidfd socket", has_pidfd_socket, NULL, rt_child_pidfd },
	{ "read-only mounts", NULL, NULL, rt_child_finish_mounts },
	{ "names", NULL, NULL, rt_child_names },
	{ "sysctl", NULL, NULL, rt_child_sysctl },
	{ "masks", NULL, NULL, rt_child_mask },
	{ "home", wants_home, NULL, rt_child_home },
	{ "root", NULL, NULL, rt_child_pivot },
	{ "attributes", NULL, NULL, rt_child_attributes },
	{ "labels", has_labels, NULL, rt_child_labels },
	/* Loading needs a privilege that the next stage gives up, unless no_new_privs is set. */
	{ "seccomp", has_early_seccomp, NULL, rt_child_seccomp },
	{ "seccomp listener", has_early_listener, rt_parent_send_listener, rt_child_drop_listener },
	{ "descriptors", NULL, NULL, rt_child_descriptors },
	{ "rlimits", sets_own_rlimits, NULL, rt_child_rlimits },
	{ "identity", NULL, NULL, rt_child_identity },
	{ "lookup", NULL, NULL, rt_child_lookup },
	/* All that can fail is behind us. */
	{ "ready", NULL, rt_parent_ready, NULL },
	{ "seccomp", has_late_seccomp, NULL, rt_child_seccomp },
	{ "seccomp listener", has_late_listener, rt_parent_send_listener, rt_child_drop_listener },
	{ NULL },
};

const struct rt_stage rt_exec_stages[] = {
	{ "cgroup", is_joined_by_parent, rt_parent_join_cgroup, NULL },
	{ "enter cgroup", NULL, NULL, rt_child_enter },
	{ "namespaces", NULL, NULL, rt_child_join_exec },
	{ "fork", forks_twice, NULL, rt_child_fork_again },
	{ "session", NULL, NULL, rt_child_session },
	{ "terminal", has_terminal, NULL, rt_child_console },
	{ "pidfd socket", has_pidfd_socket, NULL, rt_child_pidfd },
	{ "home", wants_home, NULL, rt_child_home },
	{ "attributes", NULL, NULL, rt_child_attributes },
	{ "labels", has_labels, NULL, rt_child_labels },
	{ "seccomp", has_early_seccomp, NULL, rt_child_seccomp },
	{ "seccomp listener", has_early_listener, rt_parent_send_listener, rt_child_drop_listener },
	{ "descriptors", NULL, NULL, rt_child_descriptors },
	{ "rlimits", sets_own_rlimits, NULL, rt_child_rlimits },
	{ "identity", NULL, NULL, rt_child_identity },
	{ "lookup", NULL, NULL, rt_child_lookup },
	{ "ready", NULL, rt_parent_ready, NULL },
	{ "seccomp", has_late_seccomp, NULL, rt_child_seccomp },
	{ "seccomp listener", has_late_listener, rt_parent_send_listener, rt_child_drop_listener },
	{ NULL },
};
