/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The OCI runtime configuration (config.json, runtime-spec 1.3) as C structs.
 *
 * Everything hangs in one arena: strings, arrays and nested structs live exactly as long
 * as it does. A missing optional object is NULL, a missing string is NULL, a missing
 * array has n_x == 0, a missing optional number has is_set == false. Arrays of strings end
 * with a NULL that n_x does not count. "" is as good as missing. Parsing checks types,
 * ranges and enumerations (spec_runtime_parse), validation checks the rules between
 * properties (spec_runtime_validate); after both, the runtime need not check again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* gnu17 predefines it as 1; here it is a member, named as in the document. */
#undef linux

/* The newest version of the runtime specification that is implemented. */
#define SPEC_VERSION "1.3.0"

struct spec_i64 {
	bool is_set;
	int64_t value;
};

struct spec_u64 {
	bool is_set;
	uint64_t value;
};

struct spec_bool {
	bool is_set;
	bool value;
};

struct spec_string_pair {
	const char *key;
	const char *value;
};

/* ---- process ---------------------------------------------------------------------- */

struct spec_user {
	uint32_t uid, gid;
	struct spec_u64 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

/* Bit n of a set is capability number n; unknown names are listed in `unknown`. */
struct spec_capabilities {
	uint64_t bounding, effective, inheritable, permitted, ambient;
	const char **unknown;
	size_t n_unknown;
};

struct spec_rlimit {
	int resource; /* RLIMIT_* */
	const char *name;
	uint64_t soft, hard;
};

struct spec_scheduler {
	uint32_t policy; /* SCHED_* */
	int32_t nice;
	int32_t priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime, deadline, period;
};

struct spec_io_priority {
	int class; /* 1 realtime, 2 best effort, 3 idle */
	int priority;
};

struct spec_cpu_affinity {
	const char *initial; /* CPU lists as the kernel writes them, syntax checked */
	const char *final;
};

struct spec_process {
	bool terminal;
	uint16_t console_height, console_width; /* 0, 0: not given */
	struct spec_user user;
	const char **args;
	size_t n_args;
	const char **env; /* "NAME=value" */
	size_t n_env;
	const char *cwd;
	struct spec_capabilities *capabilities; /* NULL: all sets empty */
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	const char *apparmor_profile;
	const char *selinux_label;
	struct spec_i64 oom_score_adj;
	struct spec_scheduler *scheduler;
	struct spec_io_priority *io_priority;
	struct spec_cpu_affinity *exec_cpu_affinity;
};

/* ---- root, mounts ----------------------------------------------------------------- */

struct spec_root {
	const char *path; /* as written: may be relative to the bundle */
	bool is_readonly;
};

struct spec_id_mapping {
	uint32_t container_id, host_id, size;
};

struct spec_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char **options; /* not interpreted here: host/mount-plan does */
	size_t n_options;
	struct spec_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
};

/* ---- hooks ------------------------------------------------------------------------ */

struct spec_hook {
	const char *path;
	const char **args; /* args[0] included; n_args == 0: argv is { path } */
	size_t n_args;
	const char **env;
	size_t n_env;
	bool has_env; /* distinguishes [] from absent */
	int64_t timeout; /* seconds, 0: none */
};

enum spec_hook_kind {
	SPEC_HOOK_PRESTART,
	SPEC_HOOK_CREATE_RUNTIME,
	SPEC_HOOK_CREATE_CONTAINER,
	SPEC_HOOK_START_CONTAINER,
	SPEC_HOOK_POSTSTART,
	SPEC_HOOK_POSTSTOP,
	SPEC_HOOK__N,
};

struct spec_hook_list {
	struct spec_hook *items;
	size_t n_items;
};

/* "prestart", "createRuntime", ... */
const char *spec_hook_kind_name(enum spec_hook_kind kind);
/* linux.memoryPolicy, the names that mode and flags may have: of the @i-th; NULL: no more. */
const char *spec_memory_policy_mode_name(size_t i);
const char *spec_memory_policy_flag_name(size_t i);

/* ---- linux ------------------------------------------------------------------------ */

enum spec_ns {
	SPEC_NS_USER,
	SPEC_NS_CGROUP,
	SPEC_NS_IPC,
	SPEC_NS_UTS,
	SPEC_NS_NET,
	SPEC_NS_PID,
	SPEC_NS_MNT,
	SPEC_NS_TIME,
	SPEC_NS__N,
};

struct spec_namespace {
	bool is_listed;
	const char *path; /* NULL: a new one */
};

/* "pid", "network", "mount" ...: the names of config.json. */
const char *spec_ns_name(enum spec_ns ns);

struct spec_device {
	const char *path;
	char type; /* 'c' 'b' 'p'; 'u' is read as 'c' */
	int64_t major, minor;
	struct spec_u64 file_mode;
	struct spec_u64 uid, gid;
};

struct spec_net_device {
	const char *host_name; /* the key */
	const char *name; /* inside; the key when not given */
};

struct spec_time_offset {
	bool is_set;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_memory_policy {
	int mode; /* MPOL_* */
	unsigned flags; /* MPOL_F_* */
	uint64_t nodes[16]; /* bit set, 1024 nodes */
	bool has_nodes;
};

struct spec_intel_rdt {
	const char *clos_id;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	const char **schemata;
	size_t n_schemata;
	bool enable_monitoring;
};

/* ---- linux.resources ---------------------------------------------------------------- */

struct spec_device_rule {
	bool is_allowed;
	char type; /* 'a' 'c' 'b' */
	int64_t major, minor; /* -1: any */
	bool reads, writes, mknods; /* access */
};

struct spec_weight_device {
	int64_t major, minor;
	struct spec_u64 weight, leaf_weight;
};

struct spec_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct spec_throttle_list {
	struct spec_throttle_device *items;
	size_t n_items;
};

enum spec_throttle {
	SPEC_THROTTLE_READ_BPS,
	SPEC_THROTTLE_WRITE_BPS,
	SPEC_THROTTLE_READ_IOPS,
	SPEC_THROTTLE_WRITE_IOPS,
	SPEC_THROTTLE__N,
};

struct spec_hugepage_limit {
	const char *page_size; /* "2MB" */
	uint64_t limit;
};

struct spec_interface_priority {
	const char *name;
	uint32_t priority;
};

struct spec_rdma {
	const char *device;
	struct spec_u64 hca_handles, hca_objects;
};

struct spec_resources {
	struct spec_device_rule *devices;
	size_t n_devices;
	struct {
		struct spec_i64 limit, reservation, swap, kernel, kernel_tcp;
		struct spec_u64 swappiness;
		struct spec_bool disable_oom_killer, use_hierarchy, check_before_update;
	} memory;
	struct {
		struct spec_u64 shares;
		struct spec_i64 quota;
		struct spec_u64 period, burst;
		struct spec_i64 realtime_runtime;
		struct spec_u64 realtime_period;
		const char *cpus, *mems;
		struct spec_i64 idle;
	} cpu;
	struct spec_i64 pids_limit;
	struct {
		struct spec_u64 weight, leaf_weight;
		struct spec_weight_device *weight_devices;
		size_t n_weight_devices;
		struct spec_throttle_list throttle[SPEC_THROTTLE__N];
	} block_io;
	struct spec_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct {
		struct spec_u64 class_id;
		struct spec_interface_priority *priorities;
		size_t n_priorities;
	} network;
	struct spec_rdma *rdma;
	size_t n_rdma;
	struct spec_string_pair *unified; /* in the order of the document */
	size_t n_unified;
};

/* ---- linux.seccomp ------------------------------------------------------------------ */

enum spec_seccomp_action {
	SPEC_ACT_KILL, /* SCMP_ACT_KILL: kills the thread */
	SPEC_ACT_KILL_PROCESS,
	SPEC_ACT_KILL_THREAD,
	SPEC_ACT_TRAP,
	SPEC_ACT_ERRNO,
	SPEC_ACT_TRACE,
	SPEC_ACT_ALLOW,
	SPEC_ACT_LOG,
	SPEC_ACT_NOTIFY,
	SPEC_ACT__N,
};

enum spec_seccomp_op {
	SPEC_CMP_NE,
	SPEC_CMP_LT,
	SPEC_CMP_LE,
	SPEC_CMP_EQ,
	SPEC_CMP_GE,
	SPEC_CMP_GT,
	SPEC_CMP_MASKED_EQ,
	SPEC_CMP__N,
};

enum spec_seccomp_flag {
	SPEC_SECCOMP_TSYNC = 1 << 0,
	SPEC_SECCOMP_LOG = 1 << 1,
	SPEC_SECCOMP_SPEC_ALLOW = 1 << 2,
	SPEC_SECCOMP_WAIT_KILLABLE_RECV = 1 << 3,
};

struct spec_seccomp_arg {
	unsigned index;
	uint64_t value, value_two;
	enum spec_seccomp_op op;
};

struct spec_seccomp_rule {
	const char **names;
	size_t n_names;
	enum spec_seccomp_action action;
	struct spec_u64 errno_ret;
	struct spec_seccomp_arg *args;
	size_t n_args;
};

struct spec_seccomp {
	enum spec_seccomp_action default_action;
	struct spec_u64 default_errno_ret;
	const char **architectures; /* "SCMP_ARCH_X86_64" ..., known names only */
	size_t n_architectures;
	bool has_flags; /* "flags" was given, perhaps empty */
	unsigned flags; /* SPEC_SECCOMP_* */
	const char *listener_path, *listener_metadata;
	struct spec_seccomp_rule *rules;
	size_t n_rules;
};

/* Names as config.json has them: "SCMP_ACT_ERRNO", "SCMP_CMP_EQ". */
const char *spec_seccomp_action_name(enum spec_seccomp_action action);
const char *spec_seccomp_op_name(enum spec_seccomp_op op);

/* ---- the document ------------------------------------------------------------------- */

struct spec_linux {
	struct spec_namespace namespaces[SPEC_NS__N];
	struct spec_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
	struct spec_time_offset offset_monotonic, offset_boottime;
	struct spec_device *devices;
	size_t n_devices;
	struct spec_net_device *net_devices;
	size_t n_net_devices;
	const char *cgroups_path;
	struct spec_resources *resources; /* never NULL after parsing */
	bool has_resources; /* the document had the object */
	const char *rootfs_propagation; /* "private", "rslave", ... checked */
	struct spec_seccomp *seccomp;
	struct spec_string_pair *sysctl;
	size_t n_sysctl;
	const char **masked_paths;
	size_t n_masked_paths;
	const char **readonly_paths;
	size_t n_readonly_paths;
	const char *mount_label;
	struct spec_intel_rdt *intel_rdt;
	struct spec_memory_policy *memory_policy;
	bool has_personality;
	unsigned long personality; /* PER_LINUX or PER_LINUX32 */
	bool has_personality_flags; /* given and not supported: a warning */
};

struct spec_runtime {
	const char *oci_version;
	const char *hostname, *domainname;
	struct spec_root root;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_process *process; /* may be NULL for `create` (spec: only start needs it) */
	struct spec_hook_list hooks[SPEC_HOOK__N];
	struct spec_string_pair *annotations; /* sorted by key */
	size_t n_annotations;
	struct spec_linux linux; /* zeroed when the document has no "linux" */
	bool has_linux;
};

/*
 * Parses config.json. Results point into @arena. Unknown properties are ignored, as the
 * specification demands ("Extensibility"), and so are other platforms' objects.
 *
 * DV_INVALID: names the property by its path, its value and what was expected:
 * "linux.resources.pids.limit: expected an integer, got \"many\"".
 */
struct dv_err *spec_runtime_parse(struct dv_arena *arena, const char *text, size_t len,
				  struct spec_runtime **ret) DV_CHECK;

/* A `process` object alone: exec --process. */
struct dv_err *spec_process_parse(struct dv_arena *arena, const char *text, size_t len,
				  struct spec_process **ret) DV_CHECK;

/* A `resources` object alone: update --resources. */
struct dv_err *spec_resources_parse(struct dv_arena *arena, const char *text, size_t len,
				    struct spec_resources **ret) DV_CHECK;

/* A `hooks` object alone (the runtime keeps those that run after create). */
struct dv_err *spec_hooks_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_hook_list ret[SPEC_HOOK__N]) DV_CHECK;

/* The hooks object as JSON, as spec_hooks_parse() reads it. */
void spec_hooks_format(const struct spec_hook_list hooks[SPEC_HOOK__N], struct dv_strbuf *out);

/* How the caller runs, which decides some of the rules. */
struct spec_env {
	bool is_rootless; /* no real root: limits on users, mappings, mounts */
	bool needs_process; /* `run` and `start` do, `create` of a bare sandbox does not */
	bool is_no_pivot; /* --no-pivot */
};

/*
 * The rules between properties: what needs which namespace, which mappings fit, which
 * sysctls are separated by a namespace, that destinations are usable, ... Warnings (for
 * what is accepted but has no effect) go to @log.
 */
struct dv_err *spec_runtime_validate(const struct spec_runtime *spec, const struct spec_env *env,
				     const struct dv_log *log) DV_CHECK;
struct dv_err *spec_process_validate(const struct spec_process *process) DV_CHECK;

/*
 * The first sysctl of the network namespace, NULL when there is none. Whoever joins one by
 * path must refuse it in the host's ("sysctl %s not allowed in host network namespace"):
 * validation does no I/O and cannot tell.
 */
const char *spec_runtime_net_sysctl(const struct spec_runtime *spec);

/* What `davit-oci spec` writes: runc's default config, tab-indented. */
struct spec_default {
	bool is_rootless;
	uint32_t uid, gid; /* the user that is_rootless maps root to */
	bool has_cgroup2; /* cgroup v2 alone: the container gets a cgroup namespace */
};
void spec_default_format_for(const struct spec_default *what, struct dv_strbuf *out);
/* The same on a machine with cgroup v2 alone. */
void spec_default_format(bool is_rootless, uint32_t uid, uint32_t gid, struct dv_strbuf *out);

/* "CAP_CHOWN" for 0 ...; NULL above the last known one. */
const char *spec_cap_name(unsigned cap);
/* -1 for an unknown name. With or without "CAP_", any case. */
int spec_cap_find(const char *name);
/* "RLIMIT_NOFILE" -> RLIMIT_NOFILE, -1 for unknown names. */
int spec_rlimit_find(const char *name);
