/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that a peer has compressed. What comes out is limited as any message is, and its memory grows
 * with it: neither a length that somebody claims nor the ratio of a bomb counts for anything.
 */

#include <stdlib.h>

#include "codec/decompress.h"
#include "grpc-private.h"

enum { OUT_MIN = 4096 };

struct inflate {
	struct grpc_budget *budget;
	uint8_t *out;
	size_t n, size; /* size: charged to the budget */
	size_t max;
};

static struct dv_err *grow(struct inflate *in)
{
	size_t size = DV_MIN(DV_MAX(2 * in->size, (size_t)OUT_MIN), in->max + 1);

	if (!grpc_budget_take(in->budget, size - in->size))
		return dv_err_new(DV_EXHAUSTED, "too much was received and not processed yet");
	in->out = dv_realloc_n(in->out, 1, size);
	in->size = size;
	return NULL;
}

static struct dv_err *run(struct inflate *in, struct dv_decompress *d, const uint8_t *p, size_t n)
{
	struct dv_decompress_io io = { .in = p, .n_in = n };
	struct dv_err *e;

	do {
		e = in->n == in->size ? grow(in) : NULL;
		if (e)
			return e;
		io.out = in->out + in->n;
		io.n_out = in->size - in->n;
		e = dv_decompress_run(d, &io);
		if (e)
			return dv_err_wrap(e, "grpc: failed to decompress the received message");
		in->n = in->size - io.n_out;
		if (in->n > in->max)
			return dv_err_new(DV_EXHAUSTED,
					  "grpc: received message after decompression larger than "
					  "max %zu",
					  in->max);
	} while (io.n_in || !io.n_out);
	if (!n || !dv_decompress_is_complete(d))
		return dv_err_new(DV_INTERNAL, "grpc: failed to decompress the received message: "
					       "it ends too early");
	return NULL;
}

struct dv_err *grpc_inflate(const struct grpc_flow *f, const uint8_t *p, size_t n, uint8_t **ret,
			    size_t *ret_n)
{
	struct inflate in = { .budget = f->in_budget, .max = f->max_message };
	DV_CLEANUP(dv_decompress_freep)
	struct dv_decompress *d = dv_decompress_new(DV_GZIP);
	struct dv_err *e = run(&in, d, p, n);

	/* It is handed on and freed at once, so what is left to be counted is its decoded form. */
	grpc_budget_give(in.budget, in.size);
	if (e) {
		free(in.out);
		return e;
	}
	*ret = in.out;
	*ret_n = in.n;
	return NULL;
}
