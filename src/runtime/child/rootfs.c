/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's root: placed, filled with mounts, finished, entered.
 *
 * The tree that the parent cloned is placed on the root's own directory. pivot_root(".", ".")
 * then makes it the root and stacks the old one on it, from where it is detached.
 *
 * Without a mount namespace of its own the container shares the host's mounts, as asked: its
 * mounts are made below its root directory, and chroot(2) is all there is.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

enum { PROC_ROOT_INO = 1 };

static bool has_mount_ns(const struct rt_launch *l)
{
	return (l->ns_new | l->ns_joined) & NS_BIT(SPEC_NS_MNT);
}

/*
 * pivot_root wants the mount that the root is placed on not to be shared, and what we place
 * must not reach the host: private for that one mount, which is the first of the path's
 * parents that is the root of a mount.
 */
static int cut_parent(const struct rt_launch *l)
{
	char path[PATH_MAX];
	char *slash;
	int r;

	snprintf(path, sizeof(path), "%s", l->rootfs);
	for (;;) {
		r = sys_mount_setattr(AT_FDCWD, path, 0, 0, 0, MS_PRIVATE, -1);
		if (r != -EINVAL || dv_streq(path, "/"))
			return r;
		slash = strrchr(path, '/');
		slash[slash == path] = '\0';
	}
}

/* Our copy of the host's mounts must not tell the host what happens here. */
static int cut_propagation(struct rt_launch *l, char *text)
{
	uint64_t kind = l->root_propagation & ~(uint64_t)MS_REC;
	unsigned at = l->root_propagation & MS_REC ? AT_RECURSIVE : 0;
	int r;

	r = sys_mount_setattr(AT_FDCWD, "/", at, 0, 0, kind, -1);
	if (r == 0 && ((kind != MS_PRIVATE && kind != MS_SLAVE) || !at))
		r = cut_parent(l);
	return r < 0 ? rt_explain(text, r, "set the propagation of /") : 0;
}

/*
 * On its own directory, where hooks that enter our mount namespace expect it. A mapped root
 * that may not walk there gets it on top of "/", which is as good for pivot_root.
 */
static int place_root(struct rt_launch *l)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	int r;

	dir = sys_openat(AT_FDCWD, l->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir >= 0)
		return sys_move_mount_fd(l->rootfs_tree, dir);
	if (dir != -EACCES)
		return dir;
	r = sys_mount_setattr(AT_FDCWD, "/", 0, 0, 0, MS_PRIVATE, -1);
	if (r < 0)
		return r;
	return sys_move_mount(l->rootfs_tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

int rt_child_rootfs(struct rt_launch *l, char *text)
{
	int fd, r;

	if (!has_mount_ns(l)) {
		l->rootfd = sys_openat(AT_FDCWD, l->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		return l->rootfd < 0 ? rt_explain(text, l->rootfd, "open rootfs %s", l->rootfs) : 0;
	}
	r = cut_propagation(l, text);
	if (r < 0)
		return r;
	if (l->rootfs_tree < 0) {
		fd = sys_open_tree(AT_FDCWD, l->rootfs,
				   OPEN_TREE_CLONE | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
		if (fd < 0)
			return rt_explain(text, fd, "clone the mount of rootfs %s", l->rootfs);
		l->rootfs_tree = fd;
	}
	r = place_root(l);
	if (r < 0)
		return rt_explain(text, r, "place rootfs %s", l->rootfs);
	l->rootfd = dv_steal_fd(&l->rootfs_tree);
	return 0;
}

int rt_child_target(const struct rt_launch *l, const char *path, bool is_file, bool no_links)
{
	uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	int fd;

	if (no_links)
		resolve |= RESOLVE_NO_SYMLINKS;
	fd = sys_openat2(l->rootfd, path, O_PATH, 0, resolve);
	if (fd != -ENOENT)
		return fd;
	return is_file ? sys_mkfile_in_root(l->rootfd, path, 0644)
		       : sys_mkdir_in_root(l->rootfd, path, 0755);
}

/* ---- which mounts may be below /proc -------------------------------------------------- */

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Files that lxcfs emulates; everything else would let a container lie to its runtime. */
static bool is_emulated(const char *path)
{
	static const char *const list[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(list); i++) {
		if (dv_streq(path, list[i]))
			return true;
	}
	return false;
}

/*
 * The written path is checked, and so is the object it led to: a symlink in the image must
 * not smuggle a mount into /proc.
 */
static int check_proc(const struct rt_mount *m, int target, char *text)
{
	const char *dest = m->plan->destination;
	struct stat st;
	long type = 0;
	int r;

	if (m->plan->kind == HOST_MOUNT_PROC)
		return 0;
	if (dv_streq(dest, "/proc")) {
		if (m->plan->kind == HOST_MOUNT_BIND && m->tree >= 0 &&
		    sys_fstatfs_type(m->tree, &type) == 0 && type == PROC_SUPER_MAGIC)
			return 0;
		return rt_explain(text, -EPERM,
				  "\"%s\" cannot be mounted because it is not of type proc", dest);
	}
	if (is_emulated(dest))
		return 0;
	if (is_below(dest, "/proc"))
		return rt_explain(text, -EPERM,
				  "\"%s\" cannot be mounted because it is inside /proc", dest);
	r = sys_fstatfs_type(target, &type);
	if (r == 0 && type == PROC_SUPER_MAGIC)
		r = sys_fstat(target, &st);
	if (r < 0)
		return rt_explain(text, r, "stat %s", dest);
	if (type == PROC_SUPER_MAGIC)
		return rt_explain(text, -EPERM,
				  "\"%s\" cannot be mounted because it leads into /proc", dest);
	return 0;
}

/* ---- one mount --------------------------------------------------------------------------- */

/* The kernel's own explanation, where it has one. */
static int fs_failed(int fsfd, int r, const char *what, char *text)
{
	char message[256] = "";

	if (fsfd >= 0)
		sys_fs_message(fsfd, message, sizeof(message));
	return rt_explain(text, r, "%s%s%s%s", what, *message ? " (" : "", message,
			  *message ? ")" : "");
}

static int fs_configure(int fsfd, const struct rt_mount *m, int target, char *text)
{
	const struct host_mount *p = m->plan;
	struct stat st;
	char mode[16];
	int r = 0;

	if (p->source && *p->source)
		r = sys_fsconfig_string(fsfd, "source", p->source);
	if (r == 0 && p->kind == HOST_MOUNT_TMPFS && !p->has_mode && m->target_existed &&
	    sys_fstat(target, &st) == 0) {
		snprintf(mode, sizeof(mode), "%04o", st.st_mode & 07777);
		r = sys_fsconfig_string(fsfd, "mode", mode);
	}
	if (r < 0)
		return fs_failed(fsfd, r, "configure", text);
	for (size_t i = 0; i < p->n_params; i++) {
		const struct host_mount_param *param = &p->params[i];

		r = param->value ? sys_fsconfig_string(fsfd, param->key, param->value)
				 : sys_fsconfig_flag(fsfd, param->key);
		if (r < 0)
			return fs_failed(fsfd, r, param->key, text);
	}
	return 0;
}

/* A detached mount of a file system, ready to be placed. */
static int fs_make(const struct rt_mount *m, int target, char *text)
{
	DV_CLEANUP(sys_closep) int fsfd = -1;
	int fd, r;

	fsfd = sys_fsopen(m->plan->fstype);
	if (fsfd < 0)
		return rt_explain(text, fsfd, "open file system type %s", m->plan->fstype);
	r = fs_configure(fsfd, m, target, text);
	if (r < 0)
		return r;
	r = sys_fsconfig_create(fsfd);
	if (r < 0)
		return fs_failed(fsfd, r, "create", text);
	fd = sys_fsmount(fsfd, (unsigned)m->plan->attr_set);
	return fd < 0 ? fs_failed(fsfd, fd, "mount", text) : fd;
}

int rt_child_place(int mountfd, int target, const struct host_mount *p, char *text)
{
	int r;

	if (p->kind != HOST_MOUNT_BIND && (p->rec_attr_set || p->rec_attr_clr)) {
		r = sys_mount_setattr(mountfd, "", AT_EMPTY_PATH | AT_RECURSIVE, p->rec_attr_set,
				      p->rec_attr_clr, 0, -1);
		if (r < 0)
			return rt_explain(text, r, "set recursive mount attributes");
	}
	r = sys_move_mount_fd(mountfd, target);
	if (r < 0)
		return rt_explain(text, r, "place");
	for (size_t i = 0; p->kind != HOST_MOUNT_BIND && i < p->n_propagation; i++) {
		r = rt_propagate(mountfd, p->propagation[i]);
		if (r < 0)
			return rt_explain(text, r, "set propagation");
	}
	return 0;
}

/* What fsconfig cannot express goes the old way; the target is still the descriptor. */
static int mount_old(const struct rt_launch *l, struct rt_mount *m, int target, char *text)
{
	const struct host_mount *p = m->plan;
	char path[64];
	int r;

	(void)l;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	r = sys_mount(p->source ? p->source : p->fstype, path, p->fstype, p->ms_flags,
		      *p->data ? p->data : NULL);
	return r < 0 ? rt_explain(text, r, "mount") : 0;
}

/*
 * sysfs belongs to a network namespace: in a user namespace that does not own ours, the host's
 * is bound, read-only with all below it.
 */
static int bind_sysfs(const struct host_mount *p, char *text)
{
	int fd = sys_open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | AT_RECURSIVE);
	int r;

	if (fd < 0)
		return rt_explain(text, fd, "bind /sys of the host");
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, p->attr_set | MOUNT_ATTR_RDONLY,
			      0, 0, -1);
	if (r == 0)
		return fd;
	sys_close(fd);
	return rt_explain(text, r, "make /sys of the host read-only");
}

static int mount_fs(struct rt_launch *l, struct rt_mount *m, int target, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	if (m->plan->needs_mount2)
		return mount_old(l, m, target, text);
	fd = fs_make(m, target, text);
	if (fd == -EPERM && m->plan->kind == HOST_MOUNT_SYSFS && rt_has_userns(l))
		fd = bind_sysfs(m->plan, text);
	if (fd < 0)
		return fd;
	if (m->plan->copies_up) {
		r = rt_child_copy_up(target, fd);
		if (r < 0)
			return rt_explain(text, r, "tmpcopyup");
	}
	r = rt_child_place(fd, target, m->plan, text);
	if (r == 0 && m->plan->is_readonly_late)
		m->late_fd = dv_steal_fd(&fd);
	return r;
}

static int mount_bind(struct rt_launch *l, struct rt_mount *m, int target, char *text)
{
	int r = rt_child_place(m->tree, target, m->plan, text);

	(void)l;
	if (r == 0 && m->plan->is_readonly_late)
		m->late_fd = m->tree;
	else
		sys_close(m->tree);
	m->tree = -1;
	return r;
}

static int make_symlink(const struct rt_launch *l, const struct rt_mount *m, char *text)
{
	const char *dest = m->plan->destination, *name = strrchr(dest, '/') + 1;
	DV_CLEANUP(sys_closep) int dir = -1;
	char parent[PATH_MAX], now[PATH_MAX];
	int r;

	snprintf(parent, sizeof(parent), "%.*s", (int)(name - dest), dest);
	dir = sys_mkdir_in_root(l->rootfd, parent, 0755);
	if (dir < 0)
		return rt_explain(text, dir, "make %s", parent);
	r = sys_symlinkat(m->symlink, dir, name);
	if (r == -EEXIST && sys_readlinkat(dir, name, now, sizeof(now)) > 0 &&
	    dv_streq(now, m->symlink))
		r = 0;
	return r < 0 ? rt_explain(text, r, "make symlink %s", dest) : 0;
}

static int open_target(struct rt_launch *l, struct rt_mount *m, char *text)
{
	const struct host_mount *p = m->plan;
	bool is_special = p->kind == HOST_MOUNT_PROC || p->kind == HOST_MOUNT_SYSFS;
	bool is_file = false;
	struct stat st;
	int fd;

	if (p->kind == HOST_MOUNT_BIND && sys_fstat(m->tree, &st) == 0)
		is_file = !S_ISDIR(st.st_mode);
	fd = sys_open_in_root(l->rootfd, p->destination,
			      O_PATH | (p->dst_is_nofollow ? O_NOFOLLOW : 0));
	m->target_existed = fd >= 0;
	if (is_special || fd == -ENOENT) {
		sys_close(fd);
		fd = rt_child_target(l, p->destination, is_file, is_special);
	}
	if (fd == -ELOOP && is_special)
		fd = -ENOTDIR;
	if (fd < 0 && !(is_special && fd == -ENOTDIR))
		return rt_explain(text, fd, "open mount point %s", p->destination);
	if (is_special && (fd == -ENOTDIR || sys_fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))) {
		sys_close(fd);
		return rt_explain(text, -ENOTDIR,
				  "filesystem \"%s\" must be mounted on ordinary directory",
				  p->fstype);
	}
	return fd;
}

static int do_mount(struct rt_launch *l, struct rt_mount *m, char *text)
{
	DV_CLEANUP(sys_closep) int target = -1;
	int r;

	if (m->symlink)
		return make_symlink(l, m, text);
	if (m->plan->kind == HOST_MOUNT_CGROUP)
		return rt_child_cgroup_mount(l, m, text);
	if (m->plan->kind == HOST_MOUNT_BIND && m->tree < 0) {
		/* Where our rights are not the host's, somebody with those comes in and does it. */
		r = m->is_late && rt_has_userns(l) ? rt_child_ask_mount(l, m, text)
						   : rt_bind_open(l, m, text);
		if (r < 0)
			return r;
	}
	target = open_target(l, m, text);
	if (target < 0)
		return target;
	r = check_proc(m, target, text);
	if (r < 0)
		return r;
	return m->plan->kind == HOST_MOUNT_BIND ? mount_bind(l, m, target, text)
						: mount_fs(l, m, target, text);
}

/* Where the container's NOTIFY_SOCKET points to. */
static int mount_notify(struct rt_launch *l, char *text)
{
	DV_CLEANUP(sys_closep) int target = -1;
	int r;

	if (l->notify_tree < 0)
		l->notify_tree = sys_open_tree(AT_FDCWD, l->notify_dir, OPEN_TREE_CLONE);
	if (l->notify_tree < 0)
		return rt_explain(text, l->notify_tree, "open %s", l->notify_dir);
	target = rt_child_target(l, "/run/notify", false, false);
	r = target < 0 ? target : sys_move_mount_fd(l->notify_tree, target);
	l->notify_tree = sys_close(l->notify_tree);
	return r < 0 ? rt_explain(text, r, "mount /run/notify") : 0;
}

int rt_child_mounts(struct rt_launch *l, char *text)
{
	char why[RT_TEXT_MAX] = "";

	for (size_t i = 0; i < l->n_mounts; i++) {
		const struct host_mount *p = l->mounts[i].plan;
		int r = do_mount(l, &l->mounts[i], why);

		if (r < 0)
			return rt_explain(
				text, r,
				"error mounting \"%.200s\" to rootfs at \"%.200s\": %.500s",
				p->source ? p->source : p->fstype, p->destination, why);
	}
	return l->notify_dir ? mount_notify(l, text) : 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

int rt_child_finish_mounts(struct rt_launch *l, char *text)
{
	int r;

	for (size_t i = 0; i < l->n_mounts; i++) {
		if (l->mounts[i].late_fd < 0)
			continue;
		r = sys_mount_setattr(l->mounts[i].late_fd, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0,
				      0, -1);
		if (r < 0)
			return rt_explain(text, r, "make %s read-only",
					  l->mounts[i].plan->destination);
		l->mounts[i].late_fd = sys_close(l->mounts[i].late_fd);
	}
	if (l->spec->root.is_readonly && has_mount_ns(l)) {
		r = sys_mount_setattr(l->rootfd, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
		if (r < 0)
			return rt_explain(text, r, "make the root read-only");
	}
	return 0;
}

/*
 * --no-pivot leaves the host's mounts below our root. A procfs or sysfs among them would let the
 * container mount a fresh one without the masks (the kernel looks for a visible one), so all
 * of them go. Read line by line: the list changes while we do.
 */
static bool is_exposing(char *line, const char *root, char **ret_path)
{
	char *type = strstr(line, " - "), *save = NULL, *path = NULL;

	if (!type)
		return false;
	*type = '\0';
	type += 3;
	type[strcspn(type, " ")] = '\0';
	if (!dv_streq(type, "proc") && !dv_streq(type, "sysfs"))
		return false;
	for (int i = 0; i < 5; i++)
		path = strtok_r(i ? NULL : line, " ", &save);
	if (!path)
		return false;
	dv_unescape_octal(path);
	*ret_path = path;
	return !is_below(path, root);
}

static int hide(const char *path)
{
	int r = sys_umount2(path, MNT_DETACH);

	if (r == -EINVAL || r == -EPERM) /* locked: cover it */
		r = sys_mount("tmpfs", path, "tmpfs", MS_RDONLY, NULL);
	return r == -ENOENT ? 0 : r;
}

static int hide_host(struct rt_launch *l, char *text)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(l->procfd, "thread-self/mountinfo", O_RDONLY, 0);
	char buf[32 * 1024], *path;
	size_t len = 0;
	ssize_t n;
	int r;

	if (fd < 0)
		return rt_explain(text, fd, "open mountinfo");
	while ((n = sys_read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		char *line = buf, *end;

		len += (size_t)n;
		buf[len] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (!is_exposing(line, l->rootfs, &path))
				continue;
			r = hide(path);
			if (r < 0)
				return rt_explain(text, r, "hide %s of the host", path);
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
	}
	return n < 0 ? rt_explain(text, (int)n, "read mountinfo") : 0;
}

static int change_root(struct rt_launch *l, char *text)
{
	DV_CLEANUP(sys_closep) int old = -1;
	int r;

	old = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (old < 0)
		return rt_explain(text, old, "open /");
	r = sys_fchdir(l->rootfd);
	if (r == 0)
		r = sys_pivot_root(".", ".");
	if (r < 0)
		return rt_explain(text, r, "pivot_root");
	r = sys_fchdir(old);
	/* A slave: what is unmounted here stays mounted on the host. */
	if (r == 0)
		r = sys_mount_setattr(AT_FDCWD, ".", AT_RECURSIVE, 0, 0, MS_SLAVE, -1);
	if (r == 0)
		r = sys_umount2(".", MNT_DETACH);
	if (r < 0)
		return rt_explain(text, r, "detach the old root");
	return 0;
}

int rt_child_pivot(struct rt_launch *l, char *text)
{
	uint64_t kind = l->root_propagation & ~(uint64_t)MS_REC;
	int r = 0;

	if (has_mount_ns(l) && !l->create->no_pivot) {
		r = change_root(l, text);
	} else {
		if (has_mount_ns(l))
			r = hide_host(l, text);
		/* Over "/": a process whose root is not the namespace's may make no namespaces. */
		if (r == 0 && has_mount_ns(l))
			r = sys_move_mount(l->rootfd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
		if (r == 0)
			r = sys_fchdir(l->rootfd);
		if (r == 0)
			r = sys_chroot(".");
		if (r < 0)
			return rt_explain(text, r, "error jailing process inside rootfs");
	}
	if (r == 0)
		r = sys_chdir("/");
	if (r < 0)
		return r;
	if (has_mount_ns(l) && l->spec->linux.rootfs_propagation &&
	    (kind == MS_SHARED || kind == MS_UNBINDABLE)) {
		r = rt_propagate(l->rootfd, l->root_propagation);
		if (r < 0)
			return rt_explain(text, r, "unable to apply root propagation flags");
	}
	return 0;
}
