/* SPDX-License-Identifier: Apache-2.0 */
/* The same bytes as index, manifest and configuration; what is accepted must be usable. */

#include <stdint.h>

#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_index(struct dv_arena *arena, const char *text, size_t size)
{
	struct spec_platform host;
	struct spec_index *index;
	struct dv_err *e = spec_index_parse(arena, text, size, &index);

	spec_platform_host(&host);
	if (!e)
		(void)spec_index_choose(index, &host);
	dv_err_free(e);
}

static void try_image(struct dv_arena *arena, const char *text, size_t size)
{
	struct spec_image *image;
	struct dv_digest chain;
	struct dv_err *e = spec_image_parse(arena, text, size, &image);

	if (!e && image->n_diff_ids > 0)
		spec_image_chain_id(image->diff_ids, image->n_diff_ids, &chain);
	if (!e)
		free(spec_platform_format(&image->platform));
	dv_err_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct spec_manifest *manifest;
	struct dv_arena arena;

	dv_arena_init(&arena);
	try_index(&arena, text, size);
	dv_err_free(spec_manifest_parse(&arena, text, size, &manifest));
	try_image(&arena, text, size);
	dv_arena_fini(&arena);
	return 0;
}
