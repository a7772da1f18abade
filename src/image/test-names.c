/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images. */

#include "image/names.h"

#include "base/test.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static struct dv_arena arena;

static void setup(void)
{
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
}

TestSuite(names, .init = setup, .fini = teardown);

static void expect_names(const struct image_reference *r, const char *key, const char *value,
			 const char *first, const char *second)
{
	const struct meta_label label = { key, value };
	const struct meta_labels annotations = { &label, 1 };
	const char *names[2] = {};
	size_t n = 0;

	image_reference_apply(r, &annotations, DIGEST, &arena, names, &n);
	T_INT(n, ==, (first != NULL) + (second != NULL));
	if (first)
		T_STR(names[0], first);
	if (second)
		T_STR(names[1], second);
}

Test(names, of_archives)
{
	const char *const full = "io.containerd.image.name";
	const char *const ref = "org.opencontainers.image.ref.name";
	struct image_reference r = { .name = "r.io/app", .is_prefix = true };

	expect_names(&r, full, "x.io/b:1", "x.io/b:1", NULL);
	expect_names(&r, ref, "v1", "r.io/app:v1", NULL);
	expect_names(&r, ref, "r.io/app:v2", "r.io/app:v2", NULL);
	expect_names(&r, ref, "other/app:v2", NULL, NULL);
	expect_names(&r, "else", "x", NULL, NULL);
	r.allows_other = true;
	expect_names(&r, ref, "other/app:v2", "other/app:v2", NULL);
	r.adds_digest = true;
	expect_names(&r, ref, "v1", "r.io/app:v1", "r.io/app@" DIGEST);
	r.skips_named = true;
	expect_names(&r, ref, "v1", "r.io/app:v1", NULL);
	expect_names(&r, "else", "x", "r.io/app@" DIGEST, NULL);
}
