/* SPDX-License-Identifier: Apache-2.0 */
/* Logs as the shim writes them. */

#include "log-reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "sys/file.h"

static char dir[] = "/tmp/davit-log-XXXXXX", *path;
static int out[2];
static struct log_reader_opts opts;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	path = dv_printf("%s/log.json", dir);
	out[0] = sys_memfd("out", 0);
	out[1] = sys_memfd("err", 0);
	opts = (struct log_reader_opts){ .path = path,
					 .tail = UINT64_MAX,
					 .out = { out[0], out[1] } };
}

static void teardown(void)
{
	sys_remove_tree(AT_FDCWD, dir);
	free(path);
	close(out[0]);
	close(out[1]);
}

TestSuite(log_reader, .init = setup, .fini = teardown);

static void append(const char *suffix, const char *text)
{
	DV_CLEANUP(dv_freep) char *file = dv_printf("%s%s", path, suffix);
	int fd = sys_openat(AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND, 0600);

	cr_assert(fd >= 0 && sys_write_all(fd, text, strlen(text)) == 0);
	close(fd);
}

static void record(const char *suffix, const char *text, const char *stream, int second)
{
	DV_CLEANUP(dv_freep)
	char *line = dv_printf("{\"log\":\"%s\\n\",\"stream\":\"%s\",\"attrs\":{\"k\":\"v\"},"
			       "\"time\":\"2026-01-01T00:00:%02dZ\"}\n",
			       text, stream, second);

	append(suffix, line);
}

static void expect(int which, const char *text)
{
	char buf[4096];
	ssize_t n;

	cr_assert(lseek(out[which], 0, SEEK_SET) == 0);
	n = sys_read_all(out[which], buf, sizeof(buf));
	cr_assert(n >= 0);
	T_STR(buf, text);
}

static void run(const char *expected)
{
	struct log_reader *r = NULL;

	T_NULL(log_reader_new(&opts, &r));
	T_NULL(log_reader_run(r));
	log_reader_free(r);
	expect(0, expected);
}

Test(log_reader, both_streams)
{
	record("", "a", "stdout", 1);
	record("", "b", "stderr", 2);
	record("", "c", "stdout", 3);
	run("a\nc\n");
	expect(1, "b\n");
}

Test(log_reader, nothing)
{
	run("");
}

Test(log_reader, what_is_no_record)
{
	append("", "{\"log\":\"half");
	append("", "\n[]\n\n{\"stream\":\"stdout\"}\n");
	record("", "whole", "stdout", 1);
	append("", "{\"log\":\"not yet\\n\",\"stream\":\"stdout\"}");
	run("whole\n");
}

Test(log_reader, rotated_files_first)
{
	record(".2", "a", "stdout", 1);
	record(".1", "b", "stdout", 2);
	record("", "c", "stdout", 3);
	run("a\nb\nc\n");
}

Test(log_reader, tail)
{
	record(".2", "a", "stdout", 1);
	record(".1", "b", "stdout", 2);
	record(".1", "c", "stdout", 3);
	record("", "d", "stdout", 4);
	opts.tail = 2;
	run("c\nd\n");
	opts.tail = 0;
	run("c\nd\n"); /* nothing more */
}

Test(log_reader, tail_of_more_than_there_is)
{
	record("", "a", "stdout", 1);
	opts.tail = 10;
	run("a\n");
}

Test(log_reader, times)
{
	record("", "a", "stdout", 1);
	record("", "b", "stdout", 2);
	record("", "c", "stdout", 3);
	opts.since = (struct timespec){ .tv_sec = 1767225602 };
	opts.until = (struct timespec){ .tv_sec = 1767225603 };
	opts.has_times = true;
	run("2026-01-01T00:00:02Z b\n");
}

Test(log_reader, details)
{
	record("", "a", "stdout", 1);
	opts.has_details = true;
	run("k=v a\n");
}

Test(log_reader, grows_and_is_rotated)
{
	DV_CLEANUP(dv_freep) char *old = dv_printf("%s.1", path);
	struct log_reader *r = NULL;

	T_NULL(log_reader_new(&opts, &r));
	T_NULL(log_reader_run(r));
	record("", "a", "stdout", 1);
	T_NULL(log_reader_run(r));
	expect(0, "a\n");
	record("", "b", "stdout", 2);
	cr_assert(rename(path, old) == 0);
	record("", "c", "stdout", 3);
	append("", "{\"log\":\"d\\n\",");
	T_NULL(log_reader_run(r));
	expect(0, "a\nb\nc\n");
	append("", "\"stream\":\"stdout\"}\n");
	T_NULL(log_reader_run(r));
	expect(0, "a\nb\nc\nd\n");
	log_reader_free(r);
}
