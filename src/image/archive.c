/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent of "davit-unpack entries". A thread feeds the child from the source, the caller reads what
 * it says; so neither waits for the other. See archive-private.h.
 */

#include "archive-private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "image/graph.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "sys/spawn.h"
#include "wire.h"

enum { ENTRIES_MAX = 200000, PIPE_SIZE = 1 << 20, FEED = 128 << 10, TICK_MS = 100 };
#define BYTES_MAX (1ULL << 40)

struct image_archive {
	const struct image_env *env;
	const struct image_source *source;
	pthread_t feeder;
	bool has_feeder;
	int to_child; /* the feeder's while it lives */
	int from_child;
	pid_t pid;
	int pidfd;
	pthread_mutex_t lock;
	struct dv_err *source_e; /* under the lock: why the feeder gave up */
	int64_t left; /* of the entry */
	uint32_t piece; /* bytes left of the piece */
	char name[UNPACK_TEXT_MAX], link[UNPACK_TEXT_MAX];
};

/* ---- the feeder ----------------------------------------------------------------------------- */

static void *feed(void *arg)
{
	struct image_archive *a = arg;
	char *buf = dv_alloc(FEED);
	struct dv_err *e = NULL;
	size_t n = 0;

	do {
		e = a->source->read(a->source->arg, buf, FEED, &n);
		/* A child that has gone says itself why. */
	} while (!e && n > 0 && sys_write_all(a->to_child, buf, n) == 0);
	free(buf);
	pthread_mutex_lock(&a->lock);
	a->source_e = e;
	pthread_mutex_unlock(&a->lock);
	/* Nobody may be there any more to whom its last word matters, and it need not have one. */
	if (e)
		(void)sys_pidfd_send_signal(a->pidfd, SIGKILL);
	sys_closep(&a->to_child); /* the archive's end, as the child sees it */
	return NULL;
}

/* The source's failure is the reason of what the child said of an archive that was cut off. */
static struct dv_err *reason(struct image_archive *a, struct dv_err *take_e)
{
	struct dv_err *e;

	pthread_mutex_lock(&a->lock);
	e = dv_steal(&a->source_e);
	pthread_mutex_unlock(&a->lock);
	if (!e)
		return take_e;
	dv_err_free(take_e);
	return e;
}

/* ---- the child ------------------------------------------------------------------------------- */

/* Its "/": nothing is there, and nothing can be made. */
static int empty_directory(void)
{
	DV_CLEANUP(sys_closep) int fs = sys_fsopen("tmpfs");
	int r;

	if (fs < 0)
		return fs;
	r = sys_fsconfig_string(fs, "size", "4k");
	if (r == 0)
		r = sys_fsconfig_create(fs);
	return r < 0 ? r : sys_fsmount(fs, MOUNT_ATTR_RDONLY);
}

static int spawn(struct image_archive *a, const char *program, int in, int out)
{
	uint64_t max = a->source->max_bytes ? a->source->max_bytes : BYTES_MAX;
	char bytes[32], entries[32];
	char *argv[] = { (char *)"davit-unpack", (char *)"entries", bytes, entries, NULL };
	char *envp[] = { (char *)"LC_ALL=C.UTF-8", NULL };
	DV_CLEANUP(sys_closep) int root = empty_directory();
	int fds[] = { out, in, root };
	struct sys_spawn_opts opts = {
		.path = program,
		.argv = argv,
		.envp = envp,
		.stdio = { -1, -1, -1 },
		.fds = fds,
		.n_fds = DV_ARRAY_SIZE(fds),
		.ns_flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.pdeathsig = SIGKILL,
	};

	if (root < 0)
		return root;
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)max);
	snprintf(entries, sizeof(entries), "%d", ENTRIES_MAX);
	return sys_spawn_with(&opts, &a->pid, &a->pidfd);
}

static struct dv_err *start(struct image_archive *a, const char *program)
{
	int in[2], out[2], r;

	r = sys_pipe(in);
	if (r < 0)
		return dv_err_sys(r, "make a pipe");
	r = sys_pipe(out);
	if (r < 0) {
		sys_close(in[0]);
		sys_close(in[1]);
		return dv_err_sys(r, "make a pipe");
	}
	(void)sys_fcntl(in[1], F_SETPIPE_SZ, PIPE_SIZE); /* larger pieces, fewer turns */
	(void)sys_fcntl(out[1], F_SETPIPE_SZ, PIPE_SIZE);
	a->to_child = in[1];
	a->from_child = out[0];
	r = spawn(a, program, in[0], out[1]);
	sys_close(in[0]);
	sys_close(out[1]);
	if (r < 0)
		return dv_err_sys(r, "run %s", program);
	r = pthread_create(&a->feeder, NULL, feed, a);
	a->has_feeder = r == 0;
	return r == 0 ? NULL : dv_err_sys(-r, "start a thread");
}

struct dv_err *image_archive_open(const struct image_env *env, const struct image_source *source,
				  struct image_archive **ret)
{
	struct image_archive *a = dv_new(struct image_archive);
	struct dv_err *e;

	a->env = env;
	a->source = source;
	a->to_child = a->from_child = a->pidfd = -1;
	pthread_mutex_init(&a->lock, NULL);
	e = start(a, env->program);
	if (e) {
		image_archive_close(a);
		return dv_err_wrap(e, "read the archive");
	}
	*ret = a;
	return NULL;
}

struct image_archive *image_archive_close(struct image_archive *a)
{
	if (!a)
		return NULL;
	if (a->pidfd >= 0) {
		(void)sys_pidfd_send_signal(a->pidfd, SIGKILL);
		(void)sys_waitid_pidfd(a->pidfd, &(siginfo_t){}, WEXITED);
	}
	if (a->has_feeder) {
		if (a->source->interrupt)
			a->source->interrupt(a->source->arg);
		pthread_join(a->feeder, NULL);
	}
	sys_closep(&a->to_child);
	sys_closep(&a->from_child);
	sys_closep(&a->pidfd);
	dv_err_free(a->source_e);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return NULL;
}

/* ---- what it says ------------------------------------------------------------------------------ */

/* Some bytes; whoever waits for a client that sends nothing notices when its call is over. */
static struct dv_err *take_some(struct image_archive *a, void *p, size_t n, size_t *ret_n)
{
	ssize_t r;
	int ready;

	do {
		struct dv_err *e = image_check_cancelled(a->env);

		if (e)
			return e;
		ready = sys_poll_in(a->from_child, TICK_MS);
	} while (ready == 0);
	if (ready < 0)
		return dv_err_sys(ready, "wait for the unpacker");
	r = sys_read(a->from_child, p, n);
	if (r < 0)
		return dv_err_sys((int)r, "hear from the unpacker");
	if (r == 0)
		return dv_err_new(DV_INTERNAL, "the unpacker ended without a word");
	*ret_n = (size_t)r;
	return NULL;
}

static struct dv_err *take(struct image_archive *a, void *p, size_t n)
{
	struct dv_err *e = NULL;
	size_t some = 0;

	for (char *at = p; n > 0 && !e; at += some, n -= some)
		e = take_some(a, at, n, &some);
	return e;
}

/* Names go into errors and logs; a terminal shall not have to do with what is not text. */
static struct dv_err *take_text(struct image_archive *a, char *buf, uint32_t n)
{
	struct dv_err *e;

	if (n >= UNPACK_TEXT_MAX)
		return dv_err_new(DV_INTERNAL, "the unpacker talks nonsense");
	e = take(a, buf, n);
	buf[n] = '\0';
	for (uint32_t i = 0; i < n && !e; i++) {
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = '?';
	}
	return e;
}

static struct dv_err *take_head(struct image_archive *a, struct entry_head *ret)
{
	struct dv_err *e = take(a, ret, sizeof(*ret));

	if (!e)
		e = take_text(a, a->name, ret->n_name);
	if (!e)
		e = take_text(a, a->link, ret->n_link);
	return e;
}

static struct dv_err *failed(const struct image_archive *a, int32_t code)
{
	if (code < DV_CANCELLED || code > DV_UNAUTHENTICATED)
		code = DV_INTERNAL;
	return dv_err_new((enum dv_code)code, "%s", a->name);
}

/* The length of the next piece. */
static struct dv_err *next_piece(struct image_archive *a)
{
	struct entry_head head = {};
	struct dv_err *e;

	e = take(a, &a->piece, sizeof(a->piece));
	if (!e && a->piece > a->left)
		e = dv_err_new(DV_INTERNAL, "the unpacker talks nonsense");
	if (e || a->piece > 0)
		return e;
	e = take_head(a, &head);
	return e ? e : failed(a, head.code);
}

struct dv_err *image_archive_read(struct image_archive *a, void *buf, size_t n, size_t *ret_n)
{
	struct dv_err *e = NULL;

	*ret_n = 0;
	if (a->left == 0 || n == 0)
		return NULL;
	if (a->piece == 0)
		e = next_piece(a);
	if (!e)
		e = take_some(a, buf, DV_MIN(n, (size_t)a->piece), ret_n);
	if (e)
		return reason(a, e);
	a->left -= (int64_t)*ret_n;
	a->piece -= (uint32_t)*ret_n;
	return NULL;
}

static struct dv_err *skip(struct image_archive *a)
{
	struct dv_err *e = NULL;
	char nowhere[32 << 10];
	size_t n = 1;

	while (!e && n > 0)
		e = image_archive_read(a, nowhere, sizeof(nowhere), &n);
	return e;
}

static struct dv_err *next(struct image_archive *a, struct image_entry *ret, bool *ret_is_end)
{
	struct entry_head head = {};
	struct dv_err *e;

	e = skip(a);
	if (!e)
		e = take_head(a, &head);
	if (e)
		return e;
	*ret_is_end = head.kind == ENTRY_END;
	if (head.kind == ENTRY_END)
		return NULL;
	if (head.kind == ENTRY_FAILED)
		return failed(a, head.code);
	if (head.kind > ENTRY_HARDLINK || head.size < 0 || !*a->name)
		return dv_err_new(DV_INTERNAL, "the unpacker talks nonsense");
	a->left = head.kind == ENTRY_FILE ? head.size : 0;
	*ret = (struct image_entry){ .name = a->name,
				     .link = head.kind == ENTRY_FILE ? NULL : a->link,
				     .is_hard = head.kind == ENTRY_HARDLINK,
				     .size = a->left };
	return NULL;
}

struct dv_err *image_archive_next(struct image_archive *a, struct image_entry *ret,
				  bool *ret_is_end)
{
	struct dv_err *e = next(a, ret, ret_is_end);

	if (e || *ret_is_end)
		e = reason(a, e); /* also a source that failed behind the archive's end */
	return dv_err_wrap(e, "read the archive");
}
