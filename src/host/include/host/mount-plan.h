/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mounts: the options of config.json become numbers and strings that the mount API takes.
 * Pure: nothing is looked up, nothing is opened.
 *
 * The options are those of mount(8) that the runtime specification lists, the recursive
 * ones (rro ...), propagation, idmap/ridmap, tmpcopyup, and crun's copy-symlink,
 * src-nofollow and dest-nofollow. What is in no table is for the filesystem ("size=64k").
 * In contradictions the later option wins.
 *
 * How the attributes of a bind mount come about is runc's rule (tests/integration/
 * mounts_sshfs.bats): without any flag the mount keeps those of its source; with one, it
 * gets exactly those asked for. Only access times are kept unless one is set explicitly.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"
#include "spec/runtime.h"

enum host_mount_kind {
	HOST_MOUNT_FS, /* any other type: by name, host_mount.fstype */
	HOST_MOUNT_BIND,
	HOST_MOUNT_PROC,
	HOST_MOUNT_SYSFS,
	HOST_MOUNT_TMPFS,
	HOST_MOUNT_DEVPTS,
	HOST_MOUNT_MQUEUE,
	HOST_MOUNT_CGROUP, /* "cgroup" and "cgroup2" */
};

enum host_mount_idmap {
	HOST_IDMAP_NONE,
	HOST_IDMAP_PLAIN,
	HOST_IDMAP_RECURSIVE, /* ridmap: AT_RECURSIVE */
};

/* For fsconfig: a string, or a flag when value is NULL. */
struct host_mount_param {
	const char *key;
	const char *value;
};

struct host_mount {
	enum host_mount_kind kind;
	const char *destination; /* lexically clean and absolute; "/" is possible */
	const char *source; /* as written, may be NULL; of a bind, relative to the bundle */
	const char *fstype; /* "bind" for binds; never NULL */

	/* As mount(2) takes them: MS_*, and what the options cleared explicitly. */
	uint64_t ms_flags;
	uint64_t ms_flags_cleared;
	/* The fs options joined with ',' (label included) for mount(2); "" when there are none. */
	const char *data;

	/*
	 * MOUNT_ATTR_* of the mount itself: for fsmount() (attr_set alone) or, for a bind, for
	 * mount_setattr() when changes_attrs. attr_clr contains what was not asked for either;
	 * attr_clr_asked only what an option cleared by name: see host_mount_relock().
	 */
	bool changes_attrs;
	uint64_t attr_set;
	uint64_t attr_clr;
	uint64_t attr_clr_asked;

	/* For mount_setattr(AT_RECURSIVE), both 0: nothing to do. */
	uint64_t rec_attr_set;
	uint64_t rec_attr_clr;

	/* fsconfig: flags of the superblock ("sync", "ro" ...), data options, the label. */
	struct host_mount_param *params;
	size_t n_params;
	/* fsconfig cannot say it (iversion, a value over 255 bytes): only mount(2) will do. */
	bool needs_mount2;

	/* MS_SHARED ... with MS_REC or not, in the order given; each is a call of its own. */
	uint64_t *propagation;
	size_t n_propagation;

	enum host_mount_idmap idmap;
	/* Its own mappings; both n == 0: those of the container's user namespace. */
	const struct spec_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;

	bool is_recursive_bind; /* rbind: AT_RECURSIVE for open_tree */
	bool is_remount;
	/* tmpfs, and whatever is on /dev: made writable, to become read-only at the very end. */
	bool is_readonly_late;
	bool has_mode; /* tmpfs: a mode= was given; else the target's mode is copied */
	bool copies_up; /* tmpcopyup */
	bool copies_symlink; /* copy-symlink: a source that is a symlink is recreated */
	bool src_is_nofollow; /* src-nofollow */
	bool dst_is_nofollow; /* dest-nofollow */
};

struct host_mount_env {
	const char *mount_label; /* SELinux, may be NULL */
	bool has_userns; /* the container has a user namespace: idmap needs no mappings */
	bool is_rootless; /* idmap is refused */
};

/*
 * Plans all of @mounts; *ret_mounts has as many elements, in the same order. Strings may
 * point into @mounts.
 *
 * DV_INVALID: names mounts[i]: a bind with filesystem options, idmap on something that is
 * not a bind, or without mappings, ...
 */
struct dv_err *host_mount_plan(const struct spec_mount *mounts, size_t n_mounts,
			       const struct host_mount_env *env, struct dv_arena *arena,
			       struct host_mount **ret_mounts) DV_CHECK;

/*
 * For a bind whose mount_setattr() was refused with EPERM: some attributes of its source
 * are locked. @source_flags: ST_* of statvfs/statfs of the source. Gives the attributes
 * that keep the locked ones, for a second try. Fork-safe.
 *
 * -EPERM: an option clears what is locked, and @why says so: "cannot clear locked flags MS_RDONLY".
 */
int host_mount_relock(const struct host_mount *m, unsigned long source_flags, uint64_t *ret_set,
		      uint64_t *ret_clr, char *why, size_t size) DV_CHECK;

/* "MS_RDONLY|MS_NOSUID", as runc's messages have it. Fork-safe. */
void host_mount_flags_format(uint64_t ms_flags, char *buf, size_t size);

/* `context="label"` behind @data with a comma, as the mount data of @label. Arena's. */
const char *host_mount_label_data(struct dv_arena *arena, const char *data, const char *label);

/* "private" -> MS_PRIVATE, "rslave" -> MS_SLAVE | MS_REC ...; 0 for anything else. */
uint64_t host_mount_propagation_find(const char *name);

/* All option names, sorted: `features`, mountOptions. Static. */
const char *const *host_mount_option_names(size_t *ret_n);
