/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-log: how fast the shim writes logs. A producer writes lines into the pipe that a container
 * would get; the shim's own code, in this process, makes a log of them in memory. The yardstick is
 * the same producer into `cat >file`, which takes a copy from a pipe to a file and nothing else.
 *
 *	shim-log [MIB]
 *
 * All take turns, the best of several rounds counts. CPU is that of whoever reads the pipe.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "env.h"
#include "shim/stdio.h"
#include "sys/file.h"
#include "sys/spawn.h"

enum {
	ROUNDS = 5,
	DEFAULT_MIB = 256,
	MIB = 1 << 20,
	CHUNK = 128 * 1024, /* what cat, tar and others write at once */
	PIPE_SIZE = 1024 * 1024, /* as in stdio.c */
};

static const size_t line_lengths[] = { 16000, 4096, 100 }; /* with the newline */

static const struct {
	const char *name, *scheme; /* NULL: cat */
} ways[] = { { "cri", "cri" }, { "json", "json" }, { "file", "file" }, { "cat >file", NULL } };

struct figures {
	double seconds, cpu; /* 0: none yet */
};

static char *path;
static uint64_t n_bytes;

static void check(struct dv_err *e)
{
	if (!e)
		return;
	fprintf(stderr, "shim-log: %s\n", dv_err_message(e));
	exit(1);
}

static void check_sys(int r, const char *what)
{
	if (r < 0)
		check(dv_err_sys(r, "%s", what));
}

/* ---- the producer ------------------------------------------------------------------------------ */

/* Whole lines only. */
static int produce(size_t length, uint64_t n)
{
	size_t size = (CHUNK + length - 1) / length * length;
	char *chunk = malloc(size);

	if (!chunk)
		return 1;
	for (size_t i = 0; i < size; i++)
		chunk[i] = (char)(i % length == length - 1 ? '\n' : 'a' + i % 26);
	for (size_t part; n > 0; n -= part) {
		part = DV_MIN((uint64_t)size, n);
		if (sys_write_all(1, chunk, part) < 0)
			return 1;
	}
	free(chunk);
	return 0;
}

/* Its pidfd, when that is wanted. */
static pid_t start(const char *program, const char *const argv[], const int stdio[3],
		   int *ret_pidfd)
{
	static char *const no_env[] = { NULL };
	int pidfd;
	pid_t pid;

	check_sys(sys_spawn(program, (char *const *)(void *)(uintptr_t)argv, no_env, stdio, &pid,
			    &pidfd),
		  program);
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	else
		sys_close(pidfd);
	return pid;
}

static pid_t start_producer(size_t length, int out, int *ret_pidfd)
{
	DV_CLEANUP(dv_freep) char *length_arg = dv_printf("%zu", length);
	DV_CLEANUP(dv_freep)
	char *n_arg = dv_printf("%llu", (unsigned long long)(n_bytes / length * length));
	const char *const argv[] = { "shim-log", "produce", length_arg, n_arg, NULL };

	return start("/proc/self/exe", argv, (int[]){ -1, out, 2 }, ret_pidfd);
}

static void wait_for(pid_t pid, struct rusage *usage)
{
	int status;

	if (wait4(pid, &status, 0, usage) != pid || status != 0) {
		fprintf(stderr, "shim-log: a child failed: %d\n", status);
		exit(1);
	}
}

/* ---- the two ways ------------------------------------------------------------------------------ */

static double cpu_of(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void through_cat(size_t length, struct figures *ret)
{
	const char *const argv[] = { "cat", NULL };
	int fds[2], file = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint64_t begin = uv_hrtime();
	pid_t cat, producer;
	struct rusage usage;

	check_sys(file, path);
	check_sys(sys_pipe(fds), "pipe");
	(void)sys_fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	cat = start("/bin/cat", argv, (int[]){ fds[0], file, 2 }, NULL);
	producer = start_producer(length, fds[1], NULL);
	sys_close(fds[0]);
	sys_close(fds[1]);
	sys_close(file);
	wait_for(producer, &usage);
	wait_for(cat, &usage);
	*ret = (struct figures){ (double)(uv_hrtime() - begin) / 1e9, cpu_of(&usage) };
}

static struct shim_stdio *opened;

static void on_opened(void *arg, struct dv_err *take_e, struct shim_stdio *take)
{
	(void)arg;
	check(take_e);
	opened = take;
}

static void on_drained(void *arg)
{
	*(bool *)arg = true;
}

static void on_exit_seen(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	uv_poll_stop(poll);
	shim_stdio_exited(opened, on_drained, poll->data);
}

static void through_shim(const char *scheme, size_t length, struct figures *ret)
{
	DV_CLEANUP(dv_freep) char *uri = dv_printf("%s://%s", scheme, path);
	struct shim_stdio_spec spec = { .container_id = "c", .ns = "bench", .out = uri };
	struct rusage before, after, usage;
	bool is_drained = false;
	struct shim_env env;
	uint64_t begin;
	uv_poll_t poll;
	uv_loop_t loop;
	pid_t producer;
	int pidfd;

	uv_loop_init(&loop);
	shim_env_init(&env, &loop, NULL);
	opened = NULL;
	shim_stdio_open(&env, &spec, on_opened, NULL);
	while (!opened)
		uv_run(&loop, UV_RUN_NOWAIT);
	begin = uv_hrtime();
	producer = start_producer(length, shim_stdio_child_fds(opened)[1], &pidfd);
	(void)getrusage(RUSAGE_SELF, &before);
	shim_stdio_started(opened);
	check_sys(uv_poll_init(&loop, &poll, pidfd), "watch the producer");
	poll.data = &is_drained;
	(void)uv_poll_start(&poll, UV_READABLE, on_exit_seen);
	while (!is_drained)
		uv_run(&loop, UV_RUN_ONCE);
	(void)getrusage(RUSAGE_SELF, &after);
	*ret = (struct figures){ (double)(uv_hrtime() - begin) / 1e9,
				 cpu_of(&after) - cpu_of(&before) };
	wait_for(producer, &usage);
	uv_close((uv_handle_t *)&poll, NULL);
	sys_close(pidfd);
	opened = shim_stdio_free(opened);
	shim_env_fini(&env);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	dv_assert(uv_loop_close(&loop) == 0);
}

/* ---- wiring ------------------------------------------------------------------------------------ */

static void measure(size_t length)
{
	struct figures best[DV_ARRAY_SIZE(ways)] = { 0 }, now;
	uint64_t n_lines = n_bytes / length;

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < DV_ARRAY_SIZE(ways); i++) {
			if (ways[i].scheme)
				through_shim(ways[i].scheme, length, &now);
			else
				through_cat(length, &now);
			(void)unlink(path);
			if (round == 0 || now.seconds < best[i].seconds)
				best[i].seconds = now.seconds;
			if (round == 0 || now.cpu < best[i].cpu)
				best[i].cpu = now.cpu;
		}
	}
	printf("lines of %zu bytes\n", length);
	for (size_t i = 0; i < DV_ARRAY_SIZE(ways); i++)
		printf("  %-10s %6.2f GiB/s %8.0f ns of CPU per line %6.2f s per GiB\n",
		       ways[i].name, (double)n_bytes / (1 << 30) / best[i].seconds,
		       best[i].cpu * 1e9 / (double)n_lines,
		       best[i].cpu / ((double)n_bytes / (1 << 30)));
}

int main(int argc, char **argv)
{
	uint64_t length, n, mib = DEFAULT_MIB;

	if (argc == 4 && dv_streq(argv[1], "produce") && dv_parse_u64(argv[2], &length) &&
	    dv_parse_u64(argv[3], &n) && length > 0)
		return produce(length, n);
	if (argc > 2 || (argc == 2 && (!dv_parse_u64(argv[1], &mib) || mib == 0))) {
		fprintf(stderr, "usage: shim-log [MIB]\n");
		return 2;
	}
	n_bytes = mib * MIB;
	path = dv_printf("/dev/shm/davit-shim-log-%d", (int)getpid());
	printf("%llu MiB through a pipe into a log in memory, best of %d\n",
	       (unsigned long long)mib, ROUNDS);
	for (size_t i = 0; i < DV_ARRAY_SIZE(line_lengths); i++)
		measure(line_lengths[i]);
	free(path);
	return 0;
}
