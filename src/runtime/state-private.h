/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state directory of a container: <root>/<id>/
 *
 *   state        lines "key value", escaped; replaced atomically. `start`, `kill` and
 *                `delete` need nothing else, no JSON and no config
 *   exec.fifo    has a reader, the init, while the container is created and not started
 *   hooks.json   the poststart and poststop hooks, when there are any
 *   seccomp.bpf  the compiled profile for exec, when there is one
 *   notify/      the socket that stands for NOTIFY_SOCKET
 *
 * The file is written once before anything else is made (status creating), so that a
 * creator killed at any moment leaves a container that `delete --force` can undo.
 *
 * The directory's lock: whoever writes to it holds it meanwhile, and `delete` from the reading to
 * the removal. So a creator either finds its directory gone and takes back what it made, or what
 * it wrote is seen.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "host/resctrl.h"
#include "host/seccomp.h"
#include "runtime/runtime.h"

#define RT_FIFO	   "exec.fifo"
#define RT_HOOKS   "hooks.json"
#define RT_SECCOMP "seccomp.bpf"

struct rt_state {
	int rootfd; /* the state root */
	int dirfd; /* <root>/<id> */
	int procfd;
	int pidfd; /* of init, verified; -1: it is gone */
	uint64_t starttime;
	unsigned namespaces; /* bit SPEC_NS_x: the container has one of its own or joined one */
	unsigned new_namespaces; /* bit SPEC_NS_x: made for it */
	bool is_rootless;
	bool has_hooks;
	bool has_seccomp;
	bool has_personality;
	unsigned long personality;
	struct spec_memory_policy *memory_policy; /* NULL: none */
	bool no_new_keyring;
	bool cgroup_is_made; /* else a process in it is somebody else's */
	struct host_resctrl_state resctrl;
	const char *clos_id;
	const char *listener_path, *listener_metadata; /* seccomp agent of the config */
	struct dv_arena arena;
};

struct dv_err *rt_id_check(const char *id) DV_CHECK;

/* An empty container of a new directory. DV_EXISTS when there is one of that id. */
struct dv_err *rt_container_new(const struct rt_context *ctx, const char *id,
				struct rt_container **ret) DV_CHECK;

/*
 * rt_load() for delete: locked until @ret is freed or rt_container_unlock() is called. With
 * @half_made a directory without a whole state file is a container as well, that is creating.
 */
struct dv_err *rt_load_locked(const struct rt_context *ctx, const char *id, bool half_made,
			      struct rt_container **ret) DV_CHECK;
struct dv_err *rt_container_lock(const struct rt_container *c) DV_CHECK;
void rt_container_unlock(const struct rt_container *c);

/* Writes the state file atomically from @c. */
struct dv_err *rt_container_save(const struct rt_container *c) DV_CHECK;

/* Notes that the cgroup is ours from now on; the RDT group of c->state->resctrl. */
struct dv_err *rt_container_save_cgroup(struct rt_container *c) DV_CHECK;
struct dv_err *rt_container_save_resctrl(struct rt_container *c) DV_CHECK;

/* What is in @text, which is cut up, becomes @c. DV_DATA_LOSS: it is not a whole state file. */
struct dv_err *rt_state_parse(const struct rt_context *ctx, struct rt_container *c, char *text)
	DV_CHECK;

/* Removes the directory with all that is in it. */
struct dv_err *rt_container_remove_dir(struct rt_container *c) DV_CHECK;

/* Reads the status again: alive, paused, waiting in the fifo. */
struct dv_err *rt_container_refresh(struct rt_container *c) DV_CHECK;

/* The trusted /proc: O_PATH, checked to be procfs' root. */
struct dv_err *rt_proc_open(int *ret_fd) DV_CHECK;

/* For exec: the program that create saved beside the state. */
struct dv_err *rt_seccomp_save(const struct rt_container *c, const struct host_seccomp_program *p)
	DV_CHECK;
struct dv_err *rt_seccomp_load(const struct rt_container *c, struct host_seccomp_program *ret)
	DV_CHECK;

/* A file below @dirfd as arena text; DV_EXHAUSTED above @max. */
struct dv_err *rt_read_file(struct dv_arena *arena, int dirfd, const char *path, size_t max,
			    char **ret, size_t *ret_len) DV_CHECK;
