/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: a queue in a file, whatever was left of the file. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "events-private.h"
#include "sys/file.h"

static char dir[] = "/tmp/davit-test-XXXXXX";
static char *path;
static struct spool spool;

static void open_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	path = dv_printf("%s/spool", dir);
	spool_init(&spool, path);
}

static void close_dir(void)
{
	spool_fini(&spool);
	(void)sys_remove_tree(AT_FDCWD, dir);
	free(path);
}

TestSuite(spool, .init = open_dir, .fini = close_dir);

static bool open_spool(bool is_made)
{
	bool is_damaged = false;
	struct dv_err *e = spool_open(&spool, is_made, &is_damaged);

	cr_expect_null(e, "%s", e ? dv_err_message(e) : "");
	dv_err_free(e);
	return is_damaged;
}

static void add(const char *text)
{
	T_NULL(spool_append(&spool, text, strlen(text)));
}

static void expect_first(const char *text)
{
	DV_CLEANUP(dv_freep) void *p = NULL;
	size_t n = 0;

	T_NULL(spool_first(&spool, &p, &n));
	cr_expect(n == strlen(text) && memcmp(p, text, n) == 0, "got %zu bytes, expected \"%s\"", n,
		  text);
}

/* As after kill -9: the file stays. */
static void abandon(void)
{
	sys_close(spool.fd);
	free(spool.path);
	spool_init(&spool, path);
}

static off_t file_size(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

Test(spool, crc32_is_the_usual_one)
{
	T_INT(spool_crc("123456789", 9), ==, 0xcbf43926);
	T_INT(spool_crc("", 0), ==, 0);
}

Test(spool, queue)
{
	struct dv_err *e;
	void *p = NULL;
	size_t n;

	open_spool(false);
	T_INT(spool.fd, ==, -1);
	open_spool(true);
	e = spool_first(&spool, &p, &n);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	add("one");
	add("");
	add("three");
	T_INT(spool.n_records, ==, 3);
	expect_first("one");
	T_NULL(spool_drop(&spool));
	expect_first("");
	T_NULL(spool_drop(&spool));
	expect_first("three");
	T_NULL(spool_drop(&spool));
	T_INT(spool.n_records, ==, 0);
	T_INT(file_size(), ==, 0);
	add("four");
	expect_first("four");
	T_NULL(spool_drop(&spool));
	spool_fini(&spool);
	T_INT(file_size(), ==, -1);
}

Test(spool, what_is_left_is_found_again)
{
	open_spool(true);
	add("one");
	add("two");
	add("three");
	T_NULL(spool_drop(&spool));
	abandon();
	T_FALSE(open_spool(false));
	T_INT(spool.n_records, ==, 2);
	expect_first("two");
	add("four");
	T_NULL(spool_drop(&spool));
	T_NULL(spool_drop(&spool));
	expect_first("four");
	spool_fini(&spool);
	T_INT(file_size(), >, 0); /* not empty: kept */
}

Test(spool, has_one_user)
{
	struct spool other;
	struct dv_err *e;
	bool is_damaged;

	open_spool(true);
	spool_init(&other, path);
	e = spool_open(&other, true, &is_damaged);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_UNAVAILABLE);
	T_INT(other.fd, ==, -1);
	dv_err_free(e);
	spool_fini(&other);
	T_INT(file_size(), ==, 0); /* not removed by the other one */
}

static size_t write_file(const void *bytes, size_t n)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	T_INT(write(fd, bytes, n), ==, n);
	close(fd);
	return n;
}

static char *read_file(size_t *ret_n)
{
	size_t n = (size_t)file_size();
	char *bytes = dv_alloc(n + 1);
	int fd = open(path, O_RDONLY);

	T_INT(read(fd, bytes, n), ==, n);
	close(fd);
	*ret_n = n;
	return bytes;
}

static const char *const texts[] = { "first", "the second one", "", "4" };

/* The file of a process that was killed at any byte, also of the very first write. */
Test(spool, truncated_at_every_byte)
{
	size_t n, ends[DV_ARRAY_SIZE(texts)];
	DV_CLEANUP(dv_freep) char *bytes = NULL;

	open_spool(true);
	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		add(texts[i]);
		ends[i] = (size_t)file_size();
	}
	abandon();
	bytes = read_file(&n);
	for (size_t cut = 0; cut <= n; cut++) {
		size_t whole = 0;

		write_file(bytes, cut);
		while (whole < DV_ARRAY_SIZE(texts) && ends[whole] <= cut)
			whole++;
		T_FALSE(open_spool(false));
		cr_expect(spool.n_records == whole, "cut at %zu: %zu records, expected %zu", cut,
			  spool.n_records, whole);
		add("next");
		for (size_t i = 0; i < whole; i++) {
			expect_first(texts[i]);
			T_NULL(spool_drop(&spool));
		}
		expect_first("next");
		T_NULL(spool_drop(&spool));
		T_INT(file_size(), ==, 0);
		abandon();
	}
}

/* One wrong bit never makes a record that was not written. */
Test(spool, any_bit_flipped)
{
	DV_CLEANUP(dv_freep) char *bytes = NULL;
	size_t n;

	open_spool(true);
	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++)
		add(texts[i]);
	abandon();
	bytes = read_file(&n);
	for (size_t bit = 16 * 8; bit < n * 8; bit++) { /* behind the head */
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
		write_file(bytes, n);
		open_spool(false);
		T_INT(spool.n_records, <, DV_ARRAY_SIZE(texts));
		for (size_t i = 0; spool.n_records > 0; i++) {
			expect_first(texts[i]);
			T_NULL(spool_drop(&spool));
		}
		abandon();
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
	}
}

Test(spool, not_a_spool)
{
	static const char junk[] = "this is something else, and not short either";

	write_file(junk, sizeof(junk));
	T_TRUE(open_spool(false));
	T_INT(spool.n_records, ==, 0);
	T_INT(file_size(), ==, 0);
	add("x");
	expect_first("x");
}

Test(spool, head_outside_the_file)
{
	static const char bytes[] = "dvspool1\xff\xff\xff\xff\xff\xff\xff\x7f";

	write_file(bytes, 16);
	T_TRUE(open_spool(false));
	T_INT(spool.n_records, ==, 0);
}

Test(spool, bounded)
{
	DV_CLEANUP(dv_freep) char *big = dv_alloc(SPOOL_RECORD_MAX + 1);
	struct dv_err *e = NULL;
	size_t n = 0;

	open_spool(true);
	e = spool_append(&spool, big, SPOOL_RECORD_MAX + 1);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	e = dv_err_free(e);
	while (!e && n < 100) {
		e = spool_append(&spool, big, SPOOL_RECORD_MAX);
		n += !e;
	}
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	T_INT(n, ==, SPOOL_MAX / SPOOL_RECORD_MAX - 1);
	T_INT(spool.n_records, ==, n);
	T_INT(file_size(), <=, SPOOL_MAX);
	dv_err_free(e);
}

Test(spool, a_failed_write_leaves_the_queue_as_it_was)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	int fd;

	open_spool(true);
	add("one");
	fd = spool.fd;
	spool.fd = open(path, O_RDONLY | O_CLOEXEC);
	e = spool_append(&spool, "two", 3);
	T_NOT_NULL(e);
	close(spool.fd);
	spool.fd = fd;
	T_INT(spool.n_records, ==, 1);
	expect_first("one");
}

Test(spool, never_through_a_link)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	bool is_damaged;

	T_INT(symlink("/etc/hostname", path), ==, 0);
	e = spool_open(&spool, true, &is_damaged);
	T_NOT_NULL(e);
	T_INT(spool.fd, ==, -1);
}
