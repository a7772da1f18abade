/* SPDX-License-Identifier: Apache-2.0 */
/* "uid:gid" and the container's passwd and group files. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/test.h"
#include "host/user.h"
#include "sys/file.h"

Test(user, parse)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: fine */
		struct host_user user;
	} rows[] = {
		{ "0", NULL, { 0, 0, false } },
		{ "1000", NULL, { 1000, 0, false } },
		{ "1000:2000", NULL, { 1000, 2000, true } },
		{ "0:0", NULL, { 0, 0, true } },
		{ "4294967294:4294967294", NULL, { 4294967294u, 4294967294u, true } },
		{ "007", NULL, { 7, 0, false } },
		{ "", "bad uid: \"\" is not a user id", { 0 } },
		{ "4294967295", "bad uid: \"4294967295\" is not a user id", { 0 } },
		{ "4294967296", "bad uid: \"4294967296\" is not a user id", { 0 } },
		{ "18446744073709551616",
		  "bad uid: \"18446744073709551616\" is not a user id",
		  { 0 } },
		{ "-1", "bad uid: \"-1\" is not a user id", { 0 } },
		{ "+1", "bad uid: \"+1\" is not a user id", { 0 } },
		{ " 1", "bad uid: \" 1\" is not a user id", { 0 } },
		{ "1 ", "bad uid: \"1 \" is not a user id", { 0 } },
		{ "0x10", "bad uid: \"0x10\" is not a user id", { 0 } },
		{ "12x", "bad uid: \"12x\" is not a user id", { 0 } },
		{ "root", "bad uid: \"root\" is not a user id", { 0 } },
		{ ":5", "bad uid: \"\" is not a user id", { 0 } },
		{ "5:", "bad gid: \"\" is not a group id", { 0 } },
		{ "5:6x", "bad gid: \"6x\" is not a group id", { 0 } },
		{ "5:6:7", "bad gid: \"6:7\" is not a group id", { 0 } },
		{ "5:4294967295", "bad gid: \"4294967295\" is not a group id", { 0 } },
		{ "5:-6", "bad gid: \"-6\" is not a group id", { 0 } },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct host_user u = { 77, 77, false };
		DV_CLEANUP(dv_err_freep) struct dv_err *e = host_user_parse(rows[i].text, &u);

		if (rows[i].error) {
			cr_assert(e, "\"%s\" was accepted", rows[i].text);
			T_STR(dv_err_message(e), rows[i].error);
			T_INT(dv_err_code(e), ==, DV_INVALID);
			T_INT(u.uid, ==, 77);
			continue;
		}
		cr_assert(!e, "\"%s\": %s", rows[i].text, dv_err_message(e));
		T_INT(u.uid, ==, rows[i].user.uid);
		T_INT(u.gid, ==, rows[i].user.gid);
		T_INT(u.has_gid, ==, rows[i].user.has_gid);
	}
}

static int file_of(const char *text, size_t n)
{
	int fd = sys_memfd("passwd", 0);

	cr_assert(fd >= 0 && sys_write_all(fd, text, n) == 0);
	return fd;
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "\n"
			     "# 5:5:5:5:5:/comment\n"
			     "short:x:7\n"
			     "bad:x:8x:8::/bad:/bin/sh\n"
			     "neg:x:-9:8::/neg:/bin/sh\n"
			     "nohome:x:10:10\n"
			     "empty:x:11:11:::\n"
			     "twice:x:12:12::/first:/bin/sh\n"
			     "again:x:12:12::/second:/bin/sh\n"
			     "+:::::/nis:\n"
			     "last:x:4294967295:0:a,b:/last";

Test(user, home)
{
	static const struct {
		uint32_t uid;
		int r;
		const char *home, *name;
	} rows[] = {
		{ 0, 0, "/root", "root" },
		{ 5, -ENOENT, NULL, NULL },
		{ 7, -ENOENT, NULL, NULL },
		{ 8, -ENOENT, NULL, NULL },
		{ 9, -ENOENT, NULL, NULL },
		{ 10, 0, "", "nohome" },
		{ 11, 0, "", "empty" },
		{ 12, 0, "/first", "twice" },
		{ 4294967295u, 0, "/last", "last" },
		{ 1234, -ENOENT, NULL, NULL },
	};
	int fd = file_of(passwd, sizeof(passwd) - 1);
	char buf[64];

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		T_INT(host_user_home(fd, rows[i].uid, buf, sizeof(buf)), ==, rows[i].r);
		if (rows[i].r == 0)
			T_STR(buf, rows[i].home);
		T_INT(host_user_name(fd, rows[i].uid, buf, sizeof(buf)), ==, rows[i].r);
		if (rows[i].r == 0)
			T_STR(buf, rows[i].name);
	}
	T_INT(host_user_home(fd, 0, buf, 5), ==, -ENAMETOOLONG);
	T_INT(host_user_home(fd, 0, buf, 6), ==, 0);
	sys_close(fd);
	T_INT(host_user_home(fd, 0, buf, 6), ==, -EBADF);
}

/* A line that does not fit is nobody's, wherever it lies; those around it are found. */
Test(user, long_lines)
{
	for (size_t long_len = 4000; long_len < 13000; long_len += 93) {
		size_t n = 0, size = long_len + 256;
		char *text = dv_alloc(size), buf[64];
		int fd;

		n += (size_t)snprintf(text, size, "a:x:1:1::/a:\n");
		n += (size_t)snprintf(text + n, size - n, "b:x:2:2:");
		memset(text + n, 'x', long_len);
		n += long_len;
		n += (size_t)snprintf(text + n, size - n, ":/b:\nc:x:3:3::/c:\n");
		fd = file_of(text, n);
		T_INT(host_user_home(fd, 1, buf, sizeof(buf)), ==, 0);
		T_STR(buf, "/a");
		T_INT(host_user_home(fd, 2, buf, sizeof(buf)), ==, long_len < 4080 ? 0 : -ENOENT);
		T_INT(host_user_home(fd, 3, buf, sizeof(buf)), ==, 0);
		T_STR(buf, "/c");
		sys_close(fd);
		free(text);
	}
}

Test(user, many_lines)
{
	char line[64], buf[64];
	int fd = file_of("", 0);

	for (int i = 0; i < 3000; i++) {
		int n = snprintf(line, sizeof(line), "user%d:x:%d:%d::/home/%d:/bin/sh\n", i, i, i,
				 i);

		T_INT(sys_write_all(fd, line, (size_t)n), ==, 0);
	}
	for (int i = 0; i < 3000; i += 7) {
		T_INT(host_user_home(fd, (uint32_t)i, buf, sizeof(buf)), ==, 0);
		snprintf(line, sizeof(line), "/home/%d", i);
		T_STR(buf, line);
	}
	T_INT(host_user_home(fd, 3000, buf, sizeof(buf)), ==, -ENOENT);
	sys_close(fd);
}

Test(user, binary_and_endless)
{
	char buf[64], zeros[9000] = { 0 };
	int fd = file_of(zeros, sizeof(zeros));

	T_INT(host_user_home(fd, 0, buf, sizeof(buf)), ==, -ENOENT);
	sys_close(fd);
	/* Something in the container may hand us a file without an end. */
	fd = sys_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0);
	T_INT(host_user_home(fd, 0, buf, sizeof(buf)), ==, -ENOENT);
	sys_close(fd);
}

Test(user, groups)
{
	static const char group[] = "root:x:0:\n"
				    "wheel:x:10:root,anna\n"
				    "ann:x:11:ann\n"
				    "video:x:12:bob,anna,carl\n"
				    "odd:x:13x:anna\n"
				    "tail:x:14:,anna";
	int fd = file_of(group, sizeof(group) - 1);
	uint32_t gids[4];
	size_t n = 4;

	T_INT(host_user_groups(fd, "anna", gids, &n), ==, 0);
	T_INT(n, ==, 3);
	T_INT(gids[0], ==, 10);
	T_INT(gids[1], ==, 12);
	T_INT(gids[2], ==, 14);
	n = 2;
	T_INT(host_user_groups(fd, "anna", gids, &n), ==, 0);
	T_INT(n, ==, 2);
	n = 4;
	T_INT(host_user_groups(fd, "nobody", gids, &n), ==, 0);
	T_INT(n, ==, 0);
	n = 0;
	T_INT(host_user_groups(fd, "anna", gids, &n), ==, 0);
	sys_close(fd);
	n = 4;
	T_INT(host_user_groups(fd, "anna", gids, &n), ==, -EBADF);
}
