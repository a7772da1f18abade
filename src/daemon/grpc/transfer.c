/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.transfer.v1: images between archives and the store. */

#include "transfer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "api/containerd/transfer.pb-c.h"
#include "base/clock.h"
#include "base/str.h"
#include "convert.h"
#include "image/layers.h"
#include "rpc/pb.h"
#include "services.h"
#include "store-tx.h"
#include "store/meta-lease.h"

#define MSG(name) Containerd__Types__Transfer__##name

enum { LEASE_S = 24 * 3600 };

/* ---- telling ----------------------------------------------------------------------------------- */

static void send_progress(struct transfer *t, const struct image_event *ev)
{
	MSG(Progress) p = CONTAINERD__TYPES__TRANSFER__PROGRESS__INIT;
	Containerd__Types__Descriptor d = CONTAINERD__TYPES__DESCRIPTOR__INIT;
	char *parents[] = { (char *)ev->parent };

	if (!t->progress)
		return;
	p.event = (char *)ev->what;
	p.name = (char *)(ev->name ? ev->name : "");
	p.progress = ev->progress;
	p.total = ev->total;
	if (ev->parent) {
		p.parents = parents;
		p.n_parents = 1;
	}
	if (ev->descriptor) {
		d.media_type = (char *)ev->descriptor->media_type;
		d.digest = (char *)ev->descriptor->digest;
		d.size = ev->descriptor->size;
		p.desc = &d;
	}
	stream_try_send(t->progress, &p.base);
}

static void publish_snapshot(struct transfer *t, const struct image_event *ev)
{
	Containerd__Events__SnapshotPrepare prepare = CONTAINERD__EVENTS__SNAPSHOT_PREPARE__INIT;
	Containerd__Events__SnapshotCommit commit = CONTAINERD__EVENTS__SNAPSHOT_COMMIT__INIT;
	Containerd__Events__SnapshotRemove gone = CONTAINERD__EVENTS__SNAPSHOT_REMOVE__INIT;
	struct daemon *d = t->c->d;

	prepare.key = commit.key = gone.key = (char *)ev->key;
	prepare.snapshotter = commit.snapshotter = gone.snapshotter = (char *)ev->snapshotter;
	prepare.parent = (char *)ev->parent;
	commit.name = (char *)ev->name;
	if (ev->kind == IMAGE_PREPARED)
		daemon_publish(d, t->c->ns, "/snapshot/prepare", &prepare.base);
	else if (ev->kind == IMAGE_COMMITTED)
		daemon_publish(d, t->c->ns, "/snapshot/commit", &commit.base);
	else
		daemon_publish(d, t->c->ns, "/snapshot/remove", &gone.base);
}

static void on_event(void *arg, const struct image_event *ev)
{
	if (ev->kind == IMAGE_PROGRESS)
		send_progress(arg, ev);
	else
		publish_snapshot(arg, ev);
}

void transfer_tell(struct transfer *t, const char *event, const char *name,
		   const struct meta_descriptor *d)
{
	struct image_event ev = {
		.kind = IMAGE_PROGRESS, .what = event, .name = name, .descriptor = d
	};

	send_progress(t, &ev);
}

static bool is_cancelled(void *arg)
{
	const struct transfer *t = arg;

	return grpc_call_is_cancelled(t->c->grpc);
}

/* ---- begin and end ------------------------------------------------------------------------------- */

/* It expires, should we not live to end it. */
static struct dv_err *make_lease(struct transfer *t)
{
	static atomic_uint counter;
	struct timespec now = meta_now(), end = { .tv_sec = now.tv_sec + LEASE_S };
	char expires[DV_CLOCK_SIZE];
	const struct meta_label label = { "containerd.io/gc.expire", expires };
	struct meta_lease lease = { .id = t->lease, .labels = { &label, 1 } };
	struct meta_tx *tx;
	struct dv_err *e;

	dv_clock_format(&end, DV_CLOCK_SECONDS, expires);
	snprintf(t->lease, sizeof(t->lease), "transfer-%lld-%09ld-%u", (long long)now.tv_sec,
		 now.tv_nsec, atomic_fetch_add(&counter, 1));
	e = store_begin(t->c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_lease_create(tx, t->c->ns, &lease));
	if (e)
		t->lease[0] = '\0';
	return e;
}

struct dv_err *transfer_begin(struct daemon_call *c, const char *progress_stream,
			      struct transfer *t)
{
	struct dv_err *e = NULL;

	*t = (struct transfer){ .c = c };
	if (!c->lease)
		e = make_lease(t);
	if (!e && *progress_stream)
		e = stream_open(c->d->streams, c->ns, progress_stream, &t->progress);
	t->env = (struct image_env){ .meta = c->d->meta,
				     .content = c->d->content,
				     .snapshots = c->d->snapshots,
				     .program = c->d->unpacker,
				     .ns = c->ns,
				     .lease = c->lease ? c->lease : t->lease,
				     .is_cancelled = is_cancelled,
				     .on_event = on_event,
				     .arg = t };
	return e;
}

void transfer_end(struct transfer *t)
{
	struct meta_tx *tx;
	struct dv_err *e;

	t->progress = stream_close(t->progress);
	if (!*t->lease)
		return;
	e = store_begin(t->c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_lease_delete(tx, t->c->ns, t->lease));
	dv_err_free(e); /* it expires */
	daemon_gc_kick(t->c->d);
}

/* ---- images ---------------------------------------------------------------------------------------- */

struct dv_err *transfer_put_image(struct transfer *t, const char *name,
				  const struct meta_descriptor *target,
				  const struct meta_labels *labels)
{
	Containerd__Services__Images__V1__ImageCreate created =
		CONTAINERD__SERVICES__IMAGES__V1__IMAGE_CREATE__INIT;
	Containerd__Services__Images__V1__ImageUpdate updated =
		CONTAINERD__SERVICES__IMAGES__V1__IMAGE_UPDATE__INIT;
	struct meta_image image = { .name = name, .labels = *labels, .target = *target }, now;
	struct daemon_call *c = t->c;
	const char *paths[] = { "target", "labels" };
	struct dv_mask mask = { paths, labels->n_items ? 2 : 1 };
	bool is_new = true;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_WRITE, &tx);
	if (e)
		return e;
	e = meta_image_create(tx, c->ns, t->env.lease, &image, NULL, c->arena, &now);
	if (e && dv_err_code(e) == DV_EXISTS) {
		dv_err_free(e);
		is_new = false;
		e = meta_image_update(tx, c->ns, t->env.lease, &image, &mask, NULL, c->arena, &now);
	}
	e = store_end(tx, e);
	if (e)
		return dv_err_wrap(e, "store image %s", name);
	created.name = updated.name = (char *)name;
	CONVERT_LABELS_OUT(&created, labels, &now.labels, c->arena);
	CONVERT_LABELS_OUT(&updated, labels, &now.labels, c->arena);
	daemon_publish(c->d, c->ns, is_new ? "/images/create" : "/images/update",
		       is_new ? &created.base : &updated.base);
	transfer_tell(t, "saved", name, target);
	return NULL;
}

struct dv_err *transfer_platforms(struct transfer *t, Containerd__Types__Platform *const *from,
				  size_t n, struct spec_platform **ret)
{
	struct spec_platform *to = dv_arena_new_n(t->c->arena, struct spec_platform, n);
	struct dv_err *e = NULL;

	for (size_t i = 0; i < n && !e; i++) {
		const Containerd__Types__Platform *p = from[i];
		const char *text = dv_arena_printf(t->c->arena, "%s/%s%s%s", p->os, p->architecture,
						   *p->variant ? "/" : "", p->variant);

		e = spec_platform_parse(t->c->arena, text, &to[i]);
	}
	*ret = to;
	return e;
}

static struct dv_err *unpack_one(struct transfer *t,
				 const Containerd__Types__Transfer__UnpackConfiguration *how,
				 const struct image_graph *g)
{
	const char *snapshotter =
		*how->snapshotter ? how->snapshotter : snapshots_default(t->c->d->snapshots);
	const struct image_manifest *m;
	struct spec_platform host, *want = &host;
	const char *chain_id = "";
	struct dv_err *e = NULL;

	if (!snapshotter)
		return dv_err_new(DV_PRECONDITION, "no snapshotter can be used on this machine");
	spec_platform_host(&host);
	if (how->platform && *how->platform->os)
		e = transfer_platforms(t, &how->platform, 1, &want);
	if (e)
		return e;
	m = image_graph_choose(g, want);
	return m ? image_layers_unpack(&t->env, m, snapshotter, t->c->arena, &chain_id) : NULL;
}

struct dv_err *transfer_unpack(struct transfer *t, const transfer_store_msg *to,
			       const struct image_graph *g)
{
	struct dv_err *e = NULL;

	for (size_t i = 0; i < to->n_unpacks && !e; i++)
		e = unpack_one(t, to->unpacks[i], g);
	return e;
}

/* ---- from the store to the store --------------------------------------------------------------------- */

static struct dv_err *tag(struct transfer *t, const transfer_store_msg *from,
			  const transfer_store_msg *to)
{
	struct meta_labels labels = convert_labels_in(to->labels, to->n_labels, t->c->arena);
	struct meta_image image;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(t->c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_image_get(tx, t->c->ns, from->name, t->c->arena, &image));
	if (!e && *to->name)
		e = transfer_put_image(t, to->name, &image.target, &labels);
	for (size_t i = 0; i < to->n_extra_references && !e; i++) {
		if (!to->extra_references[i]->is_prefix)
			e = transfer_put_image(t, to->extra_references[i]->name, &image.target,
					       &labels);
	}
	return e;
}

/* ---- the call -------------------------------------------------------------------------------------------- */

static struct dv_err *unpack_any(struct daemon_call *c, const Google__Protobuf__Any *any,
				 const ProtobufCMessageDescriptor *type,
				 const ProtobufCMessage **ret)
{
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	if (!any || !pb_any_is(any->type_url, type))
		return NULL;
	e = pb_unpack(type, any->value.data, any->value.len, c->arena, 0, &msg);
	*ret = msg;
	return dv_err_wrap(e, "%s", any->type_url);
}

#define UNPACK(c, any, name, ret) \
	unpack_any(c, any, &containerd__types__transfer__##name##__descriptor, \
		   (const ProtobufCMessage **)(ret))

static const char *type_of(const Google__Protobuf__Any *any)
{
	return any && *any->type_url ? any->type_url : "nothing";
}

static struct dv_err *dispatch(struct transfer *t, const Google__Protobuf__Any *source,
			       const Google__Protobuf__Any *destination)
{
	const MSG(ImageImportStream) *import = NULL;
	const MSG(ImageExportStream) *export = NULL;
	const MSG(ImageStore) *from = NULL, *to = NULL;
	struct dv_err *e;

	e = UNPACK(t->c, source, image_import_stream, &import);
	if (!e)
		e = UNPACK(t->c, source, image_store, &from);
	if (!e)
		e = UNPACK(t->c, destination, image_store, &to);
	if (!e)
		e = UNPACK(t->c, destination, image_export_stream, &export);
	if (e)
		return e;
	if (import && to)
		return transfer_import(t, import, to);
	if (from && to)
		return tag(t, from, to);
	if (from && export)
		return transfer_export(t, from, export);
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: a transfer from %s to %s",
			  type_of(source), type_of(destination));
}

static struct dv_err *transfer(struct daemon_call *c, const ProtobufCMessage *msg,
			       const ProtobufCMessage **ret)
{
	const Containerd__Services__Transfer__V1__TransferRequest *req = (const void *)msg;
	const char *progress = req->options ? req->options->progress_stream : "";
	struct transfer t;
	struct dv_err *e;

	(void)ret;
	e = transfer_begin(c, progress, &t);
	if (!e)
		e = dispatch(&t, req->source, req->destination);
	transfer_end(&t);
	return e;
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Transfer", containerd__services__transfer__v1__transfer_request, transfer,
		     (.lane = DAEMON_LONG)),
};

const struct grpc_service daemon_transfer_service = {
	.name = "containerd.services.transfer.v1.Transfer",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
