/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notice of processes killed for lack of memory. v1 has an eventfd for it, which the removal
 * of the cgroup rings as well. v2 has a counter in memory.events; the file's changes come
 * by inotify, and so do those of cgroup.events, from which the end of the cgroup is learnt.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

void host_cgroup_oom_close(struct host_cgroup_oom *oom)
{
	oom->fd = sys_close(oom->fd);
	oom->dirfd = sys_close(oom->dirfd);
}

static int count_of(int dirfd, bool is_v2, uint64_t *ret)
{
	char text[512];
	ssize_t n;

	n = cgroup_read(dirfd, is_v2 ? "memory.events" : "memory.oom_control", text, sizeof(text));
	if (n < 0)
		return (int)n;
	*ret = 0; /* v1 counts since 4.13 */
	(void)cgroup_find_key(text, "oom_kill", ret);
	return 0;
}

int cgroup_memory_dir(struct host_cgroup *cg, bool *ret_is_v2)
{
	int i = cgroup_find(cg, CGROUP_MEMORY);

	*ret_is_v2 = i < 0;
	if (i < 0)
		i = cgroup_find_v2(cg);
	return i < 0 ? -ENOENT : cgroup_dir(cg, i);
}

static int open_v1(struct host_cgroup *cg, struct host_cgroup_oom *oom)
{
	DV_CLEANUP(sys_closep) int control = -1;
	char text[32];

	oom->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom->fd < 0)
		return -errno;
	control = cgroup_open_file(cg, oom->dirfd, "memory.oom_control", O_RDONLY);
	if (control < 0)
		return control;
	snprintf(text, sizeof(text), "%d %d", oom->fd, control);
	return cgroup_write(cg, oom->dirfd, "cgroup.event_control", text);
}

static int watch(const struct host_cgroup_oom *oom, const char *name)
{
	char path[64];
	int r;

	/* inotify has no *at form. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", oom->dirfd, name);
	r = inotify_add_watch(oom->fd, path, IN_MODIFY);
	return r < 0 ? -errno : r;
}

static int open_v2(struct host_cgroup_oom *oom)
{
	oom->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (oom->fd < 0)
		return -errno;
	oom->watch_memory = watch(oom, "memory.events");
	if (oom->watch_memory < 0)
		return oom->watch_memory;
	oom->watch_events = watch(oom, "cgroup.events");
	if (oom->watch_events < 0)
		return oom->watch_events;
	return count_of(oom->dirfd, true, &oom->count);
}

struct dv_err *host_cgroup_oom_open(struct host_cgroup *cg, struct host_cgroup_oom *ret)
{
	DV_CLEANUP(host_cgroup_oom_close) struct host_cgroup_oom oom = { .fd = -1, .dirfd = -1 };
	int r = cgroup_memory_dir(cg, &oom.is_v2);

	if (r < 0)
		return dv_err_new(DV_NOT_FOUND, "memory controller missing");
	oom.dirfd = sys_dup_cloexec(r, 0);
	r = oom.dirfd < 0 ? oom.dirfd : oom.is_v2 ? open_v2(&oom) : open_v1(cg, &oom);
	if (r < 0)
		return dv_err_sys(r, "watch for out-of-memory events");
	*ret = oom;
	oom.fd = oom.dirfd = -1;
	return NULL;
}

static bool is_there(int dirfd, const char *name)
{
	struct stat st;

	return sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_populated(int dirfd)
{
	char text[256];
	uint64_t value = 0;

	return cgroup_read(dirfd, "cgroup.events", text, sizeof(text)) > 0 &&
	       cgroup_find_key(text, "populated", &value) && value > 0;
}

static enum host_cgroup_oom_event what_happened(struct host_cgroup_oom *oom)
{
	uint64_t count = oom->count;
	bool is_kill;

	if (!oom->is_v2)
		return is_there(oom->dirfd, "cgroup.event_control") ? HOST_CGROUP_OOM_KILLED
								    : HOST_CGROUP_OOM_GONE;
	oom->is_gone = !is_populated(oom->dirfd);
	is_kill = count_of(oom->dirfd, true, &count) == 0 && count > oom->count;
	oom->count = count;
	if (is_kill)
		return HOST_CGROUP_OOM_KILLED;
	return oom->is_gone ? HOST_CGROUP_OOM_GONE : HOST_CGROUP_OOM_NONE;
}

struct dv_err *host_cgroup_oom_read(struct host_cgroup_oom *oom, enum host_cgroup_oom_event *ret)
{
	_Alignas(8) char buf[4096];
	ssize_t n;

	/* What the events say is looked up; reading them only makes the descriptor quiet. */
	n = sys_read(oom->fd, buf, oom->is_v2 ? sizeof(buf) : sizeof(uint64_t));
	if (n < 0 && n != -EAGAIN)
		return dv_err_sys((int)n, "read out-of-memory events");
	if (n >= 0)
		*ret = what_happened(oom);
	else /* the end may have come together with the kill */
		*ret = oom->is_gone ? HOST_CGROUP_OOM_GONE : HOST_CGROUP_OOM_NONE;
	return NULL;
}

struct dv_err *host_cgroup_oom_count(struct host_cgroup *cg, uint64_t *ret)
{
	bool is_v2;
	int r = cgroup_memory_dir(cg, &is_v2);

	*ret = 0;
	if (r >= 0)
		r = count_of(r, is_v2, ret);
	if (r == -ENOENT || r == -ENODEV)
		return NULL;
	return r < 0 ? dv_err_sys(r, "read number of out-of-memory kills") : NULL;
}
