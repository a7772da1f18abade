/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Space on a full disk. To remove something takes a transaction, so the log owns the blocks that it
 * may grow to between two checkpoints: on a disk where nothing else can be written, images can
 * still be removed. While the database is closed there is no log, and a file without content
 * keeps its place.
 */

#include <fcntl.h>

#include "meta-private.h"

#include "base/str.h"
#include "sys/disk.h"
#include "sys/file.h"

static char *path_of(const char *dir)
{
	return dv_printf("%s/reserve", dir);
}

void meta_reserve_take(const char *dir)
{
	DV_CLEANUP(dv_freep) char *path = path_of(dir);

	(void)sys_unlinkat(AT_FDCWD, path, 0);
}

void meta_reserve_give(const char *dir)
{
	DV_CLEANUP(dv_freep) char *path = path_of(dir);
	DV_CLEANUP(sys_closep) int fd = -1;

	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	/* The -shm file needs room, too. */
	if (fd >= 0 && sys_allocate(fd, META_LOG_SIZE + META_SHM_SIZE) < 0)
		(void)sys_unlinkat(AT_FDCWD, path, 0);
}

void meta_reserve_log(int wal_fd)
{
	(void)sys_allocate(wal_fd, META_LOG_SIZE);
}
