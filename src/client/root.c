/* SPDX-License-Identifier: Apache-2.0 */
/* Root directories. See client/root.h. */

#include "client/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/containerd/snapshots.pb-c.h"
#include "base/str.h"
#include "client/container.h"
#include "client/services.h"
#include "host/fs-mount.h"
#include "sys/file.h"
#include "sys/process.h"

/* ---- of one that runs -------------------------------------------------------------------------- */

/* The pidfd was there before and its process is there after: it was no other one's directory. */
static struct dv_err *open_running(const struct client_record *r, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int pidfd = sys_pidfd_open((pid_t)r->pid);
	DV_CLEANUP(sys_closep) int fd = -1;
	char path[64];

	if (pidfd < 0)
		return dv_err_sys(pidfd, "find process %u", r->pid);
	(void)snprintf(path, sizeof(path), "/proc/%u/root", r->pid);
	fd = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	if (sys_poll_in(pidfd, 0) != 0)
		return dv_err_new(DV_ABORTED, "it has ended just now; try again");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

/* ---- of a snapshot --------------------------------------------------------------------------------- */

struct dv_err *client_root_mounts(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, Containerd__Types__Mount ***ret,
				  size_t *ret_n)
{
	Containerd__Services__Snapshots__V1__MountsRequest req =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__MountsResponse *reply = NULL;
	struct dv_err *e;

	if (!*r->container->snapshot_key)
		return dv_err_new(DV_PRECONDITION, "it has no snapshot");
	req.snapshotter = r->container->snapshotter;
	req.key = r->container->snapshot_key;
	e = client_call(c, CLIENT_SNAPSHOTS("Mounts", &req), arena, &reply);
	if (e)
		return dv_err_wrap(e, "find snapshot %s", req.key);
	*ret = reply->mounts;
	*ret_n = reply->n_mounts;
	return NULL;
}

struct dv_err *client_mounts_open(const char *place, Containerd__Types__Mount *const *mounts,
				  size_t n, struct dv_arena *arena, int *ret_fd)
{
	struct host_fs_mount *to = dv_arena_new_n(arena, struct host_fs_mount, n);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;

	for (size_t i = 0; i < n; i++)
		to[i] = (struct host_fs_mount){
			.type = mounts[i]->type,
			.source = mounts[i]->source,
			.target = mounts[i]->target,
			.options = (const char *const *)mounts[i]->options,
			.n_options = mounts[i]->n_options,
		};
	e = host_fs_mount(place, to, n);
	if (e)
		return e;
	fd = sys_openat(AT_FDCWD, place, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	e = host_fs_unmount(place);
	if (!e && fd < 0)
		e = dv_err_sys(fd, "open %s", place);
	if (!e)
		*ret_fd = dv_steal_fd(&fd);
	return e;
}

static struct dv_err *open_snapshot(struct client *c, const struct client_record *r,
				    struct dv_arena *arena, int *ret_fd)
{
	char place[] = P_tmpdir "/davit-root-XXXXXX";
	Containerd__Types__Mount **mounts = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = client_root_mounts(c, r, arena, &mounts, &n);
	if (e)
		return e;
	if (!mkdtemp(place))
		return dv_err_sys(-errno, "make a directory in %s", P_tmpdir);
	e = client_mounts_open(place, mounts, n, arena, ret_fd);
	(void)sys_unlinkat(AT_FDCWD, place, AT_REMOVEDIR);
	return e;
}

struct dv_err *client_root_open(struct client *c, const struct client_record *r,
				struct dv_arena *arena, int *ret_fd)
{
	const char *dir = client_record_label(r, CLIENT_LABEL_ROOTFS);

	if (r->pid > 0)
		return open_running(r, ret_fd);
	if (!dir)
		return open_snapshot(c, r, arena, ret_fd);
	*ret_fd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	return *ret_fd < 0 ? dv_err_sys(*ret_fd, "open %s", dir) : NULL;
}
