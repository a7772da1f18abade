/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `run` and `create` share: docker's options, and what becomes of them. Strings are argv's or in
 * the arena of the struct cli.
 */

#include <stdbool.h>

#include "base/opt.h"
#include "cli-private.h"
#include "client/container.h"

struct run_opts {
	/* How it is run. */
	bool is_detached, is_removed, has_sig_proxy;
	bool has_stdin, has_tty;
	const char *detach_keys, *cidfile, *pidfile, *pull;
	/* What it is. */
	const char *name, *platform, *runtime, *snapshotter, *log_driver;
	bool is_rootfs; /* the first argument is a directory */
	struct dv_opt_list labels, annotations;
	/* The process. */
	const char *entrypoint, *user, *working_dir, *stop_signal;
	struct dv_opt_int stop_timeout, oom_score_adj;
	struct dv_opt_list env, env_files, groups, ulimits;
	/* What it sees. */
	const char *hostname, *shm_size, *network, *pid, *ipc, *uts, *cgroupns;
	bool is_read_only;
	struct dv_opt_list volumes, mounts, tmpfs, devices, device_rules, hosts, sysctls;
	/* What it may do. */
	bool is_privileged, is_oom_kill_disabled;
	struct dv_opt_list caps_added, caps_dropped, security;
	const char *memory, *memory_swap, *memory_reservation, *cpus, *cpuset_cpus, *cpuset_mems;
	struct dv_opt_int cpu_shares, cpu_quota, cpu_period, pids_limit, memory_swappiness,
		blkio_weight;
};

extern const struct dv_opt run_options[], create_options[];

/* The caller's words, as they are understood; everything in the arena. */
struct run_plan {
	struct cli *cli;
	const struct run_opts *opts;
	struct client_container_opts container;
	struct spec_resources resources;
	struct spec_rlimit *rlimits;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_device_grant *devices;
	size_t n_devices;
	struct spec_string_pair *sysctls;
	size_t n_sysctls;
};

/* @args: image (or directory), command... DV_INVALID: an option cannot be meant so. */
struct dv_err *run_plan_make(struct cli *cli, const struct run_opts *opts, char **args,
			     struct run_plan *ret) DV_CHECK;

/* The parts of it, in this order. */
struct dv_err *run_plan_env(struct run_plan *p) DV_CHECK;
struct dv_err *run_plan_limits(struct run_plan *p) DV_CHECK;
struct dv_err *run_plan_namespaces(struct run_plan *p) DV_CHECK;
struct dv_err *run_plan_mounts(struct run_plan *p) DV_CHECK;
struct dv_err *run_plan_devices(struct run_plan *p) DV_CHECK;
struct dv_err *run_plan_security(struct run_plan *p) DV_CHECK;

/* "k=v", or "k" for "k=". */
struct dv_err *run_pairs(struct cli *cli, const char *option, const struct dv_opt_list *list,
			 struct spec_string_pair **ret, size_t *ret_n) DV_CHECK;

/* A file of the caller's, whole, in the arena, terminated. DV_EXHAUSTED: larger than 1 MiB. */
struct dv_err *run_read_file(struct cli *cli, const char *path, char **ret, size_t *ret_n) DV_CHECK;

/*
 * Makes the container, and --cidfile. What to do about an error is hinted. client_container_fini() the
 * result.
 */
struct dv_err *run_create(struct cli *cli, const struct run_plan *plan,
			  struct client_container *ret) DV_CHECK;
