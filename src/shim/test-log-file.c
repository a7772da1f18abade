/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a log: rotation, a new file on request, a disk that is full and gets room again. */

#include "log-file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "sys/file.h"

static char dir[] = "/tmp/davit-test-XXXXXX";
static char *path, *warnings_path;
static struct log_opts opts;
static struct log_file *file;
static struct dv_log logger;

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	path = dv_printf("%s/log", dir);
	warnings_path = dv_printf("%s/warnings", dir);
	opts = (struct log_opts){ .format = LOG_CRI,
				  .path = path,
				  .attrs = (char *)"",
				  .max_line = 16384,
				  .max_file = 1 };
	logger.fd = sys_openat(AT_FDCWD, warnings_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	logger.level = DV_INFO;
	(void)signal(SIGXFSZ, SIG_IGN);
}

static void remove_dir(void)
{
	file = log_file_unref(file);
	sys_close(logger.fd);
	free(path);
	free(warnings_path);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

TestSuite(file, .init = make_dir, .fini = remove_dir);
TestSuite(rotation, .init = make_dir, .fini = remove_dir);
TestSuite(full, .init = make_dir, .fini = remove_dir);

static void open_log(void)
{
	struct dv_err *e = log_file_open(&opts, &logger, &file);

	cr_assert_null(e, "%s", e ? dv_err_message(e) : "");
}

static void write_text(const char *text)
{
	/* In three vectors, so that a record ends in any of them. */
	size_t n = strlen(text);
	struct iovec iov[] = { { (void *)(uintptr_t)text, n / 3 },
			       { (void *)(uintptr_t)(text + n / 3), n / 3 },
			       { (void *)(uintptr_t)(text + n / 3 * 2), n - n / 3 * 2 } };

	log_file_write(file, iov, 3, n);
}

/* "" when there is none. */
static char *content(const char *name)
{
	static char text[256 * 1024];
	DV_CLEANUP(dv_freep)
	char *p = *name == '/' ? dv_strdup(name) : dv_printf("%s/%s", dir, name);

	if (sys_read_file_at(AT_FDCWD, p, text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

/* ---- opening ----------------------------------------------------------------------------------- */

Test(file, is_made_with_its_directory)
{
	struct stat st;

	free(path);
	opts.path = path = dv_printf("%s/a/b/log", dir);
	open_log();
	write_text("one\n");
	T_STR(content("a/b/log"), "one\n");
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_mode & 0777, ==, 0640);
	file = log_file_unref(file);
	open_log();
	write_text("two\n");
	T_STR(content("a/b/log"), "one\ntwo\n");
}

Test(file, is_not_made_when_it_must_exist)
{
	struct dv_err *e;

	opts.is_existing = true;
	e = log_file_open(&opts, &logger, &file);
	cr_assert_not_null(e);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
}

Test(file, only_a_regular_one)
{
	struct dv_err *e;

	T_INT(mkfifo(path, 0600), ==, 0);
	e = log_file_open(&opts, &logger, &file);
	cr_assert_not_null(e); /* and it did not wait */
	dv_err_free(e);
	T_INT(unlink(path), ==, 0);
	T_INT(symlink("/dev/null", path), ==, 0);
	e = log_file_open(&opts, &logger, &file);
	cr_assert_not_null(e);
	dv_err_free(e);
	T_INT(unlink(path), ==, 0);
	T_INT(mkdir(path, 0700), ==, 0);
	e = log_file_open(&opts, &logger, &file);
	cr_assert_not_null(e);
	dv_err_free(e);
	T_NULL(file);
}

Test(file, reopened)
{
	DV_CLEANUP(dv_freep) char *kept = dv_printf("%s/kept", dir);
	struct dv_err *e;

	open_log();
	write_text("one\n");
	T_INT(rename(path, kept), ==, 0);
	write_text("two\n");
	T_NULL(log_file_reopen(file));
	write_text("three\n");
	T_STR(content("kept"), "one\ntwo\n");
	T_STR(content("log"), "three\n");
	/* What cannot be opened leaves the old one in use. */
	T_INT(unlink(path), ==, 0);
	T_INT(mkdir(path, 0700), ==, 0);
	e = log_file_reopen(file);
	cr_assert_not_null(e);
	dv_err_free(e);
	write_text("four\n");
	T_INT(log_file_lost(file), ==, 0);
}

Test(file, shared)
{
	struct log_file *other;

	open_log();
	other = log_file_ref(file);
	file = log_file_unref(file);
	file = other;
	write_text("one\n");
	T_STR(content("log"), "one\n");
}

/* ---- rotation ---------------------------------------------------------------------------------- */

static void open_rotating(uint64_t size, unsigned n)
{
	opts.max_size = size;
	opts.max_file = n;
	open_log();
}

Test(rotation, room)
{
	open_rotating(10, 3);
	T_TRUE(log_file_room(file) == 10);
	write_text("12345\n");
	T_TRUE(log_file_room(file) == 4);
	write_text("123456\n");
	T_TRUE(log_file_room(file) == 0);
	T_TRUE(log_file_rotate(file) == 10);
	file = log_file_unref(file);
	opts.max_size = 0;
	open_log();
	T_TRUE(log_file_room(file) == UINT64_MAX);
}

Test(rotation, keeps_so_many)
{
	open_rotating(10, 3);
	T_TRUE(log_file_rotate(file) == 10); /* it was empty: stays */
	T_STR(content("log.1"), "");
	for (int i = 1; i <= 5; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d\n", i);
		write_text(text);
		if (i < 5)
			(void)log_file_rotate(file);
	}
	T_STR(content("log"), "5\n");
	T_STR(content("log.1"), "4\n");
	T_STR(content("log.2"), "3\n");
	T_STR(content("log.3"), "");
}

Test(rotation, of_one_file)
{
	open_rotating(10, 1);
	write_text("one\n");
	T_TRUE(log_file_rotate(file) == 10);
	write_text("two\n");
	T_STR(content("log"), "two\n");
	T_STR(content("log.1"), "");
}

Test(rotation, of_a_file_that_was_there)
{
	open_log();
	write_text("123456789\n");
	file = log_file_unref(file);
	open_rotating(12, 2);
	T_TRUE(log_file_room(file) == 2);
}

Test(rotation, that_others_did)
{
	DV_CLEANUP(dv_freep) char *moved = dv_printf("%s/moved", dir);

	open_rotating(10, 2);
	write_text("one\n");
	T_INT(rename(path, moved), ==, 0);
	T_TRUE(log_file_rotate(file) == 10);
	write_text("two\n");
	T_STR(content("moved"), "one\n");
	T_STR(content("log"), "two\n");
	T_STR(content("log.1"), "");
}

Test(rotation, that_fails)
{
	DV_CLEANUP(dv_freep) char *block = dv_printf("%s/log.1", dir);

	open_rotating(10, 2);
	T_INT(mkdir(block, 0700), ==, 0); /* a file cannot take its place */
	write_text("123456789\n");
	for (int i = 0; i < 3; i++) {
		T_TRUE(log_file_rotate(file) == 10); /* tried again then */
		write_text("123456789\n");
	}
	T_INT(strlen(content("log")), ==, 40);
	T_INT(count(content("warnings"), "level=warning"), ==, 1);
	T_INT(rmdir(block), ==, 0);
	(void)log_file_rotate(file);
	write_text("x\n");
	T_STR(content("log"), "x\n");
	T_INT(strlen(content("log.1")), ==, 40);
}

/* ---- no room ----------------------------------------------------------------------------------- */

static void limit_size(rlim_t n)
{
	struct rlimit limit = { .rlim_cur = n, .rlim_max = RLIM_INFINITY };

	cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

Test(full, half_a_record_is_taken_back)
{
	open_log();
	write_text("one\n");
	/* The limit is of the test's own messages, too: none while it holds. */
	for (rlim_t n = 4; n <= 12; n++) {
		const char *text = "two\nthree\n";
		DV_CLEANUP(dv_freep) char *found = NULL;
		uint64_t lost;

		T_INT(truncate(path, 4), ==, 0);
		file = log_file_unref(file);
		open_log();
		limit_size(n);
		write_text(text);
		limit_size(RLIM_INFINITY);
		found = dv_strdup(content("log"));
		lost = log_file_lost(file);
		T_STR(found, n < 8 ? "one\n" : "one\ntwo\n");
		T_INT(lost, ==, n < 8 ? 10 : 6);
	}
}

Test(full, bytes_of_a_plain_file_stay)
{
	opts.format = LOG_RAW;
	open_log();
	limit_size(5);
	write_text("one\ntwo\n");
	limit_size(RLIM_INFINITY);
	T_STR(content("log"), "one\nt");
	T_INT(log_file_lost(file), ==, 3);
}

Test(full, says_what_is_missing)
{
	char *text;

	open_log();
	limit_size(4);
	write_text("one\n");
	for (int i = 0; i < 3; i++)
		write_text("two\n");
	limit_size(RLIM_INFINITY);
	T_STR(content("log"), "one\n");
	T_INT(log_file_lost(file), ==, 12);
	write_text("three\n");
	write_text("four\n");
	text = content("log");
	T_TRUE(dv_starts_with(text, "one\n2"));
	T_TRUE(strstr(text, " stderr F davit: 12 bytes of this log could not be written\nthree\n"));
	T_TRUE(dv_ends_with(text, "\nthree\nfour\n"));
	T_INT(count(text, "\n"), ==, 4);
	T_INT(log_file_lost(file), ==, 12);
	text = content("warnings");
	T_INT(count(text, "level=warning"), ==, 0); /* there was no room for it */
	T_INT(count(text, "write works again"), ==, 1);
}

/* A file system with so many pages, which fill at different times than records do. */
static bool mount_small(void)
{
	DV_CLEANUP(dv_freep) char *point = dv_printf("%s/small", dir);

	T_INT(mkdir(point, 0700), ==, 0);
	free(path);
	opts.path = path = dv_printf("%s/log", point);
	return mount("davit-test", point, "tmpfs", 0, "size=32k") == 0;
}

Test(full, file_system)
{
	DV_CLEANUP(dv_freep) char *ballast = dv_printf("%s/small/ballast", dir);
	static char zeros[16 * 1024];
	char record[101], *text;
	int fd, n;

	if (!mount_small())
		cr_skip_test("needs root");
	fd = sys_openat(AT_FDCWD, ballast, O_WRONLY | O_CREAT, 0600);
	T_INT(sys_write_all(fd, zeros, sizeof(zeros)), ==, 0);
	sys_close(fd);
	open_log();
	memset(record, 'x', 100);
	record[99] = '\n';
	record[100] = '\0';
	for (int i = 0; i < 500; i++)
		write_text(record);
	T_TRUE(log_file_lost(file) > 0);
	text = content("small/log");
	T_TRUE(dv_ends_with(text, "\n"));
	T_INT(unlink(ballast), ==, 0);
	write_text(record);
	text = content("small/log");
	T_TRUE(dv_ends_with(text, record));
	n = count(text, "could not be written");
	T_TRUE(n >= 1);
	/* Whole records, nothing but records, and none lost that is not counted. */
	T_INT((size_t)count(text, record) * 100 + log_file_lost(file), ==, 501 * 100);
	T_INT(count(text, "\n"), ==, count(text, record) + n);
	T_INT(count(content("warnings"), "level=warning"), ==, 1);
	T_INT(count(content("warnings"), "write works again"), ==, 1);
	file = log_file_unref(file);
	ballast[strlen(ballast) - strlen("/ballast")] = '\0';
	T_INT(umount2(ballast, MNT_DETACH), ==, 0);
}
