/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See trees.h. An overlay is mounted in a mount namespace that a thread has for that moment, and what is
 * left of it is a descriptor: nobody else sees it, and nothing is to be unmounted after a crash. All its
 * layers are lower ones there, the upper directory, too: a container may use it at the time.
 */

#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "host/fs-mount.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

#define PARAMETERS "/sys/module/overlay/parameters/"

/* ---- what mounts say --------------------------------------------------------------------------------- */

static const char *option(const struct snapshot_mount *m, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < m->n_options; i++) {
		if (strncmp(m->options[i], name, n) == 0 &&
		    (m->options[i][n] == '=' || !m->options[i][n]))
			return m->options[i][n] ? m->options[i] + n + 1 : "";
	}
	return NULL;
}

/* One of "a:b", where ":" is written "\:"; *io_text is moved on behind it. */
static char *next_lower(const char **io_text, struct dv_arena *arena)
{
	const char *from = *io_text;
	char *item = dv_arena_alloc(arena, strlen(from) + 1), *to = item;

	for (; *from && *from != ':'; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*io_text = *from ? from + 1 : from;
	return item;
}

static bool is_on(const char *parameter)
{
	char value[8];

	return sys_read_file_at(AT_FDCWD, parameter, value, sizeof(value)) > 0 && *value == 'Y';
}

/* Does whoever mounts it leave directories where they are, and files whole? */
static bool is_plain(const struct snapshot_mount *m)
{
	const char *redirect = option(m, "redirect_dir"), *metacopy = option(m, "metacopy");

	if (redirect ? dv_streq(redirect, "on") : is_on(PARAMETERS "redirect_dir"))
		return false;
	return metacopy ? !dv_streq(metacopy, "on") : !is_on(PARAMETERS "metacopy");
}

static struct dv_err *overlay_tree(const struct snapshot_mount *m, struct dv_arena *arena,
				   struct image_tree *ret)
{
	const char *lower = option(m, "lowerdir"), *upper = option(m, "upperdir");

	if (!lower || !*lower)
		return dv_err_new(DV_INVALID, "the overlay has no lower directory");
	ret->layers = dv_arena_new_n(arena, const char *, strlen(lower) + 2);
	if (upper)
		ret->layers[ret->n_layers++] = upper;
	while (*lower)
		ret->layers[ret->n_layers++] = next_lower(&lower, arena);
	ret->is_overlay = true;
	ret->is_plain = is_plain(m);
	ret->has_userxattr = option(m, "userxattr") != NULL;
	return NULL;
}

struct dv_err *image_tree_of(const struct snapshot_mounts *mounts, struct dv_arena *arena,
			     struct image_tree *ret)
{
	const struct snapshot_mount *m = mounts->items;
	struct dv_err *e = NULL;

	*ret = (struct image_tree){};
	if (mounts->n_items == 0)
		return NULL;
	if (mounts->n_items > 1)
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: a tree of %zu mounts",
				  mounts->n_items);
	if (dv_streq(m->type, "overlay")) {
		e = overlay_tree(m, arena, ret);
	} else if (dv_streq(m->type, "bind") || dv_streq(m->type, "rbind")) {
		ret->layers = dv_arena_new(arena, const char *);
		ret->layers[0] = m->source;
		ret->n_layers = 1;
	} else {
		e = dv_err_new(DV_UNIMPLEMENTED, "not supported yet: a mount of type %s", m->type);
	}
	for (size_t i = 0; i < ret->n_layers && !e; i++) {
		if (ret->layers[i][0] != '/')
			e = dv_err_new(DV_INVALID, "%s: not an absolute path", ret->layers[i]);
	}
	return e;
}

bool image_tree_is_next(const struct image_tree *left, const struct image_tree *right)
{
	if (!right->is_overlay || !right->is_plain || right->n_layers != left->n_layers + 1)
		return false;
	for (size_t i = 0; i < left->n_layers; i++) {
		if (!dv_streq(left->layers[i], right->layers[i + 1]))
			return false;
	}
	return true;
}

/* ---- descriptors ---------------------------------------------------------------------------------------- */

static struct dv_err *open_directory(const char *path, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return dv_err_sys(fd, "make a mount of %s", path);
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
	if (r < 0)
		return dv_err_sys(r, "make the mount of %s read-only", path);
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

struct job {
	const struct image_tree *tree;
	int fd;
	struct dv_err *e;
};

static void add_escaped(struct dv_strbuf *b, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			dv_strbuf_addc(b, '\\');
		dv_strbuf_addc(b, *path);
	}
}

static struct dv_err *mount_overlay(const struct image_tree *tree)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf lower = DV_STRBUF_INIT;
	const char *options[] = { "ro", NULL, "userxattr" };
	struct host_fs_mount m = { .type = "overlay",
				   .source = "overlay",
				   .target = "",
				   .options = options,
				   .n_options = tree->has_userxattr ? 3 : 2 };

	dv_strbuf_add(&lower, "lowerdir=");
	for (size_t i = 0; i < tree->n_layers; i++) {
		if (i > 0)
			dv_strbuf_addc(&lower, ':');
		add_escaped(&lower, tree->layers[i]);
	}
	options[1] = lower.data;
	/* On a directory that is there in any case; nobody else sees that. */
	return host_fs_mount(tree->layers[0], &m, 1);
}

static void *mount_alone(void *arg)
{
	struct job *job = arg;
	int r = sys_unshare(CLONE_FS | CLONE_NEWNS);

	if (r >= 0)
		r = sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r < 0)
		job->e = dv_err_sys(r, "make a mount namespace");
	else
		job->e = mount_overlay(job->tree);
	if (!job->e)
		job->e = open_directory(job->tree->layers[0], &job->fd);
	return NULL;
}

struct dv_err *image_tree_open(const struct image_tree *tree, int *ret_fd)
{
	struct job job = { .tree = tree, .fd = -1 };
	pthread_t thread;
	int r;

	if (tree->n_layers == 1)
		return open_directory(tree->layers[0], ret_fd);
	r = pthread_create(&thread, NULL, mount_alone, &job);
	if (r != 0)
		return dv_err_sys(-r, "start a thread");
	pthread_join(thread, NULL);
	if (!job.e)
		*ret_fd = job.fd;
	return job.e;
}

struct dv_err *image_tree_open_top(const struct image_tree *tree, int *ret_fd)
{
	return open_directory(tree->layers[0], ret_fd);
}
