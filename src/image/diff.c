/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent of "davit-unpack pack". The child reads trees that a container wrote; what comes out of it
 * are bytes for the content store, a digest, and one question that takes a privilege.
 */

#include "image/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "base/str.h"
#include "child.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/spawn.h"
#include "trees.h"
#include "wire.h"

enum { TICK_MS = 100, PIECE = 256 << 10, PIPE_SIZE = 1 << 20 };

struct packer {
	const struct image_diff *d;
	struct image_tree left, right;
	bool is_upper; /* the topmost layer of @right has all */
	int socket, out; /* ours */
	int left_fd, right_fd; /* the child's */
	dev_t dev; /* of the right tree */
	int pidfd;
	bool has_verdict, is_out_ended;
	struct unpack_msg msg;
	uint8_t piece[PIECE];
};

/* ---- the question -------------------------------------------------------------------------------------- */

/* 1: it hides what is below; 0; -errno. */
static int is_opaque(const struct packer *p, int dir)
{
	const char *name =
		p->right.has_userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
	char value[4];
	struct stat st;
	ssize_t n;
	int r = dir < 0 ? -EBADF : sys_fstat(dir, &st);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode) || st.st_dev != p->dev)
		return -EPERM;
	n = fgetxattr(dir, name, value, sizeof(value));
	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	return n == 1 && (*value == 'y' || *value == 'x');
}

static struct dv_err *one_message(struct packer *p)
{
	static const char who[] = "the packer";
	DV_CLEANUP(sys_closep) int fd = -1;
	bool may_ask;
	struct dv_err *e;

	e = image_child_hear(p->socket, p->pidfd, who, &p->msg, &fd, &p->has_verdict);
	if (e || p->has_verdict)
		return e;
	may_ask = p->msg.kind == UNPACK_IS_OPAQUE && p->is_upper;
	return image_child_answer(p->socket, who, &p->msg, may_ask ? is_opaque(p, fd) : -EPROTO);
}

/* ---- the conversation ----------------------------------------------------------------------------------- */

static struct dv_err *take_piece(struct packer *p)
{
	ssize_t n = sys_read(p->out, p->piece, sizeof(p->piece));

	if (n < 0)
		return dv_err_sys((int)n, "read from the packer");
	if (n == 0) {
		p->is_out_ended = true;
		return NULL;
	}
	return p->d->sink->write(p->d->sink->arg, p->piece, (size_t)n);
}

static struct dv_err *converse(struct packer *p)
{
	struct dv_err *e = NULL;

	while (!e && !(p->has_verdict && (p->is_out_ended || p->msg.kind == UNPACK_FAILED))) {
		struct pollfd fds[] = { { .fd = p->has_verdict ? -1 : p->socket, .events = POLLIN },
					{ .fd = p->is_out_ended ? -1 : p->out, .events = POLLIN } };

		if (p->d->is_cancelled && p->d->is_cancelled(p->d->arg))
			return dv_err_new(DV_CANCELLED, "the client has gone");
		if (poll(fds, DV_ARRAY_SIZE(fds), TICK_MS) < 0 && errno != EINTR)
			return dv_err_sys(-errno, "wait for the packer");
		if (fds[1].revents)
			e = take_piece(p);
		if (!e && fds[0].revents)
			e = one_message(p);
	}
	return e;
}

/* ---- the child's life ------------------------------------------------------------------------------------- */

static struct dv_err *start(struct packer *p, int child_socket, int child_out)
{
	static const char *const names[] = { "plain", "gzip", "zstd" };
	const struct image_diff *d = p->d;
	char epoch[32] = "-";
	const char *mode = p->is_upper ? "upper" : p->left_fd >= 0 ? "trees" : "all";
	char *argv[] = { (char *)"davit-unpack",	(char *)"pack", (char *)mode,
			 (char *)names[d->compression], epoch,		NULL };
	char *envp[] = { (char *)"LC_ALL=C.UTF-8", NULL };
	int fds[] = { child_socket, child_out, p->right_fd, p->left_fd };
	struct sys_spawn_opts opts = {
		.path = d->program,
		.argv = argv,
		.envp = envp,
		.stdio = { -1, -1, -1 },
		.fds = fds,
		.n_fds = DV_ARRAY_SIZE(fds),
		.ns_flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.pdeathsig = SIGKILL,
	};
	pid_t pid;
	int r;

	if (d->has_epoch)
		snprintf(epoch, sizeof(epoch), "%lld", (long long)d->epoch);
	r = sys_spawn_with(&opts, &pid, &p->pidfd);
	return r < 0 ? dv_err_sys(r, "run %s", d->program) : NULL;
}

static struct dv_err *open_trees(struct packer *p)
{
	struct dv_err *e;
	struct stat st;
	int r;

	p->is_upper = image_tree_is_next(&p->left, &p->right);
	if (p->is_upper) {
		e = image_tree_open_top(&p->right, &p->right_fd);
	} else {
		e = image_tree_open(&p->right, &p->right_fd);
		if (!e && p->left.n_layers > 0)
			e = image_tree_open(&p->left, &p->left_fd);
	}
	if (e)
		return e;
	r = sys_fstat(p->right_fd, &st);
	p->dev = st.st_dev;
	return r < 0 ? dv_err_sys(r, "look at the tree") : NULL;
}

static struct dv_err *run(struct packer *p)
{
	int sockets[2], pipe[2];
	struct dv_err *e;
	int r;

	r = sys_socketpair_seqpacket(sockets);
	if (r < 0)
		return dv_err_sys(r, "make a socket pair");
	p->socket = sockets[0];
	r = sys_pipe(pipe);
	if (r < 0) {
		sys_close(sockets[1]);
		return dv_err_sys(r, "make a pipe");
	}
	p->out = pipe[0];
	(void)sys_fcntl(p->out, F_SETPIPE_SZ, PIPE_SIZE);
	e = start(p, sockets[1], pipe[1]);
	sys_close(sockets[1]);
	sys_close(pipe[1]);
	if (e)
		return e;
	e = converse(p);
	image_child_end(p->pidfd);
	return e;
}

struct dv_err *image_diff(const struct image_diff *d, struct image_diffed *ret)
{
	struct packer *p = dv_new(struct packer);
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	p->d = d;
	p->socket = p->out = p->pidfd = p->left_fd = p->right_fd = -1;
	e = image_tree_of(&d->left, &arena, &p->left);
	if (!e)
		e = image_tree_of(&d->right, &arena, &p->right);
	if (!e && p->right.n_layers == 0)
		e = dv_err_new(DV_INVALID, "no mount of the tree to pack is given");
	if (!e)
		e = open_trees(p);
	if (!e)
		e = run(p);
	if (!e)
		e = image_child_verdict(&p->msg, &ret->diff_id, &ret->size);
	sys_closep(&p->socket);
	sys_closep(&p->out);
	sys_closep(&p->pidfd);
	sys_closep(&p->left_fd);
	sys_closep(&p->right_fd);
	dv_arena_fini(&arena);
	free(p);
	return dv_err_wrap(e, "pack");
}
