/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim writes to the fifo "log" of its bundle goes to our log, a line at a time. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/file.h"
#include "task-private.h"

enum { LINE_MAX_LEN = 4096 };

struct task_log {
	uv_poll_t poll;
	int fd;
	struct task *t; /* borrowed: it closes us first */
};

static void log_lines(struct task_log *l, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		dv_log(l->t->ts->d->log, DV_INFO, "shim %s/%s: %s", l->t->ns, l->t->id, line);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct task_log *l = dv_container_of(poll, struct task_log, poll);
	char text[LINE_MAX_LEN + 1];
	ssize_t n;

	(void)status;
	(void)events;
	/* Lines are written whole and are shorter than a pipe's atomic size. One piece a round. */
	n = sys_read(l->fd, text, LINE_MAX_LEN);
	if (n <= 0)
		return;
	text[n] = '\0';
	log_lines(l, text);
}

void task_log_open(struct task *t)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/log", t->bundle);
	struct task_log *l;
	struct stat st;
	/* For writing as well: without a writer it would be at its end, again and again. */
	int fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);

	if (fd < 0 || sys_fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		if (fd != -ENOENT)
			dv_log(t->ts->d->log, DV_WARN, "task %s/%s: open the shim's log %s: %s",
			       t->ns, t->id, path, fd < 0 ? dv_errno_text(-fd) : "not a fifo");
		sys_closep(&fd);
		return;
	}
	l = dv_new(struct task_log);
	l->fd = fd;
	l->t = t;
	(void)uv_poll_init(t->ts->d->loop, &l->poll, fd);
	(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
	t->log = l;
}

static void on_closed(uv_handle_t *handle)
{
	struct task_log *l = dv_container_of((uv_poll_t *)(void *)handle, struct task_log, poll);

	sys_closep(&l->fd);
	free(l);
}

struct task_log *task_log_close(struct task_log *l)
{
	if (l)
		uv_close((uv_handle_t *)&l->poll, on_closed);
	return NULL;
}
