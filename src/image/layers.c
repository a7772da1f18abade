/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's layers, one on top of the other. Each is made under a key of its own and gets its name when
 * it is whole, so whoever is first wins and nobody sees a part of a layer. See image/layers.h.
 */

#include "image/layers.h"

#include <stdatomic.h>
#include <time.h>

#include "base/str.h"
#include "sys/file.h"

struct layer_job {
	const struct image_env *env;
	const struct image_manifest *manifest;
	struct snapshot_at at;
	struct dv_arena *arena;
	size_t i; /* of the layer */
	const char *parent, *name; /* chain ids; parent "" for the lowest */
	const char *key;
};

static void tell(const struct layer_job *j, enum image_event_kind kind)
{
	struct image_event ev = { .kind = kind,
				  .key = j->key,
				  .name = j->name,
				  .parent = j->parent,
				  .snapshotter = j->at.snapshotter };

	if (j->env->on_event)
		j->env->on_event(j->env->arg, &ev);
}

static void progress(const struct layer_job *j, const char *what, int64_t done)
{
	const struct spec_descriptor *layer = &j->manifest->manifest->layers[j->i];
	struct meta_descriptor d = image_descriptor(layer, j->arena);
	struct image_event ev = { .kind = IMAGE_PROGRESS,
				  .name = d.digest,
				  .parent = j->manifest->descriptor.digest,
				  .what = what,
				  .progress = done,
				  .total = d.size,
				  .descriptor = &d };

	if (j->env->on_event)
		j->env->on_event(j->env->arg, &ev);
}

/* Nobody else has the key, nor had anybody before: it has the time and a number. */
static const char *make_key(const struct layer_job *j)
{
	static atomic_uint counter;
	struct timespec now = meta_now();

	return dv_arena_printf(j->arena, "extract-%lld-%09ld-%u %s", (long long)now.tv_sec,
			       now.tv_nsec, atomic_fetch_add(&counter, 1), j->name);
}

static struct dv_err *fill(const struct layer_job *j, const struct snapshot_mounts *mounts)
{
	const char *digest = j->manifest->manifest->layers[j->i].digest_text;
	struct image_unpack u = { .program = j->env->program,
				  .is_cancelled = j->env->is_cancelled,
				  .arg = j->env->arg };
	char got[DV_DIGEST_STR], want[DV_DIGEST_STR];
	DV_CLEANUP(sys_closep) int blob = -1;
	struct image_unpacked unpacked;
	struct dv_err *e;

	e = image_target(mounts, j->arena, &u);
	if (!e)
		e = content_open_blob(j->env->content, j->env->ns, digest, &blob, NULL);
	if (e)
		return e;
	u.archive = blob;
	e = image_unpack(&u, &unpacked);
	if (e)
		return e;
	if (!dv_digest_eq(&unpacked.diff_id, &j->manifest->config->diff_ids[j->i]))
		return dv_err_new(DV_INVALID, "it unpacks to %s, but the configuration says %s",
				  dv_digest_str(&unpacked.diff_id, got),
				  dv_digest_str(&j->manifest->config->diff_ids[j->i], want));
	return image_set_label(j->env, digest, "containerd.io/uncompressed",
			       dv_digest_str(&unpacked.diff_id, got));
}

static struct dv_err *commit(const struct layer_job *j)
{
	struct snapshot_commit commit = { .name = j->name, .key = j->key };
	struct dv_err *e = snapshot_commit(j->env->snapshots, &j->at, &commit);

	if (!e)
		tell(j, IMAGE_COMMITTED);
	return e;
}

/* DV_EXISTS: somebody else has made it meanwhile. */
static struct dv_err *make_layer(struct layer_job *j)
{
	const struct meta_label ref = { "containerd.io/snapshot.ref", j->name };
	struct snapshot_new new = { .key = j->key, .parent = j->parent, .labels = { &ref, 1 } };
	struct snapshot_mounts mounts;
	struct dv_err *e;

	e = snapshot_prepare(j->env->snapshots, &j->at, &new, j->arena, &mounts);
	if (e)
		return e;
	tell(j, IMAGE_PREPARED);
	e = fill(j, &mounts);
	if (!e)
		e = commit(j);
	if (e) {
		dv_err_free(snapshot_remove(j->env->snapshots, &j->at, j->key));
		tell(j, IMAGE_REMOVED);
	}
	return e;
}

static struct dv_err *unpack_layer(struct layer_job *j)
{
	struct dv_digest id;
	struct dv_err *e;

	spec_image_chain_id(j->manifest->config->diff_ids, j->i + 1, &id);
	j->name = dv_digest_str(&id, dv_arena_alloc(j->arena, DV_DIGEST_STR));
	j->key = make_key(j);
	e = image_check_cancelled(j->env);
	if (e)
		return e;
	progress(j, "extracting", 0);
	e = make_layer(j);
	if (e && dv_err_code(e) == DV_EXISTS)
		e = dv_err_free(e);
	if (e)
		return dv_err_wrap(e, "layer %s", j->manifest->manifest->layers[j->i].digest_text);
	progress(j, "extracted", j->manifest->manifest->layers[j->i].size);
	return NULL;
}

struct dv_err *image_layers_unpack(const struct image_env *env, const struct image_manifest *m,
				   const char *snapshotter, struct dv_arena *arena,
				   const char **ret_chain_id)
{
	struct layer_job j = { .env = env,
			       .manifest = m,
			       .at = { env->ns, snapshotter, env->lease },
			       .arena = arena,
			       .parent = "" };
	struct dv_err *e;

	if (!m->config)
		return dv_err_new(DV_INVALID, "%s is not an image: there is nothing to unpack",
				  m->descriptor.digest);
	for (j.i = 0; j.i < m->manifest->n_layers; j.i++) {
		e = unpack_layer(&j);
		if (e)
			return dv_err_wrap(e, "unpack %s", m->descriptor.digest);
		j.parent = j.name;
	}
	*ret_chain_id = j.parent;
	if (!*j.parent)
		return NULL;
	return image_set_label(
		env, m->manifest->config.digest_text,
		dv_arena_printf(arena, "containerd.io/gc.ref.snapshot.%s", snapshotter), j.parent);
}
