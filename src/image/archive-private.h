/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An archive that comes from outside, entry by entry. davit-unpack reads it and hands on what is in it;
 * what it says is bounded and checked here: it is hostile as soon as it has seen the archive.
 */

#include "image/env.h"

struct image_archive;

/* Files and links. Strings and link are valid until the next image_archive_next(). */
struct image_entry {
	const char *name; /* as in the archive, not empty; no NUL, no control characters */
	const char *link; /* target of a link, as it is; NULL: a file */
	bool is_hard; /* the target is a name in the archive */
	int64_t size;
};

/* Both are borrowed until image_archive_close(). */
struct dv_err *image_archive_open(const struct image_env *env, const struct image_source *source,
				  struct image_archive **ret) DV_CHECK;
/* Skips what is left of the entry before. *ret_is_end: there are no more, and all was well. */
struct dv_err *image_archive_next(struct image_archive *a, struct image_entry *ret,
				  bool *ret_is_end) DV_CHECK;
/* Of the entry. *ret_n 0: its end. */
struct dv_err *image_archive_read(struct image_archive *a, void *buf, size_t n, size_t *ret_n)
	DV_CHECK;
/* Accepts NULL; always returns NULL. */
struct image_archive *image_archive_close(struct image_archive *a);
DV_DEFINE_CLEANUP(struct image_archive *, image_archive_close);
