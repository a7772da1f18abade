/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the layer: their digest is that of the archive, what is written is compressed. */

#include <stdlib.h>

#include "base/mem.h"
#include "pack-private.h"
#include "sys/file.h"

enum { ROOM = 256 << 10 };

struct pack_output {
	int fd;
	struct dv_hash *hash;
	struct dv_compress *c;
	int64_t size;
	int error; /* -errno */
	uint8_t room[ROOM];
};

struct pack_output *pack_output_new(int fd, enum dv_compression kind)
{
	struct pack_output *o = dv_new(struct pack_output);

	o->fd = fd;
	o->hash = dv_hash_new(DV_SHA256);
	o->c = dv_compress_new(kind);
	return o;
}

struct pack_output *pack_output_free(struct pack_output *o)
{
	if (!o)
		return NULL;
	dv_hash_free(o->hash);
	dv_compress_free(o->c);
	free(o);
	return NULL;
}

static void put(struct pack_output *o, const struct dv_compress_io *io)
{
	if (o->error == 0 && io->n_out < ROOM)
		o->error = sys_write_all(o->fd, o->room, ROOM - io->n_out);
}

bool pack_output_write(struct pack_output *o, const void *p, size_t n)
{
	struct dv_compress_io io = { .in = p, .n_in = n };

	dv_hash_add(o->hash, p, n);
	o->size += (int64_t)n;
	while (io.n_in > 0 && o->error == 0) {
		io.out = o->room;
		io.n_out = ROOM;
		dv_compress_run(o->c, &io);
		put(o, &io);
	}
	return o->error == 0;
}

struct dv_err *pack_output_finish(struct pack_output *o, int64_t *ret_size, struct dv_digest *ret)
{
	bool is_whole = false;

	while (!is_whole && o->error == 0) {
		struct dv_compress_io io = { .out = o->room, .n_out = ROOM };

		is_whole = dv_compress_end(o->c, &io);
		put(o, &io);
	}
	if (o->error < 0)
		return dv_err_sys(o->error, "hand on the layer");
	*ret_size = o->size;
	dv_hash_get(o->hash, ret);
	return NULL;
}
