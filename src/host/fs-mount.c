/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlays of many layers have options longer than a page, which mount(2) refuses. The lower
 * directories then become relative to the directory that all of them are in. The thread changes
 * into it for that moment; it has a working directory of its own from then on.
 */

#include "host/fs-mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/mem.h"
#include "base/str.h"
#include "fs-mount-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

enum { PAGE = 4096, UNMOUNTS_MAX = 128 };

/* ---- options --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool clears;
	unsigned long flags;
} flags[] = {
	{ "async", true, MS_SYNCHRONOUS },
	{ "atime", true, MS_NOATIME },
	{ "bind", false, MS_BIND },
	{ "defaults", false, 0 },
	{ "dev", true, MS_NODEV },
	{ "diratime", true, MS_NODIRATIME },
	{ "dirsync", false, MS_DIRSYNC },
	{ "exec", true, MS_NOEXEC },
	{ "mand", false, MS_MANDLOCK },
	{ "noatime", false, MS_NOATIME },
	{ "nodev", false, MS_NODEV },
	{ "nodiratime", false, MS_NODIRATIME },
	{ "noexec", false, MS_NOEXEC },
	{ "nomand", true, MS_MANDLOCK },
	{ "norelatime", true, MS_RELATIME },
	{ "nostrictatime", true, MS_STRICTATIME },
	{ "nosuid", false, MS_NOSUID },
	{ "rbind", false, MS_BIND | MS_REC },
	{ "relatime", false, MS_RELATIME },
	{ "remount", false, MS_REMOUNT },
	{ "ro", false, MS_RDONLY },
	{ "rw", true, MS_RDONLY },
	{ "strictatime", false, MS_STRICTATIME },
	{ "suid", true, MS_NOSUID },
	{ "sync", false, MS_SYNCHRONOUS },
};

static bool take_flag(struct fs_plan *plan, const char *option)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(flags); i++) {
		if (!dv_streq(option, flags[i].name))
			continue;
		if (flags[i].clears)
			plan->flags &= ~flags[i].flags;
		else
			plan->flags |= flags[i].flags;
		return true;
	}
	return false;
}

static struct dv_err *make_plan(const struct host_fs_mount *m, struct fs_plan *plan)
{
	if (dv_streq(m->type, "bind") || dv_streq(m->type, "rbind"))
		plan->flags |= MS_BIND;
	for (size_t i = 0; i < m->n_options; i++) {
		const char *option = m->options[i];

		if (take_flag(plan, option) || dv_starts_with(option, "X-containerd."))
			continue;
		if (dv_streq(option, "loop"))
			return dv_err_new(DV_UNIMPLEMENTED,
					  "mount option \"%.100s\" is not supported yet", option);
		if (dv_starts_with(option, "uidmap=") || dv_starts_with(option, "gidmap=")) {
			*(option[0] == 'u' ? &plan->uids : &plan->gids) =
				option + strlen("uidmap=");
			continue;
		}
		if (dv_streq(m->type, "overlay") && dv_starts_with(option, "lowerdir=")) {
			plan->lower = option + strlen("lowerdir=");
			continue;
		}
		if (plan->data.len)
			dv_strbuf_addc(&plan->data, ',');
		dv_strbuf_add(&plan->data, option);
	}
	return NULL;
}

/* ---- lower directories ------------------------------------------------------------------------------- */

size_t fs_lower_prefix(const char *lower)
{
	size_t n = strcspn(lower, ":");

	for (const char *p = lower; *p; p += strcspn(p, ":"), p += *p == ':') {
		size_t k = 0;

		while (k < n && p[k] == lower[k])
			k++;
		n = k;
	}
	while (n > 0 && lower[n - 1] != '/')
		n--;
	return n;
}

/* "lowerdir=a:b" of the paths behind the prefix. */
static void add_relative(struct dv_strbuf *out, const char *lower, size_t prefix)
{
	dv_strbuf_add(out, "lowerdir=");
	for (const char *p = lower; *p;) {
		size_t n = strcspn(p, ":");

		if (p != lower)
			dv_strbuf_addc(out, ':');
		dv_strbuf_add_n(out, p + prefix, n - prefix);
		p += n + (p[n] == ':');
	}
}

/* The kernel reads one page of @data, and would take what is cut off for all of it. */
static int mount_whole(const struct host_fs_mount *m, const char *target,
		       const struct fs_plan *plan, const struct dv_strbuf *data)
{
	if (data->len >= PAGE)
		return -E2BIG;
	return sys_mount(m->source, target, m->type, plan->flags, data->data);
}

/* Mounts from inside the directory that the lower ones are in, and comes back. */
static int mount_from(const char *dir, const struct host_fs_mount *m, const char *target,
		      const struct fs_plan *plan, const struct dv_strbuf *data)
{
	DV_CLEANUP(sys_closep) int back = sys_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0);
	int r = back < 0 ? back : sys_unshare(CLONE_FS);

	if (r >= 0)
		r = sys_chdir(dir);
	if (r < 0)
		return r;
	r = mount_whole(m, target, plan, data);
	(void)sys_fchdir(back);
	return r;
}

int fs_mount_overlay_from(const char *dir, size_t prefix, const struct host_fs_mount *m,
			  const char *target, const struct fs_plan *plan)
{
	struct dv_strbuf data = DV_STRBUF_INIT;
	int r;

	add_relative(&data, plan->lower, prefix);
	if (plan->data.len)
		dv_strbuf_addf(&data, ",%s", plan->data.data);
	r = mount_from(dir, m, target, plan, &data);
	dv_strbuf_fini(&data);
	return r;
}

static int mount_overlay(const struct host_fs_mount *m, const char *target,
			 const struct fs_plan *plan)
{
	struct dv_strbuf data = DV_STRBUF_INIT;
	size_t prefix;
	int r;

	dv_strbuf_addf(&data, "lowerdir=%s%s%s", plan->lower, plan->data.len ? "," : "",
		       plan->data.data);
	prefix = fs_lower_prefix(plan->lower);
	if (data.len < PAGE || prefix == 0 || plan->lower[0] != '/') {
		r = mount_whole(m, target, plan, &data);
	} else {
		DV_CLEANUP(dv_freep) char *dir = dv_strndup(plan->lower, prefix);

		r = fs_mount_overlay_from(dir, prefix, m, target, plan);
	}
	dv_strbuf_fini(&data);
	return r;
}

/* ---- one mount ------------------------------------------------------------------------------------------ */

static struct dv_err *open_target(const char *root, const struct host_fs_mount *m, int *ret)
{
	DV_CLEANUP(sys_closep) int fd = -1;

	/* Opened anew each time: after a mount it is another directory. */
	fd = sys_openat(AT_FDCWD, root, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", root);
	if (*m->target && !dv_streq(m->target, "/")) {
		int inside = sys_open_in_root(fd, m->target, O_PATH);

		if (inside < 0)
			return dv_err_sys(inside, "open the mount's target \"%s\"", m->target);
		sys_close(fd);
		fd = inside;
	}
	*ret = dv_steal_fd(&fd);
	return NULL;
}

static struct dv_err *mount_error(int r, const char *root, const struct host_fs_mount *m)
{
	return dv_err_sys(r, "mount %s \"%s\" on %s%s%s", m->type, m->source, root,
			  *m->target ? "/" : "", m->target);
}

static bool is_late(const struct fs_plan *plan)
{
	return plan->flags & MS_BIND &&
	       plan->flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
			      MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME);
}

/* A read-only bind takes a second call: the first one ignores all flags but MS_BIND and MS_REC. */
static struct dv_err *set_flags(const char *root, const struct host_fs_mount *m,
				const struct fs_plan *plan)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e = open_target(root, m, &fd);
	char target[64];
	int r;

	if (e)
		return e;
	snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	r = sys_mount("none", target, NULL, (plan->flags & ~MS_REC) | MS_REMOUNT, NULL);
	if (r >= 0)
		return NULL;
	(void)sys_umount2(target, MNT_DETACH);
	return mount_error(r, root, m);
}

static struct dv_err *mount_planned(const char *root, const struct host_fs_mount *m,
				    const struct fs_plan *plan)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	char target[64];
	struct dv_err *e;
	int r;

	e = open_target(root, m, &fd);
	if (e)
		return e;
	if (plan->uids || plan->gids) {
		e = fs_mount_mapped(root, m, fd, plan);
		if (e)
			return e;
	} else {
		snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
		r = plan->lower ? mount_overlay(m, target, plan)
				: mount_whole(m, target, plan, &plan->data);
		if (r < 0)
			return mount_error(r, root, m);
	}
	return is_late(plan) ? set_flags(root, m, plan) : NULL;
}

static struct dv_err *mount_one(const char *root, const struct host_fs_mount *m)
{
	struct fs_plan plan = { .data = DV_STRBUF_INIT };
	struct dv_err *e = make_plan(m, &plan);

	if (!e)
		e = mount_planned(root, m, &plan);
	dv_strbuf_fini(&plan.data);
	return e;
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

struct dv_err *host_fs_mount(const char *root, const struct host_fs_mount *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct dv_err *e = mount_one(root, &mounts[i]);

		if (e) {
			if (i > 0)
				dv_err_free(host_fs_unmount(root));
			return e;
		}
	}
	return NULL;
}

/* What is mounted last on it, as often as something is; below it the kernel goes along. */
struct dv_err *host_fs_unmount(const char *root)
{
	int r = 0;

	for (int i = 0; i < UNMOUNTS_MAX && r == 0; i++)
		r = sys_umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (r == -EINVAL || r == -ENOENT) /* no mount any more, or nothing there at all */
		return NULL;
	return r < 0 ? dv_err_sys(r, "unmount %s", root) : NULL;
}
