/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's scratch memory holds it all while a stream has its turn: bytes read, vectors and
 * text of the batch. Between turns there is nothing but an unfinished line.
 */

#include "log-pump.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sys/file.h"
#include "sys/process.h"

enum {
	READ_SIZE = 256 * 1024,
	IOV_AT = READ_SIZE,
	TEXT_AT = IOV_AT + LOG_IOV * (int)sizeof(struct iovec),
	ROUNDS = 8, /* then others have their turn */
	LAST_ROUNDS = 64, /* of a stream that is given up: more than its pipe holds */
};

struct log_pump {
	uv_poll_t poll;
	struct shim_env *env;
	struct log_file *file;
	struct log_framer framer;
	int fd;
	char *stream;
	bool has_ended;
	log_pump_ended_fn ended;
	void *arg;
};

static void batch_init(struct log_pump *p, struct log_batch *b)
{
	char *memory = io_scratch_get(p->env->scratch);

	*b = (struct log_batch){
		.iov = (struct iovec *)(void *)(memory + IOV_AT),
		.text = memory + TEXT_AT,
		.text_size = io_scratch_size(p->env->scratch) - TEXT_AT,
		.room = log_file_room(p->file),
		.write = log_file_write,
		.rotate = log_file_rotate,
		.arg = p->file,
	};
}

static void time_now(char buf[DV_CLOCK_SIZE])
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	dv_clock_format(&ts, DV_CLOCK_NANOS, buf);
}

static void end(struct log_pump *p)
{
	struct log_batch b;
	char time[DV_CLOCK_SIZE];

	if (p->has_ended)
		return;
	batch_init(p, &b);
	time_now(time);
	log_framer_end(&p->framer, &b, time);
	log_batch_flush(&b);
	p->has_ended = true;
}

/* False: there is nothing more to be read for now, or ever. */
static bool turn(struct log_pump *p)
{
	char *buf = io_scratch_get(p->env->scratch), time[DV_CLOCK_SIZE];
	ssize_t n = sys_read(p->fd, buf, READ_SIZE);
	struct log_batch b;

	if (n == -EAGAIN)
		return false;
	if (n <= 0) { /* a terminal ends with EIO */
		end(p);
		return false;
	}
	batch_init(p, &b);
	time_now(time);
	log_framer_add(&p->framer, &b, time, buf, (size_t)n);
	log_batch_flush(&b);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct log_pump *p = dv_container_of(poll, struct log_pump, poll);

	(void)status;
	(void)events;
	for (int i = 0; i < ROUNDS && turn(p); i++)
		;
	if (!p->has_ended)
		return;
	uv_poll_stop(poll);
	if (p->ended)
		p->ended(p->arg); /* may free it */
}

struct dv_err *log_pump_new(struct shim_env *env, int take_fd, struct log_file *file,
			    const char *stream, log_pump_ended_fn ended, void *arg,
			    struct log_pump **ret)
{
	struct log_pump *p = dv_new(struct log_pump);
	const struct log_opts *opts = log_file_opts(file);
	int r = uv_poll_init(env->loop, &p->poll, take_fd);

	dv_assert(TEXT_AT + log_batch_text_size(opts->max_line) <= io_scratch_size(env->scratch));
	if (r < 0) {
		free(p);
		sys_close(take_fd);
		return dv_err_sys(r, "log %s: watch the output", opts->path);
	}
	p->env = env;
	p->file = log_file_ref(file);
	p->stream = dv_strdup(stream);
	p->framer = (struct log_framer){ .format = opts->format,
					 .stream = p->stream,
					 .attrs = opts->attrs,
					 .max_line = opts->max_line };
	p->fd = take_fd;
	p->ended = ended;
	p->arg = arg;
	(void)uv_poll_start(&p->poll, UV_READABLE, on_readable);
	*ret = p;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct log_pump *p = dv_container_of((uv_poll_t *)(void *)handle, struct log_pump, poll);

	log_framer_fini(&p->framer);
	log_file_unref(p->file);
	free(p->stream);
	free(p);
}

struct log_pump *log_pump_free(struct log_pump *p)
{
	if (!p)
		return NULL;
	for (int i = 0; i < LAST_ROUNDS && !p->has_ended && turn(p); i++)
		;
	end(p);
	uv_close((uv_handle_t *)&p->poll, on_closed);
	p->fd = sys_close(p->fd);
	return NULL;
}

bool log_pump_flush(struct log_pump *p)
{
	for (int i = 0; i < ROUNDS && !p->has_ended; i++) {
		if (!turn(p))
			return true;
	}
	return p->has_ended;
}
