/* SPDX-License-Identifier: Apache-2.0 */
/* The options' files in a bundle. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "options.h"
#include "sys/file.h"

static char dir[] = "/tmp/davit-test-XXXXXX";
static int dir_fd;

static void open_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	dir_fd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
}

static void close_dir(void)
{
	sys_close(dir_fd);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

TestSuite(options, .init = open_dir, .fini = close_dir);

Test(options, saved_and_loaded)
{
	struct shim_options in = { .no_pivot_root = true,
				   .systemd_cgroup = true,
				   .io_uid = 1000,
				   .io_gid = 1001,
				   .binary_name = (char *)"/opt/a \"runtime\"",
				   .root = (char *)"/run/r" };
	DV_CLEANUP(shim_options_freep) struct shim_options *out = NULL;

	T_NULL(shim_options_save(&in, dir_fd));
	T_NULL(shim_options_load(dir_fd, &out));
	T_NOT_NULL(out);
	T_TRUE(out->no_pivot_root && out->systemd_cgroup && !out->no_new_keyring);
	T_INT(out->io_uid, ==, 1000);
	T_INT(out->io_gid, ==, 1001);
	T_STR(out->binary_name, "/opt/a \"runtime\"");
	T_STR(out->root, "/run/r");
	T_NULL(out->shim_cgroup);
}

Test(options, nothing_there_is_empty)
{
	DV_CLEANUP(shim_options_freep) struct shim_options *out = NULL;

	T_NULL(shim_options_load(dir_fd, &out));
	T_NOT_NULL(out);
	T_NULL(out->binary_name);
	T_NULL(out->root);
}

Test(options, what_containerd_writes)
{
	static const char text[] =
		"{\"binary_name\":\"crun\",\"root\":\"\",\"systemd_cgroup\":true,"
		"\"criu_image_path\":\"/x\",\"io_uid\":-1}";
	DV_CLEANUP(shim_options_freep) struct shim_options *out = NULL;
	int fd = sys_openat(dir_fd, "options.json", O_WRONLY | O_CREAT, 0600);

	T_INT(sys_write_all(fd, text, sizeof(text) - 1), ==, 0);
	sys_close(fd);
	fd = sys_openat(dir_fd, "runtime", O_WRONLY | O_CREAT, 0600);
	T_INT(sys_write_all(fd, "runc\n", 5), ==, 0);
	sys_close(fd);
	T_NULL(shim_options_load(dir_fd, &out));
	T_NOT_NULL(out);
	T_STR(out->binary_name, "runc"); /* the file that says it alone counts */
	T_NULL(out->root);
	T_TRUE(out->systemd_cgroup);
	T_INT(out->io_uid, ==, 0);
}

Test(options, damaged)
{
	static const char *const texts[] = { "{", "[]", "7", "{\"a\":1}x" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		DV_CLEANUP(shim_options_freep) struct shim_options *out = NULL;
		int fd = sys_openat(dir_fd, "options.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		struct dv_err *e;

		T_INT(sys_write_all(fd, texts[i], strlen(texts[i])), ==, 0);
		sys_close(fd);
		e = shim_options_load(dir_fd, &out);
		cr_expect_not_null(e, "%s", texts[i]);
		cr_expect(!e || strstr(dv_err_message(e), "options.json"));
		dv_err_free(e);
	}
}
