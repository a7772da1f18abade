/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spools that nobody will send: of shims that ended while the daemon was away, whose socket nobody
 * wanted again, and for which no `delete` came. A daemon that comes back after so long asks shims for
 * their state and has no use for them.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "start-private.h"
#include "sys/file.h"

#define SUFFIX ".events"

enum { HASH_LEN = 64 };

/* "<sha256>.events" */
static bool is_spool(const char *name)
{
	return strspn(name, "0123456789abcdef") == HASH_LEN && dv_streq(name + HASH_LEN, SUFFIX);
}

static bool is_orphan(int dir_fd, const char *name, time_t before)
{
	char socket[HASH_LEN + 1];
	struct stat st;

	memcpy(socket, name, HASH_LEN);
	socket[HASH_LEN] = '\0';
	return sys_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtime < before &&
	       sys_fstatat(dir_fd, socket, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT;
}

static void sweep(int dir_fd, const char *name)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	/* A `delete` may be sending what is in it. */
	if (fd >= 0 && sys_try_lock(fd) == 0)
		(void)sys_unlinkat(dir_fd, name, 0);
}

void shim_spool_sweep(const char *socket_path, unsigned age_s)
{
	DV_CLEANUP(dv_freep) char *path = dv_strdup(socket_path);
	char *slash = strrchr(path, '/');
	time_t before = time(NULL) - (time_t)age_s;
	const struct dirent *entry;
	DIR *dir;
	int fd;

	if (!slash || slash == path)
		return;
	*slash = '\0';
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	/* The lock of all starts: nobody makes a socket meanwhile. Who comes next may do it else. */
	dir = fd >= 0 && sys_try_lock(fd) == 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		sys_close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (is_spool(entry->d_name) && is_orphan(fd, entry->d_name, before))
			sweep(fd, entry->d_name);
	}
	(void)closedir(dir);
}
