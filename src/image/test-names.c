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

Test(names, normalized)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "busybox", "docker.io/library/busybox:latest" },
		{ "busybox:1.36", "docker.io/library/busybox:1.36" },
		{ "user/app", "docker.io/user/app:latest" },
		{ "docker.io/app", "docker.io/library/app:latest" },
		{ "index.docker.io/user/app:v1", "docker.io/user/app:v1" },
		{ "localhost/app", "localhost/app:latest" },
		{ "localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x" },
		{ "quay.io/a/b", "quay.io/a/b:latest" },
		{ "a__b/c-d.e", "docker.io/a__b/c-d.e:latest" },
		{ "busybox@" DIGEST, "docker.io/library/busybox@" DIGEST },
		{ "r.io/a:t@" DIGEST, "r.io/a:t@" DIGEST },
		{ "[::1]:5000/app", "[::1]:5000/app:latest" },
	};
	const char *name;

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct dv_err *e = image_name_normalize(cases[i].text, &arena, &name);

		cr_assert(!e, "%s: %s", cases[i].text, dv_err_message(e));
		T_STR(name, cases[i].name);
	}
}

Test(names, refused)
{
	static const char *const texts[] = {
		"",
		"/",
		"a//b",
		"UPPER",
		"a/Upper",
		"-a",
		"a:",
		"a:-x",
		"a b",
		"a:b c",
		"../a",
		"a/../b",
		"a_/b",
		"a.",
		"a@sha256:12",
		"a@",
		"x.io/a:",
		"a___b",
		"http://x.io/a",
		"a\nb",
		"a:" HEX HEX "1",
	};
	const char *name;

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		struct dv_err *e = image_name_normalize(texts[i], &arena, &name);

		cr_expect(e && dv_err_code(e) == DV_INVALID, "%s", texts[i]);
		dv_err_free(e);
	}
}

Test(names, tag)
{
	T_STR(image_name_tag("r.io:5000/a:t"), "t");
	T_STR(image_name_tag("r.io:5000/a"), "");
	T_STR(image_name_tag("r.io/a@" DIGEST), "");
}

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
