/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a davit-unpack that somebody has taken over. It begins as the real one does, with the same
 * descriptors, and tries what its parent must withstand.
 */

#include "hostile-unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/sock.h"
#include "wire.h"

static void say_failed(int32_t code, const char *text)
{
	struct unpack_msg m = { .kind = UNPACK_FAILED, .code = code };

	strncpy(m.text, text, sizeof(m.text) - 1);
	(void)sys_send(UNPACK_FD_SOCKET, &m, sizeof(m), 0);
	pause();
}

static int request(struct unpack_msg m, int fd)
{
	int r = fd >= 0 ? sys_send_fd(UNPACK_FD_SOCKET, &m, sizeof(m), fd)
			: (int)sys_send(UNPACK_FD_SOCKET, &m, sizeof(m), 0);

	if (r < 0 || sys_recv(UNPACK_FD_SOCKET, &m, sizeof(m), 0) != sizeof(m))
		return -EPIPE;
	return m.code;
}

static void touch_archive(void)
{
	const struct timespec times[2] = { { 0 }, { 0 } };
	int fd = UNPACK_FD_ARCHIVE, n = 0;
	char text[32];

	n += fchmod(fd, 0777) == 0;
	n += fchown(fd, 1000, 1000) == 0;
	n += fsetxattr(fd, "user.evil", "1", 1, 0) == 0;
	n += fsetxattr(fd, "trusted.evil", "1", 1, 0) == 0;
	n += futimens(fd, times) == 0;
	n += ftruncate(fd, 0) == 0;
	n += write(fd, "evil", 4) > 0;
	snprintf(text, sizeof(text), "%d of them worked, read %d", n, (int)read(fd, text, 7));
	say_failed(DV_DATA_LOSS, text);
}

static void ask_too_much(void)
{
	int target = open(".", O_PATH), proc = open("/proc", O_RDONLY), file;
	struct unpack_msg null = { .kind = UNPACK_MKNOD, .mode = S_IFCHR | 0666, .dev_major = 1 };
	static const char *const names[] = { "", ".", "..", "a/b", "/dev/evil", "../evil" };
	struct dv_strbuf wrong = DV_STRBUF_INIT;

#define EXPECT(m, fd, code) \
	do { \
		int e_r_ = request((m), (fd)); \
		if (e_r_ != (code)) \
			dv_strbuf_addf(&wrong, "line %d: %d; ", __LINE__, e_r_); \
	} while (0)
	if (fchdir(UNPACK_FD_TARGET) < 0)
		say_failed(DV_UNKNOWN, "no target");
	close(target);
	target = open(".", O_RDONLY | O_DIRECTORY);
	file = openat(target, "file", O_WRONLY | O_CREAT, 0600);
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		struct unpack_msg m = null;

		snprintf(m.text, sizeof(m.text), "%s", names[i]);
		EXPECT(m, target, -EINVAL);
	}
	snprintf(null.text, sizeof(null.text), "null");
	EXPECT(null, proc, -EPERM); /* of another file system */
	EXPECT(null, file, -EPERM); /* no directory */
	EXPECT(null, -1, -EBADF);
	EXPECT(null, target, 0);
	EXPECT(null, target, -EEXIST);
	null.mode = S_IFREG | 06755;
	snprintf(null.text, sizeof(null.text), "setuid");
	EXPECT(null, target, -EINVAL);
	EXPECT((struct unpack_msg){ .kind = UNPACK_OPAQUE }, target, -EPERM); /* it is "plain" */
	EXPECT(((struct unpack_msg){ .kind = UNPACK_PARENT, .text = "sub" }), -1, 0);
	EXPECT(((struct unpack_msg){ .kind = UNPACK_PARENT, .text = "link" }), -1, -ENOENT);
	EXPECT(((struct unpack_msg){ .kind = UNPACK_PARENT, .text = "../lower" }), -1, -ENOENT);
	EXPECT(((struct unpack_msg){ .kind = UNPACK_PARENT, .text = "/etc" }), -1, -ENOENT);
	EXPECT((struct unpack_msg){ .kind = UNPACK_RESULT }, -1, -EPROTO);
	EXPECT((struct unpack_msg){ .kind = 77 }, -1, -EPROTO);
	say_failed(DV_DATA_LOSS, wrong.len ? wrong.data : "as it should be");
}

int main(int argc, char **argv)
{
	struct unpack_msg m = { .kind = UNPACK_PARENT, .text = "x" };
	int fds[SYS_FDS_MAX];
	uint32_t what;

	if (argc != 4 || !dv_parse_u32(argv[3], &what))
		return EXIT_FAILURE;
	switch (what) {
	case LEAVES_SOCKET:
		close(UNPACK_FD_SOCKET);
		break;
	case DOES_NOT_LISTEN:
		while (sys_send(UNPACK_FD_SOCKET, &m, sizeof(m), 0) >= 0)
			;
		break;
	case TOUCHES_ARCHIVE:
		touch_archive();
		break;
	case ASKS_TOO_MUCH:
		ask_too_much();
		break;
	case STUTTERS:
		(void)sys_send(UNPACK_FD_SOCKET, &m, 100, 0);
		break;
	case SPITS:
		say_failed(-3, "\033[2J\nevil\177");
		break;
	case SENDS_DESCRIPTORS:
		for (int i = 0; i < SYS_FDS_MAX; i++)
			fds[i] = UNPACK_FD_ARCHIVE;
		for (int i = 0; i < 3; i++)
			(void)sys_send_fds(UNPACK_FD_SOCKET, &m, sizeof(m), fds, SYS_FDS_MAX);
		say_failed(DV_DATA_LOSS, "sent");
		break;
	default:
		break;
	}
	for (;;)
		pause();
}
