/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container's cgroup on v1, hybrid and v2 hosts (cgroupfs driver).
 *
 * A struct host_cgroup names one directory in each hierarchy. host_cgroup_new() finds the
 * hierarchies and decides the paths, host_cgroup_create() makes the directories,
 * host_cgroup_set() writes limits, host_cgroup_set_devices() the device rules; all of that
 * happens before the container's process exists, which then is born into the cgroup (v2) or
 * enters it by itself (v1). host_cgroup_format() and _parse() carry the object from one
 * command to the next; a parsed one opens directories when they are first needed.
 *
 * Where a container goes when linux.cgroupsPath is
 *   absolute            below the mount point of each hierarchy;
 *   relative or absent  (then the id is used)
 *       v1, hybrid      below the runtime's own cgroup in each v1 hierarchy; directly below
 *                       the root of hybrid's v2 tree, as runc does;
 *       v2              below the *parent* of the runtime's own cgroup, since the own one has
 *                       processes and so may not hand on controllers.
 *
 * Paths are cleaned lexically and never leave a hierarchy; directories are opened once with
 * openat2(RESOLVE_BENEATH | NO_XDEV | NO_SYMLINKS), files by name relative to them.
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/str.h"
#include "spec/runtime.h"

/* Hierarchies of one host: the kernel has 14 v1 controllers; plus name=systemd and v2. */
#define HOST_CGROUP_MAX 16

enum host_cgroup_mode { HOST_CGROUP_V1, HOST_CGROUP_HYBRID, HOST_CGROUP_V2 };

struct host_cgroup;

struct host_cgroup_opts {
	const char *id;
	const char *cgroups_path; /* linux.cgroupsPath; NULL or "": not given */
	bool is_rootless; /* missing permission is no error when nothing was asked */
	pid_t of_pid; /* not 0: the cgroup that this process is in, whoever made it; no path counts */
	const struct dv_log *log; /* borrowed, for the life of the object; may be NULL */

	/*
	 * Unit tests only: a directory that stands for /sys/fs/cgroup, and the text of
	 * /proc/self/cgroup. File system types are not checked, and files are made when they
	 * are written. The mode is v2 when @test_root has a file "cgroup.controllers",
	 * otherwise v1, and hybrid when there is "unified" as well.
	 */
	const char *test_root;
	const char *test_proc_cgroup;
};

/*
 * DV_INVALID: the path has "..", a newline, or is too long.
 * DV_PRECONDITION: no cgroup hierarchy is mounted, or no v1 devices controller (which the
 * security of containers needs; not demanded when rootless). DV_NOT_FOUND: no process of_pid.
 */
struct dv_err *host_cgroup_new(const struct host_cgroup_opts *opts, struct host_cgroup **ret)
	DV_CHECK;
/* Closes and frees; the cgroup stays. Accepts NULL; always returns NULL. */
struct host_cgroup *host_cgroup_free(struct host_cgroup *cg);
DV_DEFINE_CLEANUP(struct host_cgroup *, host_cgroup_free);

/* Lines that start with "cgroup", to be put into the state file. */
void host_cgroup_format(const struct host_cgroup *cg, struct dv_strbuf *out);
/*
 * Reads those lines from @text, skipping all others. No system calls. @log as in the
 * options. DV_DATA_LOSS: malformed.
 */
struct dv_err *host_cgroup_parse(const char *text, const struct dv_log *log,
				 struct host_cgroup **ret) DV_CHECK;

enum host_cgroup_mode host_cgroup_mode(const struct host_cgroup *cg);

/* ---- make, limit, remove ------------------------------------------------------------ */

/*
 * On v1 and hybrid hosts a child can be born into the v2 tree only, and joins the v1 ones by
 * itself: those may be made while it is already busy.
 */
enum host_cgroup_part { HOST_CGROUP_ALL, HOST_CGROUP_V1_PART, HOST_CGROUP_V2_PART };

/*
 * Makes the directories. @res says which controllers are needed and what a v1 cpuset starts
 * with. A failure removes what this call made. Rootless without cgroupsPath: a hierarchy
 * without permission is left out (host_cgroup_is_partial(); the state file has to be written
 * after this). Limits in @res then fail: here on v2, in host_cgroup_set() on v1.
 *
 * DV_PRECONDITION: "container's cgroup is not empty: N process(es) found", "container's
 * cgroup unexpectedly frozen". DV_PERMISSION: "unable to apply cgroup configuration: ...".
 */
struct dv_err *host_cgroup_create(struct host_cgroup *cg, enum host_cgroup_part part,
				  const struct spec_resources *res) DV_CHECK;
/*
 * Undo: removes the directories that host_cgroup_create() made in this process. What is in the
 * container's own is killed.
 */
void host_cgroup_rollback(struct host_cgroup *cg);
/* Some or all hierarchies were left out for lack of permission (rootless). */
bool host_cgroup_is_partial(const struct host_cgroup *cg);

enum host_cgroup_op {
	HOST_CGROUP_CREATE, /* right after _create(): current values are the kernel's defaults */
	HOST_CGROUP_UPDATE,
};

/*
 * Writes the limits in @res, nothing else; device rules are not looked at.
 * DV_INVALID: a value that cannot be right ("unable to set swap limit without memory
 * limit"), unified on v1, an unknown unified key. DV_PRECONDITION: a limit below the
 * present use. Otherwise the kernel's refusal, naming file and value.
 */
struct dv_err *host_cgroup_set(struct host_cgroup *cg, const struct spec_resources *res,
			       enum host_cgroup_op op) DV_CHECK;

/*
 * Puts the device rules of @res in force, followed by the default allow list as runc has it
 * (mknod of everything, null, zero, full, tty, random, urandom, pts, ptmx, tun). A default device
 * whose path is in @devices (linux.devices) is left out of that list. On v2 this replaces the
 * program that an earlier call attached. Never fails rootless or in a user namespace.
 */
struct dv_err *host_cgroup_set_devices(struct host_cgroup *cg, const struct spec_resources *res,
				       const struct spec_device *devices, size_t n_devices)
	DV_CHECK;

/*
 * The spec's "cgroup ownership" on v2: the directory and the files that
 * /sys/kernel/cgroup/delegate names go to @uid. Does nothing on v1.
 */
struct dv_err *host_cgroup_chown(struct host_cgroup *cg, uid_t uid) DV_CHECK;

/*
 * Removes the cgroup with all below it. Processes must be dead or dying: waits up to 10 s for
 * the last to disappear, thawing and killing what is left. Missing directories are fine. The
 * error lists what stayed behind.
 */
struct dv_err *host_cgroup_destroy(struct host_cgroup *cg) DV_CHECK;

bool host_cgroup_exists(struct host_cgroup *cg);

/* ---- joining ------------------------------------------------------------------------ */

/* What a child needs to enter the cgroup. Owned by its holder. */
struct host_cgroup_join {
	int v2_dirfd; /* for CLONE_INTO_CGROUP; -1: no v2 tree */
	int tasks[HOST_CGROUP_MAX]; /* v1 "tasks" files: the child writes "0" to each */
	size_t n_tasks;
};
#define HOST_CGROUP_JOIN_INIT \
	{ \
		.v2_dirfd = -1, .n_tasks = 0 \
	}

/* `exec --cgroup [controller,...:]PATH`, as parsed by host_cgroup_sub_parse(). */
struct host_cgroup_sub {
	const char *controller; /* NULL: all of them; points into the argument's copy */
	const char *path;
};
struct host_cgroup_subs {
	struct host_cgroup_sub *items; /* heap */
	size_t n_items;
	char **copies;
	size_t n_copies;
};
/* DV_INVALID: "invalid --cgroup argument: ..." as runc says it. */
struct dv_err *host_cgroup_sub_parse(const char *const *args, size_t n_args,
				     struct host_cgroup_subs *ret) DV_CHECK;
void host_cgroup_subs_fini(struct host_cgroup_subs *s);

/*
 * Opens what a new process needs to be born in the cgroup; @subs (NULL: none) name existing
 * cgroups below it. When the v2 cgroup is gone and no sub-cgroup was asked for, that of
 * @init is taken (0: do not), as init may have moved.
 *
 * DV_INVALID: "bad sub cgroup path: ...", "unknown controller ... in --cgroup". DV_NOT_FOUND:
 * there is no such cgroup.
 */
struct dv_err *host_cgroup_join_open(struct host_cgroup *cg, const struct host_cgroup_subs *subs,
				     pid_t init, struct host_cgroup_join *ret) DV_CHECK;
/*
 * After clone3 said EBUSY (v2: a cgroup with controllers for its children takes no
 * processes), or ENOENT/ENODEV: makes @join point at the cgroup @init is in now. Not for
 * @subs: there the caller fails with "error adding pid N to cgroups: ...".
 */
struct dv_err *host_cgroup_join_use_init(struct host_cgroup *cg, pid_t init,
					 struct host_cgroup_join *join) DV_CHECK;
void host_cgroup_join_close(struct host_cgroup_join *join);

/* Parts of the above for create: the v2 directory (O_PATH, borrowed; -1: none) ... */
int host_cgroup_v2_dirfd(struct host_cgroup *cg);
/* ... and the v1 tasks files, the caller's to close. */
struct dv_err *host_cgroup_open_tasks(struct host_cgroup *cg, int fds[HOST_CGROUP_MAX],
				      size_t *ret_n) DV_CHECK;

/*
 * Moves @pid by writing cgroup.procs in every hierarchy (v2 too): the slow way, for kernels
 * without CLONE_INTO_CGROUP. Same fallback to @init and same errors as _join_open().
 */
struct dv_err *host_cgroup_add_pid(struct host_cgroup *cg, const struct host_cgroup_subs *subs,
				   pid_t pid, pid_t init) DV_CHECK;

/* ---- processes ---------------------------------------------------------------------- */

/* All processes in the cgroup and below; heap. DV_NOT_FOUND: there is no such cgroup. */
struct dv_err *host_cgroup_pids(struct host_cgroup *cg, pid_t **ret, size_t *ret_n) DV_CHECK;

/*
 * Signals every process in the cgroup and below, without missing one that is just being
 * forked. A cgroup frozen by pause stays so for signals other than SIGKILL.
 * DV_NOT_FOUND: there is no such cgroup.
 */
struct dv_err *host_cgroup_kill(struct host_cgroup *cg, int signo) DV_CHECK;

/* DV_DEADLINE: still not frozen after @timeout_ms; thawed again. */
struct dv_err *host_cgroup_freeze(struct host_cgroup *cg, int timeout_ms) DV_CHECK;
struct dv_err *host_cgroup_thaw(struct host_cgroup *cg) DV_CHECK;
/* Frozen by itself, not by an ancestor. False when it is gone or has no freezer. */
struct dv_err *host_cgroup_is_frozen(struct host_cgroup *cg, bool *ret) DV_CHECK;

/* ---- for mounting /sys/fs/cgroup into the container ---------------------------------- */

struct host_cgroup_hier {
	const char *name; /* directory below /sys/fs/cgroup: "cpu,cpuacct", "systemd",
				  * "unified" for hybrid's v2; "" on pure v2 */
	const char *controllers; /* "cpu,cpuacct", "name=systemd"; "" for v2 */
	const char *mountpoint; /* on the host: "/sys/fs/cgroup/cpu,cpuacct" */
	const char *path; /* the container's, below the mount point, starts with '/' */
	bool is_v2;
	bool is_usable; /* false: left out for lack of permission; on v1 `path` is then the
				 * runtime's own cgroup, which the container shares */
	const char *const *links; /* symlinks to make beside it, pointing to `name` */
	size_t n_links;
};
/* Borrowed from @cg. */
const struct host_cgroup_hier *host_cgroup_hiers(const struct host_cgroup *cg, size_t *ret_n);

/* ---- out of memory ------------------------------------------------------------------ */

enum host_cgroup_oom_event {
	HOST_CGROUP_OOM_NONE,
	HOST_CGROUP_OOM_KILLED,
	HOST_CGROUP_OOM_GONE, /* the cgroup was removed or (v2) is empty: no more events */
};

struct host_cgroup_oom {
	int fd; /* readable when there is something for _oom_read() */
	int dirfd;
	int watch_memory, watch_events; /* v2 */
	uint64_t count; /* v2: oom_kill seen last */
	bool is_v2, is_gone;
};
struct dv_err *host_cgroup_oom_open(struct host_cgroup *cg, struct host_cgroup_oom *ret) DV_CHECK;
/* Does not block. To be called until it says NONE or GONE. */
struct dv_err *host_cgroup_oom_read(struct host_cgroup_oom *oom, enum host_cgroup_oom_event *ret)
	DV_CHECK;
void host_cgroup_oom_close(struct host_cgroup_oom *oom);
/* Processes killed so far; 0 when the cgroup or its memory controller is missing. */
struct dv_err *host_cgroup_oom_count(struct host_cgroup *cg, uint64_t *ret) DV_CHECK;
