/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the tests of meta/: a database in a directory of its own, and short calls. */

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "store/meta.h"

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DIGEST_C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct rig {
	char dir[64];
	struct meta *m;
	struct dv_arena arena;
};

#define T_OK(expr) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_assert(t_err_ == NULL, "%s: %s", #expr, t_err_ ? dv_err_message(t_err_) : ""); \
	} while (0)

#define T_CODE(expr, code) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_expect(t_err_ &&dv_err_code(t_err_) == (code), "%s: got %d (%s), expected %s", \
			  #expr, t_err_ ? (int)dv_err_code(t_err_) : 0, \
			  t_err_ ? dv_err_message(t_err_) : "no error", #code); \
		dv_err_free(t_err_); \
	} while (0)

static inline void rig_init(struct rig *r)
{
	snprintf(r->dir, sizeof(r->dir), "/tmp/davit-meta-XXXXXX");
	cr_assert(mkdtemp(r->dir));
	dv_arena_init(&r->arena);
	T_OK(meta_open(&(struct meta_opts){ .dir = r->dir }, &r->m));
}

static inline int rig_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void rig_fini(struct rig *r)
{
	meta_close(r->m);
	dv_arena_fini(&r->arena);
	nftw(r->dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#define RIG(name) \
	DV_CLEANUP(rig_fini) struct rig name; \
	rig_init(&name)

static inline struct meta_tx *t_begin(struct rig *r, enum meta_mode mode)
{
	struct meta_tx *tx;

	T_OK(meta_begin(r->m, mode, &tx));
	return tx;
}

/* One call in a transaction of its own. */
#define T_WRITE(rig, call) \
	do { \
		struct meta_tx *tx = t_begin(rig, META_WRITE); \
		T_OK(call); \
		T_OK(meta_commit(tx)); \
	} while (0)
#define T_READ(rig, call) \
	do { \
		struct meta_tx *tx = t_begin(rig, META_READ); \
		T_OK(call); \
		meta_rollback(tx); \
	} while (0)
#define T_WRITE_CODE(rig, call, code) \
	do { \
		struct meta_tx *tx = t_begin(rig, META_WRITE); \
		T_CODE(call, code); \
		meta_rollback(tx); \
	} while (0)

#define T_LABELS(...) \
	(struct meta_labels) \
	{ \
		.items = (const struct meta_label[]){ __VA_ARGS__ }, \
		.n_items = sizeof((const struct meta_label[]){ __VA_ARGS__ }) / \
			   sizeof(struct meta_label), \
	}
