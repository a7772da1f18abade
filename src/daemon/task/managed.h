/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Managed containers: those with the label io.davit.managed, whose tasks davitd ends by itself, so
 * that no client has to be there when a container exits. What it became is the container's label
 * io.davit.exit; and with io.davit.rm nothing stays at all.
 *
 *	Create	    the bundle; the mark "task" in the data directory; io.davit.exit is taken off
 *	exit	    io.davit.exit
 *	then	    Delete at the shim, its end, the bundle's; the mark is removed
 *	io.davit.rm the snapshot, the record, the data directory
 *
 * Each step may be done twice, so a daemon that is killed at any point goes on at its next start:
 * with the bundle, if there is one; else with a mark that outlived its bundle, which a boot removes;
 * else with a record that has an exit and is to go.
 *
 * All of this is for workers; managed-end.c has the loop's part (task-private.h).
 */

#include "base/mem.h"
#include "daemon-private.h"
#include "store/meta-container.h"

#define MANAGED_LABEL "io.davit.managed" /* "1" */
#define MANAGED_EXIT  "io.davit.exit" /* JSON: status, started, finished, oom */
#define MANAGED_RM    "io.davit.rm" /* "1" */

enum { MANAGED_STATUS_UNKNOWN = 255 };

/* A time of 0 stands for: not known. */
struct managed_exit {
	uint32_t status;
	struct timespec started, finished;
	bool is_oom;
};

bool managed_is(const struct meta_labels *labels);

/* ---- the mark (managed-mark.c): there is, or was, a task ---- */

struct managed_mark {
	struct timespec started; /* 0: not yet */
	bool is_oom;
};
/* In a directory that is there. */
struct dv_err *managed_mark_set(const struct daemon *d, const char *ns, const char *id,
				const struct managed_mark *mark) DV_CHECK;
/* One that cannot be understood is one of which nothing is known. *ret_at: when it was written. */
bool managed_mark_get(const struct daemon *d, const char *ns, const char *id,
		      struct managed_mark *ret, struct timespec *ret_at);
void managed_mark_remove(const struct daemon *d, const char *ns, const char *id);

/* ---- the record (managed-record.c) ---- */

/* For a Create: a mark, and no exit. */
struct dv_err *managed_begin(struct daemon *d, const char *ns,
			     const struct meta_container *container) DV_CHECK;
/*
 * Puts it on record. NULL: nobody knows it; one that is on record already stays then. A container
 * that is not there, or not managed, is left alone.
 */
struct dv_err *managed_record(struct daemon *d, const char *ns, const char *id,
			      const struct managed_exit *exit) DV_CHECK;
/* DV_NOT_FOUND: no such container, not managed, or no exit on record. */
struct dv_err *managed_lookup(struct daemon *d, const char *ns, const char *id,
			      struct managed_exit *ret) DV_CHECK;
/* Removes everything of a container that has ended and is to go; else nothing. */
struct dv_err *managed_remove(struct daemon *d, const char *ns, const char *id) DV_CHECK;

/* ---- the start (managed-sweep.c) ---- */

/*
 * Finishes what an earlier daemon has left, of containers that have no bundle below @tasks_dir; and
 * removes data directories without a record. A failure is logged.
 */
void managed_sweep(struct daemon *d, const char *tasks_dir);
