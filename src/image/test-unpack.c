/* SPDX-License-Identifier: Apache-2.0 */
/* The parent of davit-unpack, with a child that somebody has taken over: hostile-unpack.c. */

#include "image/unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive-private.h"
#include "base/mem.h"
#include "base/test.h"
#include "hostile-unpack.h"
#include "sys/file.h"

static char dir[] = "/tmp/davit-unpack-XXXXXX";
static int archive;
static bool is_patient;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	T_INT(mkdir("target", 0700), ==, 0);
	T_INT(mkdir("lower", 0700), ==, 0);
	T_INT(mkdir("lower/sub", 0700), ==, 0);
	T_INT(symlink("sub", "lower/link"), ==, 0);
	archive = open("archive", O_RDWR | O_CREAT | O_CLOEXEC, 0400);
	T_INT(sys_write_all(archive, "archive", 7), ==, 0);
	sys_close(archive);
	archive = open("archive", O_RDONLY | O_CLOEXEC);
	cr_assert_geq(archive, 0);
}

static void tear_down(void)
{
	sys_close(archive);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

TestSuite(unpack, .init = set_up, .fini = tear_down, .timeout = 60);

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool is_cancelled(void *arg)
{
	(void)arg;
	return !is_patient;
}

static void check(int what, enum dv_code code, const char *text)
{
	DV_CLEANUP(dv_freep) char *target = dv_printf("%s/target", dir);
	DV_CLEANUP(dv_freep) char *lower = dv_printf("%s/lower", dir);
	const char *lowers[] = { lower };
	struct image_unpack u = { .program = HOSTILE_UNPACK,
				  .archive = archive,
				  .target = target,
				  .lowers = lowers,
				  .n_lowers = 1,
				  .max_entries = (uint64_t)what,
				  .is_cancelled = is_cancelled };
	struct image_unpacked unpacked;
	int before = count_fds();
	struct dv_err *e;

	if (geteuid() != 0)
		cr_skip("needs root");
	is_patient = what != LINGERS;
	e = image_unpack(&u, &unpacked);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, code);
	cr_expect(strstr(dv_err_message(e), text), "%s", dv_err_message(e));
	dv_err_free(e);
	T_INT(count_fds(), ==, before);
}

Test(unpack, child_that_leaves_its_socket)
{
	check(LEAVES_SOCKET, DV_INTERNAL, "killed by signal 9");
}

Test(unpack, child_that_does_not_listen)
{
	check(DOES_NOT_LISTEN, DV_UNAVAILABLE, "answer the unpacker");
}

Test(unpack, archive_stays_as_it_is)
{
	struct stat st;

	check(TOUCHES_ARCHIVE, DV_DATA_LOSS, "0 of them worked, read 7");
	T_INT(fstat(archive, &st), ==, 0);
	T_TRUE((st.st_mode & 0777) == 0400 && st.st_uid == geteuid() && st.st_mtime != 0);
}

Test(unpack, requests_that_are_refused)
{
	struct stat st;

	check(ASKS_TOO_MUCH, DV_DATA_LOSS, "as it should be");
	T_INT(stat("target/null", &st), ==, 0);
	T_TRUE(S_ISCHR(st.st_mode) && (st.st_mode & 07777) == 0666);
	T_INT(st.st_rdev, ==, makedev(1, 0));
	T_INT(access("target/setuid", F_OK), ==, -1);
}

Test(unpack, messages_that_are_none)
{
	check(STUTTERS, DV_INTERNAL, "nonsense");
}

Test(unpack, words_are_made_harmless)
{
	check(SPITS, DV_INTERNAL, "?[2J?evil?");
}

Test(unpack, descriptors_are_closed)
{
	check(SENDS_DESCRIPTORS, DV_DATA_LOSS, "sent");
}

Test(unpack, child_that_does_nothing_is_cancelled)
{
	check(LINGERS, DV_CANCELLED, "the client has gone");
}

/* ---- archives of images --------------------------------------------------------------------------- */

static struct dv_err *read_nothing(void *arg, void *buf, size_t n, size_t *ret_n)
{
	(void)arg;
	(void)buf;
	(void)n;
	*ret_n = 0;
	return NULL;
}

/* It has got all of the archive, so nothing that comes from there ends it. */
Test(unpack, entries_that_never_come_are_cancelled)
{
	struct image_env env = { .program = HOSTILE_UNPACK, .is_cancelled = is_cancelled };
	struct image_source source = { .read = read_nothing };
	struct image_archive *a = NULL;
	struct image_entry entry;
	struct dv_err *e;
	bool is_end;

	if (geteuid() != 0)
		cr_skip("needs root");
	T_NULL(image_archive_open(&env, &source, &a));
	e = image_archive_next(a, &entry, &is_end);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_CANCELLED);
	dv_err_free(e);
	image_archive_close(a);
}
