/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files cgroup-*.c share. A struct host_cgroup has one entry per hierarchy in two
 * parallel arrays: pub[] is what callers may see, hiers[] what belongs to this process.
 * Descriptors are opened when first used and kept until host_cgroup_free().
 *
 * Functions named cgroup_* here return -errno where the caller words the error, and a
 * struct dv_err * where they word it themselves.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"
#include "host/cgroup.h"

/* The kernel's controllers, by their v1 names, and the one named hierarchy that we join. */
enum cgroup_ctl {
	CGROUP_CPUSET,
	CGROUP_DEVICES,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_PIDS,
	CGROUP_BLKIO,
	CGROUP_HUGETLB,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_FREEZER,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_SYSTEMD,
	CGROUP_CTL__N,
};
#define CGROUP_BIT(ctl) (1u << (ctl))
/* v2 has no form of these. */
#define CGROUP_V1_ONLY (CGROUP_BIT(CGROUP_NET_CLS) | CGROUP_BIT(CGROUP_NET_PRIO))

/* Every hierarchy holds at least one of them; v2 is the one beside. */
_Static_assert(CGROUP_CTL__N + 1 <= HOST_CGROUP_MAX, "HOST_CGROUP_MAX is too small");

const char *cgroup_ctl_name(enum cgroup_ctl ctl); /* "blkio" */
const char *cgroup_ctl_v2_name(enum cgroup_ctl ctl); /* "io" */
uint32_t cgroup_ctl_parse(const char *list, size_t len); /* "cpu,cpuacct" to bits */

struct cgroup_hier {
	uint32_t ctls; /* CGROUP_BIT()s; 0 for v2 */
	int rootfd; /* the mount, O_PATH */
	int dirfd; /* the container's cgroup, O_PATH */
	bool is_made; /* create made directories: all of the path behind its first keep_len bytes */
	size_t keep_len;
	bool is_new; /* the cgroup itself is one of them */
	bool has_program; /* v2: set_devices was here: there may be a program to replace */
	bool has_cpuset; /* v1: create filled in cpus and mems, the container's own among them */
};

struct host_cgroup {
	enum host_cgroup_mode mode;
	struct host_cgroup_hier pub[HOST_CGROUP_MAX];
	struct cgroup_hier hiers[HOST_CGROUP_MAX];
	size_t n;
	bool is_rootless;
	bool has_path; /* linux.cgroupsPath was given: its absence is no excuse */
	bool is_test; /* directories of a plain file system: see host_cgroup_opts */
	const struct dv_log *log;
	struct dv_arena arena; /* the strings of pub[] */
};

/* ---- cgroup.c: building and finding --------------------------------------------------- */

struct host_cgroup *cgroup_alloc(const struct dv_log *log);
/* Adds a hierarchy; strings are copied, @rootfd (or -1) is taken. */
void cgroup_add(struct host_cgroup *cg, const struct host_cgroup_hier *h, int rootfd);
/* Index of the v1 hierarchy with @ctl, or of the v2 tree; -1: none, or not usable. */
int cgroup_find(const struct host_cgroup *cg, enum cgroup_ctl ctl);
int cgroup_find_v2(const struct host_cgroup *cg);
/* The hierarchy that is asked about processes and existence; -1: none usable. */
int cgroup_main(const struct host_cgroup *cg);
/* The path without its leading '/', "." for the root. */
const char *cgroup_rel(const struct host_cgroup *cg, int i);
bool cgroup_is_root(const struct host_cgroup *cg, int i);
/* Missing permission in the loose sense (runc's): EPERM, EACCES, EROFS. */
bool cgroup_is_permission(int neg_errno);

/* ---- cgroup-detect.c ------------------------------------------------------------------ */

struct dv_err *cgroup_detect(struct host_cgroup *cg, const struct host_cgroup_opts *opts) DV_CHECK;

/*
 * The first mount in the text of mountinfo of the v1 hierarchy with all of @controllers ("cpu",
 * "name=systemd"), or of cgroup2 for NULL: its root and mount point, heap. False: none.
 */
bool cgroup_mountinfo_find(const char *text, const char *controllers, size_t n, char **ret_root,
			   char **ret_point);

/* ---- cgroup-io.c ---------------------------------------------------------------------- */

/* Descriptors, opened when first needed; -errno. -ENODEV: not a cgroup file system. */
int cgroup_root(struct host_cgroup *cg, int i);
int cgroup_dir(struct host_cgroup *cg, int i);
/* A directory below @fd, O_PATH, not leaving it; @path as from cgroup_rel(). */
int cgroup_open_below(int fd, const char *path);

/* @name is a single component. Files are made in test directories only. */
int cgroup_open_file(const struct host_cgroup *cg, int dirfd, const char *name, int flags);
int cgroup_write(const struct host_cgroup *cg, int dirfd, const char *name, const char *value);
/* Terminated; the number of bytes. -EFBIG when it does not fit. */
ssize_t cgroup_read(int dirfd, const char *name, char *buf, size_t size);
/* Without a limit that matters. Appends. */
int cgroup_read_text(int dirfd, const char *name, struct dv_strbuf *out);
/* A file with one number; "max" is UINT64_MAX, negative numbers 0 (old kernels' counters). */
int cgroup_read_u64(int dirfd, const char *name, uint64_t *ret);
/* The number in the line "key number" of a text; false: no such line. */
bool cgroup_find_key(const char *text, const char *key, uint64_t *ret);

int64_t cgroup_now_ms(void);
/* For the few things of v1 that the kernel has no event for. */
void cgroup_pause_ms(int ms);
/*
 * Waits until the line "key number" of @dirfd's cgroup.events has @want, woken by the kernel.
 * 0, -ETIMEDOUT, or -errno (-ENOENT, -ENODEV: the cgroup is gone).
 */
int cgroup_wait_event(int dirfd, const char *key, uint64_t want, int64_t deadline_ms);

/* Calls @fn for each subdirectory of @dirfd; stops when it returns non-zero, which is passed on. */
typedef int (*cgroup_subdir_fn)(int dirfd, const char *name, void *arg);
int cgroup_each_subdir(int dirfd, cgroup_subdir_fn fn, void *arg);

/* ---- others --------------------------------------------------------------------------- */

/* Processes in @dirfd and below, appended to a heap array; -errno for @dirfd itself only. */
int cgroup_collect_pids(int dirfd, pid_t **pids, size_t *n);
/* Waits until all of @pids have exited, or @deadline_ms. */
void cgroup_wait_exits(const pid_t *pids, size_t n, int64_t deadline_ms);
/* The directory with the memory controller, v1 or v2; -errno. */
int cgroup_memory_dir(struct host_cgroup *cg, bool *ret_is_v2);
/* Removes what is in the cgroup, processes included, and the cgroup; -errno. */
int cgroup_remove_filled(struct host_cgroup *cg, int i, int64_t deadline_ms);
/* Best effort: writes THAWED to a v1 freezer. */
void cgroup_thaw_v1(struct host_cgroup *cg);

/* Controllers that @res needs (CGROUP_BIT()s); device rules do not count. */
uint32_t cgroup_wanted(const struct spec_resources *res);

/*
 * v2: makes controllers available in the container's cgroup, which exists: all that the
 * hierarchy has, or only those in @wanted (hybrid). Only what is missing is written.
 */
struct dv_err *cgroup_enable(struct host_cgroup *cg, int i, uint32_t wanted, bool all) DV_CHECK;
/* "cpu io" has the word "io". */
bool cgroup_has_word(const char *list, const char *word);
/* v1: a cpuset takes no process before it has cpus and mems: those of @res, or the parent's. */
struct dv_err *cgroup_fill_cpuset(struct host_cgroup *cg, int i, const struct spec_resources *res)
	DV_CHECK;
