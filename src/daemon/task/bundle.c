/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle is <state>/io.containerd.runtime.v2.task/<ns>/<id>: what containerd's has, for the sake of
 * its shims. It is removed by renaming it to ".<id>" first: what has such a name is nobody's task.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/str.h"
#include "codec/json.h"
#include "shim.h"
#include "sys/file.h"

enum { FILE_MAX = 64 << 10 };

/* In bootstrap.json, whose other keys are containerd's. */
#define FOREIGN_KEY "io.davit.foreign"

struct dv_err *bundle_write(const char *path, const char *name, const void *p, size_t n)
{
	DV_CLEANUP(dv_freep) char *temporary = dv_printf("%s/.%s", path, name);
	DV_CLEANUP(dv_freep) char *final = dv_printf("%s/%s", path, name);
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, p, n);
	if (r >= 0)
		r = sys_renameat(AT_FDCWD, temporary, AT_FDCWD, final);
	return r < 0 ? dv_err_sys(r, "write %s", final) : NULL;
}

static struct dv_err *make_directory(const char *path, mode_t mode)
{
	int r = sys_mkdirat(AT_FDCWD, path, mode);

	return r < 0 && r != -EEXIST ? dv_err_sys(r, "make directory %s", path) : NULL;
}

/* config.json, rootfs, and the fifo for the shim's log. */
static struct dv_err *fill(const struct bundle_opts *opts, const char *path)
{
	DV_CLEANUP(dv_freep) char *rootfs = dv_printf("%s/rootfs", path);
	DV_CLEANUP(dv_freep) char *fifo = dv_printf("%s/log", path);
	struct dv_err *e;
	int r;

	if (opts->uid != 0) {
		/* Root of the container is somebody else, who has to get to the root file system. */
		r = sys_fchownat(AT_FDCWD, path, (uid_t)-1, opts->uid, AT_SYMLINK_NOFOLLOW);
		if (r == 0)
			r = sys_fchmodat(AT_FDCWD, path, 0710);
		if (r < 0)
			return dv_err_sys(r, "give bundle %s to group %u", path, opts->uid);
	}
	e = make_directory(rootfs, 0711);
	if (e)
		return e;
	r = sys_mknodat(AT_FDCWD, fifo, S_IFIFO | 0600, 0);
	if (r < 0)
		return dv_err_sys(r, "make fifo %s", fifo);
	/* Before the shim is: a daemon that is started anew knows who can clean up after it. */
	if (opts->binary) {
		e = bundle_write(path, "shim-binary-path", opts->binary, strlen(opts->binary));
		if (e)
			return e;
	}
	return bundle_write(path, "config.json", opts->config, opts->n_config);
}

struct dv_err *bundle_new(const struct bundle_opts *opts, char **ret_path)
{
	DV_CLEANUP(dv_freep) char *ns_dir = dv_printf("%s/%s", opts->dir, opts->ns);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", ns_dir, opts->id);
	struct dv_err *e;
	int r;

	e = make_directory(opts->dir, 0711);
	if (!e)
		e = make_directory(ns_dir, 0711);
	if (e)
		return e;
	r = sys_mkdirat(AT_FDCWD, path, 0700);
	if (r == -EEXIST)
		return dv_err_new(DV_EXISTS, "bundle %s is there already", path);
	if (r < 0)
		return dv_err_sys(r, "make bundle %s", path);
	DV_FAULT("task.bundle.made");
	e = fill(opts, path);
	DV_FAULT("task.bundle.filled");
	if (e) {
		dv_err_free(bundle_remove(path));
		return e;
	}
	*ret_path = dv_steal(&path);
	return NULL;
}

struct dv_err *bundle_save(const char *path, const struct bundle_info *info)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *uri = dv_printf("unix://%s", info->address);
	struct dv_jw w;

	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_uint(&w, "version", info->version);
	dv_jw_string(&w, "address", uri);
	dv_jw_string(&w, "protocol", "ttrpc");
	if (info->is_foreign)
		dv_jw_bool(&w, FOREIGN_KEY, true);
	dv_jw_object_end(&w);
	return bundle_write(path, "bootstrap.json", text.data, text.len);
}

static void load_bootstrap(const char *text, size_t n, struct bundle_info *info)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, n, &doc);
	const char *address;
	uint64_t version;

	if (e) {
		dv_err_free(e);
		return;
	}
	if (dv_json_type(dv_json_get(doc, "address")) != DV_JSON_STRING ||
	    !dv_json_uint(dv_json_get(doc, "version"), &version))
		return;
	address = dv_json_string(dv_json_get(doc, "address"), NULL);
	if (dv_starts_with(address, "unix://"))
		address += strlen("unix://");
	info->address = dv_strdup(address);
	info->version = version == 3 ? 3 : 2;
	info->is_foreign = dv_json_type(dv_json_get(doc, FOREIGN_KEY)) == DV_JSON_BOOL &&
			   dv_json_bool(dv_json_get(doc, FOREIGN_KEY));
}

void bundle_load(const char *path, struct bundle_info *ret)
{
	DV_CLEANUP(sys_closep) int dir = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	char text[FILE_MAX];
	ssize_t n;

	*ret = (struct bundle_info){};
	if (dir < 0)
		return;
	n = sys_read_file_at(dir, "bootstrap.json", text, sizeof(text));
	if (n > 0)
		load_bootstrap(text, (size_t)n, ret);
	n = sys_read_file_at(dir, "shim-binary-path", text, PATH_MAX);
	if (n > 0 && *text == '/')
		ret->binary = dv_strdup(text);
}

struct dv_err *bundle_remove(const char *path)
{
	DV_CLEANUP(dv_freep) char *rootfs = dv_printf("%s/rootfs", path);
	DV_CLEANUP(dv_freep) char *dir = dv_strdup(path);
	DV_CLEANUP(dv_freep) char *hidden = NULL;
	DV_CLEANUP(sys_closep) int fd = -1;
	char *name = strrchr(dir, '/') + 1;
	int r;

	name[-1] = '\0';
	hidden = dv_printf(".%s", name);
	fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return NULL;
	if (fd < 0)
		return dv_err_sys(fd, "open %s", dir);
	/* The shim has done it, if there was one. Several mounts may be on top of each other. */
	while (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	/* One that could not be removed before is in the way. */
	(void)sys_remove_tree(fd, hidden);
	r = sys_renameat(fd, name, fd, hidden);
	if (r == -ENOENT)
		return NULL;
	DV_FAULT("task.bundle.hidden");
	if (r == 0)
		r = sys_remove_tree(fd, hidden);
	return r < 0 ? dv_err_sys(r, "remove bundle %s", path) : NULL;
}
