/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of starting and cleaning up: which group, which socket. */

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

#define SHIM_SOCKET_DIR	 "/run/containerd/s"
#define SHIM_SOCKET_SIZE 108 /* sun_path */

/* ---- start-group.c --------------------------------------------------------------------------- */

/*
 * The group that the container of the bundle @bundle_fd belongs to, by the annotations in its
 * config.json: those in one group share a shim. @id when it names none. Heap.
 * DV_NOT_FOUND: no config.json; DV_INVALID: no JSON; DV_EXHAUSTED: larger than 16 MiB.
 */
struct dv_err *shim_group_read(int bundle_fd, const char *id, char **ret) DV_CHECK;

/* The same on bytes; *ret NULL: no group. */
struct dv_err *shim_group_scan(const char *json, size_t n, char **ret) DV_CHECK;

/* linux.cgroupsPath; *ret NULL: none. */
struct dv_err *shim_cgroups_path_read(int bundle_fd, char **ret) DV_CHECK;
struct dv_err *shim_cgroups_path_scan(const char *json, size_t n, char **ret) DV_CHECK;

/* ---- start-socket.c -------------------------------------------------------------------------- */

/* Both may be absent; then their defaults count. */
struct shim_socket_name {
	const char *dir; /* "" or NULL: SHIM_SOCKET_DIR */
	const char *address, *ns, *group;
};

/*
 * <dir>/<SHA-256 of address/ns/group>, as containerd's shim of all versions computes it.
 * DV_INVALID: too long for a socket.
 */
struct dv_err *shim_socket_path(const struct shim_socket_name *name, char ret[SHIM_SOCKET_SIZE])
	DV_CHECK;

/*
 * Who starts, joins or removes holds the lock of the socket's directory meanwhile; it ends with
 * the descriptor. @is_made: mkdir -p, 0700; else *ret is -1 when there is no such directory.
 */
struct dv_err *shim_socket_lock(const char *path, bool is_made, int *ret) DV_CHECK;

/*
 * With the lock held. A start gives the name its mode 0600 as the last step; until then it is
 * of a start that did not come to its end.
 */
enum shim_socket_state {
	SHIM_SOCKET_NONE,
	SHIM_SOCKET_STALE, /* nobody listens, or a start that failed */
	SHIM_SOCKET_LIVE,
	SHIM_SOCKET_HUNG, /* somebody listens and takes no connections */
};
/* @ret_pid (may be NULL): who listens, 0 when that is not known. */
struct dv_err *shim_socket_probe(const char *path, enum shim_socket_state *ret, pid_t *ret_pid)
	DV_CHECK;

/* The name appears in place of a stale one and connections are queued; not committed yet. */
struct dv_err *shim_socket_listen(int fd, const char *path) DV_CHECK;
int shim_socket_commit(const char *path) DV_CHECK;
bool shim_socket_is_committed(const struct stat *st);

/* Where the shim with this socket keeps events that the daemon has not taken; heap. */
char *shim_spool_path(const char *socket_path);

/* ---- spool-sweep.c --------------------------------------------------------------------------- */

/* Removes the spools beside @socket_path that have no socket and are older than @age_s. */
void shim_spool_sweep(const char *socket_path, unsigned age_s);
