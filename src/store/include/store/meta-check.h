/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Is the database whole, and what to do when it is not. */

#include "store/meta.h"

typedef void (*meta_problem_fn)(void *arg, const char *text);

/* SQLite's own checks and references without their ends; @fn for each thing that is wrong. */
struct dv_err *meta_check(struct meta *m, meta_problem_fn fn, void *arg) DV_CHECK;

/* The next meta_salvage_if_asked() does it: a database that is open cannot be replaced. */
struct dv_err *meta_ask_salvage(struct meta *m) DV_CHECK;

struct meta_salvage_result {
	bool is_done;
	uint64_t n_rows; /* read from the old one */
	uint64_t n_tables_hurt; /* of which not all rows could be read */
	uint64_t n_invented; /* rows in place of those that others refer to */
	char aside[256]; /* the old database's new name, a path */
};

/*
 * Puts the database aside, never deletes it, and fills a new one with every row that can be read.
 * Before meta_open(). Whoever is interrupted before meta_salvage_done() is asked to do it again.
 *
 * DV_UNAVAILABLE: it is open. DV_PRECONDITION: another version's.
 */
struct dv_err *meta_salvage(const char *dir, struct meta_salvage_result *ret) DV_CHECK;
/* The same if it was asked for. */
struct dv_err *meta_salvage_if_asked(const char *dir, struct meta_salvage_result *ret) DV_CHECK;
/* Files that the new database does not know are taken care of: what it lacks may be removed. */
struct dv_err *meta_salvage_done(const char *dir) DV_CHECK;
