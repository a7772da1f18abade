/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The client of the streams, and the process that gets them, as the tests play them. */

#include "shim/stdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "env.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/tty.h"

enum { BIG = 300 * 1000 };

static char dir[] = "/tmp/davit-test-XXXXXX";
static uv_loop_t loop;
static struct shim_env env;
static struct shim_stdio *io;
static struct dv_err *failure;
static int n_opened, n_drained, n_fds;

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	uv_loop_init(&loop);
	shim_env_init(&env, &loop, NULL);
	n_fds = count_fds();
}

static inline void tear_down(void)
{
	io = shim_stdio_free(io);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_INT(count_fds(), ==, n_fds);
	shim_env_fini(&env);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_INT(uv_loop_close(&loop), ==, 0);
	dv_err_free(failure);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

/* ---- helpers ----------------------------------------------------------------------------------- */

/* Not UV_RUN_ONCE: it runs the timers and then waits. Criterion ends a test that hangs. */
#define RUN_UNTIL(cond) \
	do { \
		while (!(cond)) { \
			uv_run(&loop, UV_RUN_NOWAIT); \
			usleep(500); \
		} \
	} while (0)

static inline void on_opened(void *arg, struct dv_err *take_e, struct shim_stdio *take)
{
	T_TRUE(arg == &n_opened);
	T_TRUE((take_e == NULL) == (take != NULL));
	failure = take_e;
	io = take;
	n_opened++;
}

static inline void on_drained(void *arg)
{
	T_TRUE(arg == &n_drained);
	n_drained++;
}

static inline void start_open(struct shim_stdio_spec spec)
{
	spec.container_id = "c1";
	spec.ns = "ns";
	shim_stdio_open(&env, &spec, on_opened, &n_opened);
	T_INT(n_opened, ==, 0);
	RUN_UNTIL(n_opened > 0);
	T_INT(n_opened, ==, 1);
	n_opened = 0;
}

static inline void open_stdio(struct shim_stdio_spec spec)
{
	start_open(spec);
	cr_assert_null(failure, "%s", failure ? dv_err_message(failure) : "");
}

static inline void check_fails(struct shim_stdio_spec spec, enum dv_code code)
{
	start_open(spec);
	cr_assert_not_null(failure);
	cr_expect_eq(dv_err_code(failure), code, "%s", dv_err_message(failure));
	dv_err_free(failure);
	failure = NULL;
}

/* The process gets its end of stream @i. */
static inline int take_end(int i)
{
	int fd = shim_stdio_child_fds(io)[i];

	cr_assert_geq(fd, 0);
	fd = sys_dup_cloexec(fd, 3);
	/* The process's own may wait: it is no business of ours. */
	T_TRUE(i == 0 || !(fcntl(fd, F_GETFL) & O_NONBLOCK));
	return fd;
}

static inline void say(int fd, const char *text)
{
	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
}

static inline char *path_of(const char *name)
{
	return dv_printf("%s/%s", dir, name);
}

static inline char *make_fifo(const char *name)
{
	char *path = path_of(name);

	T_INT(mkfifo(path, 0700), ==, 0);
	return path;
}

static inline int open_reader(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What there is now; *ret_at_end, if it was the end. */
static inline char *hear(int fd, bool *ret_at_end)
{
	static char text[4096];
	ssize_t n, len = 0;

	*ret_at_end = false;
	while (len < (ssize_t)sizeof(text) - 1) {
		n = sys_read(fd, text + len, sizeof(text) - 1 - (size_t)len);
		*ret_at_end = n == 0;
		if (n <= 0)
			break;
		len += n;
	}
	text[len] = '\0';
	return text;
}

#define T_HEAR(fd, text) \
	do { \
		bool t_end_; \
		T_STR(hear((fd), &t_end_), (text)); \
		T_FALSE(t_end_); \
	} while (0)

static inline void check_end(int fd)
{
	char c;

	RUN_UNTIL(sys_read(fd, &c, 1) == 0);
}

static inline void exit_and_drain(void)
{
	int before = n_drained;

	shim_stdio_exited(io, on_drained, &n_drained);
	T_INT(n_drained, ==, before);
	RUN_UNTIL(n_drained > before);
}

static inline char *content(const char *name)
{
	static char text[64 * 1024];
	DV_CLEANUP(dv_freep) char *path = path_of(name);

	if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

static inline char *make_logger(const char *scheme, const char *script)
{
	DV_CLEANUP(dv_freep)
	char *path = path_of("logger"), *text = dv_printf("#!/bin/sh\ncd %s\n%s", dir, script);
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0755);

	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
	sys_close(fd);
	return dv_printf("%s://%s?key=value", scheme, path);
}

/* Its master is *ret_master; returns the process's end, which changes nothing on the way. */
static inline int make_terminal(int *ret_master)
{
	struct termios t;
	int slave;

	*ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(*ret_master >= 0 && unlockpt(*ret_master) == 0);
	slave = sys_tty_peer(*ret_master);
	cr_assert(slave >= 0 && tcgetattr(slave, &t) == 0);
	cfmakeraw(&t);
	T_INT(tcsetattr(slave, TCSANOW, &t), ==, 0);
	return slave;
}
