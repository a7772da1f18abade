/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent of davit-unpack. The child is hostile as soon as it has seen the archive: of its
 * requests only descriptors are used, and names that are one component; what they lead to is
 * checked to be on the layer's own file system.
 */

#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "child.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/spawn.h"
#include "wire.h"

enum { TICK_MS = 100, DEVICES_MAX = 65536 };
#define BYTES_MAX   (1ULL << 40)
#define ENTRIES_MAX (16ULL << 20)

struct parent {
	const struct image_unpack *u;
	int socket; /* ours */
	int archive; /* by a mount of its own that cannot be written to */
	int target; /* a detached mount */
	dev_t dev; /* of the target */
	pid_t pid;
	int pidfd;
	unsigned n_devices;
	struct unpack_msg msg;
};

/* ---- requests ----------------------------------------------------------------------------------- */

static int check_directory(const struct parent *p, int fd)
{
	struct stat st;
	int r = fd < 0 ? -EBADF : sys_fstat(fd, &st);

	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) && st.st_dev == p->dev ? 0 : -EPERM;
}

static int make_opaque(const struct parent *p, int dir)
{
	int r = check_directory(p, dir);

	if (r < 0)
		return r;
	return fsetxattr(dir, "trusted.overlay.opaque", "y", 1, 0) < 0 ? -errno : 0;
}

static bool is_component(const char *name)
{
	return *name && !strchr(name, '/') && !dv_streq(name, ".") && !dv_streq(name, "..");
}

/* A device in an image is a file like others: where it is mounted, "nodev" makes it harmless. */
static int make_device(struct parent *p, int dir)
{
	const struct unpack_msg *m = &p->msg;
	mode_t type = m->mode & S_IFMT;
	int r = check_directory(p, dir);

	if (r < 0)
		return r;
	if ((type != S_IFCHR && type != S_IFBLK) || !is_component(m->text))
		return -EINVAL;
	if (++p->n_devices > DEVICES_MAX)
		return -EDQUOT;
	r = sys_mknodat(dir, m->text, type | 0600, makedev(m->dev_major, m->dev_minor));
	if (r == 0)
		r = sys_fchownat(dir, m->text, m->uid, m->gid, AT_SYMLINK_NOFOLLOW);
	/* The child may have put something else there by now: not through a link. */
	if (r == 0) {
		DV_CLEANUP(sys_closep)
		int fd = sys_openat(dir, m->text, O_PATH | O_NOFOLLOW, 0);
		char path[64];
		struct stat st;

		if (fd < 0 || sys_fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type)
			return -EPERM;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		r = sys_fchmodat(AT_FDCWD, path, m->mode & 07777);
	}
	return r;
}

/* The topmost layer below that has such a directory. No link is followed. */
static int stat_parent(struct parent *p)
{
	struct unpack_msg *m = &p->msg;

	for (size_t i = 0; i < p->u->n_lowers; i++) {
		DV_CLEANUP(sys_closep) int root = -1, fd = -1;
		struct stat st;

		root = sys_openat(AT_FDCWD, p->u->lowers[i], O_PATH | O_DIRECTORY, 0);
		if (root < 0)
			continue;
		fd = sys_openat2(root, m->text, O_PATH | O_DIRECTORY, 0,
				 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
		if (fd < 0 || sys_fstat(fd, &st) < 0)
			continue;
		m->mode = st.st_mode & 07777;
		m->uid = st.st_uid;
		m->gid = st.st_gid;
		return 0;
	}
	return -ENOENT;
}

static int serve(struct parent *p, int fd)
{
	switch (p->msg.kind) {
	case UNPACK_OPAQUE:
		return p->u->is_overlay ? make_opaque(p, fd) : -EPERM;
	case UNPACK_MKNOD:
		return make_device(p, fd);
	case UNPACK_PARENT:
		return stat_parent(p);
	default:
		return -EPROTO;
	}
}

/* ---- the conversation --------------------------------------------------------------------------- */

/* *ret_end: it was the last one, and p->msg has it. */
static struct dv_err *one_message(struct parent *p, bool *ret_end)
{
	static const char who[] = "the unpacker";
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;

	e = image_child_hear(p->socket, p->pidfd, who, &p->msg, &fd, ret_end);
	if (e || *ret_end)
		return e;
	return image_child_answer(p->socket, who, &p->msg, serve(p, fd));
}

static struct dv_err *converse(struct parent *p)
{
	bool is_end = false;
	struct dv_err *e;
	int r;

	while (!is_end) {
		if (p->u->is_cancelled && p->u->is_cancelled(p->u->arg))
			return dv_err_new(DV_CANCELLED, "the client has gone");
		r = sys_poll_in(p->socket, TICK_MS);
		if (r < 0)
			return dv_err_sys(r, "wait for the unpacker");
		if (r == 0)
			continue;
		e = one_message(p, &is_end);
		if (e)
			return e;
	}
	return NULL;
}

/* ---- the child's life ---------------------------------------------------------------------------- */

static struct dv_err *start(struct parent *p, int child_socket)
{
	const struct image_unpack *u = p->u;
	char bytes[32], entries[32];
	char *argv[] = { (char *)"davit-unpack",
			 u->is_overlay ? (char *)"overlay" : (char *)"plain", bytes, entries,
			 NULL };
	char *envp[] = { (char *)"LC_ALL=C.UTF-8", NULL };
	int fds[] = { child_socket, p->archive, p->target };
	struct sys_spawn_opts opts = {
		.path = u->program,
		.argv = argv,
		.envp = envp,
		.stdio = { -1, -1, -1 },
		.fds = fds,
		.n_fds = DV_ARRAY_SIZE(fds),
		.ns_flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.pdeathsig = SIGKILL,
	};
	int r;

	snprintf(bytes, sizeof(bytes), "%llu",
		 (unsigned long long)(u->max_bytes ? u->max_bytes : BYTES_MAX));
	snprintf(entries, sizeof(entries), "%llu",
		 (unsigned long long)(u->max_entries ? u->max_entries : ENTRIES_MAX));
	r = sys_spawn_with(&opts, &p->pid, &p->pidfd);
	return r < 0 ? dv_err_sys(r, "run %s", u->program) : NULL;
}

/* A mount of its own, which the child can put into its namespace; ours would be none of its. */
static struct dv_err *open_target(struct parent *p)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	struct stat st;
	int r;

	dir = sys_openat(AT_FDCWD, p->u->target, O_PATH | O_DIRECTORY, 0);
	r = dir < 0 ? dir : sys_fstat(dir, &st);
	if (r < 0)
		return dv_err_sys(r, "open %s", p->u->target);
	p->target = sys_open_tree(dir, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (p->target < 0)
		return dv_err_sys(p->target, "make a mount of %s", p->u->target);
	p->dev = st.st_dev;
	return NULL;
}

/*
 * Root's files are root's to change whatever a descriptor was opened for: mode, owner, times and
 * attributes. Not on a read-only mount.
 */
static int open_read_only(int file, int *ret)
{
	DV_CLEANUP(sys_closep) int mount = -1;
	char path[64];
	int r;

	mount = sys_open_tree(file, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (mount < 0)
		return mount;
	r = sys_mount_setattr(mount, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mount);
	*ret = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	return *ret < 0 ? *ret : 0;
}

static struct dv_err *run(struct parent *p, struct image_unpacked *ret)
{
	int sockets[2];
	struct dv_err *e;
	int r;

	r = sys_socketpair_seqpacket(sockets);
	if (r < 0)
		return dv_err_sys(r, "make a socket pair");
	p->socket = sockets[0];
	e = start(p, sockets[1]);
	sys_close(sockets[1]);
	if (e)
		return e;
	e = converse(p);
	image_child_end(p->pidfd);
	return e ? e : image_child_verdict(&p->msg, &ret->diff_id, &ret->size);
}

struct dv_err *image_unpack(const struct image_unpack *u, struct image_unpacked *ret)
{
	struct parent *p = dv_new(struct parent);
	struct dv_err *e;
	int r;

	p->u = u;
	p->socket = p->archive = p->target = p->pidfd = -1;
	e = open_target(p);
	if (!e) {
		r = open_read_only(u->archive, &p->archive);
		e = r < 0 ? dv_err_sys(r, "open the archive read-only") : run(p, ret);
	}
	sys_closep(&p->socket);
	sys_closep(&p->archive);
	sys_closep(&p->target);
	sys_closep(&p->pidfd);
	free(p);
	return dv_err_wrap(e, "unpack");
}
