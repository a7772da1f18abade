/* SPDX-License-Identifier: Apache-2.0 */
/* The tar archives that are written, and the trees that mounts show. */

#include <string.h>

#include "base/str.h"
#include "base/test.h"
#include "tar-write.h"
#include "trees.h"

static struct dv_err *collect(void *arg, const void *p, size_t n)
{
	dv_strbuf_add_n(arg, p, n);
	return NULL;
}

static unsigned checksum(const char *block)
{
	unsigned sum = 8 * ' ';

	for (int i = 0; i < 512; i++)
		sum += i < 148 || i >= 156 ? (unsigned char)block[i] : 0;
	return sum;
}

Test(tar_write, file)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct image_sink to = { collect, &b };

	cr_assert_null(tar_write_file(&to, "index.json", "{}", 2));
	cr_assert_null(tar_write_end(&to));
	T_INT(b.len, ==, 512 + 512 + 1024);
	T_STR(b.data, "index.json");
	T_STR(b.data + 124, "00000000002");
	T_STR(b.data + 257, "ustar");
	T_INT(b.data[156], ==, '0');
	T_INT(strtol(b.data + 148, NULL, 8), ==, (long)checksum(b.data));
	cr_assert(memcmp(b.data + 512, "{}", 3) == 0);
}

/* Eleven octal digits end at 8 GiB. */
Test(tar_write, large)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct image_sink to = { collect, &b };

	cr_assert_null(tar_write_head(&to, "a", (1ULL << 33) - 1));
	T_STR(b.data + 124, "77777777777");
	dv_strbuf_clear(&b);
	cr_assert_null(tar_write_head(&to, "a", (1ULL << 33) + 5));
	cr_assert(memcmp(b.data + 124, "\x80\0\0\0\0\0\0\2\0\0\0\5", 12) == 0);
	T_INT(strtol(b.data + 148, NULL, 8), ==, (long)checksum(b.data));
	dv_strbuf_clear(&b);
	cr_assert_null(tar_write_padding(&to, 512));
	T_INT(b.len, ==, 0);
	cr_assert_null(tar_write_padding(&to, 513));
	T_INT(b.len, ==, 511);
}

/* ---- trees ----------------------------------------------------------------------------------- */

struct shown {
	struct dv_arena arena;
	struct image_tree tree;
};

static struct dv_err *show(struct shown *s, const char *type, const char *source,
			   const char *const *options, size_t n)
{
	struct snapshot_mount m = {
		.type = type, .source = source, .options = options, .n_options = n
	};
	struct snapshot_mounts mounts = { &m, 1 };

	return image_tree_of(&mounts, &s->arena, &s->tree);
}

static void setup(struct shown *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dv_arena_init(&s[i].arena);
}

static void teardown(struct shown *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dv_arena_fini(&s[i].arena);
}

Test(trees, layers)
{
	const char *upper[] = { "index=off",	    "workdir=/w",
				"upperdir=/u",	    "lowerdir=/a:/b\\:c:/d\\\\e",
				"redirect_dir=off", "metacopy=off" };
	const char *lower[] = { "lowerdir=/a:/b\\:c:/d\\\\e", "redirect_dir=off", "metacopy=off" };
	const char *moved[] = { "upperdir=/u", "lowerdir=/a:/b\\:c:/d\\\\e", "redirect_dir=on" };
	struct shown s[3];

	setup(s, 3);
	cr_assert_null(show(&s[0], "overlay", "overlay", upper, 6));
	cr_assert_null(show(&s[1], "overlay", "overlay", lower, 3));
	cr_assert_null(show(&s[2], "overlay", "overlay", moved, 3));
	T_INT(s[0].tree.n_layers, ==, 4);
	T_STR(s[0].tree.layers[0], "/u");
	T_STR(s[0].tree.layers[2], "/b:c");
	T_STR(s[0].tree.layers[3], "/d\\e");
	cr_assert(image_tree_is_next(&s[1].tree, &s[0].tree));
	cr_assert_not(image_tree_is_next(&s[0].tree, &s[1].tree));
	cr_assert_not(image_tree_is_next(&s[0].tree, &s[0].tree));
	cr_assert_not(image_tree_is_next(&s[1].tree, &s[2].tree)); /* directories may have moved */
	teardown(s, 3);
}

/* A bind of a base is not overlayfs's form for all that one knows. */
Test(trees, binds)
{
	struct snapshot_mounts none = {};
	const char *ro[] = { "rbind", "ro" };
	const char *relative[] = { "lowerdir=/a:b" };
	struct shown s[2];
	struct dv_err *e;

	setup(s, 2);
	cr_assert_null(show(&s[0], "bind", "/base", ro, 2));
	cr_assert_null(image_tree_of(&none, &s[1].arena, &s[1].tree));
	T_INT(s[0].tree.n_layers, ==, 1);
	T_INT(s[1].tree.n_layers, ==, 0);
	cr_assert_not(image_tree_is_next(&s[1].tree, &s[0].tree));
	e = show(&s[1], "tmpfs", "tmpfs", NULL, 0);
	T_INT(dv_err_code(e), ==, DV_UNIMPLEMENTED);
	dv_err_free(e);
	e = show(&s[1], "overlay", "overlay", relative, 1);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	e = show(&s[1], "overlay", "overlay", NULL, 0);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	teardown(s, 2);
}
