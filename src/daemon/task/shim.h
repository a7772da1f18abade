/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What tasks and sandboxes have in common: a bundle, and a shim's program that is run in it. The
 * program and the log are the loop's; bundles are for workers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "api/containerd/task.pb-c.h"
#include "base/err.h"
#include "base/mem.h"
#include "daemon-private.h"
#include "io/child.h"

/* ---- the bundle (bundle.c; for workers) ---- */

struct bundle_opts {
	const char *dir; /* of all tasks */
	const char *ns, *id;
	const void *config; /* config.json */
	size_t n_config;
	uid_t uid; /* that is root in the container: it may pass */
	const char *binary; /* of the shim; NULL: not known */
};

/* DV_EXISTS. *ret_path is heap. */
struct dv_err *bundle_new(const struct bundle_opts *opts, char **ret_path) DV_CHECK;
/* A file of the bundle, as a whole or not at all. */
struct dv_err *bundle_write(const char *path, const char *name, const void *p, size_t n) DV_CHECK;
struct bundle_info {
	char *address, *binary; /* heap, NULL: not there */
	unsigned version;
	bool is_foreign; /* the shim is a sandbox's */
};
/* bootstrap.json, as a whole or not at all; the binary is there already. */
struct dv_err *bundle_save(const char *path, const struct bundle_info *info) DV_CHECK;
void bundle_load(const char *path, struct bundle_info *ret);
/* Unmounts rootfs and removes the tree. What cannot be removed is told and stays, hidden. */
struct dv_err *bundle_remove(const char *path) DV_CHECK;

/* ---- the shim's program (shim-find.c, shim-start.c) ---- */

/*
 * "io.containerd.davit.v2" to a path: @dir first, then PATH of @envp. For workers.
 * DV_INVALID: no such name; DV_NOT_FOUND: no such program. *ret is heap.
 */
struct dv_err *shim_find(const char *runtime, const char *dir, const char *const *envp, char **ret)
	DV_CHECK;

struct shim_answer {
	const char *address; /* without "unix://" */
	unsigned version; /* 2 or 3 */
	bool is_ttrpc;
};
/* What `start` printed, in any of its forms. In @arena. DV_INVALID. */
struct dv_err *shim_answer_parse(const char *text, size_t n, struct dv_arena *arena,
				 struct shim_answer *ret) DV_CHECK;

/* A file with @p in it, to be read from its beginning. */
struct dv_err *shim_input(const void *p, size_t n, int *ret_fd) DV_CHECK;

/* A shim, seen from its daemon. What it points to is kept by the caller until its callback. */
struct shim_at {
	struct daemon *d;
	const char *ns, *id;
	const char *bundle; /* path */
	const char *binary; /* path; NULL: not known */
};

typedef void (*shim_started_fn)(void *arg, struct dv_err *take_e, const struct shim_answer *answer);
struct shim_start {
	const void *options; /* an encoded Any; may be empty */
	size_t n_options;
	shim_started_fn fn;
	void *arg;
	struct io_child **ret_child; /* the process, until @fn; NULL: of no interest */
};
/* Runs `start` in the bundle. */
struct dv_err *shim_start(const struct shim_at *at, const struct shim_start *how) DV_CHECK;

typedef void (*shim_deleted_fn)(void *arg, struct dv_err *take_e,
				const Containerd__Task__V2__DeleteResponse *r);
/* Runs `delete` in the bundle. @fn is called later, also when it cannot be run. */
void shim_delete(const struct shim_at *at, shim_deleted_fn fn, void *arg);

/* ---- the end of one that hangs (shim-kill.c) ---- */

/*
 * For workers. The shim that was started in @bundle for @id, if it does not end within the time
 * given. Returns how many processes were killed; they are dead.
 */
unsigned shim_kill(const char *bundle, const char *id, int patience_ms);

/* ---- the shim's log (shim-log.c) ---- */

struct shim_log;
/* The fifo in the bundle; NULL after a failure, which is logged. */
struct shim_log *shim_log_open(const struct shim_at *at);
/* Accepts NULL; always returns NULL. */
struct shim_log *shim_log_close(struct shim_log *l);
