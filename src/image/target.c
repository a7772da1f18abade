/* SPDX-License-Identifier: Apache-2.0 */
/* Which directory do mounts mean? See image/layers.h. */

#include <string.h>

#include "base/str.h"
#include "image/layers.h"

static const char *option(const struct snapshot_mount *m, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < m->n_options; i++) {
		if (strncmp(m->options[i], name, n) == 0 && m->options[i][n] == '=')
			return m->options[i] + n + 1;
	}
	return NULL;
}

/* "lowerdir=a:b", where ":" is written "\:". */
static void split_lowers(char *text, struct image_unpack *u, struct dv_arena *arena)
{
	const char **items = dv_arena_new_n(arena, const char *, strlen(text) + 1);
	char *to = text, *start = text;

	for (char *from = text;; from++) {
		if (*from == '\\' && from[1]) {
			*to++ = *++from;
			continue;
		}
		if (*from && *from != ':') {
			*to++ = *from;
			continue;
		}
		{
			bool is_last = !*from;

			*to++ = '\0';
			items[u->n_lowers++] = start;
			start = to;
			if (is_last)
				break;
		}
	}
	u->lowers = items;
}

struct dv_err *image_target(const struct snapshot_mounts *mounts, struct dv_arena *arena,
			    struct image_unpack *u)
{
	const struct snapshot_mount *m;
	const char *lowers;

	if (mounts->n_items != 1)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: a layer on %zu mounts; one of a directory is",
				  mounts->n_items);
	m = &mounts->items[0];
	if (dv_streq(m->type, "overlay")) {
		u->is_overlay = true;
		u->target = option(m, "upperdir");
		lowers = option(m, "lowerdir");
		if (lowers)
			split_lowers(dv_arena_strdup(arena, lowers), u, arena);
		if (!u->target)
			return dv_err_new(DV_INVALID, "the overlay has no upper directory");
	} else if (dv_streq(m->type, "bind") || dv_streq(m->type, "rbind")) {
		u->target = m->source;
	} else {
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: a layer on a mount of type %s", m->type);
	}
	for (size_t i = 0; i < m->n_options; i++) {
		if (dv_streq(m->options[i], "ro"))
			return dv_err_new(DV_PRECONDITION, "the mount is read-only");
	}
	return *u->target == '/' ? NULL
				 : dv_err_new(DV_INVALID, "%s: not an absolute path", u->target);
}
