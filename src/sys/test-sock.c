/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: connecting without waiting, accepting, who the peer is. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/file.h"
#include "sys/sock.h"

/* Listens on a name that the kernel finds; @path gets "@name". */
static int listen_somewhere(char path[64], int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(sa.sun_family);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert(bind(fd, (struct sockaddr *)&sa, n) == 0);
	n = sizeof(sa);
	cr_assert(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	cr_assert(listen(fd, backlog) == 0);
	snprintf(path, 64, "@%.*s", (int)(n - sizeof(sa.sun_family) - 1), sa.sun_path + 1);
	return fd;
}

Test(sock, connect_and_accept)
{
	uid_t uid = (uid_t)-1;
	char path[64], byte = 0;
	int fd = listen_somewhere(path, 8), client, server;

	T_INT(sys_accept(fd), ==, -EAGAIN);
	client = sys_unix_connect_nonblock(path);
	T_INT(client, >=, 0);
	T_INT(fcntl(client, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
	T_INT(fcntl(client, F_GETFD), ==, FD_CLOEXEC);
	server = sys_accept(fd);
	T_INT(server, >=, 0);
	T_INT(fcntl(server, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
	T_INT(fcntl(server, F_GETFD), ==, FD_CLOEXEC);
	T_INT(sys_peer_uid(server, &uid), ==, 0);
	T_INT(uid, ==, geteuid());
	T_INT(sys_send(client, "x", 1, 0), ==, 1);
	T_INT(sys_recv(server, &byte, 1, 0), ==, 1);
	T_INT(byte, ==, 'x');
	sys_close(client);
	sys_close(server);
	sys_close(fd);
}

Test(sock, full_queue)
{
	char path[64];
	int fd = listen_somewhere(path, 0), first = sys_unix_connect_nonblock(path);

	T_INT(first, >=, 0);
	T_INT(sys_unix_connect_nonblock(path), ==, -EAGAIN);
	sys_close(first);
	sys_close(fd);
}

Test(sock, refused)
{
	char name[200];
	int devnull = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uid_t uid;

	T_INT(sys_unix_connect_nonblock("/nonexistent/socket"), ==, -ENOENT);
	T_INT(sys_unix_connect_nonblock("@davit-test-nobody-listens"), ==, -ECONNREFUSED);
	memset(name, 'x', sizeof(name));
	name[0] = '@';
	name[sizeof(name) - 1] = '\0';
	T_INT(sys_unix_connect_nonblock(name), ==, -ENAMETOOLONG);
	T_INT(sys_accept(devnull), ==, -ENOTSOCK);
	T_INT(sys_peer_uid(devnull, &uid), ==, -ENOTSOCK);
	sys_close(devnull);
}

/* Longer than an address: by way of its directory. */
Test(sock, long_path)
{
	char dir[] = "/tmp/davit-test-XXXXXX", sub[256], path[512];
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "s" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

	cr_assert(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/%0120d", dir, 0);
	cr_assert(mkdir(sub, 0700) == 0);
	cr_assert(chdir(sub) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	cr_assert(listen(fd, 1) == 0);
	snprintf(path, sizeof(path), "%s/s", sub);
	client = sys_unix_connect_nonblock(path);
	T_INT(client, >=, 0);
	sys_close(client);
	sys_close(fd);
	unlink(path);
	rmdir(sub);
	rmdir(dir);
}
