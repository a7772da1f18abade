/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of programs: hits, misses, everything that may be wrong with a file, its cost. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/file.h"
#include "test-seccomp-profile.h"

static char dir[32];
static int dirfd_ = -1;

static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s", "/tmp/test-seccomp-XXXXXX");
	cr_assert(mkdtemp(dir));
	dirfd_ = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	cr_assert(dirfd_ >= 0);
}

static void teardown(void)
{
	int tmp = sys_openat(AT_FDCWD, "/tmp", O_PATH | O_DIRECTORY, 0);

	sys_close(dirfd_);
	T_INT(sys_remove_tree(tmp, dir + strlen("/tmp/")), ==, 0);
	sys_close(tmp);
}

TestSuite(seccomp_cache, .init = setup, .fini = teardown);

static struct host_seccomp_program get(const struct spec_seccomp *p)
{
	struct host_seccomp_program program = HOST_SECCOMP_PROGRAM_INIT;
	struct dv_err *e = host_seccomp_get(dirfd_, p, NULL, &program);

	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	return program;
}

/* Number of files; the name of one of them. */
static size_t list(char name[64])
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, 64, "%.60s", entry->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static ino_t inode_of(const char *name)
{
	struct stat st;

	return sys_fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

static bool is_same(const struct host_seccomp_program *a, const struct host_seccomp_program *b)
{
	return a->n_insns == b->n_insns && a->load_flags == b->load_flags &&
	       a->has_listener == b->has_listener &&
	       memcmp(a->insns, b->insns, a->n_insns * sizeof(*a->insns)) == 0;
}

static struct spec_seccomp small_profile(void)
{
	struct spec_seccomp_arg arg = { .index = 1, .value = 2, .value_two = 3, .op = SPEC_CMP_EQ };
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_X86");

	t_add(&p, t_rule("read write", SPEC_ACT_ALLOW, NULL, 0));
	t_add(&p, t_rule("kill", SPEC_ACT_TRAP, &arg, 1));
	t_add(&p, t_rule("dup", SPEC_ACT_NOTIFY, NULL, 0));
	return p;
}

Test(seccomp_cache, miss_and_hit)
{
	struct spec_seccomp p = small_profile();
	struct host_seccomp_program plain = HOST_SECCOMP_PROGRAM_INIT, first, second;
	struct stat st;
	char name[64];
	ino_t inode;

	dv_err_free(host_seccomp_compile(&p, NULL, &plain));
	first = get(&p);
	T_INT(list(name), ==, 1);
	T_INT(strlen(name), ==, 16);
	T_INT(sys_fstatat(dirfd_, name, &st, 0), ==, 0);
	T_INT(st.st_mode, ==, S_IFREG | 0600);
	inode = st.st_ino;
	second = get(&p);
	T_INT(inode_of(name), ==, inode);
	T_TRUE(is_same(&plain, &first));
	T_TRUE(is_same(&plain, &second));
	T_TRUE(second.has_listener);
	host_seccomp_program_fini(&plain);
	host_seccomp_program_fini(&first);
	host_seccomp_program_fini(&second);
}

Test(seccomp_cache, without_directory)
{
	struct spec_seccomp p = small_profile();
	struct host_seccomp_program c;
	int good = dirfd_;

	dirfd_ = -1;
	c = get(&p);
	T_INT(c.n_insns, >, 0);
	host_seccomp_program_fini(&c);
	dirfd_ = 9999; /* not open: neither read nor written, and no error */
	c = get(&p);
	T_INT(c.n_insns, >, 0);
	host_seccomp_program_fini(&c);
	dirfd_ = good;
}

Test(seccomp_cache, errors_are_not_cached)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_NOTIFY, "");
	struct host_seccomp_program c = HOST_SECCOMP_PROGRAM_INIT;
	struct dv_err *e = host_seccomp_get(dirfd_, &p, NULL, &c);
	char name[64];

	T_NOT_NULL(e);
	dv_err_free(e);
	T_INT(list(name), ==, 0);
}

/* Each difference between profiles is a difference between keys. */
Test(seccomp_cache, keys)
{
	struct spec_seccomp p = small_profile(), q;
	struct host_seccomp_program c;
	char name[64];
	size_t n = 0;

#define DIFFERENT(change) \
	do { \
		q = small_profile(); \
		change; \
		c = get(&q); \
		host_seccomp_program_fini(&c); \
		cr_expect(list(name) == ++n, "%s", #change); \
	} while (0)

	(void)p;
	DIFFERENT((void)0);
	DIFFERENT(q.default_action = SPEC_ACT_KILL_PROCESS);
	DIFFERENT(q.default_errno_ret.is_set = true);
	DIFFERENT(q.default_errno_ret = ((struct spec_u64){ true, 5 }));
	DIFFERENT(q.has_flags = true);
	DIFFERENT(q.has_flags = true; q.flags = SPEC_SECCOMP_LOG);
	DIFFERENT(q.architectures[0] = "SCMP_ARCH_X32");
	DIFFERENT(q.n_architectures = 0);
	DIFFERENT(q.rules[0].names[0] = "readv");
	DIFFERENT(q.rules[0].names[0] = "rea"; q.rules[0].names[1] = "dwrite");
	DIFFERENT(q.rules[0].n_names = 1);
	DIFFERENT(q.rules[0].action = SPEC_ACT_LOG);
	DIFFERENT(q.rules[1].errno_ret.is_set = true);
	DIFFERENT(q.rules[1].args[0].index = 2);
	DIFFERENT(q.rules[1].args[0].value = 3);
	DIFFERENT(q.rules[1].args[0].value_two = 4);
	DIFFERENT(q.rules[1].args[0].op = SPEC_CMP_NE);
	DIFFERENT(q.rules[1].n_args = 0);
	DIFFERENT(q.n_rules = 2);
	/* What does not matter to the program does not matter to the key. */
	q = small_profile();
	q.listener_path = "/run/x";
	q.listener_metadata = "m";
	c = get(&q);
	host_seccomp_program_fini(&c);
	T_INT(list(name), ==, n);
}

/* @mangle changes the file; it must not be used, and must be replaced by a good one. */
static void expect_repair(const char *what, void (*mangle)(const char *name, size_t arg),
			  size_t arg)
{
	struct spec_seccomp p = small_profile();
	struct host_seccomp_program good = get(&p), again;
	char name[64];
	ino_t inode;

	T_INT(list(name), ==, 1);
	mangle(name, arg);
	inode = inode_of(name);
	again = get(&p);
	cr_expect(is_same(&good, &again), "%s %zu", what, arg);
	cr_expect(inode_of(name) != inode, "%s %zu: was used", what, arg);
	host_seccomp_program_fini(&again);
	inode = inode_of(name);
	again = get(&p);
	cr_expect(inode_of(name) == inode && is_same(&good, &again), "%s %zu: no repair", what,
		  arg);
	host_seccomp_program_fini(&again);
	host_seccomp_program_fini(&good);
}

static void truncate_to(const char *name, size_t size)
{
	int fd = sys_openat(dirfd_, name, O_WRONLY, 0);

	T_INT(sys_ftruncate(fd, (off_t)size), ==, 0);
	sys_close(fd);
}

static void flip_at(const char *name, size_t at)
{
	int fd = sys_openat(dirfd_, name, O_RDWR, 0);
	char c = 0;

	T_INT(pread(fd, &c, 1, (off_t)at), ==, 1);
	c ^= 1;
	T_INT(pwrite(fd, &c, 1, (off_t)at), ==, 1);
	sys_close(fd);
}

static void append(const char *name, size_t n)
{
	int fd = sys_openat(dirfd_, name, O_WRONLY | O_APPEND, 0);

	for (size_t i = 0; i < n; i++)
		T_INT(sys_write(fd, "", 1), ==, 1);
	sys_close(fd);
}

static void set_mode(const char *name, size_t mode)
{
	T_INT(sys_fchmodat(dirfd_, name, (mode_t)mode), ==, 0);
}

static void set_owner(const char *name, size_t uid)
{
	T_INT(sys_fchownat(dirfd_, name, (uid_t)uid, (gid_t)-1, 0), ==, 0);
}

static void make_symlink(const char *name, size_t arg)
{
	(void)arg;
	T_INT(sys_renameat(dirfd_, name, dirfd_, ".real"), ==, 0);
	T_INT(sys_symlinkat(".real", dirfd_, name), ==, 0);
}

static void make_fifo(const char *name, size_t arg)
{
	(void)arg;
	T_INT(sys_unlinkat(dirfd_, name, 0), ==, 0);
	T_INT(sys_mknodat(dirfd_, name, S_IFIFO | 0600, 0), ==, 0);
}

Test(seccomp_cache, mangled_files)
{
	struct spec_seccomp p = small_profile();
	struct host_seccomp_program c = get(&p);
	char name[64];
	struct stat st;

	host_seccomp_program_fini(&c);
	T_INT(list(name), ==, 1);
	T_INT(sys_fstatat(dirfd_, name, &st, 0), ==, 0);
	T_INT(st.st_size, >, 300);
	for (size_t i = 0; i < (size_t)st.st_size; i += 7)
		expect_repair("truncated", truncate_to, i);
	expect_repair("truncated", truncate_to, (size_t)st.st_size - 1);
	for (size_t i = 0; i < (size_t)st.st_size; i++)
		expect_repair("flipped", flip_at, i);
	expect_repair("longer", append, 1);
	expect_repair("longer", append, 8);
	expect_repair("longer", append, 2000000);
	expect_repair("mode", set_mode, 0644);
	expect_repair("mode", set_mode, 0660);
	expect_repair("symlink", make_symlink, 0);
	expect_repair("fifo", make_fifo, 0);
	if (geteuid() == 0)
		expect_repair("owner", set_owner, 1234);
}

/* As if two profiles had the same hash: the other's file under our name. */
Test(seccomp_cache, collision)
{
	struct spec_seccomp p = small_profile(), q = t_profile(SPEC_ACT_LOG, "");
	struct host_seccomp_program a = get(&p), b, again;
	char ours[64], theirs[64];

	T_INT(list(ours), ==, 1);
	T_INT(sys_unlinkat(dirfd_, ours, 0), ==, 0);
	b = get(&q);
	T_INT(list(theirs), ==, 1);
	T_INT(sys_renameat(dirfd_, theirs, dirfd_, ours), ==, 0);
	again = get(&p);
	T_TRUE(is_same(&a, &again));
	T_FALSE(is_same(&b, &again));
	host_seccomp_program_fini(&a);
	host_seccomp_program_fini(&b);
	host_seccomp_program_fini(&again);
}

Test(seccomp_cache, eviction)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct spec_seccomp p = small_profile();
	struct host_seccomp_program c = get(&p);
	char oldest[64], name[64];

	host_seccomp_program_fini(&c);
	T_INT(list(oldest), ==, 1);
	T_INT(utimensat(dirfd_, oldest, times, 0), ==, 0);
	for (unsigned i = 0; i < 63; i++) {
		p.rules[1].args[0].value = 1000 + i;
		c = get(&p);
		host_seccomp_program_fini(&c);
	}
	T_INT(list(name), ==, 64);
	T_INT(inode_of(oldest), !=, 0);
	for (unsigned i = 0; i < 10; i++) {
		p.rules[1].args[0].value = 2000 + i;
		c = get(&p);
		host_seccomp_program_fini(&c);
		T_INT(list(name), ==, 64);
		T_INT(inode_of(oldest), ==, 0);
	}
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Key, open, read, compare. The target is 30 us; the limit leaves room for sanitizers. */
Test(seccomp_cache, cost)
{
	struct spec_seccomp p = t_docker_profile();
	struct host_seccomp_program c;
	double best = 1e9, sum = 0, start;
	enum { N = 2000 };

	start = now_us();
	c = get(&p);
	cr_log_info("docker profile: %zu instructions, compiled in %.0f us", c.n_insns,
		    now_us() - start);
	host_seccomp_program_fini(&c);
	for (int i = 0; i < N; i++) {
		double t;

		start = now_us();
		c = get(&p);
		t = now_us() - start;
		host_seccomp_program_fini(&c);
		best = DV_MIN(best, t);
		sum += t;
	}
	cr_log_info("cache hit: %.1f us at best, %.1f us on average", best, sum / N);
	cr_expect(best < 300, "%.1f us", best);
}
