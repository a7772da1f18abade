/* SPDX-License-Identifier: Apache-2.0 */
/* Names looked up in trees as images have them, and in trees that would like us to look elsewhere. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "host/user.h"
#include "sys/file.h"

static char t_dir[] = "/tmp/test-user-find.XXXXXX";
static int t_root = -1;

static void make_tree(void)
{
	cr_assert_not_null(mkdtemp(t_dir));
	t_root = sys_openat(AT_FDCWD, t_dir, O_PATH | O_DIRECTORY, 0);
	cr_assert(t_root >= 0 && sys_mkdirat(t_root, "etc", 0755) == 0);
}

static void remove_tree(void)
{
	sys_close(t_root);
	cr_assert_eq(sys_remove_tree(AT_FDCWD, t_dir), 0);
}

static void put(const char *path, const char *text)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(t_root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	cr_assert(fd >= 0 && sys_write_all(fd, text, strlen(text)) == 0);
}

static void put_both(void)
{
	put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
			  "web:x:33:34::/:/bin/sh\n"
			  "7:x:70:71::/:/bin/sh\n");
	put("etc/group", "root:x:0:\nwheel:x:10:root,web\nvideo:x:44:web\nshort:x:55\n");
}

/* "uid:gid:groups,..." or the error. */
static const char *find(const char *text)
{
	static char buf[256];
	static struct host_user_found u;
	struct dv_err *e = host_user_find(t_root, text, &u);
	size_t n;

	if (e) {
		snprintf(buf, sizeof(buf), "%s", dv_err_message(e));
		dv_err_free(e);
		return buf;
	}
	n = (size_t)snprintf(buf, sizeof(buf), "%u:%u:", u.uid, u.gid);
	for (size_t i = 0; i < u.n_groups; i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%u", i ? "," : "", u.groups[i]);
	return buf;
}

Test(user_find, names_and_numbers, .init = make_tree, .fini = remove_tree)
{
	put_both();
	T_STR(find(""), "0:0:10");
	T_STR(find("root"), "0:0:10");
	T_STR(find("0"), "0:0:10");
	T_STR(find("web"), "33:34:10,44");
	T_STR(find("33"), "33:34:10,44");
	T_STR(find("web:video"), "33:44:");
	T_STR(find("web:"), "33:34:10,44");
	T_STR(find(":video"), "0:44:");
	T_STR(find("33:99"), "33:99:");
	T_STR(find("1000"), "1000:0:");
	T_STR(find("1000:short"), "1000:55:");
	T_STR(find("7"), "7:0:"); /* a number is an id, whatever names there are */
	T_STR(find("nobody"), "no user \"nobody\" in the container's /etc/passwd");
	T_STR(find("4294967295"), "no user \"4294967295\" in the container's /etc/passwd");
	T_STR(find("web:nogroup"), "no group \"nogroup\" in the container's /etc/group");
}

Test(user_find, no_files, .init = make_tree, .fini = remove_tree)
{
	T_STR(find(""), "0:0:");
	T_STR(find("5:6"), "5:6:");
	T_STR(find("web"), "no user \"web\" in the container's /etc/passwd");
	T_STR(find("5:web"), "no group \"web\" in the container's /etc/group");
}

/* Links stay inside, what is no file is as good as absent, and nobody waits for a writer. */
Test(user_find, hostile_files, .init = make_tree, .fini = remove_tree)
{
	put("real", "inside:x:5:6::/:\n");
	cr_assert_eq(sys_symlinkat("/../../../real", t_root, "etc/passwd"), 0);
	T_STR(find("inside"), "5:6:");
	cr_assert_eq(sys_mknodat(t_root, "etc/group", S_IFIFO | 0644, 0), 0);
	T_STR(find("inside:video"), "no group \"video\" in the container's /etc/group");
	cr_assert_eq(sys_unlinkat(t_root, "etc/passwd", 0), 0);
	cr_assert_eq(sys_symlinkat("passwd", t_root, "etc/passwd"), 0);
	T_STR(find("5"), "5:0:");
}

Test(user_find, more_groups, .init = make_tree, .fini = remove_tree)
{
	struct host_user_found *u = dv_new(struct host_user_found);
	char gid[16];
	struct dv_err *e = NULL;

	put_both();
	cr_assert_null(host_user_add_group(t_root, "video", u));
	cr_assert_null(host_user_add_group(t_root, "44", u));
	T_INT(u->n_groups, ==, 1);
	T_INT(u->groups[0], ==, 44);
	for (int i = 0; !e && i <= HOST_USER_GROUPS_MAX; i++) {
		snprintf(gid, sizeof(gid), "%d", 1000 + i);
		e = host_user_add_group(t_root, gid, u);
	}
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	T_INT(u->n_groups, ==, HOST_USER_GROUPS_MAX);
	dv_err_free(e);
	free(u);
}
