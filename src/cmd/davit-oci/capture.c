/* SPDX-License-Identifier: Apache-2.0 */
/* Another program's output. See capture.h. */

#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"

/* The first executable regular file called @name in $PATH; heap, NULL when there is none. */
static char *find_program(const char *name)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/'))
		return dv_strdup(name);
	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");
		char *path = dv_printf("%.*s/%s", (int)n, dirs, name);
		struct stat st;

		/* Not the working directory, which an empty entry would mean. */
		if (n > 0 && sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		    st.st_mode & 0111)
			return path;
		free(path);
		dirs += n;
		dirs += *dirs == ':';
	}
	return NULL;
}

static struct dv_err *read_all(int fd, struct dv_strbuf *out)
{
	char buf[4096];
	ssize_t n;

	while ((n = sys_read(fd, buf, sizeof(buf))) > 0)
		dv_strbuf_add_n(out, buf, (size_t)n);
	return n < 0 ? dv_err_sys((int)n, "read") : NULL;
}

static struct dv_err *check_status(const siginfo_t *si, const char *output)
{
	if (si->si_code != CLD_EXITED)
		return dv_err_new(DV_UNKNOWN, "signal %d: %s", si->si_status, output);
	if (si->si_status != 0)
		return dv_err_new(DV_UNKNOWN, "exit status %d: %s", si->si_status, output);
	return NULL;
}

/* Reads to the end, then waits. */
static struct dv_err *collect(int fd, int pidfd, struct dv_strbuf *out)
{
	siginfo_t si = { 0 };
	struct dv_err *e;
	int r;

	e = read_all(fd, out);
	if (e)
		return e;
	r = sys_waitid_pidfd(pidfd, &si, WEXITED);
	if (r < 0)
		return dv_err_sys(r, "wait");
	return check_status(&si, out->data);
}

static struct dv_err *spawn(const char *path, char *const argv[], struct dv_strbuf *out)
{
	DV_CLEANUP(sys_closep) int reader = -1;
	DV_CLEANUP(sys_closep) int writer = -1;
	DV_CLEANUP(sys_closep) int pidfd = -1;
	int fds[2], r;
	pid_t pid;

	r = sys_pipe(fds);
	if (r < 0)
		return dv_err_sys(r, "pipe");
	reader = fds[0];
	writer = fds[1];
	r = sys_spawn(path, argv, environ, (const int[]){ -1, writer, writer }, &pid, &pidfd);
	if (r < 0)
		return dv_err_sys(r, "execute");
	writer = sys_close(writer);
	return collect(reader, pidfd, out);
}

struct dv_err *capture_run(char *const argv[], char **ret)
{
	DV_CLEANUP(dv_freep) char *path = find_program(argv[0]);
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;

	if (!path)
		return dv_err_new(DV_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH",
				  argv[0]);
	e = spawn(path, argv, &out);
	if (e) {
		dv_strbuf_fini(&out);
		return dv_err_wrap(e, "%s", path);
	}
	*ret = dv_strbuf_steal(&out);
	return NULL;
}
