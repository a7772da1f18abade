/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a commit. Until the image refers to them a lease keeps the parts, so whatever becomes
 * of us they go with it. See client/commit.h.
 */

#include "client/commit.h"

#include <signal.h>
#include <string.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/diff.pb-c.h"
#include "api/containerd/snapshots.pb-c.h"
#include "api/containerd/tasks.pb-c.h"
#include "client-private.h"
#include "client/content.h"
#include "client/lease.h"
#include "client/root.h"
#include "client/services.h"
#include "commit-private.h"

static struct dv_err *call(const struct commit *m, struct client_request r, void *ret_reply)
{
	r.lease = m->lease;
	return client_call(m->c, &r, ret_reply ? m->arena : NULL, ret_reply);
}

/* ---- signals that must not leave a frozen container behind ------------------------------- */

static const int leaving[] = { SIGINT, SIGTERM, SIGHUP };

struct watch {
	struct client *c;
	uv_signal_t signals[DV_ARRAY_SIZE(leaving)];
	int signo; /* the one that came */
};

static void on_signal(uv_signal_t *s, int signo)
{
	struct watch *w = s->data;

	w->signo = signo;
}

static void watch_start(struct watch *w)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(leaving); i++) {
		(void)uv_signal_init(client_loop(w->c), &w->signals[i]);
		w->signals[i].data = w;
		(void)uv_signal_start(&w->signals[i], on_signal, leaving[i]);
	}
}

/* The loop has to turn until they are closed: they are part of @w. */
static void watch_stop(struct watch *w)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(leaving); i++)
		uv_close((uv_handle_t *)&w->signals[i], NULL);
	(void)uv_run(client_loop(w->c), UV_RUN_NOWAIT);
}

/* ---- the layer ----------------------------------------------------------------------------- */

static struct dv_err *view(const struct commit *m, const char *key,
			   const Containerd__Services__Snapshots__V1__ViewSnapshotResponse **ret)
{
	const struct client_image *below = &m->base->image;
	Containerd__Services__Snapshots__V1__ViewSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__VIEW_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = m->r->container->snapshotter;
	r.key = (char *)key;
	r.parent = (char *)client_image_chain(below, below->config->n_diff_ids, m->arena);
	return dv_err_wrap(call(m, *CLIENT_SNAPSHOTS("View", &r), ret), "view %s",
			   *r.parent ? r.parent : "nothing");
}

static void remove_view(const struct commit *m, const char *key)
{
	Containerd__Services__Snapshots__V1__RemoveSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = m->r->container->snapshotter;
	r.key = (char *)key;
	dv_err_free(call(m, *CLIENT_SNAPSHOTS("Remove", &r), NULL));
}

static struct dv_err *wait_diff(const struct commit *m, struct client_request r, struct watch *w,
				const Containerd__Services__Diff__V1__DiffResponse **ret)
{
	DV_CLEANUP(client_pending_freep) struct client_pending *p = NULL;

	r.lease = m->lease;
	p = client_start(m->c, &r, NULL, NULL);
	while (!client_pending_is_done(p) && !w->signo)
		client_turn(m->c);
	if (w->signo)
		return dv_err_new(DV_CANCELLED, "interrupted by signal %d", w->signo);
	return client_pending_finish(dv_steal(&p), m->arena, ret);
}

static struct dv_err *diff(struct commit *m,
			   const Containerd__Services__Snapshots__V1__ViewSnapshotResponse *below,
			   struct watch *w)
{
	Containerd__Services__Diff__V1__DiffRequest r =
		CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
	const Containerd__Services__Diff__V1__DiffResponse *reply = NULL;
	Containerd__Types__Mount **mounts = NULL;
	struct dv_err *e;

	e = client_root_mounts(m->c, m->r, m->arena, &mounts, &r.n_right);
	if (e)
		return e;
	r.left = below->mounts;
	r.n_left = below->n_mounts;
	r.right = mounts;
	r.media_type = (char *)commit_media_type(m, SPEC_MEDIA_LAYER);
	r.ref = dv_arena_printf(m->arena, "%s-layer", m->lease);
	e = wait_diff(m, *CLIENT_DIFF("Diff", &r), w, &reply);
	if (e)
		return e;
	if (!reply->diff)
		return dv_err_new(DV_INTERNAL, "davitd made no layer");
	m->layer.media_type = reply->diff->media_type;
	m->layer.digest_text = reply->diff->digest;
	m->layer.size = reply->diff->size;
	return NULL;
}

/* What the layer is when it is not compressed: the daemon has it on the blob. */
static struct dv_err *find_diff_id(struct commit *m)
{
	Containerd__Services__Content__V1__InfoRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__INFO_REQUEST__INIT;
	const Containerd__Services__Content__V1__InfoResponse *reply = NULL;
	struct dv_err *e;

	r.digest = (char *)m->layer.digest_text;
	e = call(m, *CLIENT_CONTENT("Info", &r), &reply);
	if (e)
		return e;
	for (size_t i = 0; reply->info && i < reply->info->n_labels; i++) {
		if (dv_streq(reply->info->labels[i]->key, "containerd.io/uncompressed"))
			return dv_digest_parse(reply->info->labels[i]->value, &m->diff_id);
	}
	return dv_err_new(DV_INTERNAL, "layer %s has no containerd.io/uncompressed", r.digest);
}

static struct dv_err *freeze(const struct commit *m)
{
	Containerd__Services__Tasks__V1__PauseTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__PAUSE_TASK_REQUEST__INIT;

	r.container_id = m->r->container->id;
	return dv_err_wrap(call(m, *CLIENT_TASKS("Pause", &r), NULL), "pause it");
}

/* One that has ended meanwhile needs none. */
static struct dv_err *thaw(const struct commit *m)
{
	Containerd__Services__Tasks__V1__ResumeTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__RESUME_TASK_REQUEST__INIT;
	struct dv_err *e;

	r.container_id = m->r->container->id;
	e = call(m, *CLIENT_TASKS("Resume", &r), NULL);
	if (e && (dv_err_code(e) == DV_NOT_FOUND || dv_err_code(e) == DV_PRECONDITION))
		e = dv_err_free(e);
	return dv_err_wrap(e, "let it go on");
}

static struct dv_err *make_layer(struct commit *m)
{
	const char *key = dv_arena_printf(m->arena, "%s-below", m->lease);
	const Containerd__Services__Snapshots__V1__ViewSnapshotResponse *below = NULL;
	bool is_frozen = m->opts->is_paused && m->r->state == CLIENT_RUNNING;
	struct watch watch = { .c = m->c };
	struct dv_err *e = view(m, key, &below), *thawed = NULL;

	if (e)
		return e;
	watch_start(&watch);
	if (is_frozen)
		e = freeze(m);
	is_frozen = is_frozen && !e;
	if (!e)
		e = dv_err_wrap(diff(m, below, &watch), "make a layer");
	if (is_frozen)
		thawed = thaw(m);
	watch_stop(&watch);
	remove_view(m, key);
	if (e) {
		dv_err_free(thawed);
		return e;
	}
	return thawed ? thawed : find_diff_id(m);
}

/* ---- the documents -------------------------------------------------------------------------- */

static struct dv_err *write_config(struct commit *m, struct client_image *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct spec_image *config = NULL;
	char digest[DV_DIGEST_STR];
	struct dv_err *e;

	e = commit_config_format(m, &text);
	if (!e)
		e = spec_image_parse(m->arena, text.data, text.len, &config);
	if (!e)
		e = client_content_put(m->c, m->lease, &text, NULL, 0, &m->config.digest);
	if (e)
		return dv_err_wrap(e, "make the configuration");
	m->config.media_type = commit_media_type(m, SPEC_MEDIA_CONFIG);
	m->config.size = (int64_t)text.len;
	dv_digest_str(&m->config.digest, digest);
	m->config.digest_text = dv_arena_strdup(m->arena, digest);
	ret->config = config;
	return NULL;
}

/* The collector follows these labels from the manifest to its parts. */
static struct spec_string_pair *references(const struct commit *m,
					   const struct spec_manifest *manifest)
{
	struct spec_string_pair *labels =
		dv_arena_new_n(m->arena, struct spec_string_pair, manifest->n_layers + 1);

	labels[0] = (struct spec_string_pair){ "containerd.io/gc.ref.content.config",
					       manifest->config.digest_text };
	for (size_t i = 0; i < manifest->n_layers; i++) {
		labels[i + 1].key =
			dv_arena_printf(m->arena, "containerd.io/gc.ref.content.l.%zu", i);
		labels[i + 1].value = manifest->layers[i].digest_text;
	}
	return labels;
}

static struct dv_err *write_manifest(struct commit *m, struct client_image *ret, int64_t *ret_size)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct spec_manifest *manifest = NULL;
	struct dv_digest digest;
	char name[DV_DIGEST_STR];
	struct dv_err *e;

	commit_manifest_format(m, &text);
	e = spec_manifest_parse(m->arena, text.data, text.len, &manifest);
	if (!e)
		e = spec_image_check_layers(ret->config, manifest);
	if (!e)
		e = client_content_put(m->c, m->lease, &text, references(m, manifest),
				       manifest->n_layers + 1, &digest);
	if (e)
		return dv_err_wrap(e, "make the manifest");
	ret->manifest = manifest;
	ret->digest = dv_arena_strdup(m->arena, dv_digest_str(&digest, name));
	*ret_size = (int64_t)text.len;
	return NULL;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static struct dv_err *make(struct commit *m, const char **ret_digest)
{
	struct client_image image = { 0 };
	struct dv_err *e = make_layer(m);
	int64_t size = 0;

	if (!e)
		e = write_config(m, &image);
	if (!e)
		e = write_manifest(m, &image, &size);
	if (e)
		return e;
	image.name = m->opts->name;
	if (!image.name)
		image.name = dv_arena_printf(m->arena, "<none>@%s", image.digest);
	e = client_image_unpack(m->c, &image, m->r->container->snapshotter, m->lease, m->arena);
	if (!e)
		e = client_image_put(
			m->c, image.name,
			&(struct client_image_target){ commit_media_type(m, SPEC_MEDIA_MANIFEST),
						       image.digest, size },
			m->lease);
	if (!e)
		*ret_digest = image.digest;
	return e;
}

struct dv_err *client_commit(struct client *c, const struct client_record *r,
			     const struct client_commit_base *base,
			     const struct client_commit_opts *opts, struct dv_arena *arena,
			     const char **ret_digest)
{
	struct commit m = { .c = c, .r = r, .base = base, .opts = opts, .arena = arena };
	const char *kind = base->image.manifest->media_type;
	struct dv_err *e;

	m.is_docker = kind && dv_starts_with(kind, "application/vnd.docker.");
	e = client_lease_begin(c, arena, &m.lease);
	if (!e)
		e = make(&m, ret_digest);
	client_lease_end(c, m.lease);
	return e;
}
