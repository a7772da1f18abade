/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hook as a process. Nothing here can hang on the hook's manners: the state is in a pipe
 * (or a memory file) before the hook starts, whether it reads it or not; output is read as it
 * comes, and only its beginning kept; and the end of the hook's own process is the end, even
 * when something that it started still holds the output.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock-private.h"
#include "hook-private.h"
#include "launch-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum {
	VECTOR_MAX = 1024, /* arguments, or variables, of one hook */
	PIPE_SIZE = 65536,
	CHUNK = 4096,
	DRAIN_MAX = 2 * PIPE_SIZE / CHUNK,
	CHILD_OUTPUT = 360, /* of each stream: two and the words around fit RT_TEXT_MAX */
};

_Static_assert(CLD_EXITED == 1, "rt_hook_has_failed");

/* ---- standard input -------------------------------------------------------------------- */

static int state_in_pipe(const char *state, size_t len)
{
	int fds[2];
	ssize_t n;
	int r;

	r = sys_pipe(fds);
	if (r < 0)
		return r;
	r = sys_set_nonblock(fds[1], true);
	n = r < 0 ? r : sys_write(fds[1], state, len);
	sys_close(fds[1]);
	if (n >= 0 && (size_t)n == len)
		return fds[0];
	sys_close(fds[0]);
	return n < 0 ? (int)n : -EAGAIN;
}

static int state_in_memory(const char *state, size_t len)
{
	int fd = sys_memfd("hook-state", MFD_NOEXEC_SEAL);
	int r;

	if (fd == -EINVAL)
		fd = sys_memfd("hook-state", 0);
	if (fd < 0)
		return fd;
	r = sys_write_all(fd, state, len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) != 0)
		r = -EIO;
	if (r == 0)
		return fd;
	sys_close(fd);
	return r;
}

/* A pipe where it does: seccomp profiles, in whose force some hooks run, allow pipes. */
static int open_state(const char *state, size_t len)
{
	int fd = len <= PIPE_SIZE ? state_in_pipe(state, len) : -EAGAIN;

	return fd >= 0 ? fd : state_in_memory(state, len);
}

/* ---- output ------------------------------------------------------------------------------ */

/* One read. False at the end, or when there is nothing at the moment. */
static bool take(int fd, struct rt_hook_output *out)
{
	size_t room = out->size - 1 - out->len;
	char rest[CHUNK];
	ssize_t n;

	if (room == 0)
		return sys_read(fd, rest, sizeof(rest)) > 0;
	n = sys_read(fd, out->data + out->len, DV_MIN(room, (size_t)CHUNK));
	if (n <= 0)
		return false;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
	return true;
}

static int left_ms(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - rt_now_ms();
	return (int)DV_MAX(DV_MIN(left, (int64_t)INT_MAX), (int64_t)0);
}

/* Until the process has ended. Its pipes are not blocking. */
static int watch(const struct spec_hook *h, int pidfd, const int pipes[2],
		 struct rt_hook_output out[2], bool *ret_is_late)
{
	int64_t deadline = h->timeout > 0 ? rt_now_ms() + h->timeout * 1000 : -1;
	struct pollfd p[3] = {
		{ .fd = pipes[0], .events = POLLIN },
		{ .fd = pipes[1], .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};

	while (!p[2].revents) {
		int r = sys_poll(p, 3, left_ms(deadline));

		if (r < 0)
			return r;
		if (r == 0 && left_ms(deadline) == 0) {
			*ret_is_late = true;
			deadline = -1;
			(void)sys_pidfd_send_signal(pidfd, SIGKILL);
		}
		for (int i = 0; i < 2; i++) {
			if (p[i].revents && !take(p[i].fd, &out[i]))
				p[i].fd = -1;
		}
	}
	/* What it wrote last. Bounded: others may go on writing. */
	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < DRAIN_MAX && p[i].fd >= 0 && take(p[i].fd, &out[i]); n++)
			;
	}
	return 0;
}

/* ---- the process --------------------------------------------------------------------------- */

static int fill(const char *vector[VECTOR_MAX + 1], const char *const *items, size_t n)
{
	if (n > VECTOR_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		vector[i] = items[i];
	vector[n] = NULL;
	return 0;
}

static int start(const struct spec_hook *h, char *const *default_env, const int stdio[3],
		 int *ret_pidfd)
{
	const char *argv[VECTOR_MAX + 1], *env[VECTOR_MAX + 1];
	char *const *envp = (char *const *)(void *)env;
	pid_t pid;
	int r;

	r = h->n_args > 0 ? fill(argv, h->args, h->n_args) : fill(argv, &h->path, 1);
	if (r == 0)
		r = fill(env, h->env, h->n_env);
	if (r < 0)
		return r;
	if (h->n_env == 0 && default_env)
		envp = default_env;
	return sys_spawn(h->path, (char *const *)(void *)argv, envp, stdio, &pid, ret_pidfd);
}

/* @pipes: what we read from; @ends: what the hook writes to. -1 where there is none. */
static int open_pipes(int pipes[2], int ends[2])
{
	int fds[2], r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		r = sys_pipe(fds);
		if (r < 0)
			return r;
		pipes[i] = fds[0];
		ends[i] = fds[1];
		r = sys_set_nonblock(pipes[i], true);
	}
	return r;
}

static int finish(const struct spec_hook *h, int pidfd, const int pipes[2],
		  struct rt_hook_output out[2], struct rt_hook_end *ret)
{
	siginfo_t si = { 0 };
	int r, waited;

	r = watch(h, pidfd, pipes, out, &ret->is_late);
	if (r < 0)
		(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	waited = sys_waitid_pidfd(pidfd, &si, WEXITED);
	ret->code = si.si_code;
	ret->status = si.si_status;
	return r < 0 ? r : DV_MIN(waited, 0);
}

int rt_hook_exec(const struct spec_hook *h, char *const *default_env, const char *state,
		 size_t state_len, struct rt_hook_output out[2], struct rt_hook_end *ret)
{
	int pidfd = -1, pipes[2] = { -1, -1 }, ends[2] = { -1, -1 };
	int in = open_state(state, state_len);
	int r = in;

	*ret = (struct rt_hook_end){ 0 };
	if (r >= 0)
		r = open_pipes(pipes, ends);
	if (r == 0) {
		const int stdio[3] = { in, ends[0], ends[1] };

		r = start(h, default_env, stdio, &pidfd);
	}
	sys_close(in);
	sys_close(ends[0]);
	sys_close(ends[1]);
	if (r == 0)
		r = finish(h, pidfd, pipes, out, ret);
	sys_close(pidfd);
	sys_close(pipes[0]);
	sys_close(pipes[1]);
	return r;
}

/* ---- words ---------------------------------------------------------------------------------- */

/* "bad system call", as Go has it: glibc's text with a small letter. */
static void name_signal(int signo, char *buf, size_t size)
{
	const char *s = sigdescr_np(signo);

	if (!s) {
		snprintf(buf, size, "signal %d", signo);
		return;
	}
	snprintf(buf, size, "%s", s);
	if (buf[0] && islower((unsigned char)buf[1]))
		buf[0] = (char)tolower((unsigned char)buf[0]);
}

/* Without the newlines at the end: it becomes part of a sentence. */
static int visible(const struct rt_hook_output *out)
{
	size_t n = out->len;

	while (n > 0 && out->data[n - 1] == '\n')
		n--;
	return (int)DV_MIN(n, (size_t)INT_MAX);
}

void rt_hook_explain(const struct spec_hook *h, const struct rt_hook_end *end,
		     const struct rt_hook_output out[2], char *text, size_t size)
{
	char name[64], how[96];

	if (end->is_late) {
		snprintf(text, size, "hook ran past specified timeout of %lld.0s",
			 (long long)h->timeout);
		return;
	}
	if (end->code == CLD_EXITED) {
		snprintf(how, sizeof(how), "exit status %d", end->status);
	} else {
		name_signal(end->status, name, sizeof(name));
		snprintf(how, sizeof(how), "signal: %s%s", name,
			 end->code == CLD_DUMPED ? " (core dumped)" : "");
	}
	snprintf(text, size, "%s, stdout: %.*s, stderr: %.*s", how, visible(&out[0]), out[0].data,
		 visible(&out[1]), out[1].data);
}

int rt_hook_run(const struct spec_hook *h, char *const *default_env, const char *state,
		size_t state_len, char *text)
{
	char stdout_text[CHILD_OUTPUT] = "", stderr_text[CHILD_OUTPUT] = "";
	struct rt_hook_output out[2] = {
		{ .data = stdout_text, .size = sizeof(stdout_text) },
		{ .data = stderr_text, .size = sizeof(stderr_text) },
	};
	struct rt_hook_end end;
	int r;

	r = rt_hook_exec(h, default_env, state, state_len, out, &end);
	if (r < 0)
		return rt_explain(text, r, "fork/exec %s", h->path);
	if (!rt_hook_has_failed(&end))
		return 0;
	rt_hook_explain(h, &end, out, text, RT_TEXT_MAX);
	return -RT_NO_ERRNO;
}
