/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets and passing of descriptors. See sys/sock.h. */

#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/file.h"

int sys_socketpair_seqpacket(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

/* sun_path holds 107 bytes; a longer path is reached through its open directory. */
static int fill_address(struct sockaddr_un *sa, const char *path, int *ret_dirfd)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	int n;

	*ret_dirfd = -1;
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	*ret_dirfd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	if (*ret_dirfd < 0)
		return *ret_dirfd;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", *ret_dirfd,
		     slash + 1);
	return (size_t)n < sizeof(sa->sun_path) ? 0 : -ENAMETOOLONG;
}

int sys_unix_connect(const char *path)
{
	DV_CLEANUP(sys_closep) int dirfd = -1;
	struct sockaddr_un sa;
	int fd, r;

	r = fill_address(&sa, path, &dirfd);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		sys_close(fd);
		return r;
	}
	return fd;
}

/* With "@name" for abstract sockets, as in NOTIFY_SOCKET. */
static int connect_any(const char *path, int type)
{
	DV_CLEANUP(sys_closep) int dirfd = -1;
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	int fd, r;

	if (path[0] == '@') {
		if (strlen(path) >= sizeof(sa.sun_path))
			return -ENAMETOOLONG;
		sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
		memcpy(sa.sun_path + 1, path + 1, strlen(path) - 1);
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	} else {
		r = fill_address(&sa, path, &dirfd);
		if (r < 0)
			return r;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		r = -errno;
		sys_close(fd);
		return r;
	}
	return fd;
}

int sys_unix_connect_nonblock(const char *path)
{
	return connect_any(path, SOCK_STREAM | SOCK_NONBLOCK);
}

int sys_accept(int fd)
{
	int r;

	do
		r = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (r < 0 && (errno == EINTR || errno == ECONNABORTED));
	return r < 0 ? -errno : r;
}

int sys_peer_uid(int fd, uid_t *ret)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	*ret = cred.uid;
	return 0;
}

int sys_sock_set_send_buffer(int fd, int n)
{
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof(n)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n)) < 0 ? -errno : 0;
}

int sys_unix_connect_dgram(const char *path)
{
	return connect_any(path, SOCK_DGRAM);
}

int sys_unix_listen_dgram(int dirfd, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, r;

	r = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if ((size_t)r >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		sys_close(fd);
		return r;
	}
	return fd;
}

ssize_t sys_send(int fd, const void *p, size_t n, int flags)
{
	ssize_t r;

	do
		r = send(fd, p, n, flags | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t sys_send_v(int fd, const struct iovec *pieces, size_t n, int flags)
{
	struct msghdr m = { .msg_iov = (struct iovec *)pieces, .msg_iovlen = n };
	ssize_t r;

	do
		r = sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t sys_recv(int fd, void *p, size_t n, int flags)
{
	ssize_t r;

	do
		r = recv(fd, p, n, flags);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

union fd_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(SYS_FDS_MAX * sizeof(int))];
};

int sys_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t r;

	if (n_fds > SYS_FDS_MAX)
		return -E2BIG;
	if (n_fds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		r = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int sys_send_fd(int sock, const void *p, size_t n, int fd)
{
	return sys_send_fds(sock, p, n, &fd, 1);
}

ssize_t sys_recv_fds(int sock, void *p, size_t n, int fds[SYS_FDS_MAX], size_t *ret_n_fds)
{
	struct iovec iov = { .iov_base = p, .iov_len = n };
	union fd_control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t r;

	*ret_n_fds = 0;
	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*ret_n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *ret_n_fds * sizeof(int));
	}
	return r;
}

ssize_t sys_recv_fd(int sock, void *p, size_t n, int *ret_fd)
{
	int fds[SYS_FDS_MAX];
	size_t n_fds;
	ssize_t r = sys_recv_fds(sock, p, n, fds, &n_fds);

	*ret_fd = -1;
	for (size_t i = 0; r >= 0 && i < n_fds; i++) {
		if (i == 0)
			*ret_fd = fds[i];
		else
			sys_close(fds[i]); /* nobody asked for more */
	}
	return r;
}

int sys_unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int sys_tcp_listen(const void *address, size_t n, int backlog)
{
	const struct sockaddr *a = address;
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, a, (socklen_t)n) < 0 || listen(fd, backlog) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int sys_unix_bind(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	/* The name gets the mode of the socket, so there is no moment with another one. */
	if (fchmod(fd, mode) < 0)
		return -errno;
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

int sys_listen(int fd, int backlog)
{
	return listen(fd, backlog) < 0 ? -errno : 0;
}

int sys_unix_name(int fd, char *buf, size_t size)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);
	size_t n;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	if (sa.sun_family != AF_UNIX)
		return -EAFNOSUPPORT;
	n = strnlen(sa.sun_path, sizeof(sa.sun_path));
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(buf, sa.sun_path, n);
	buf[n] = '\0';
	return 0;
}

int sys_peer_pid(int fd, pid_t *ret)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	*ret = cred.pid;
	return 0;
}

int sys_loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	DV_CLEANUP(sys_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}
