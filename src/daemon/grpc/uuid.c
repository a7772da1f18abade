/* SPDX-License-Identifier: Apache-2.0 */

#include "uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/file.h"

/* containerd's name. */
#define UUID_DIR "io.containerd.grpc.v1.introspection"

static void make_uuid(char ret[DAEMON_UUID_SIZE])
{
	uint8_t b[16];

	dv_assert(getrandom(b, sizeof(b), 0) == (ssize_t)sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 of RFC 9562 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret, DAEMON_UUID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

struct dv_err *daemon_uuid(const char *root, char ret[DAEMON_UUID_SIZE])
{
	DV_CLEANUP(dv_freep) char *dir = dv_printf("%s/%s", root, UUID_DIR);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/uuid", dir);
	DV_CLEANUP(dv_freep) char *temporary = dv_printf("%s/.uuid-%d", dir, (int)gettid());
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	if (sys_read_file_at(AT_FDCWD, path, ret, DAEMON_UUID_SIZE) == DAEMON_UUID_SIZE - 1)
		return NULL;
	r = sys_mkdirat(AT_FDCWD, dir, 0711);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make directory %s", dir);
	make_uuid(ret);
	fd = sys_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, ret, DAEMON_UUID_SIZE - 1);
	if (r >= 0)
		r = sys_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
	return r < 0 ? dv_err_sys(r, "write %s", path) : NULL;
}
