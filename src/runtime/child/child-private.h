/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The child's side of a launch: everything between clone3 and execve. These functions make
 * system calls and nothing else; they return 0 or -errno and may explain in @text (see
 * rt_explain). Targets inside the container are always resolved from l->rootfd with
 * openat2(RESOLVE_IN_ROOT), mounts are placed by descriptor.
 */

#include "launch-private.h"

/* The child's main: walks the stages, then executes. Never returns. */
DV_NORETURN void rt_child_main(struct rt_launch *l);
void rt_child_warn(const struct rt_launch *l, const char *fmt, ...) DV_PRINTF(2, 3);

/* Has the parent open the source of a bind in our mount namespace. */
int rt_child_ask_mount(struct rt_launch *l, struct rt_mount *m, char *text);
int rt_child_fork_again(struct rt_launch *l, char *text);

/* namespaces.c */
int rt_child_oom_score(struct rt_launch *l, char *text);
/* From here on nobody whom we join may look at us (CVE-2016-9962). */
void rt_child_hide(void);
int rt_child_enter(struct rt_launch *l, char *text);
int rt_child_join_exec(struct rt_launch *l, char *text);
int rt_child_user(struct rt_launch *l, char *text);
int rt_child_unshare_cgroup(struct rt_launch *l, char *text);
int rt_child_unshare(struct rt_launch *l, char *text);
int rt_child_session(struct rt_launch *l, char *text);
int rt_child_network(struct rt_launch *l, char *text);

/* rootfs.c */
int rt_child_rootfs(struct rt_launch *l, char *text);
int rt_child_mounts(struct rt_launch *l, char *text);
int rt_child_finish_mounts(struct rt_launch *l, char *text);
int rt_child_pivot(struct rt_launch *l, char *text);
/* Opens the target of a mount; makes it when it is missing, a file or a directory. */
int rt_child_target(const struct rt_launch *l, const char *path, bool is_file, bool no_links);
/* Turns a configured file system into a mount on @target; closes nothing. */
int rt_child_place(int mountfd, int target, const struct host_mount *p, char *text);

/* cgroupfs.c */
int rt_child_cgroup_mount(struct rt_launch *l, struct rt_mount *m, char *text);

/* copyup.c */
int rt_child_copy_up(int fromfd, int tofd);

/* devices.c */
int rt_child_devices(struct rt_launch *l, char *text);

/* mask.c */
int rt_child_mask(struct rt_launch *l, char *text);
int rt_child_sysctl(struct rt_launch *l, char *text);
int rt_child_names(struct rt_launch *l, char *text);

/* console.c */
int rt_child_console(struct rt_launch *l, char *text);
int rt_child_pidfd(struct rt_launch *l, char *text);

/* descriptors.c */
int rt_child_descriptors(struct rt_launch *l, char *text);
int rt_child_rlimits(struct rt_launch *l, char *text);

/* process.c */
int rt_child_attributes(struct rt_launch *l, char *text);
int rt_child_labels(struct rt_launch *l, char *text);
int rt_child_seccomp(struct rt_launch *l, char *text);
int rt_child_identity(struct rt_launch *l, char *text);
int rt_child_cwd_make(struct rt_launch *l, char *text);
int rt_child_home(struct rt_launch *l, char *text);
int rt_child_lookup(struct rt_launch *l, char *text);
int rt_child_drop_listener(struct rt_launch *l, char *text);

/* hooks-child.c */
int rt_child_create_hooks(struct rt_launch *l, char *text);
int rt_child_start_hooks(struct rt_launch *l, char *text);
