/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writing config.json for a container as docker's and Kubernetes' users know it: what they said,
 * and docker's defaults for everything else. Pure: users are numbers here, devices have theirs,
 * mounts have their options; finding those out is the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "spec/runtime.h"

enum spec_ns_mode {
	SPEC_NS_PRIVATE,
	SPEC_NS_HOST,
	SPEC_NS_JOIN, /* that of .path */
};

struct spec_ns_choice {
	enum spec_ns_mode mode;
	const char *path;
};

enum spec_seccomp_mode {
	SPEC_SECCOMP_DEFAULT, /* docker's profile, for the capabilities that there are */
	SPEC_SECCOMP_UNCONFINED,
	SPEC_SECCOMP_PROFILE, /* .seccomp_profile */
};

/* A device node, and what the container may do with it. */
struct spec_device_grant {
	struct spec_device node; /* path NULL: no node, only the right */
	const char *access; /* "rwm" */
};

/*
 * Zeroed, it is a private container of root with docker's defaults; args and cgroups_path are
 * needed. Arrays and strings are borrowed.
 */
struct spec_container {
	/* The process. */
	const char *const *args;
	size_t n_args;
	const char *const *env; /* as it will be; nothing is added */
	size_t n_env;
	const char *cwd; /* NULL: "/" */
	uint32_t uid, gid;
	const uint32_t *groups; /* supplementary ones */
	size_t n_groups;
	bool has_terminal;
	uint16_t console_width, console_height;
	uint64_t caps; /* bit n: capability n; spec_caps_choose() */
	bool is_no_new_privileges;
	const struct spec_rlimit *rlimits; /* by .name */
	size_t n_rlimits;
	struct spec_i64 oom_score_adj;
	const char *apparmor_profile, *selinux_label, *mount_label;

	/* What it sees. */
	const char *root_path; /* NULL: "rootfs" */
	bool is_root_readonly;
	const char *hostname;
	int64_t shm_size; /* of /dev/shm in bytes; 0: 64 MiB */
	const struct spec_mount *mounts; /* one at a default's destination replaces it */
	size_t n_mounts;
	const struct spec_device_grant *devices;
	size_t n_devices;
	const struct spec_device_rule *device_rules;
	size_t n_device_rules;
	struct spec_ns_choice ns[SPEC_NS__N]; /* TIME is left out when private */
	const struct spec_id_mapping *uid_mappings, *gid_mappings; /* of a private user namespace */
	size_t n_uid_mappings, n_gid_mappings;

	/* What it may do. */
	bool is_privileged; /* all devices, /sys writable, nothing masked; caps are the caller's */
	bool is_unmasked; /* the paths that are masked or read-only by default are not */
	enum spec_seccomp_mode seccomp;
	const char *seccomp_profile; /* JSON of linux.seccomp: spec_seccomp_from_profile() */
	const struct spec_resources *resources; /* NULL: no limits; devices are not looked at */
	const struct spec_string_pair *sysctl;
	size_t n_sysctl;
	const char *cgroups_path; /* "/default/<id>" or "slice:prefix:name" */
	bool has_cgroup2; /* the machine has v2 alone; decides what /sys/fs/cgroup is */

	const struct spec_string_pair *annotations;
	size_t n_annotations;
};

/* Appends the document, in one line. */
void spec_container_format(const struct spec_container *c, struct dv_strbuf *out);

/* The parts, for whoever writes them alone: `update`, and exec's process. */
void spec_container_process_format(const struct spec_container *c, struct dv_strbuf *out);
void spec_resources_format(const struct spec_resources *r, struct dv_strbuf *out);

/* docker's fourteen, as bits. */
uint64_t spec_caps_default(void);

/*
 * docker's rule: "ALL" may be added or dropped; else the default ones without @drop and with @add.
 * Names with or without CAP_, in any case. @known: what the kernel has. DV_INVALID: no such name.
 */
struct dv_err *spec_caps_choose(const char *const *add, size_t n_add, const char *const *drop,
				size_t n_drop, uint64_t known, uint64_t *ret) DV_CHECK;

/*
 * A profile in docker's form (archMap, includes, excludes) or the runtime's, as linux.seccomp for a
 * container with @caps, in the caller's heap. DV_INVALID: not a profile.
 */
struct dv_err *spec_seccomp_from_profile(const char *text, size_t len, uint64_t caps, char **ret)
	DV_CHECK;
/* docker's default profile in that form. */
void spec_seccomp_default_format(uint64_t caps, struct dv_strbuf *out);
