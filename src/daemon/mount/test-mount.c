/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders, directories on demand, and records. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "mounts-private.h"
#include "sys/file.h"

#define T_OK(expr) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_assert(t_err_ == NULL, "%s: %s", #expr, t_err_ ? dv_err_message(t_err_) : ""); \
	} while (0)

static const struct mounts_active active[] = {
	{ .mount = { .type = "loop", .source = "/file", .target = "t" }, .mount_point = "/mnt/3" },
	{ .mount = { .type = "ext4", .source = "", .target = "" }, .mount_point = "/mnt/2" },
	{ .mount = { .type = "x", .source = "s", .target = "" }, .mount_point = "/mnt/1" },
};

Test(mount, placeholders_are_replaced)
{
	static const char *const cases[][2] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "{{ mount 0 }}", "/mnt/3" },
		{ "{{mount 0}}", "/mnt/3" },
		{ "{{  source\t0  }}", "/file" },
		{ "{{ target 0 }}", "t" },
		{ "upperdir={{ mount 1 }}/upper", "upperdir=/mnt/2/upper" },
		{ "lowerdir={{ overlay 0 2 }}", "lowerdir=/mnt/3:/mnt/2:/mnt/1" },
		{ "lowerdir={{ overlay 2 0 }}", "lowerdir=/mnt/1:/mnt/2:/mnt/3" },
		{ "{{ overlay 1 1 }}", "/mnt/2" },
		{ "{{ mount 0 }}{{ mount 2 }}", "/mnt/3/mnt/1" },
		{ "a } b", "a } b" },
	};
	struct dv_arena arena;

	dv_arena_init(&arena);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		const char *got = NULL;

		T_OK(mounts_format_text(cases[i][0], active, 3, &arena, &got));
		T_STR(got, cases[i][1]);
	}
	dv_arena_fini(&arena);
}

Test(mount, placeholders_that_make_no_sense)
{
	static const char *const cases[] = {
		"{{",
		"{{ mount 0",
		"{{ }}",
		"{{ mount }}",
		"{{ mount 3 }}",
		"{{ mount -1 }}",
		"{{ mount 0 1 }}",
		"{{ mount 99999999999 }}",
		"{{ mount x }}",
		"{{ overlay 0 }}",
		"{{ overlay 0 3 }}",
		"{{ overlay 3 0 }}",
		"{{ overlay 0 1 2 }}",
		"{{ exec 0 }}",
		"{{ . }}",
		"{{ averyveryverylongwordindeed 0 }}",
		"{{ mount 0 }} {{ mount 9 }}",
	};
	struct dv_arena arena;

	dv_arena_init(&arena);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		const char *got = NULL;
		struct dv_err *e = mounts_format_text(cases[i], active, 3, &arena, &got);

		cr_expect(e && dv_err_code(e) == DV_INVALID, "%s was taken", cases[i]);
		dv_err_free(e);
	}
	dv_arena_fini(&arena);
}

static struct dv_err *make(const char *root, const char *option)
{
	const char *options[] = { "ro", option, "nodev" };
	struct snapshot_mount m = { .type = "overlay", .options = options, .n_options = 3 };
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = mounts_mkdir(&m, &root, 1, &arena);
	if (!e) {
		T_INT(m.n_options, ==, 2);
		T_STR(m.options[0], "ro");
		T_STR(m.options[1], "nodev");
	}
	dv_arena_fini(&arena);
	return e;
}

Test(mount, directories_are_made_below_the_root)
{
	static const char *const bad[] = {
		"X-containerd.mkdir.other=x",		"X-containerd.mkdir.path=",
		"X-containerd.mkdir.path=/etc",		"X-containerd.mkdir.path=%s",
		"X-containerd.mkdir.path=%s/",		"X-containerd.mkdir.path=%s/..",
		"X-containerd.mkdir.path=%s/.",		"X-containerd.mkdir.path=%s/../out",
		"X-containerd.mkdir.path=%sout",	"X-containerd.mkdir.path=%s/link/x",
		"X-containerd.mkdir.path=%s/x:99",	"X-containerd.mkdir.path=%s/x:1755",
		"X-containerd.mkdir.path=%s/x:755:1",	"X-containerd.mkdir.path=%s/x:755:1:2:3",
		"X-containerd.mkdir.path=%s/x:755:a:b", "X-containerd.mkdir.path=%s/no/x",
		"X-containerd.mkdir.path=%s/x:",
	};
	char root[] = "/tmp/davit-mount-XXXXXX", path[128], option[256];
	struct stat st;

	cr_assert(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/link", root);
	T_INT(symlink("/tmp", path), ==, 0);
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		const char *at = strstr(bad[i], "%s");
		struct dv_err *e;

		snprintf(option, sizeof(option), "%.*s%s%s",
			 (int)(at ? (size_t)(at - bad[i]) : strlen(bad[i])), bad[i], at ? root : "",
			 at ? at + 2 : "");
		e = make(root, option);
		cr_expect_not_null(e, "%s was taken", option);
		dv_err_free(e);
	}
	snprintf(option, sizeof(option), "X-containerd.mkdir.path=%s/x", root);
	T_OK(make(root, option));
	snprintf(path, sizeof(path), "%s/x", root);
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_mode & 07777, ==, 0700);
	snprintf(option, sizeof(option), "X-containerd.mkdir.path=%s/x:0755:7:8", root);
	T_OK(make(root, option));
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_mode & 07777, ==, 0755);
	T_INT(st.st_uid, ==, 7);
	snprintf(option, sizeof(option), "X-containerd.mkdir.path=%s/x/y:711", root);
	T_OK(make(root, option));
	T_INT(sys_remove_tree(AT_FDCWD, root), ==, 0);
}

Test(mount, records_go_there_and_back_and_damage_is_seen)
{
	const char *options[] = { "a", "", "b=c" };
	struct snapshot_mount system[] = { { "overlay", "s", "", options, 3 },
					   { "bind", "/x", "t", NULL, 0 } };
	struct mounts_state state = {
		.id = 77,
		.is_complete = true,
		.info = { .active = active, .n_active = 3, .system = { system, 2 } },
	};
	struct mounts_state got;
	struct dv_arena arena;
	const void *data;
	size_t n;

	dv_arena_init(&arena);
	mounts_pack(&state, &arena, &data, &n);
	T_OK(mounts_unpack(data, n, &arena, &got));
	T_INT(got.id, ==, 77);
	T_TRUE(got.is_complete);
	T_INT(got.info.n_active, ==, 3);
	T_STR(got.info.active[0].mount.source, "/file");
	T_STR(got.info.active[2].mount_point, "/mnt/1");
	T_INT(got.info.system.n_items, ==, 2);
	T_INT(got.info.system.items[0].n_options, ==, 3);
	T_STR(got.info.system.items[0].options[2], "b=c");
	T_STR(got.info.system.items[1].target, "t");
	for (size_t cut = 0; cut < n; cut++) {
		DV_CLEANUP(dv_freep) char *copy = dv_alloc(cut + 1);
		struct dv_err *e;

		memcpy(copy, data, cut);
		e = mounts_unpack(copy, cut, &arena, &got);
		cr_expect(e && dv_err_code(e) == DV_DATA_LOSS, "%zu of %zu bytes", cut, n);
		dv_err_free(e);
	}
	dv_arena_fini(&arena);
}
