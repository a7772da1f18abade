/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What sandbox.c needs to do what a pod's configuration asks for. @pod may be NULL throughout. */

#include "sandbox.h"

/* DV_INVALID; DV_UNIMPLEMENTED. @has_netns: a network namespace was given. */
struct dv_err *sandbox_pod_check(const struct sandbox_pod *pod, bool has_netns) DV_CHECK;
struct sandbox_pod *sandbox_pod_dup(const struct sandbox_pod *pod);
struct sandbox_pod *sandbox_pod_free(struct sandbox_pod *pod); /* always returns NULL */

/* CLONE_NEW*: namespaces that the process gets for itself. */
int sandbox_pod_namespaces(const struct sandbox_pod *pod, bool has_netns);

/*
 * Puts @pid in its cgroup, and sets host name and sysctls in its namespaces. After a failure the
 * caller undoes it. The bundle says which cgroup it is, for `delete`.
 */
struct dv_err *sandbox_pod_apply(const struct sandbox_pod *pod, const char *id, const char *bundle,
				 bool has_netns, pid_t pid) DV_CHECK;
/* Removes the cgroup. The process has ended. @id may be NULL, for no sandbox at all. */
void sandbox_pod_undo(const struct sandbox_pod *pod, const char *id, const struct dv_log *log);

/* Removes the cgroup that the bundle names, if it names one. For `delete`. */
struct dv_err *sandbox_pod_cleanup(int bundle_fd, const char *id) DV_CHECK;
