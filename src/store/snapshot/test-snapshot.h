/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests: snapshots in a directory of their own. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "snapshot-private.h"
#include "store/meta-lease.h"
#include "sys/disk.h"
#include "sys/file.h"

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

struct rig {
	char dir[64];
	struct meta *m;
	struct snapshots *s;
	struct dv_arena arena;
	int n_wakes[2];
	bool has_no_sync; /* which waits for everybody's disk */
};

static inline void on_wake(void *arg, enum snapshots_work kind)
{
	__atomic_add_fetch(&((struct rig *)arg)->n_wakes[kind], 1, __ATOMIC_RELAXED);
}

static inline void rig_open(struct rig *r)
{
	struct snapshots_opts opts = { .root = r->dir, .wake = on_wake, .arg = r };

	T_OK(meta_open(&(struct meta_opts){ .dir = r->dir }, &r->m));
	opts.meta = r->m;
	T_OK(snapshots_open(&opts, &r->s));
	T_OK(snapshots_work(r->s, SNAPSHOTS_REMOVE));
	if (!r->has_no_sync)
		T_OK(snapshots_work(r->s, SNAPSHOTS_SYNC));
}

static inline void rig_close(struct rig *r)
{
	r->s = snapshots_close(r->s);
	r->m = meta_close(r->m);
}

static inline void rig_init(struct rig *r)
{
	*r = (struct rig){ .s = NULL };
	snprintf(r->dir, sizeof(r->dir), "/tmp/davit-snap-XXXXXX");
	cr_assert(mkdtemp(r->dir));
	dv_arena_init(&r->arena);
	rig_open(r);
}

static inline void rig_fini(struct rig *r)
{
	rig_close(r);
	dv_arena_fini(&r->arena);
	T_INT(sys_remove_tree(AT_FDCWD, r->dir), ==, 0);
}

#define RIG(name) \
	DV_CLEANUP(rig_fini) struct rig name; \
	rig_init(&name)

DV_UNUSED static const struct snapshot_at overlay = { .ns = "ns", .snapshotter = "overlayfs" };
DV_UNUSED static const struct snapshot_at native = { .ns = "ns", .snapshotter = "native" };

static inline struct dv_err *prepare(struct rig *r, const struct snapshot_at *at, const char *key,
				     const char *parent, bool is_view, struct snapshot_mounts *ret)
{
	struct snapshot_new new = { .key = key, .parent = parent, .is_view = is_view };
	struct snapshot_mounts mounts;

	return snapshot_prepare(r->s, at, &new, &r->arena, ret ? ret : &mounts);
}

static inline struct dv_err *commit(struct rig *r, const struct snapshot_at *at, const char *name,
				    const char *key)
{
	return snapshot_commit(r->s, at, &(struct snapshot_commit){ .name = name, .key = key });
}

static inline void layer(struct rig *r, const struct snapshot_at *at, const char *name,
			 const char *parent)
{
	char key[64];

	snprintf(key, sizeof(key), "key of %s", name);
	T_OK(prepare(r, at, key, parent, false, NULL));
	T_OK(commit(r, at, name, key));
}

static inline int64_t id_of(struct rig *r, const struct snapshot_at *at, const char *key)
{
	struct meta_snapshot row;

	T_OK(snapshot_stat(r->s, at, key, &r->arena, &row));
	return row.id;
}

static inline bool has_dir(struct rig *r, const struct snapshot_at *at, int64_t id)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/io.containerd.snapshotter.v1.%s/snapshots/%lld", r->dir,
		 at->snapshotter, (long long)id);
	return access(path, F_OK) == 0;
}

static inline int count_dirs(struct rig *r, const struct snapshot_at *at)
{
	char path[256];
	struct sys_dirent e;
	struct sys_dir dir;
	int fd, n = 0;

	snprintf(path, sizeof(path), "%s/io.containerd.snapshotter.v1.%s/snapshots", r->dir,
		 at->snapshotter);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	sys_dir_init(&dir, fd);
	while (sys_dir_next(&dir, &e) > 0)
		n++;
	sys_close(fd);
	return n;
}
