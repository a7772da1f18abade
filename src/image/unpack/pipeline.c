/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of buffers between the thread that reads, decompresses and hashes, and the one that
 * unpacks: both are busy at a time.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/decompress.h"
#include "sys/file.h"
#include "unpack-private.h"

enum { CHUNK = 256 << 10, N_CHUNKS = 8, INPUT = 256 << 10 };

struct pipeline {
	int fd;
	uint64_t max_bytes;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	uint64_t n_made, n_taken; /* chunks */
	bool has_begun, is_ended, is_stopped;
	struct dv_err *e;
	size_t lengths[N_CHUNKS];
	/* The reader's. */
	struct dv_hash *hash; /* NULL: nobody wants it */
	uint64_t size;
	struct dv_decompress *d;
	uint8_t input[INPUT];
	uint8_t chunks[N_CHUNKS][CHUNK];
};

/* NULL: the other side wants no more. */
static uint8_t *room(struct pipeline *p)
{
	uint8_t *to = NULL;

	pthread_mutex_lock(&p->lock);
	while (p->n_made - p->n_taken == N_CHUNKS && !p->is_stopped)
		pthread_cond_wait(&p->changed, &p->lock);
	if (!p->is_stopped)
		to = p->chunks[p->n_made % N_CHUNKS];
	pthread_mutex_unlock(&p->lock);
	return to;
}

static struct dv_err *publish(struct pipeline *p, const uint8_t *chunk, size_t n)
{
	if (n == 0)
		return NULL;
	p->size += n;
	if (p->size > p->max_bytes)
		return dv_err_new(DV_EXHAUSTED, "the archive has more than %llu bytes",
				  (unsigned long long)p->max_bytes);
	if (p->hash)
		dv_hash_add(p->hash, chunk, n);
	pthread_mutex_lock(&p->lock);
	p->lengths[p->n_made % N_CHUNKS] = n;
	p->n_made++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static struct dv_err *read_input(struct pipeline *p, struct dv_decompress_io *io, bool *ret_eof)
{
	ssize_t n = sys_read(p->fd, p->input, INPUT);

	if (n < 0)
		return dv_err_sys((int)n, "read the archive");
	io->in = p->input;
	io->n_in = (size_t)n;
	*ret_eof = n == 0;
	return NULL;
}

static struct dv_err *convert(struct pipeline *p)
{
	struct dv_decompress_io io = {};
	bool is_eof = false, was_full = false;
	struct dv_err *e;
	uint8_t *to;

	e = read_input(p, &io, &is_eof);
	if (e)
		return e;
	p->d = dv_decompress_new(dv_compression_of(io.in, io.n_in));
	while (!is_eof || was_full) {
		to = room(p);
		if (!to)
			return NULL;
		io.out = to;
		io.n_out = CHUNK;
		/* A chunk is filled before it is handed on. */
		while (io.n_out > 0 && (!is_eof || was_full)) {
			size_t before = io.n_in + io.n_out;

			e = dv_decompress_run(p->d, &io);
			if (!e && io.n_in > 0 && io.n_out > 0 && io.n_in + io.n_out == before)
				e = dv_err_new(DV_INVALID, "the compressed stream leads nowhere");
			was_full = io.n_out == 0;
			if (!e && io.n_in == 0 && !was_full)
				e = read_input(p, &io, &is_eof);
			if (e)
				return e;
		}
		e = publish(p, to, CHUNK - io.n_out);
		if (e)
			return e;
	}
	if (!dv_decompress_is_complete(p->d))
		return dv_err_new(DV_INVALID, "the archive is cut off");
	return NULL;
}

/* False: it shall not begin any more. */
static bool wait_for_begin(struct pipeline *p)
{
	bool has_begun;

	pthread_mutex_lock(&p->lock);
	while (!p->has_begun && !p->is_stopped)
		pthread_cond_wait(&p->changed, &p->lock);
	has_begun = p->has_begun;
	pthread_mutex_unlock(&p->lock);
	return has_begun;
}

static void *reader_main(void *arg)
{
	struct pipeline *p = arg;
	struct dv_err *e = wait_for_begin(p) ? convert(p) : NULL;

	pthread_mutex_lock(&p->lock);
	p->e = e;
	p->is_ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct dv_err *pipeline_new(int fd, uint64_t max_bytes, bool has_hash, struct pipeline **ret)
{
	struct pipeline *p = dv_new(struct pipeline);
	int r;

	p->fd = fd;
	p->max_bytes = max_bytes;
	p->hash = has_hash ? dv_hash_new(DV_SHA256) : NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	r = pthread_create(&p->thread, NULL, reader_main, p);
	if (r != 0) {
		dv_hash_free(p->hash);
		free(p);
		return dv_err_sys(-r, "start a thread");
	}
	*ret = p;
	return NULL;
}

void pipeline_begin(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->has_begun = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

struct pipeline *pipeline_free(struct pipeline *p)
{
	if (!p)
		return NULL;
	pthread_mutex_lock(&p->lock);
	p->is_stopped = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	dv_err_free(p->e);
	dv_decompress_free(p->d);
	dv_hash_free(p->hash);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/* With the lock: the chunk that was given out last is done with. */
static void give_back(struct pipeline *p)
{
	if (p->n_made == p->n_taken || p->lengths[p->n_taken % N_CHUNKS] != 0)
		return;
	p->n_taken++;
	pthread_cond_signal(&p->changed);
}

size_t pipeline_next(struct pipeline *p, const void **ret)
{
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	give_back(p);
	while (p->n_made == p->n_taken && !p->is_ended)
		pthread_cond_wait(&p->changed, &p->lock);
	if (p->n_made != p->n_taken) {
		size_t i = p->n_taken % N_CHUNKS;

		*ret = p->chunks[i];
		n = p->lengths[i];
		p->lengths[i] = 0; /* given out */
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

struct dv_err *pipeline_problem(struct pipeline *p)
{
	struct dv_err *e = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->is_ended)
		e = dv_steal(&p->e);
	pthread_mutex_unlock(&p->lock);
	return e;
}

struct dv_err *pipeline_finish(struct pipeline *p, int64_t *ret_size, struct dv_digest *ret)
{
	const void *rest;
	struct dv_err *e;

	while (pipeline_next(p, &rest) > 0)
		;
	/* is_ended is set: the reader touches nothing any more. */
	e = p->e;
	p->e = NULL;
	if (e)
		return e;
	if (ret_size)
		*ret_size = (int64_t)p->size;
	if (ret)
		dv_hash_get(p->hash, ret);
	return NULL;
}
