/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * AppArmor and SELinux: whether they are on, and what a process writes about itself before
 * exec. The writes go through the root of a trusted procfs, never through a path that the
 * container could have mounted over (CVE-2019-16884, CVE-2025-52881). host_*_set_* return
 * 0 or -errno and are fork-safe.
 */

#include <stdbool.h>

#include "base/macros.h"

/* @rootfd: the host's root directory (tests have one of their own). */
bool host_apparmor_is_enabled(int rootfd);
/* A mounted selinuxfs, and a policy: the own label is not "kernel". */
bool host_selinux_is_enabled(int rootfd, int procfd);

/* The profile from the next exec on: attr/apparmor/exec, attr/exec where that is missing. */
int host_apparmor_set_exec(int procfd, const char *profile) DV_CHECK;
/* The label from the next exec on. "" goes back to the policy's choice. */
int host_selinux_set_exec(int procfd, const char *label) DV_CHECK;
/* The label of keyrings made from now on. */
int host_selinux_set_keycreate(int procfd, const char *label) DV_CHECK;
