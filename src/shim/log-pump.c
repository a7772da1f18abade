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
	struct log_pump_opts opts;
	struct log_framer framer;
	int fd;
	char *stream;
	bool has_ended, has_told; /* that */
	bool is_waiting; /* for its turn */
};

static void batch_init(struct log_pump *p, struct log_batch *b)
{
	char *memory = io_scratch_get(p->env->scratch);

	*b = (struct log_batch){
		.iov = (struct iovec *)(void *)(memory + IOV_AT),
		.text = memory + TEXT_AT,
		.text_size = io_scratch_size(p->env->scratch) - TEXT_AT,
		.room = log_file_room(p->opts.file),
		.write = log_file_write,
		.rotate = log_file_rotate,
		.arg = p->opts.file,
	};
}

static void time_now(char buf[DV_CLOCK_SIZE])
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	dv_clock_format(&ts, DV_CLOCK_NANOS, buf);
}

/* @n 0: the end of it. */
static void write_log(struct log_pump *p, const char *bytes, size_t n)
{
	struct log_batch b;
	char time[DV_CLOCK_SIZE];

	if (!p->opts.file)
		return;
	batch_init(p, &b);
	time_now(time);
	if (n)
		log_framer_add(&p->framer, &b, time, bytes, n);
	else
		log_framer_end(&p->framer, &b, time);
	log_batch_flush(&b);
}

static void end(struct log_pump *p)
{
	if (!p->has_ended)
		write_log(p, NULL, 0);
	p->has_ended = true;
}

/* False: there is nothing more to be read for now, or ever. */
static bool turn(struct log_pump *p)
{
	char *buf = io_scratch_get(p->env->scratch);
	ssize_t n = sys_read(p->fd, buf, READ_SIZE);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) { /* a terminal ends with EIO */
		end(p);
		return false;
	}
	if (p->opts.tap)
		p->opts.tap(p->opts.arg, buf, (size_t)n);
	write_log(p, buf, (size_t)n);
	return true;
}

static bool is_held(const struct log_pump *p)
{
	return p->opts.is_held && p->opts.is_held(p->opts.arg);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void wait_for_turn(struct log_pump *p, bool is_waiting)
{
	if (is_waiting && !p->is_waiting)
		(void)uv_poll_start(&p->poll, UV_READABLE, on_readable);
	else if (!is_waiting)
		(void)uv_poll_stop(&p->poll);
	p->is_waiting = is_waiting;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct log_pump *p = dv_container_of(poll, struct log_pump, poll);

	(void)status;
	(void)events;
	for (int i = 0; i < ROUNDS && !is_held(p) && turn(p); i++)
		;
	if (!p->has_ended && !is_held(p))
		return;
	wait_for_turn(p, false);
	p->has_told = p->has_ended;
	if (p->has_ended && p->opts.ended)
		p->opts.ended(p->opts.arg); /* may free it */
}

static void init_framer(struct log_pump *p)
{
	const struct log_opts *opts = log_file_opts(p->opts.file);
	size_t n = TEXT_AT + log_batch_text_size(opts->max_line);

	dv_assert(n <= io_scratch_size(p->env->scratch));
	p->framer = (struct log_framer){ .format = opts->format,
					 .stream = p->stream,
					 .attrs = opts->attrs,
					 .max_line = opts->max_line };
}

struct dv_err *log_pump_new(struct shim_env *env, const struct log_pump_opts *opts,
			    struct log_pump **ret)
{
	struct log_pump *p = dv_new(struct log_pump);
	int r = uv_poll_init(env->loop, &p->poll, opts->take_fd);

	if (r < 0) {
		free(p);
		sys_close(opts->take_fd);
		return dv_err_sys(r, "watch %s of the process", opts->stream);
	}
	p->env = env;
	p->opts = *opts;
	p->fd = opts->take_fd;
	p->stream = dv_strdup(opts->stream);
	if (opts->file) {
		p->opts.file = log_file_ref(opts->file);
		init_framer(p);
	}
	wait_for_turn(p, true);
	*ret = p;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct log_pump *p = dv_container_of((uv_poll_t *)(void *)handle, struct log_pump, poll);

	log_framer_fini(&p->framer);
	log_file_unref(p->opts.file);
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

void log_pump_resume(struct log_pump *p)
{
	if (!p->has_told)
		wait_for_turn(p, true);
}

bool log_pump_flush(struct log_pump *p)
{
	for (int i = 0; i < ROUNDS && !p->has_ended && !is_held(p); i++) {
		if (!turn(p))
			return true;
	}
	return p->has_ended;
}
