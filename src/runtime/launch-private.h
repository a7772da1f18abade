/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A launch: bringing one process into a container, for create, run and exec.
 *
 * The parent fills a struct rt_launch (prepare.c, exec.c), forks once by clone3, and both
 * sides then walk the same table of stages (stages.c). A stage has a child part, a parent
 * part, or both; where there is a parent part and it is needed, the child says so over the
 * sync socket and waits for the answer. So the table is the protocol.
 *
 * The child is a copy of the parent: it reads the launch and its descriptors as they were
 * at the fork. Between fork and exec it only makes system calls: no allocation, no log, no
 * dv_err. What went wrong it says in one struct rt_report.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "host/caps.h"
#include "host/cgroup.h"
#include "host/idmap.h"
#include "host/mount-plan.h"
#include "host/seccomp.h"
#include "runtime/runtime.h"
#include "spec/runtime.h"
#include "state-private.h"

#define NS_BIT(ns) (1u << (ns))

enum { RT_TEXT_MAX = 1024 };

/* Returned negated where the text says it all and no errno is to follow. */
enum { RT_NO_ERRNO = 1 << 20 };

/* From the child: one packet each. */
enum rt_report_kind {
	RT_REPORT_WAITING, /* at stage `stage`, for its parent part; `value` for some */
	RT_REPORT_FAILED,
	RT_REPORT_WARNING,
	RT_REPORT_MOUNT, /* please open the source of mount `value`: a descriptor comes back */
	RT_REPORT_FORKED, /* the second fork: a descriptor of it comes along, `value` is its pid */
};

struct rt_report {
	int kind;
	int stage;
	int err; /* positive errno; 0: the text says it all */
	int value;
	char text[RT_TEXT_MAX];
};

/* From the parent: go on, or die. */
struct rt_answer {
	int goes_on;
};

/* What became of one entry of spec.mounts. */
struct rt_mount {
	const struct host_mount *plan;
	int tree; /* detached, ready to be placed; -1: the child makes it */
	int idmap_fd; /* user namespace for idmapped binds; -1 */
	bool is_late; /* its source is below the root: opened when its turn comes */
	bool target_existed; /* child: it was there before us */
	int late_fd; /* child: mount to become read-only at the end; -1 */
	char *symlink; /* copy-symlink: what the link says; NULL: not one */
};

struct rt_terminal;

struct rt_launch {
	const struct rt_context *ctx;
	struct rt_container *c;
	struct dv_arena arena;
	const struct spec_runtime *spec; /* NULL for exec */
	const struct spec_process *process;
	const struct rt_create_opts *create; /* NULL for exec */
	const struct rt_io_opts *io;
	bool is_exec;
	bool is_run; /* no fifo: goes on to exec at once */
	bool no_subreaper;
	bool keeps_affinity; /* exec: the initial one was set on purpose */
	struct rt_terminal *terminal; /* foreground with a terminal */
	bool is_unprivileged; /* cannot work on the host's mounts: the child makes all trees */

	/* Namespaces. */
	unsigned ns_new; /* bit SPEC_NS_x: made by clone3, or unshared later */
	unsigned ns_joined; /* by path, or the container's in exec */
	int ns_fds[SPEC_NS__N];
	bool joins_in_child; /* the user namespace must be entered before the others */
	bool forks_twice; /* new pid namespace inside a joined user namespace, and the like */
	unsigned long clone_flags;
	unsigned long unshare_flags; /* in the child, when joins_in_child */
	bool time_in_child; /* a new time namespace that the child unshares */
	struct host_idmap idmap;
	struct host_idmap_cache idmap_cache; /* of idmapped mounts */
	bool denies_setgroups;
	unsigned exec_ns_mask; /* exec: setns(pidfd, mask) */
	int init_pidfd; /* exec: borrowed */
	bool no_new_keyring; /* exec: as create had it */

	/* Trusted places on the host. */
	int procfd;
	int devnull_tree; /* detached mount of the host's; -1 when unprivileged */

	struct host_cgroup_join join;
	const struct host_cgroup_subs *subs;
	bool is_late_cgroup; /* create: the v1 part is made while the child makes its namespaces */
	bool parent_joins; /* the parent moves the child: no CLONE_INTO_CGROUP */

	/* Root filesystem. */
	const char *rootfs; /* absolute host path */
	int rootfs_tree; /* detached; -1: the child makes it */
	int rootfd; /* child: the attached root */
	uint64_t root_propagation; /* MS_* | MS_REC */
	struct rt_mount *mounts;
	size_t n_mounts;
	bool sets_up_dev;
	bool binds_devices; /* user namespace: no mknod */
	const char *notify_dir; /* host path of the notify directory; NULL: not asked for */
	int notify_tree; /* detached bind of it; -1 */
	int notify_sock; /* run, with notify_dir: bound, for the relay; -1: gone or none */

	/* The process. */
	char **argv;
	char **envp; /* ends with two NULLs: room for HOME */
	char *home; /* buffer of RT_HOME_MAX, "" when HOME is set already */
	const char *path; /* $PATH of the container */
	char *exec_path; /* buffer of PATH_MAX: what lookup found */
	struct host_caps caps;
	struct host_seccomp_program seccomp;
	bool has_seccomp;
	int seccomp_fd; /* child: the listener, until it is handed over */
	const char *listener_path, *listener_metadata;
	unsigned preserve_fds;
	bool setgroups_is_denied; /* in the user namespace: nothing to set */
	bool has_personality;
	unsigned long personality;
	mode_t umask; /* child: the caller's, for hooks */
	const struct spec_memory_policy *memory_policy;
	const struct spec_intel_rdt *intel_rdt; /* parent */
	const uint64_t *affinity; /* final mask; NULL: all CPUs */
	bool has_apparmor, has_selinux;
	const char *mount_label;

	/* Talking to others. */
	int sync[2]; /* [0] parent's end, [1] child's end */
	int console_sock;
	int pidfd_sock;
	int fifofd; /* create: `start` writes a byte into it; -1 */
	/* State JSON for hooks in the child, cut where its own pid goes; [0] creating, [1] created. */
	struct {
		char *head, *tail;
	} hook_state[2];
	char *hook_buf;
	size_t hook_buf_size;

	/* Parent: the process. */
	pid_t pid;
	int pidfd;
	int runtime_ns_fds[SPEC_NS__N]; /* our own, to come back to */
	bool is_saved; /* the state file names the process */
	bool is_ready; /* everything is set up; what follows is exec */
	uint64_t oom_kills_before; /* exec: of the container so far */
};

enum { RT_HOME_MAX = 4096, RT_AFFINITY_WORDS = 64 };

/* No CAP_SYS_ADMIN where we are. */
bool rt_is_unprivileged(void);

void rt_launch_init(struct rt_launch *l, const struct rt_context *ctx);
void rt_launch_fini(struct rt_launch *l);

/* ---- prepare.c, prepare-mounts.c, prepare-process.c (parent) ------------------------------ */

/* Everything that can be known, opened and compiled before there is a process. */
struct dv_err *rt_prepare_namespaces(struct rt_launch *l) DV_CHECK;
struct dv_err *rt_prepare_rootfs(struct rt_launch *l) DV_CHECK;
struct dv_err *rt_prepare_process(struct rt_launch *l) DV_CHECK;
struct dv_err *rt_prepare_io(struct rt_launch *l) DV_CHECK;
struct dv_err *rt_prepare_seccomp(struct rt_launch *l, const struct spec_seccomp *s) DV_CHECK;
/* Checks fds 3 ... 3+n-1 and marks everything above close-on-exec. First thing of all. */
struct dv_err *rt_prepare_fds(const struct rt_context *ctx, const struct rt_io_opts *io,
			      unsigned *ret_preserve) DV_CHECK;

unsigned long rt_ns_flag(enum spec_ns ns); /* CLONE_NEW* */
const char *rt_ns_file(enum spec_ns ns); /* the name in /proc/<pid>/ns */

/* process.rlimits of @pid, 0 for the caller. Fork-safe. */
int rt_rlimits_set(const struct rt_launch *l, pid_t pid, char *text);

static inline bool rt_has_userns(const struct rt_launch *l)
{
	return (l->ns_new | l->ns_joined) & NS_BIT(SPEC_NS_USER);
}

/* Writes the explanation of a failure, and returns @r. Fork-safe. */
int rt_explain(char *text, int r, const char *fmt, ...) DV_PRINTF(3, 4);
/* @flags: MS_SHARED ... with MS_REC or without. */
int rt_propagate(int mountfd, uint64_t flags);

/* One bind: used by the parent, or by the child when it has to. 0 or -errno. */
int rt_bind_open(const struct rt_launch *l, struct rt_mount *m, char *text);

/* ---- parent.c ------------------------------------------------------------------------------ */

/*
 * Forks, and walks the stages with the child until it is about to execute (run, exec) or
 * waits in the fifo (create). On failure the child is dead and reaped.
 */
struct dv_err *rt_launch_run(struct rt_launch *l) DV_CHECK;
void rt_launch_kill(struct rt_launch *l);

/* ---- stages.c -------------------------------------------------------------------------------- */

struct rt_stage {
	const char *name;
	/* NULL: always. Decides for both sides, from what was known at the fork. */
	bool (*is_needed)(const struct rt_launch *l);
	/* Its answer brings the cgroup's descriptors. */
	bool brings_fds;
	/* The child waits while it runs. @value: what the child reported. */
	struct dv_err *(*parent)(struct rt_launch *l, int value);
	/* 0, or -errno with an explanation in @text (may be left empty). */
	int (*child)(struct rt_launch *l, char *text);
};

extern const struct rt_stage rt_create_stages[];
extern const struct rt_stage rt_exec_stages[];

static inline const struct rt_stage *rt_stages(const struct rt_launch *l)
{
	return l->is_exec ? rt_exec_stages : rt_create_stages;
}

/* ---- hooks.c ------------------------------------------------------------------------------- */

/* Runs them in turn with @state on stdin. @kind names them in errors. */
struct dv_err *rt_hooks_run(const struct spec_hook_list *hooks, enum spec_hook_kind kind,
			    const char *state, const struct dv_log *log) DV_CHECK;
/* One, in a child after the fork. 0 or -errno with text. */
int rt_hook_run(const struct spec_hook *h, char *const *default_env, const char *state,
		size_t state_len, char *text);
/* Hooks that are needed after create: written to and read from the state directory. */
struct dv_err *rt_hooks_save(const struct rt_container *c,
			     const struct spec_hook_list hooks[SPEC_HOOK__N]) DV_CHECK;
struct dv_err *rt_hooks_load(struct rt_container *c, struct spec_hook_list ret[SPEC_HOOK__N])
	DV_CHECK;

/* ---- others ------------------------------------------------------------------------------------ */

/* The state as hooks get it: runtime-spec's members only, one line. */
void rt_hook_state_format(const struct rt_container *c, struct dv_strbuf *out);
/* linux.timeOffsets into /proc/@pid/timens_offsets. */
struct dv_err *rt_time_offsets_write(struct rt_launch *l, const char *pid) DV_CHECK;

/* Pid file: written beside, then renamed. */
struct dv_err *rt_pid_file_write(const char *path, pid_t pid) DV_CHECK;

/*
 * NOTIFY_SOCKET: makes the directory that the container sees as /run/notify, and for `run` the
 * socket in it. Does nothing when ctx->notify_socket is not set.
 */
struct dv_err *rt_notify_prepare(struct rt_launch *l) DV_CHECK;
/*
 * Detached `run`, after the launch: waits until the container says READY=1 and passes that on,
 * or until it is gone. Does nothing in the foreground, where rt_foreground_wait() does it.
 */
struct dv_err *rt_notify_relay(struct rt_launch *l) DV_CHECK;

/* Before the launch of a foreground process: holds signals back until there is somebody to
 * forward them to, and adopts orphans unless told not to. */
struct dv_err *rt_foreground_begin(const struct rt_launch *l) DV_CHECK;
/*
 * Waits for the process, forwarding signals, terminal and readiness. *ret_status is its exit
 * status, or 128 + signal. It is reaped, and our own terminal is as it was.
 */
struct dv_err *rt_foreground_wait(struct rt_launch *l, struct rt_terminal *tty, int *ret_status)
	DV_CHECK;
/* A private console socket, l->console_sock, for a foreground process with a terminal. @l must
 * outlive the terminal. */
struct dv_err *rt_terminal_new(struct rt_launch *l, struct rt_terminal **ret) DV_CHECK;
/*
 * Receives the container's terminal and puts ours into raw mode. To be called when the child has
 * passed the stage "terminal" and still waits: what it writes from then on finds the settings
 * right (no CR before LF).
 */
struct dv_err *rt_terminal_start(struct rt_terminal *t) DV_CHECK;
/* Restores our terminal. Accepts NULL; always returns NULL. */
struct rt_terminal *rt_terminal_free(struct rt_terminal *t);
DV_DEFINE_CLEANUP(struct rt_terminal *, rt_terminal_free);
