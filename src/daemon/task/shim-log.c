/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim writes to the fifo "log" of its bundle goes to our log, a line at a time. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"
#include "sys/file.h"

enum { LINE_MAX_LEN = 4096 };

struct shim_log {
	uv_poll_t poll;
	int fd;
	const struct dv_log *log;
	char *name; /* ns/id */
};

static void log_lines(struct shim_log *l, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		dv_log(l->log, DV_INFO, "shim %s: %s", l->name, line);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct shim_log *l = dv_container_of(poll, struct shim_log, poll);
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

struct shim_log *shim_log_open(const struct shim_at *at)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/log", at->bundle);
	struct shim_log *l;
	struct stat st;
	/* For writing as well: without a writer it would be at its end, again and again. */
	int fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);

	if (fd < 0 || sys_fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		if (fd != -ENOENT)
			dv_log(at->d->log, DV_WARN, "%s/%s: open the shim's log %s: %s", at->ns,
			       at->id, path, fd < 0 ? dv_errno_text(-fd) : "not a fifo");
		sys_closep(&fd);
		return NULL;
	}
	l = dv_new(struct shim_log);
	l->fd = fd;
	l->log = at->d->log;
	l->name = dv_printf("%s/%s", at->ns, at->id);
	(void)uv_poll_init(at->d->loop, &l->poll, fd);
	(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
	return l;
}

static void on_closed(uv_handle_t *handle)
{
	struct shim_log *l = dv_container_of((uv_poll_t *)(void *)handle, struct shim_log, poll);

	sys_closep(&l->fd);
	free(l->name);
	free(l);
}

struct shim_log *shim_log_close(struct shim_log *l)
{
	if (l)
		uv_close((uv_handle_t *)&l->poll, on_closed);
	return NULL;
}
