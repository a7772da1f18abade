/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Helpers of the test-cgroup-*.c programs: a directory that plays /sys/fs/cgroup. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "sys/file.h"

#define I64(v) \
	{ \
		.is_set = true, .value = (v) \
	}
#define U64(v) \
	{ \
		.is_set = true, .value = (v) \
	}

/* Fails the test with the error's message. */
#define OK(call) \
	do { \
		struct dv_err *ok_ = (call); \
		cr_assert_null(ok_, "%s: %s", #call, dv_err_message(ok_)); \
	} while (0)

/* The call fails, with @code_ and a message that contains @text_. */
#define FAILS(call, code_, text_) \
	do { \
		DV_CLEANUP(dv_err_freep) struct dv_err *f_ = (call); \
		cr_assert_not_null(f_, "%s: no error", #call); \
		cr_expect_eq(dv_err_code(f_), code_, "%s: code %d", dv_err_message(f_), \
			     dv_err_code(f_)); \
		cr_expect(strstr(dv_err_message(f_), text_), "%s: lacks \"%s\"", \
			  dv_err_message(f_), text_); \
	} while (0)

static char fake[] = "/tmp/davit-cgroup-XXXXXX";
static int fakefd = -1;

static inline void fake_open(void)
{
	cr_assert_not_null(mkdtemp(fake));
	cr_assert_eq(chmod(fake, 0755), 0);
	fakefd = open(fake, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(fakefd >= 0);
}

static inline void fake_close(void)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	cr_expect_eq(seteuid(getuid()), 0); /* the rootless tests gave it up */
	if (fakefd >= 0)
		sys_remove_tree(tmp, fake + strlen("/tmp/"));
	close(tmp);
}

/* Makes a directory and those above it. */
static inline void fake_dir(const char *path)
{
	int fd = sys_mkdir_in_root(fakefd, path, 0755);

	cr_assert(fd >= 0, "mkdir %s: %d", path, fd);
	close(fd);
}

static inline void fake_file(const char *path, const char *text)
{
	DV_CLEANUP(dv_freep) char *dir = dv_strdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash) {
		*slash = '\0';
		fake_dir(dir);
	}
	fd = openat(fakefd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert(fd >= 0, "%s", path);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* The text of a file, "(none)" when there is none; valid until the next call. */
static inline const char *fake_text(const char *path)
{
	static char text[8192];
	ssize_t n = sys_read_file_at(fakefd, path, text, sizeof(text));

	return n < 0 ? "(none)" : text;
}

static inline bool fake_has(const char *path)
{
	return faccessat(fakefd, path, F_OK, 0) == 0;
}

static inline struct dv_err *fake_new(const char *proc_cgroup, const char *path, bool rootless,
				      struct host_cgroup **ret)
{
	return host_cgroup_new(&(struct host_cgroup_opts){ .id = "ctr1",
							   .cgroups_path = path,
							   .is_rootless = rootless,
							   .test_root = fake,
							   .test_proc_cgroup = proc_cgroup },
			       ret);
}

static inline const struct host_cgroup_hier *find_hier(const struct host_cgroup *cg,
						       const char *name)
{
	size_t n;
	const struct host_cgroup_hier *h = host_cgroup_hiers(cg, &n);

	for (size_t i = 0; i < n; i++) {
		if (dv_streq(h[i].name, name))
			return &h[i];
	}
	return NULL;
}
