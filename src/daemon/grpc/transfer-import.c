/* SPDX-License-Identifier: Apache-2.0 */
/* From an archive, which a client sends on a stream, to the store. */

#include "base/str.h"
#include "convert.h"
#include "image/import.h"
#include "transfer.h"

enum { NAMES_MAX = 4096 };

/* ---- the stream as a source ----------------------------------------------------------------------- */

static struct dv_err *read_stream(void *arg, void *buf, size_t n, size_t *ret_n)
{
	return stream_read(arg, buf, n, ret_n);
}

static void interrupt_stream(void *arg)
{
	stream_interrupt(arg);
}

static struct dv_err *receive(struct transfer *t, const char *id, struct meta_descriptor *ret)
{
	DV_CLEANUP(stream_closep) struct stream *st = NULL;
	struct image_source source = { .read = read_stream, .interrupt = interrupt_stream };
	struct image_import import = { .source = &source };
	struct dv_err *e;

	e = stream_open(t->c->d->streams, t->c->ns, id, &st);
	if (e)
		return e;
	source.arg = st;
	return image_import(&t->env, &import, t->c->arena, ret);
}

/* ---- names ------------------------------------------------------------------------------------------- */

struct naming {
	struct transfer *t;
	const transfer_store_msg *to;
	struct meta_labels labels;
	size_t n_names;
};

static struct dv_err *put(struct naming *n, const char *name, const struct meta_descriptor *target)
{
	if (n->n_names++ == NAMES_MAX)
		return dv_err_new(DV_EXHAUSTED, "the archive has more than %d names", NAMES_MAX);
	return transfer_put_image(n->t, name, target, &n->labels);
}

/* Those that the archive's annotations make. */
static struct dv_err *put_annotated(struct naming *n, const struct meta_descriptor *target)
{
	struct meta_descriptor plain = { .media_type = target->media_type,
					 .digest = target->digest,
					 .size = target->size };
	struct dv_err *e = NULL;

	for (size_t i = 0; i < n->to->n_extra_references && !e; i++) {
		const Containerd__Types__Transfer__ImageReference *msg = n->to->extra_references[i];
		const struct image_reference r = { .name = msg->name,
						   .is_prefix = msg->is_prefix,
						   .allows_other = msg->allow_overwrite,
						   .adds_digest = msg->add_digest,
						   .skips_named = msg->skip_named_digest };
		const char *names[2];
		size_t n_names = 0;

		if (r.is_prefix)
			image_reference_apply(&r, &target->annotations, target->digest,
					      n->t->c->arena, names, &n_names);
		for (size_t j = 0; j < n_names && !e; j++)
			e = put(n, names[j], &plain);
	}
	return e;
}

/* Those that the client has for the archive as a whole. */
static struct dv_err *put_whole(struct naming *n, const struct meta_descriptor *index)
{
	struct dv_err *e = NULL;

	if (*n->to->name)
		e = put(n, n->to->name, index);
	for (size_t i = 0; i < n->to->n_extra_references && !e; i++) {
		const Containerd__Types__Transfer__ImageReference *r = n->to->extra_references[i];

		if (!r->is_prefix)
			e = put(n,
				r->add_digest ? dv_arena_printf(n->t->c->arena, "%s@%s", r->name,
								index->digest)
					      : r->name,
				index);
	}
	return e;
}

/* ---- each image ------------------------------------------------------------------------------------------ */

static struct dv_err *load_index(struct transfer *t, const struct meta_descriptor *d,
				 struct spec_index **ret)
{
	const char *text = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = content_load(t->env.content, t->env.ns, d->digest, SPEC_IMAGE_MAX_DOCUMENT, t->c->arena,
			 &text, &n);
	return e ? e : spec_index_parse(t->c->arena, text, n, ret);
}

static struct dv_err *walk(struct transfer *t, const transfer_store_msg *to,
			   const struct meta_descriptor *root, struct image_graph *ret)
{
	struct image_graph_opts opts = { .has_labels = true,
					 .is_sparse = true,
					 .has_layers = true };
	struct spec_platform *platforms = NULL;
	struct dv_err *e;

	e = transfer_platforms(t, to->platforms, to->n_platforms, &platforms);
	if (e)
		return e;
	opts.platforms = platforms;
	opts.n_platforms = to->n_platforms;
	return image_graph_walk(&t->env, root, &opts, t->c->arena, ret);
}

/* An archive may have images of which none is wanted here: those are passed over. */
static struct dv_err *take_image(struct naming *n, const struct meta_descriptor *d, bool *io_any)
{
	struct image_graph g = {};
	struct dv_err *e;

	e = walk(n->t, n->to, d, &g);
	if (e && dv_err_code(e) == DV_NOT_FOUND && n->to->n_platforms > 0) {
		dv_err_free(e);
		return NULL;
	}
	if (!e)
		e = transfer_unpack(n->t, n->to, &g);
	if (!e)
		e = put_annotated(n, d);
	*io_any = true;
	return e;
}

struct dv_err *transfer_import(struct transfer *t,
			       const Containerd__Types__Transfer__ImageImportStream *from,
			       const transfer_store_msg *to)
{
	struct naming n = { .t = t,
			    .to = to,
			    .labels = convert_labels_in(to->labels, to->n_labels, t->c->arena) };
	struct spec_index *index = NULL;
	struct meta_descriptor whole;
	struct image_graph g = {};
	bool has_any = false;
	struct dv_err *e;

	transfer_tell(t, "Importing", from->stream, NULL);
	e = receive(t, from->stream, &whole);
	if (!e)
		e = load_index(t, &whole, &index);
	for (size_t i = 0; !e && i < index->n_manifests; i++) {
		struct meta_descriptor d = image_descriptor(&index->manifests[i], t->c->arena);

		e = take_image(&n, &d, &has_any);
	}
	if (!e && !has_any)
		e = dv_err_new(DV_NOT_FOUND, "the archive has no image%s",
			       to->n_platforms ? " for a platform that is wanted" : "");
	if (!e)
		e = walk(t, to, &whole, &g); /* the index has labels, too */
	if (!e)
		e = put_whole(&n, &whole);
	if (!e && n.n_names == 0)
		e = dv_err_new(DV_INVALID,
			       "the archive's images have no names, and none was given");
	if (!e)
		transfer_tell(t, "Completed import", from->stream, &whole);
	return e;
}
