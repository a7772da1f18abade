/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Intel RDT (linux.intelRdt): groups of the resctrl filesystem. A container is in the group
 * closID, or one of its own named by the container id; the group "/" is the root's. With
 * enableMonitoring it has a monitoring group, <group>/mon_groups/<container id>.
 *
 * A group is removed at the end only if we made it and no closID was given: groups with a
 * name may be shared.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"
#include "spec/runtime.h"

/* To be kept with the container's state. */
struct host_resctrl_state {
	bool is_used;
	bool was_created; /* the group did not exist before */
	bool has_clos_id; /* its name was given */
	bool has_monitoring;
};

/*
 * The root of the mounted resctrl filesystem: /sys/fs/resctrl, or wherever
 * /proc/self/mountinfo of @procfd shows one.
 *
 * DV_PRECONDITION: there is none: "Intel RDT is not enabled".
 */
struct dv_err *host_resctrl_open(int procfd, int *ret_rootfd) DV_CHECK;

/* True for an available filesystem, for `features`: its parts. */
bool host_resctrl_has_cat(int rootfd); /* info/L3 */
bool host_resctrl_has_mba(int rootfd); /* info/MB */

/* The rules of the config against the machine. @rootfd -1: no resctrl. */
struct dv_err *host_resctrl_check(int rootfd, const struct spec_intel_rdt *rdt) DV_CHECK;

/*
 * What host_resctrl_apply() would make: to be on record before it is there. The answer of apply
 * is the truth.
 */
void host_resctrl_plan(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
		       struct host_resctrl_state *ret);
/* Makes the groups and moves @pid (-1: nobody) into them. */
struct dv_err *host_resctrl_apply(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
				  pid_t pid, struct host_resctrl_state *ret) DV_CHECK;
/* Writes the schemata: l3CacheSchema, memBwSchema, schemata[], in one write. Also `update`. */
struct dv_err *host_resctrl_set(int rootfd, const struct spec_intel_rdt *rdt, const char *id)
	DV_CHECK;
/* A further process (exec). */
struct dv_err *host_resctrl_add(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
				pid_t pid) DV_CHECK;
/* Undoes host_resctrl_apply(). What is gone already is fine. */
struct dv_err *host_resctrl_destroy(int rootfd, const struct host_resctrl_state *st,
				    const char *clos_id, const char *id) DV_CHECK;
