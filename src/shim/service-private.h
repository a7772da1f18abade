/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files service-*.c share. */

#include "api/containerd/types.pb-c.h"
#include "rpc/pb.h"
#include "service.h"

struct sandbox;

struct shim_service {
	struct shim_service_opts opts;
	struct task_set *tasks;
	struct sandbox *sandbox;
	bool is_leaving; /* the sandbox was shut down: the last container's end is the shim's */
};

extern const struct ttrpc_service shim_service_task_v2, shim_service_task_v3, shim_service_sandbox;

/*
 * The options that came with a request; NULL: none did. What the shim does not know is named in a
 * warning. DV_INVALID: malformed.
 */
struct dv_err *shim_options_from_any(const Google__Protobuf__Any *any, const struct dv_log *log,
				     struct shim_options **ret) DV_CHECK;

/* The messages' mounts as task.h has them, and back. In @arena. */
struct host_fs_mount *shim_service_mounts(struct dv_arena *arena,
					  Containerd__Types__Mount *const *mounts, size_t n);

/* Answers, and ends the shim if it has nothing to do. */
void shim_service_shutdown(struct shim_service *s, struct ttrpc_call *call);

/* In @arena; NULL for 0, which is not yet. */
Google__Protobuf__Timestamp *shim_service_timestamp(struct dv_arena *arena,
						    const struct timespec *ts);

/* Publishes an event of a task; a task_event_fn. */
void shim_service_event(void *arg, enum task_event event, const struct task_info *info);

/* io.containerd.cgroups.v1.Metrics or v2.Metrics of the cgroup that @pid is in. */
struct dv_err *shim_service_stats(pid_t pid, const struct dv_log *log, struct dv_arena *arena,
				  Google__Protobuf__Any *ret) DV_CHECK;
