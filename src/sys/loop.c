/* SPDX-License-Identifier: Apache-2.0 */
/* See sys/loop.h; loop(4). */

#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sys/file.h"

enum { TRIES = 64 };

static int attach(int number, int backing, bool is_read_only)
{
	struct loop_config config = {
		.fd = (unsigned)backing,
		.info = { .lo_flags =
				  LO_FLAGS_AUTOCLEAR | (is_read_only ? LO_FLAGS_READ_ONLY : 0) },
	};
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = sys_openat(AT_FDCWD, path, is_read_only ? O_RDONLY : O_RDWR, 0);
	if (fd < 0)
		return fd;
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
		int r = -errno;

		sys_close(fd);
		return r;
	}
	return fd;
}

int sys_loop_attach(int backing, bool is_read_only, int *ret_number)
{
	DV_CLEANUP(sys_closep) int control = -1;
	int number, fd = -EBUSY;

	control = sys_openat(AT_FDCWD, "/dev/loop-control", O_RDWR, 0);
	if (control < 0)
		return control;
	/* Others look for a free one, too. */
	for (int i = 0; i < TRIES && fd == -EBUSY; i++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return -errno;
		fd = attach(number, backing, is_read_only);
		*ret_number = number;
	}
	return fd;
}

int sys_loop_set_autoclear(int loop, bool is_on)
{
	struct loop_info64 info;

	if (ioctl(loop, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	if (is_on)
		info.lo_flags |= LO_FLAGS_AUTOCLEAR;
	else
		info.lo_flags &= ~(unsigned)LO_FLAGS_AUTOCLEAR;
	return ioctl(loop, LOOP_SET_STATUS64, &info) < 0 ? -errno : 0;
}
