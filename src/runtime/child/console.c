/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal. Both ends come from the container's own devpts, which is checked to be one;
 * the slave is got by TIOCGPTPEER and bound over /dev/console by descriptor, so no path that
 * the image controls is ever opened as a terminal (CVE-2025-52565).
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/tty.h"

static int open_master(struct rt_launch *l, char *text)
{
	int fd = sys_open_in_root(l->rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
	struct stat st;
	long type = 0;
	int r;

	/* A bound /dev may bring a ptmx of its own. */
	if (fd == -ENOENT)
		fd = sys_open_in_root(l->rootfd, "/dev/ptmx", O_RDWR | O_NOCTTY);
	if (fd < 0)
		return rt_explain(text, fd, "open /dev/pts/ptmx of the container");
	r = sys_fstatfs_type(fd, &type);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r == 0 &&
	    (type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2)))
		r = -ENODEV;
	if (r < 0) {
		sys_close(fd);
		return rt_explain(text, r,
				  "/dev/pts/ptmx of the container is not a pty multiplexer");
	}
	return fd;
}

static int bind_console(struct rt_launch *l, int slave, char *text)
{
	DV_CLEANUP(sys_closep) int dev = -1;
	DV_CLEANUP(sys_closep) int target = -1;
	DV_CLEANUP(sys_closep) int tree = -1;
	int r;

	dev = sys_open_in_root(l->rootfd, "/dev", O_PATH | O_DIRECTORY);
	if (dev < 0)
		return rt_explain(text, dev, "open /dev of the container");
	/* An existing symlink is refused, an existing file is covered. */
	target = sys_openat2(dev, "console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (target == -EEXIST)
		target = sys_openat2(dev, "console", O_PATH | O_NOFOLLOW, 0,
				     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (target < 0)
		return rt_explain(text, target, "open mount point /dev/console");
	tree = sys_open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	r = tree < 0 ? tree : sys_move_mount_fd(tree, target);
	return r < 0 ? rt_explain(text, r, "bind the terminal over /dev/console") : 0;
}

static int use_terminal(struct rt_launch *l, int slave, char *text)
{
	int r;

	for (int i = 0; i < 3; i++) {
		if (dup2(slave, i) < 0)
			return rt_explain(text, -errno, "make the terminal standard stream %d", i);
	}
	r = sys_tty_set_controlling(0);
	(void)l;
	return r < 0 ? rt_explain(text, r, "make the terminal the controlling one") : 0;
}

int rt_child_console(struct rt_launch *l, char *text)
{
	const struct spec_process *p = l->process;
	DV_CLEANUP(sys_closep) int master = open_master(l, text);
	DV_CLEANUP(sys_closep) int slave = -1;
	char name[32];
	int r;

	if (master < 0)
		return master;
	r = sys_tty_unlock(master);
	if (r == 0)
		slave = sys_tty_peer(master);
	if (r < 0 || slave < 0)
		return rt_explain(text, r < 0 ? r : slave, "open the terminal's other end");
	if (p->console_height && p->console_width) {
		r = sys_tty_set_size(master, p->console_height, p->console_width);
		if (r < 0)
			return rt_explain(text, r, "set the terminal's size");
	}
	r = sys_tty_number(master);
	if (r < 0)
		return rt_explain(text, r, "get the terminal's number");
	snprintf(name, sizeof(name), "/dev/pts/%d", r);
	if (!l->is_exec) {
		r = bind_console(l, slave, text);
		if (r < 0)
			return r;
	}
	/* Before the slave becomes ours: the receiver may close it if we die. */
	r = sys_send_fd(l->console_sock, name, strlen(name), master);
	if (r < 0)
		return rt_explain(text, r, "send the terminal to the console socket");
	l->console_sock = sys_close(l->console_sock);
	return use_terminal(l, slave, text);
}

int rt_child_pidfd(struct rt_launch *l, char *text)
{
	const char *kind = l->is_exec ? "setns" : "standard";
	DV_CLEANUP(sys_closep) int fd = sys_pidfd_open(getpid());
	int r;

	if (fd < 0)
		return rt_explain(text, fd, "open own pidfd");
	r = sys_send_fd(l->pidfd_sock, kind, strlen(kind), fd);
	return r < 0 ? rt_explain(text, r, "send the pidfd to the pidfd socket") : 0;
}
