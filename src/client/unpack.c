/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking an image's layers, as containerd's clients do it: for each a snapshot on the one below is
 * prepared, the daemon applies the layer to it, and it is committed under its chain's name. Two who
 * do it at once each make their own, and the first to commit wins.
 */

#include <inttypes.h>
#include <string.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/diff.pb-c.h"
#include "api/containerd/snapshots.pb-c.h"
#include "client/image.h"
#include "client/services.h"
#include "client/unique.h"

struct unpacking {
	struct client *c;
	const struct client_image *image;
	const char *snapshotter, *lease;
	struct dv_arena *arena;
};

static struct dv_err *call(const struct unpacking *u, struct client_request r, void *ret_reply)
{
	r.lease = u->lease;
	return client_call(u->c, &r, ret_reply ? u->arena : NULL, ret_reply);
}

static struct dv_err *is_there(const struct unpacking *u, const char *chain, bool *ret)
{
	Containerd__Services__Snapshots__V1__StatSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
	struct dv_err *e;

	r.snapshotter = (char *)u->snapshotter;
	r.key = (char *)chain;
	e = call(u, *CLIENT_SNAPSHOTS("Stat", &r), NULL);
	*ret = !e;
	if (!e || dv_err_code(e) != DV_NOT_FOUND)
		return e;
	dv_err_free(e);
	return NULL;
}

static struct dv_err *
prepare(const struct unpacking *u, const char *key, const char *parent,
	const Containerd__Services__Snapshots__V1__PrepareSnapshotResponse **ret)
{
	Containerd__Services__Snapshots__V1__PrepareSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__PREPARE_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = (char *)u->snapshotter;
	r.key = (char *)key;
	r.parent = (char *)parent;
	return call(u, *CLIENT_SNAPSHOTS("Prepare", &r), ret);
}

static struct dv_err *apply(const struct unpacking *u, const struct spec_descriptor *layer,
			    const Containerd__Services__Snapshots__V1__PrepareSnapshotResponse *on,
			    const struct dv_digest *diff_id)
{
	Containerd__Services__Diff__V1__ApplyRequest r =
		CONTAINERD__SERVICES__DIFF__V1__APPLY_REQUEST__INIT;
	const Containerd__Services__Diff__V1__ApplyResponse *reply = NULL;
	Containerd__Types__Descriptor diff = CONTAINERD__TYPES__DESCRIPTOR__INIT;
	char expected[DV_DIGEST_STR];
	struct dv_err *e;

	diff.media_type = (char *)layer->media_type;
	diff.digest = (char *)layer->digest_text;
	diff.size = layer->size;
	r.diff = &diff;
	r.mounts = on->mounts;
	r.n_mounts = on->n_mounts;
	e = call(u, *CLIENT_DIFF("Apply", &r), &reply);
	if (e)
		return e;
	dv_digest_str(diff_id, expected);
	if (!reply->applied || !dv_streq(reply->applied->digest, expected))
		return dv_err_new(DV_DATA_LOSS, "it unpacks to %s, the image says %s",
				  reply->applied ? reply->applied->digest : "nothing", expected);
	return NULL;
}

static struct dv_err *commit(const struct unpacking *u, const char *key, const char *chain)
{
	Containerd__Services__Snapshots__V1__CommitSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__COMMIT_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = (char *)u->snapshotter;
	r.key = (char *)key;
	r.name = (char *)chain;
	return call(u, *CLIENT_SNAPSHOTS("Commit", &r), NULL);
}

static void remove_snapshot(const struct unpacking *u, const char *key)
{
	Containerd__Services__Snapshots__V1__RemoveSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = (char *)u->snapshotter;
	r.key = (char *)key;
	dv_err_free(call(u, *CLIENT_SNAPSHOTS("Remove", &r), NULL));
}

static struct dv_err *unpack_layer(const struct unpacking *u, size_t i)
{
	const Containerd__Services__Snapshots__V1__PrepareSnapshotResponse *on = NULL;
	const char *parent = client_image_chain(u->image, i, u->arena);
	const char *chain = client_image_chain(u->image, i + 1, u->arena);
	char id[CLIENT_ID_SIZE];
	struct dv_err *e;
	const char *key;

	client_unique_id(id);
	key = dv_arena_printf(u->arena, "extract-%.16s %s", id, chain);
	e = prepare(u, key, parent, &on);
	if (e)
		return e;
	e = apply(u, &u->image->manifest->layers[i], on, &u->image->config->diff_ids[i]);
	if (!e)
		e = commit(u, key, chain);
	if (!e)
		return NULL;
	remove_snapshot(u, key);
	if (dv_err_code(e) != DV_EXISTS)
		return e;
	dv_err_free(e); /* somebody else was faster, with the same bytes */
	return NULL;
}

/* The image keeps its snapshots: the collector follows this label of its configuration. */
static struct dv_err *keep(const struct unpacking *u, const char *chain)
{
	Containerd__Services__Content__V1__UpdateRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__UPDATE_REQUEST__INIT;
	Containerd__Services__Content__V1__Info info =
		CONTAINERD__SERVICES__CONTENT__V1__INFO__INIT;
	Containerd__Services__Content__V1__Info__LabelsEntry label =
		CONTAINERD__SERVICES__CONTENT__V1__INFO__LABELS_ENTRY__INIT;
	Containerd__Services__Content__V1__Info__LabelsEntry *labels = &label;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	char *path;

	label.key = dv_arena_printf(u->arena, "containerd.io/gc.ref.snapshot.%s", u->snapshotter);
	label.value = (char *)chain;
	path = dv_arena_printf(u->arena, "labels.%s", label.key);
	info.digest = (char *)u->image->manifest->config.digest_text;
	info.labels = &labels;
	info.n_labels = 1;
	mask.paths = &path;
	mask.n_paths = 1;
	r.info = &info;
	r.update_mask = &mask;
	return call(u, *CLIENT_CONTENT("Update", &r), NULL);
}

struct dv_err *client_image_unpack(struct client *c, const struct client_image *image,
				   const char *snapshotter, const char *lease,
				   struct dv_arena *arena)
{
	const struct unpacking u = { c, image, snapshotter, lease, arena };
	size_t n = image->config->n_diff_ids, i = n;
	struct dv_err *e = NULL;
	bool found = false;

	/* From the top down to what is there, and up from it. */
	while (!e && i > 0 && !found) {
		e = is_there(&u, client_image_chain(image, i, arena), &found);
		if (!found)
			i--;
	}
	for (; !e && i < n; i++)
		e = dv_err_wrap(unpack_layer(&u, i), "unpack layer %zu of %zu, %s", i + 1, n,
				image->manifest->layers[i].digest_text);
	if (!e && n > 0)
		e = keep(&u, client_image_chain(image, n, arena));
	return e;
}
