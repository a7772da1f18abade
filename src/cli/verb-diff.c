/* SPDX-License-Identifier: Apache-2.0 */
/* davit diff: what a container has changed. The upper directory of its overlay says that. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client/root.h"
#include "containers.h"
#include "human.h"
#include "sys/disk.h"
#include "sys/file.h"

enum { DEPTH_MAX = 512, LOWERS_MAX = 512 };

struct changes {
	struct dv_arena *arena;
	int lowers[LOWERS_MAX]; /* topmost first */
	size_t n_lowers;
	struct dv_strbuf out;
};

static const char *option(const Containerd__Types__Mount *m, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < m->n_options; i++) {
		if (strncmp(m->options[i], name, n) == 0 && m->options[i][n] == '=')
			return m->options[i] + n + 1;
	}
	return NULL;
}

/* Is there something of that name in the layers below? The topmost that knows of it decides. */
static bool was_there(const struct changes *c, const char *path)
{
	for (size_t i = 0; i < c->n_lowers; i++) {
		DV_CLEANUP(sys_closep)
		int fd = sys_openat2(c->lowers[i], path, O_PATH | O_NOFOLLOW, 0,
				     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		struct stat st;

		if (fd >= 0 && sys_fstat(fd, &st) == 0)
			return !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
	}
	return false;
}

static void add(struct changes *c, char kind, const char *path)
{
	dv_strbuf_addf(&c->out, "%c /", kind);
	cli_human_safe(path, &c->out);
	dv_strbuf_addc(&c->out, '\n');
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted; strings in @arena. The array is the caller's. */
static struct dv_err *list(int fd, struct dv_arena *arena, char ***ret, size_t *ret_n)
{
	size_t n = 0, room = 0;
	struct sys_dirent entry;
	char **names = NULL;
	struct sys_dir dir;
	int r;

	sys_dir_init(&dir, fd);
	while ((r = sys_dir_next(&dir, &entry)) > 0) {
		if (n == room) {
			room = room ? 2 * room : 32;
			names = dv_realloc_n(names, room, sizeof(*names));
		}
		names[n++] = dv_arena_strdup(arena, entry.name);
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	*ret = names;
	*ret_n = n;
	return r < 0 ? dv_err_sys(r, "read a directory") : NULL;
}

static struct dv_err *walk(struct changes *c, int dir, const char *prefix, unsigned depth);

static struct dv_err *look(struct changes *c, int dir, const char *prefix, const char *name,
			   unsigned depth)
{
	const char *path = dv_arena_printf(c->arena, "%s%s%s", prefix, *prefix ? "/" : "", name);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r = sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);

	if (r == -ENOENT)
		return NULL;
	if (r < 0)
		return dv_err_sys(r, "look at /%s", path);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
		add(c, 'D', path);
		return NULL;
	}
	add(c, was_there(c, path) ? 'C' : 'A', path);
	if (!S_ISDIR(st.st_mode))
		return NULL;
	if (depth >= DEPTH_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d directories deep", DEPTH_MAX);
	fd = sys_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return fd < 0 ? dv_err_sys(fd, "open /%s", path) : walk(c, fd, path, depth + 1);
}

static struct dv_err *walk(struct changes *c, int dir, const char *prefix, unsigned depth)
{
	char **names = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = list(dir, c->arena, &names, &n);
	for (size_t i = 0; i < n && !e; i++)
		e = look(c, dir, prefix, names[i], depth);
	free(names);
	return e;
}

static struct dv_err *open_lowers(struct changes *c, const char *text)
{
	char *list = dv_arena_strdup(c->arena, text ? text : ""), *save = NULL;

	for (char *p = strtok_r(list, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
		if (c->n_lowers == LOWERS_MAX)
			return dv_err_new(DV_EXHAUSTED, "more than %d layers", LOWERS_MAX);
		c->lowers[c->n_lowers] = sys_openat(AT_FDCWD, p, O_PATH | O_DIRECTORY, 0);
		if (c->lowers[c->n_lowers] < 0)
			return dv_err_sys(c->lowers[c->n_lowers], "open %s", p);
		c->n_lowers++;
	}
	return NULL;
}

static struct dv_err *diff(struct cli *cli, const char *ref, struct changes *c)
{
	Containerd__Types__Mount **mounts = NULL;
	struct client_record r;
	const char *upper = NULL;
	struct dv_err *e;
	DV_CLEANUP(sys_closep) int fd = -1;
	size_t n = 0;

	e = cli_container(cli, ref, &r);
	if (!e)
		e = client_root_mounts(cli->client, &r, c->arena, &mounts, &n);
	if (e)
		return e;
	if (n == 1)
		upper = option(mounts[0], "upperdir");
	if (!upper)
		return dv_err_new(
			DV_UNIMPLEMENTED,
			"not supported yet: changes of a snapshot of %s; of overlayfs they "
			"are",
			r.container->snapshotter);
	e = open_lowers(c, option(mounts[0], "lowerdir"));
	if (e)
		return e;
	fd = sys_openat(AT_FDCWD, upper, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? dv_err_sys(fd, "open %s", upper) : walk(c, fd, "", 0);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct cli *cli = program;
	struct changes c = { .arena = &cli->arena, .out = DV_STRBUF_INIT };
	struct dv_err *e = diff(cli, args[0], &c);

	(void)opts;
	(void)ret_status;
	e = dv_err_wrap(e, "cannot tell what %s has changed", args[0]);
	if (!e)
		e = cli_print(&c.out);
	for (size_t i = 0; i < c.n_lowers; i++)
		sys_close(c.lowers[i]);
	dv_strbuf_fini(&c.out);
	return e;
}

const struct dv_opt_verb cli_verb_diff = {
	.name = "diff",
	.aliases = "container diff",
	.args = "CONTAINER",
	.summary = "Show which files a container has added (A), changed (C), deleted (D)",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
