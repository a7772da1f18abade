/* SPDX-License-Identifier: Apache-2.0 */
/* From the store to an archive, which a client gets on a stream. */

#include "base/str.h"
#include "image/export.h"
#include "store-tx.h"
#include "transfer.h"

static struct dv_err *write_stream(void *arg, const void *p, size_t n)
{
	return stream_write(arg, p, n);
}

/* The images that the client names. */
static struct dv_err *find_images(struct transfer *t, const transfer_store_msg *from,
				  struct image_export *x)
{
	struct meta_image *images =
		dv_arena_new_n(t->c->arena, struct meta_image, from->n_extra_references + 1);
	struct dv_err *e;
	struct meta_tx *tx;
	size_t n = 0;

	e = store_begin(t->c, META_READ, &tx);
	if (e)
		return e;
	if (*from->name)
		e = meta_image_get(tx, t->c->ns, from->name, t->c->arena, &images[n++]);
	for (size_t i = 0; i < from->n_extra_references && !e; i++) {
		const Containerd__Types__Transfer__ImageReference *r = from->extra_references[i];

		if (r->is_prefix)
			e = dv_err_new(
				DV_UNIMPLEMENTED,
				"not supported yet: all images whose names begin with \"%s\"",
				r->name);
		else
			e = meta_image_get(tx, t->c->ns, r->name, t->c->arena, &images[n++]);
	}
	x->images = images;
	x->n_images = n;
	return store_end(tx, e);
}

/* None given: this machine's. */
static struct dv_err *find_platforms(struct transfer *t,
				     const Containerd__Types__Transfer__ImageExportStream *to,
				     struct image_export *x)
{
	struct spec_platform *platforms = dv_arena_new(t->c->arena, struct spec_platform);
	struct dv_err *e = NULL;

	if (to->all_platforms)
		return NULL;
	x->n_platforms = 1;
	if (to->n_platforms > 0) {
		x->n_platforms = to->n_platforms;
		e = transfer_platforms(t, to->platforms, to->n_platforms, &platforms);
	} else {
		spec_platform_host(platforms);
	}
	x->platforms = platforms;
	return e;
}

struct dv_err *transfer_export(struct transfer *t, const transfer_store_msg *from,
			       const Containerd__Types__Transfer__ImageExportStream *to)
{
	DV_CLEANUP(stream_closep) struct stream *st = NULL;
	struct image_sink sink = { .write = write_stream };
	struct image_export x = { .sink = &sink,
				  .has_no_docker = to->skip_compatibility_manifest,
				  .has_no_foreign = to->skip_non_distributable };
	struct dv_err *e;

	if (*to->media_type && !dv_streq(to->media_type, "application/x-tar"))
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: an archive of type %s",
				  to->media_type);
	transfer_tell(t, "Exporting", to->stream, NULL);
	e = find_images(t, from, &x);
	if (!e)
		e = find_platforms(t, to, &x);
	if (!e)
		e = stream_open(t->c->d->streams, t->c->ns, to->stream, &st);
	sink.arg = st;
	if (!e)
		e = image_export(&t->env, &x, t->c->arena);
	if (!e)
		transfer_tell(t, "Completed export", to->stream, NULL);
	return e;
}
