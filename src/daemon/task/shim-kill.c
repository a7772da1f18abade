/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a shim that was asked to go and did not, or that nobody could ask. Its pid is not known:
 * what `start` left says an address, and a shim that hangs says nothing at all. But its working
 * directory is the bundle and "-id <id>" is on its command line, as every daemon starts shims; both
 * are asked for, so that nobody who happens to be there is hit, and the shim of a pod, which is at
 * home in another bundle, is left alone.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "shim.h"
#include "sys/file.h"
#include "sys/process.h"

enum { ARGS_MAX = 4096, PATH_LEN = 64, DEATH_MS = 1000 };

struct hunt {
	struct stat bundle;
	const char *id;
	int patience_ms;
	unsigned n_killed;
};

static bool is_at_home(const struct hunt *h, const char *pid)
{
	char path[PATH_LEN];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/cwd", pid);
	return sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && st.st_dev == h->bundle.st_dev &&
	       st.st_ino == h->bundle.st_ino;
}

/* "-id\0<id>\0" among its arguments. */
static bool has_id(const struct hunt *h, const char *pid)
{
	char path[PATH_LEN], args[ARGS_MAX];
	const char *at = args, *end;
	bool is_next = false;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	n = sys_read_file_at(AT_FDCWD, path, args, sizeof(args));
	for (end = args + DV_MAX(n, 0); at < end; at += strlen(at) + 1) {
		if (is_next && dv_streq(at, h->id))
			return true;
		is_next = dv_streq(at, "-id");
	}
	return false;
}

static void look_at(struct hunt *h, const char *pid)
{
	DV_CLEANUP(sys_closep) int pidfd = -1;

	if (!is_at_home(h, pid))
		return;
	/* From here on it is this process, or none. */
	pidfd = sys_pidfd_open((pid_t)strtol(pid, NULL, 10));
	if (pidfd < 0 || !is_at_home(h, pid) || !has_id(h, pid))
		return;
	if (sys_poll_in(pidfd, h->patience_ms) > 0)
		return;
	if (sys_pidfd_send_signal(pidfd, SIGKILL) < 0)
		return;
	h->n_killed++;
	(void)sys_poll_in(pidfd, DEATH_MS);
}

unsigned shim_kill(const char *bundle, const char *id, int patience_ms)
{
	struct hunt h = { .id = id, .patience_ms = patience_ms };
	struct dirent *entry;
	DIR *proc;

	if (sys_fstatat(AT_FDCWD, bundle, &h.bundle, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		if (*entry->d_name >= '1' && *entry->d_name <= '9')
			look_at(&h, entry->d_name);
	}
	if (proc)
		closedir(proc);
	return h.n_killed;
}
