/* SPDX-License-Identifier: Apache-2.0 */
/* Names. See image/names.h. */

#include "image/names.h"

#include <string.h>

#include "base/str.h"

/* ---- of archives --------------------------------------------------------------------------------- */

static bool has_prefix(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 && strchr("/:@", name[n]) != NULL;
}

/* The name that an annotation of the archive makes; NULL: none. */
static const char *name_of(const struct image_reference *r, const struct meta_labels *annotations,
			   struct dv_arena *arena)
{
	const char *full = meta_label_get(annotations, "io.containerd.image.name");
	const char *ref = meta_label_get(annotations, "org.opencontainers.image.ref.name");
	const char *name = full && *full ? full : ref;

	if (!name || !*name)
		return NULL;
	if (!strpbrk(name, "/:@"))
		return dv_arena_printf(arena, "%s:%s", r->name, name);
	return r->allows_other || name == full || has_prefix(name, r->name) ? name : NULL;
}

void image_reference_apply(const struct image_reference *r, const struct meta_labels *annotations,
			   const char *digest, struct dv_arena *arena, const char *ret[2],
			   size_t *ret_n)
{
	const char *name = name_of(r, annotations, arena);

	*ret_n = 0;
	if (name)
		ret[(*ret_n)++] = name;
	if (r->adds_digest && !(name && r->skips_named))
		ret[(*ret_n)++] = dv_arena_printf(arena, "%s@%s", r->name, digest);
}
