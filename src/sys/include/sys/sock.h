/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Unix sockets and passing of descriptors, and the few netlink requests a runtime needs. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

int sys_socketpair_seqpacket(int fds[2]);
/* Connects a stream socket; long paths go through /proc/self/fd of the directory. */
int sys_unix_connect(const char *path);
/*
 * The same without waiting, on a descriptor that does not block; "@name" is abstract. -EAGAIN: the
 * listener's queue is full.
 */
int sys_unix_connect_nonblock(const char *path);
int sys_accept(int fd); /* does not block, nor does what it returns */
int sys_peer_uid(int fd, uid_t *ret); /* who connected, by SO_PEERCRED */
/* How much it holds for its reader; beyond the system's limit too, if we may. */
int sys_sock_set_send_buffer(int fd, int n);
int sys_unix_connect_dgram(const char *path); /* "@name" is abstract */
int sys_unix_listen_dgram(int dirfd, const char *name);
ssize_t sys_send(int fd, const void *p, size_t n, int flags);
struct iovec;
ssize_t sys_send_v(int fd, const struct iovec *pieces, size_t n, int flags); /* several pieces */
ssize_t sys_recv(int fd, void *p, size_t n, int flags);
#define SYS_FDS_MAX 16
int sys_send_fds(int sock, const void *p, size_t n, const int *fds, size_t n_fds);
ssize_t sys_recv_fds(int sock, void *p, size_t n, int fds[SYS_FDS_MAX], size_t *ret_n_fds);
int sys_send_fd(int sock, const void *p, size_t n, int fd);
/* Receives a message and at most one descriptor; *ret_fd is -1 when none came. */
ssize_t sys_recv_fd(int sock, void *p, size_t n, int *ret_fd);

/*
 * Listening in steps: a stream socket, its name, which appears with @mode (bits that the umask has
 * are left out; -ENAMETOOLONG: over 107 bytes), and the queue. With each sys_listen() the caller
 * becomes the one that peers see in SO_PEERCRED.
 */
int sys_unix_socket(void);
int sys_unix_bind(int fd, const char *path, mode_t mode);
int sys_listen(int fd, int backlog);
/* The path that a socket is bound to, "" for none. */
int sys_unix_name(int fd, char *buf, size_t size);
/* Of who listens, for a connected socket. */
int sys_peer_pid(int fd, pid_t *ret);

/* A bound and listening TCP socket that does not block; @address is a struct sockaddr. */
int sys_tcp_listen(const void *address, size_t n, int backlog);

/* Brings "lo" up in the current network namespace. */
int sys_loopback_up(void);
