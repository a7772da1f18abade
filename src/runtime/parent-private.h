/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parent's parts of the stages; the child waits while one runs. */

#include "launch-private.h"

struct dv_err *rt_parent_join_cgroup(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_hand_cgroup(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_write_maps(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_write_time_offsets(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_move_net_devices(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_run_hooks(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_send_listener(struct rt_launch *l, int value) DV_CHECK;
struct dv_err *rt_parent_ready(struct rt_launch *l, int value) DV_CHECK;

/* Right after the fork, while the child makes its namespaces (create.c). */
struct dv_err *rt_create_late_cgroup(struct rt_launch *l) DV_CHECK;
