/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * containerd's filter language. A list of texts matches what any of them matches; a text is
 * selectors joined by commas, all of which must match:
 *
 *	name==busybox,labels."containerd.io/gc.root",image~=/alpine:3[.][0-9]+/
 *
 * A selector is a path of fields, and nothing (is it there?), or one of == != ~= and a value.
 * Parts of the path and values may be quoted as in Go; the pattern of ~= also by / or |. Patterns
 * have the syntax of RE2; matching takes time linear in the length of what is matched.
 *
 * A filter does not change once it is made: threads may share it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

struct dv_filter;

struct dv_filter_path {
	const char *const *parts; /* "labels", "containerd.io/gc.root" */
	size_t n_parts; /* >= 1 */
	const char *rest; /* the parts behind the first, joined by dots; "" when there are none */
};

/* The value of the field of @object; NULL: there is none. */
typedef const char *(*dv_filter_field_fn)(const void *object, const struct dv_filter_path *path);

/*
 * No texts, and an empty text, match everything. At most 64 texts, of 64 KiB together.
 * DV_INVALID: the message shows where.
 */
struct dv_err *dv_filter_parse(const char *const *texts, size_t n_texts, struct dv_filter **ret)
	DV_CHECK;

/* Accepts NULL; always returns NULL. */
struct dv_filter *dv_filter_free(struct dv_filter *f);
DV_DEFINE_CLEANUP(struct dv_filter *, dv_filter_free);

/* A filter of NULL matches everything. */
bool dv_filter_match(const struct dv_filter *f, dv_filter_field_fn field, const void *object);
