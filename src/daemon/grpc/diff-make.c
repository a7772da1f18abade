/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.diff.v1.Diff: the layer is made by image_diff(), and becomes a blob as it comes. */

#include "diff-private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/containerd/diff.pb-c.h"
#include "api/containerd/events-store.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "image/diff.h"
#include "store/content.h"

#define TYPE(name)	   Containerd__Services__Diff__V1__##name
#define LABEL_UNCOMPRESSED "containerd.io/uncompressed"

static const struct {
	const char *name;
	enum dv_compression compression;
} types[] = {
	{ "application/vnd.oci.image.layer.v1.tar+gzip", DV_GZIP }, /* the default */
	{ "application/vnd.oci.image.layer.v1.tar+zstd", DV_ZSTD },
	{ "application/vnd.oci.image.layer.v1.tar", DV_PLAIN },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", DV_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", DV_ZSTD },
	{ "application/vnd.docker.image.rootfs.diff.tar", DV_PLAIN },
};

static struct dv_err *find_type(const char *name, size_t *ret)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		if (!*name || dv_streq(name, types[i].name)) {
			*ret = i;
			return NULL;
		}
	}
	return dv_err_new(DV_UNIMPLEMENTED, "unsupported diff media type: %s", name);
}

static bool is_cancelled(void *arg)
{
	return grpc_call_is_cancelled(arg);
}

static struct dv_err *write_piece(void *arg, const void *p, size_t n)
{
	return content_ingest_write(arg, p, n);
}

static struct dv_err *run(struct daemon_call *c, const TYPE(DiffRequest) * req,
			  enum dv_compression compression, struct content_ingest *in,
			  struct image_diffed *ret)
{
	struct image_sink sink = { .write = write_piece, .arg = in };
	struct image_diff d = { .program = c->d->unpacker,
				.left = convert_mounts_in(req->left, req->n_left, c->arena),
				.right = convert_mounts_in(req->right, req->n_right, c->arena),
				.compression = compression,
				.sink = &sink,
				.is_cancelled = is_cancelled,
				.arg = c->grpc };
	struct timespec epoch;
	struct dv_err *e = NULL;

	if (req->source_date_epoch) {
		d.has_epoch = true;
		e = convert_time_in(req->source_date_epoch, &epoch);
		d.epoch = e ? 0 : epoch.tv_sec;
	}
	return e ? e : image_diff(&d, ret);
}

/* The client's, and one that tells what is inside without looking. */
static struct meta_labels labels_of(struct daemon_call *c, const TYPE(DiffRequest) * req,
				    const char *diff_id)
{
	struct meta_labels given = convert_labels_in(req->labels, req->n_labels, c->arena);
	struct meta_label *items = dv_arena_new_n(c->arena, struct meta_label, given.n_items + 1);

	if (given.n_items > 0)
		memcpy(items, given.items, given.n_items * sizeof(*items));
	items[given.n_items] = (struct meta_label){ LABEL_UNCOMPRESSED, diff_id };
	return (struct meta_labels){ items, given.n_items + 1 };
}

/* The namespace had the same bytes: they get the labels that they lack. */
static struct dv_err *add_labels(struct daemon_call *c, const struct dv_digest *digest,
				 const struct meta_labels *labels, struct meta_blob *ret)
{
	const char **paths = dv_arena_new_n(c->arena, const char *, labels->n_items);
	struct dv_mask mask = { paths, labels->n_items };
	struct meta_blob blob = { .labels = *labels };

	blob.digest = dv_digest_str(digest, dv_arena_alloc(c->arena, DV_DIGEST_STR));
	for (size_t i = 0; i < labels->n_items; i++)
		paths[i] = dv_arena_printf(c->arena, "labels.%s", labels->items[i].key);
	return content_update(c->d->content, c->ns, &blob, &mask, c->arena, ret);
}

static struct dv_err *commit(struct daemon_call *c, struct content_ingest *take,
			     const struct meta_labels *labels, struct meta_blob *ret)
{
	Containerd__Events__ContentCreate event = CONTAINERD__EVENTS__CONTENT_CREATE__INIT;
	struct content_commit how = { .labels = labels };
	struct dv_digest digest;
	struct dv_err *e;

	content_ingest_digest(take, &digest);
	e = content_ingest_commit(take, &how, c->arena, ret);
	if (e && dv_err_code(e) == DV_EXISTS) {
		dv_err_free(e);
		return add_labels(c, &digest, labels, ret);
	}
	if (e)
		return e;
	event.digest = (char *)ret->digest;
	event.size = ret->size;
	daemon_publish(c->d, c->ns, "/content/create", &event.base);
	return NULL;
}

static struct dv_err *make(struct daemon_call *c, const TYPE(DiffRequest) * req,
			   enum dv_compression compression, const char *ref, struct meta_blob *ret)
{
	struct content_ingest_opts opts = { .ns = c->ns, .lease = c->lease, .ref = ref };
	struct content_ingest *in = NULL;
	struct image_diffed diffed;
	struct meta_labels labels;
	char diff_id[DV_DIGEST_STR];
	struct dv_err *e;

	e = content_ingest_open(c->d->content, &opts, &in);
	if (e)
		return e;
	e = content_ingest_truncate(in); /* of somebody's earlier try */
	if (!e)
		e = run(c, req, compression, in, &diffed);
	if (!e) {
		labels = labels_of(c, req, dv_digest_str(&diffed.diff_id, diff_id));
		e = commit(c, dv_steal(&in), &labels, ret);
	}
	content_ingest_close(in);
	if (e)
		dv_err_free(content_ingest_abort(c->d->content, c->ns, c->lease, ref));
	return e;
}

struct dv_err *diff_make(struct daemon_call *c, const ProtobufCMessage *msg,
			 const ProtobufCMessage **ret)
{
	static atomic_uint counter;
	const TYPE(DiffRequest) *req = (const TYPE(DiffRequest) *)msg;
	TYPE(DiffResponse) *reply = dv_arena_new(c->arena, TYPE(DiffResponse));
	struct timespec now = meta_now();
	struct meta_descriptor made = {};
	const char *ref = req->ref;
	struct meta_blob blob = {};
	size_t type = 0;
	struct dv_err *e;

	if (!*ref)
		ref = dv_arena_printf(c->arena, "diff-%lld-%ld-%u", (long long)now.tv_sec,
				      now.tv_nsec, atomic_fetch_add(&counter, 1));
	e = find_type(req->media_type, &type);
	if (!e)
		e = make(c, req, types[type].compression, ref, &blob);
	if (e)
		return dv_err_wrap(e, "make a layer");
	made = (struct meta_descriptor){ .media_type = types[type].name,
					 .digest = blob.digest,
					 .size = blob.size };
	containerd__services__diff__v1__diff_response__init(reply);
	reply->diff = convert_descriptor_out(&made, c->arena);
	*ret = &reply->base;
	return NULL;
}
