/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers on disk: the state directory, loading, status. The file is state-file.c's. The pid in the file may belong
 * to a stranger by now; a pidfd is opened first and believed only when the start time
 * behind it is the one that was saved.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "codec/json.h"
#include "launch-private.h"
#include "runtime/runtime.h"
#include "state-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { STATE_MAX = 1 << 20, ID_MAX = 1024, PROC_ROOT_INO = 1 };

const char *rt_status_name(enum rt_status status)
{
	static const char *const names[] = {
		[RT_CREATING] = "creating", [RT_CREATED] = "created", [RT_RUNNING] = "running",
		[RT_PAUSED] = "paused",	    [RT_STOPPED] = "stopped",
	};

	return names[status];
}

struct dv_err *rt_proc_open(int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	long type = 0;
	int r;

	fd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open /proc");
	r = sys_fstatfs_type(fd, &type);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "stat /proc");
	if (type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO)
		return dv_err_new(DV_PRECONDITION, "/proc is not the root of a procfs");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

struct dv_err *rt_id_check(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-");

	if (n == 0 || id[n] || n > ID_MAX || dv_streq(id, ".") || dv_streq(id, ".."))
		return dv_err_new(DV_INVALID, "invalid container ID format: %s", id);
	return NULL;
}

static int mkdir_p(const char *path)
{
	char *copy = dv_strdup(path);
	int r = 0;

	for (char *p = copy + 1; *p && r == 0; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = sys_mkdirat(AT_FDCWD, copy, 0755);
		r = r == -EEXIST ? 0 : r;
		*p = '/';
	}
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, path, 0700);
	free(copy);
	return r == -EEXIST ? 0 : r;
}

/* Makes it when it is missing, 0700. */
static struct dv_err *open_root(const struct rt_context *ctx, int *ret_fd)
{
	int fd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd == -ENOENT) {
		r = mkdir_p(ctx->root);
		if (r < 0)
			return dv_err_sys(r, "make state root %s", ctx->root);
		fd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0)
		return dv_err_sys(fd, "open state root %s", ctx->root);
	*ret_fd = fd;
	return NULL;
}

static struct rt_container *container_alloc(const char *id)
{
	struct rt_container *c = dv_new(struct rt_container);
	struct rt_state *st = dv_new(struct rt_state);

	dv_arena_init(&st->arena);
	st->rootfd = st->dirfd = st->procfd = st->pidfd = -1;
	c->state = st;
	c->id = dv_arena_strdup(&st->arena, id);
	return c;
}

struct rt_container *rt_container_free(struct rt_container *c)
{
	if (!c)
		return NULL;
	host_cgroup_free(c->cgroup);
	sys_close(c->state->rootfd);
	sys_close(c->state->dirfd);
	sys_close(c->state->procfd);
	sys_close(c->state->pidfd);
	dv_arena_fini(&c->state->arena);
	free(c->state);
	free(c);
	return NULL;
}

struct dv_err *rt_container_new(const struct rt_context *ctx, const char *id,
				struct rt_container **ret)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;
	int r;

	e = rt_id_check(id);
	if (e)
		return e;
	c = container_alloc(id);
	e = open_root(ctx, &c->state->rootfd);
	if (e)
		return e;
	e = rt_proc_open(&c->state->procfd);
	if (e)
		return e;

	r = sys_mkdirat(c->state->rootfd, id, 0711);
	if (r == -EEXIST)
		return dv_err_new(DV_EXISTS, "container with given ID already exists: %s", id);
	if (r < 0)
		return dv_err_sys(r, "make state directory of %s", id);
	c->state->dirfd = sys_openat(c->state->rootfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (c->state->dirfd < 0) {
		(void)sys_unlinkat(c->state->rootfd, id, AT_REMOVEDIR);
		return dv_err_sys(c->state->dirfd, "open state directory of %s", id);
	}
	*ret = dv_steal(&c);
	return NULL;
}

struct dv_err *rt_container_remove_dir(struct rt_container *c)
{
	int r;

	/* Mostly there is but one file. */
	(void)sys_unlinkat(c->state->dirfd, "state", 0);
	r = sys_unlinkat(c->state->rootfd, c->id, AT_REMOVEDIR);
	if (r < 0 && r != -ENOENT)
		r = sys_remove_tree(c->state->rootfd, c->id);
	if (r == -ENOENT)
		r = 0;

	return r < 0 ? dv_err_sys(r, "remove state directory of %s", c->id) : NULL;
}

struct dv_err *rt_container_lock(const struct rt_container *c)
{
	int r = sys_lock(c->state->dirfd);

	return r < 0 ? dv_err_sys(r, "lock state directory of %s", c->id) : NULL;
}

void rt_container_unlock(const struct rt_container *c)
{
	(void)sys_unlock(c->state->dirfd);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* A pidfd that is certainly the container's init, or -1. */
static struct dv_err *open_init(struct rt_container *c)
{
	struct rt_state *st = c->state;
	uint64_t starttime;
	char state;
	int fd, r;

	st->pidfd = sys_close(st->pidfd);
	fd = sys_pidfd_open(c->pid);
	if (fd == -ESRCH || fd == -EINVAL)
		return NULL;
	if (fd < 0)
		return dv_err_sys(fd, "container %s: open init pid %d", c->id, c->pid);
	r = sys_proc_stat(st->procfd, c->pid, &state, &starttime);
	if (r < 0 || state == 'Z' || state == 'X' || starttime != st->starttime) {
		sys_close(fd);
		return r < 0 && r != -ESRCH
			       ? dv_err_sys(r, "container %s: read /proc/%d/stat", c->id, c->pid)
			       : NULL;
	}
	st->pidfd = fd;
	return NULL;
}

/*
 * The process holds the fifo from create to exec. The name alone says nothing: a `start` that was
 * killed may not have come to removing it.
 */
static struct dv_err *is_waiting(const struct rt_container *c, bool *ret)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(c->state->dirfd, RT_FIFO, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0);

	if (fd < 0 && fd != -ENOENT && fd != -ENXIO)
		return dv_err_sys(fd, "open %s", RT_FIFO);
	*ret = fd >= 0;
	return NULL;
}

struct dv_err *rt_container_refresh(struct rt_container *c)
{
	bool is_frozen = false, waits = false;
	struct dv_err *e;

	if (c->pid == 0) {
		c->status = RT_CREATING;
		return NULL;
	}
	e = open_init(c);
	if (e)
		return e;
	if (c->state->pidfd < 0) {
		c->status = RT_STOPPED;
		return NULL;
	}
	e = c->cgroup ? host_cgroup_is_frozen(c->cgroup, &is_frozen) : NULL;
	if (!e)
		e = is_waiting(c, &waits);
	if (e)
		return e;
	c->status = is_frozen ? RT_PAUSED : waits ? RT_CREATED : RT_RUNNING;
	return NULL;
}

static struct dv_err *open_dirs(const struct rt_context *ctx, struct rt_container *c)
{
	struct rt_state *st = c->state;

	st->rootfd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	if (st->rootfd >= 0)
		st->dirfd = sys_openat(st->rootfd, c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (st->rootfd == -ENOENT || st->dirfd == -ENOENT)
		return dv_err_new(DV_NOT_FOUND, "container does not exist: %s", c->id);
	if (st->rootfd < 0 || st->dirfd < 0)
		return dv_err_sys(st->rootfd < 0 ? st->rootfd : st->dirfd, "open state of %s",
				  c->id);
	return NULL;
}

/* Empty while the creator is not that far, or when it was killed right away. */
static struct dv_err *read_state(struct rt_container *c, char **ret)
{
	struct rt_state *st = c->state;
	struct dv_err *e;
	size_t len;

	e = rt_read_file(&st->arena, st->dirfd, "state", STATE_MAX, ret, &len);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	else if (e || strstr(*ret, "\ncomplete 1\n"))
		return e;
	*ret = NULL;
	return e;
}

static struct dv_err *load(const struct rt_context *ctx, struct rt_container *c, bool half_made)
{
	struct dv_err *e;
	char *text;

	e = read_state(c, &text);
	if (!e && !text && !half_made)
		return dv_err_new(DV_NOT_FOUND, "container does not exist: %s", c->id);
	if (!e && text)
		e = rt_state_parse(ctx, c, text);
	if (!e)
		e = rt_proc_open(&c->state->procfd);
	if (!e)
		e = rt_container_refresh(c);
	return e ? dv_err_wrap(e, "load state of %s", c->id) : NULL;
}

struct dv_err *rt_load(const struct rt_context *ctx, const char *id, struct rt_container **ret)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_id_check(id);
	if (e)
		return e;
	c = container_alloc(id);
	e = open_dirs(ctx, c);
	if (!e)
		e = load(ctx, c, false);
	if (!e)
		*ret = dv_steal(&c);
	return e;
}

struct dv_err *rt_load_locked(const struct rt_context *ctx, const char *id, bool half_made,
			      struct rt_container **ret)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;

	e = rt_id_check(id);
	if (e)
		return e;
	c = container_alloc(id);
	e = open_dirs(ctx, c);
	if (!e)
		e = rt_container_lock(c);
	if (!e)
		e = load(ctx, c, half_made);
	if (!e)
		*ret = dv_steal(&c);
	return e;
}

/* The members of runtime-spec, runtime.md "State": @is_full adds those of `state`. */
static void format_json(const struct rt_container *c, const char *indent, bool is_full,
			struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, indent);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", c->oci_version ? c->oci_version : SPEC_VERSION);
	dv_jw_string(&w, "id", c->id);
	dv_jw_int(&w, "pid", c->status == RT_STOPPED ? 0 : c->pid);
	dv_jw_string(&w, "status", rt_status_name(c->status));
	dv_jw_string(&w, "bundle", c->bundle);
	if (is_full) {
		dv_jw_string(&w, "rootfs", c->rootfs);
		dv_jw_string(&w, "created", c->created);
	}
	if (c->n_annotations > 0) {
		dv_jw_object_begin(&w, "annotations");
		for (size_t i = 0; i < c->n_annotations; i++)
			dv_jw_string(&w, c->annotations[i].key, c->annotations[i].value);
		dv_jw_object_end(&w);
	}
	if (is_full)
		dv_jw_string(&w, "owner", ""); /* runc fills it in for `list` alone */
	dv_jw_object_end(&w);
}

void rt_state_format(const struct rt_container *c, const char *indent, struct dv_strbuf *out)
{
	format_json(c, indent, true, out);
}

void rt_hook_state_format(const struct rt_container *c, struct dv_strbuf *out)
{
	format_json(c, NULL, false, out);
}
