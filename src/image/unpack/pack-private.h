/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside davit-unpack, the other way: a layer is made of what is in trees. "/" is the tree; one to
 * compare it with is open beside it. Trees are a container's: what is in them is hostile, and may change
 * while it is read.
 */

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/macros.h"
#include "codec/compress.h"
#include "codec/digest.h"
#include "unpack-private.h"

/* ---- the bytes (pack-output.c): hashed, compressed, written ---------------------------------------- */

struct pack_output;

struct pack_output *pack_output_new(int fd, enum dv_compression kind);
struct pack_output *pack_output_free(struct pack_output *o);
DV_DEFINE_CLEANUP(struct pack_output *, pack_output_free);
/* False: it failed, and pack_output_finish() says how. */
bool pack_output_write(struct pack_output *o, const void *p, size_t n);
/* Size and digest without compression. */
struct dv_err *pack_output_finish(struct pack_output *o, int64_t *ret_size, struct dv_digest *ret)
	DV_CHECK;

/* ---- the archive ------------------------------------------------------------------------------------- */

struct pack_opts {
	int left; /* the tree below; -1: none */
	int right; /* the tree */
	int socket; /* asks what needs privilege; -1: nobody (tests) */
	/* The tree is overlayfs's upper directory: it has what changed alone, in overlayfs's forms. */
	bool is_upper;
	bool has_epoch; /* no time is later than @epoch */
	int64_t epoch;
};

/* A directory that is being walked; it is in the archive when something in it is. */
struct pack_dir {
	struct pack_dir *up; /* NULL: the root, which is in no layer */
	int fd;
	struct stat st;
	size_t n_path;
	bool is_written;
};

struct pack {
	const struct pack_opts *opts;
	struct archive *a;
	struct archive_entry *entry;
	void *links; /* paths of files with several names */
	char path[PATH_MAX]; /* of the entry, as it is in the archive */
	size_t n_path;
};

/* The whole. @o is not finished afterwards. */
struct dv_err *pack_tree(const struct pack_opts *opts, struct pack_output *o) DV_CHECK;

/* pack-entry.c: p->path, which is @name in @in; *st is of it. @fd: of a directory, or -1. */
struct dv_err *pack_write(struct pack *p, struct pack_dir *in, const char *name,
			  const struct stat *st, int fd) DV_CHECK;
/* What the layers below have as p->path is gone. */
struct dv_err *pack_whiteout(struct pack *p, struct pack_dir *in) DV_CHECK;
/* What they have in the directory @in is. */
struct dv_err *pack_opaque(struct pack *p, struct pack_dir *in) DV_CHECK;
void pack_forget_links(struct pack *p);
/* One more name behind p->path; DV_EXHAUSTED. */
struct dv_err *pack_push(struct pack *p, const char *name) DV_CHECK;
void pack_pop(struct pack *p, size_t n_path);

/* pack-attrs.c: attributes that belong in a layer, sorted by name. */
struct pack_xattr {
	char *name;
	void *value;
	size_t n;
};
struct pack_xattrs {
	struct pack_xattr *items;
	size_t n_items;
};
struct dv_err *pack_xattrs_read(int fd, struct pack_xattrs *ret) DV_CHECK;
void pack_xattrs_fini(struct pack_xattrs *x);
bool pack_xattrs_eq(const struct pack_xattrs *a, const struct pack_xattrs *b);

/* pack-compare.c: are the files the same? Directories: without what is in them. */
struct pack_file {
	int dir;
	const char *name;
	struct stat st;
};
struct dv_err *pack_compare(const struct pack_file *left, const struct pack_file *right,
			    bool *ret_eq) DV_CHECK;
