/* SPDX-License-Identifier: Apache-2.0 */

/* Images. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-image.h"

#define COLUMNS "name, media_type, digest, size, created, updated, labels, annotations"

/* An image that may expire does not hold itself: a lease does. */
#define LABEL_EXPIRE "containerd.io/gc.expire"

static struct dv_err *not_found(const char *name)
{
	return dv_err_new(DV_NOT_FOUND, "image \"%s\": not found", name);
}

static struct dv_err *read_row(const struct meta_rows *rows, struct dv_arena *arena,
			       struct meta_image *ret)
{
	struct dv_err *e;

	*ret = (struct meta_image){
		.name = meta_col_text(rows, 0, arena),
		.target.media_type = meta_col_text(rows, 1, arena),
		.target.digest = meta_col_text(rows, 2, arena),
		.target.size = meta_col_int(rows, 3),
		.created_at = meta_col_time(rows, 4),
		.updated_at = meta_col_time(rows, 5),
	};
	e = meta_col_labels(rows, 6, arena, &ret->labels);
	return e ? e : meta_col_labels(rows, 7, arena, &ret->target.annotations);
}

struct dv_err *meta_image_get(struct meta_tx *tx, const char *ns, const char *name,
			      struct dv_arena *arena, struct meta_image *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM image"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name=?2",
		       "ss", ns, name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(name);
	if (!e)
		e = read_row(&rows, arena, ret);
	return dv_err_wrap(e, "image \"%s\"", name);
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct meta_image *image = object;

	if (dv_streq(path->parts[0], "name"))
		return image->name;
	if (dv_streq(path->parts[0], "target") && path->n_parts > 1) {
		if (dv_streq(path->parts[1], "digest"))
			return image->target.digest;
		return dv_streq(path->parts[1], "mediatype") ? image->target.media_type : NULL;
	}
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&image->labels, path);
	if (dv_streq(path->parts[0], "annotations"))
		return meta_labels_field(&image->target.annotations, path);
	return NULL;
}

struct dv_err *meta_image_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_image **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_image);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT " COLUMNS " FROM image"
		" WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name>?2 ORDER BY name",
		"ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_image image;

		e = read_row(&rows, arena, &image);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &image))
			continue;
		*(struct meta_image *)meta_vec_push(&vec) = image;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list images");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

static struct dv_err *check(const struct meta_image *image)
{
	const struct meta_descriptor *target = &image->target;
	struct dv_err *e;

	if (!image->name[0])
		return dv_err_new(DV_INVALID, "image name must not be empty: invalid argument");
	e = meta_labels_check("image.Labels", &image->labels);
	if (!e)
		e = meta_digest_check("target.Digest", target->digest ? target->digest : "");
	if (e)
		return e;
	if (target->size <= 0)
		return dv_err_new(DV_INVALID,
				  "target.Size must be greater than zero: invalid argument");
	if (!target->media_type || !target->media_type[0])
		return dv_err_new(DV_INVALID, "target.MediaType must be set: invalid argument");
	return NULL;
}

/* What a lease must hold; see LABEL_EXPIRE. */
static struct dv_err *attach(struct meta_tx *tx, int64_t ns, const char *lease,
			     const struct meta_image *image)
{
	if (!meta_label_get(&image->labels, LABEL_EXPIRE))
		return NULL;
	return meta_lease_attach(tx, ns, lease, META_NODE_IMAGE, "", image->name);
}

struct dv_err *meta_image_create(struct meta_tx *tx, const char *ns, const char *lease,
				 const struct meta_image *given, const struct timespec *when,
				 struct dv_arena *arena, struct meta_image *ret)
{
	struct meta_image image = *given;
	const void *labels, *annotations;
	size_t n_labels, n_annotations;
	struct dv_err *e;
	int64_t ns_id;
	int n;

	e = check(&image);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = attach(tx, ns_id, lease, &image);
	if (e)
		return e;
	image.created_at = image.updated_at = when ? *when : meta_now();
	meta_labels_normalise(&image.labels, arena);
	meta_labels_normalise(&image.target.annotations, arena);
	meta_labels_pack(&image.labels, arena, &labels, &n_labels);
	meta_labels_pack(&image.target.annotations, arena, &annotations, &n_annotations);
	e = meta_exec(
		tx, &n,
		"INSERT INTO image (ns, name, media_type, digest, size, created, updated, labels,"
		" annotations) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)"
		" ON CONFLICT DO NOTHING",
		"isssitbb", ns_id, image.name, image.target.media_type, image.target.digest,
		image.target.size, image.created_at, labels, n_labels, annotations, n_annotations);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "image \"%s\": already exists", image.name);
	meta_touch(tx, META_NODE_IMAGE, ns_id, "", image.name);
	if (ret)
		*ret = image;
	return NULL;
}

static struct dv_err *apply_mask(struct meta_image *updated, const struct meta_image *given,
				 const struct dv_mask *mask, struct dv_arena *arena)
{
	if (dv_mask_is_empty(mask)) {
		updated->labels = given->labels;
		updated->target = given->target;
		return NULL;
	}
	for (size_t i = 0; i < mask->n_paths; i++) {
		const char *path = mask->paths[i];
		bool hit;

		meta_labels_mask(&updated->labels, &given->labels, "labels", path, arena, &hit);
		if (!hit)
			meta_labels_mask(&updated->target.annotations, &given->target.annotations,
					 "annotations", path, arena, &hit);
		if (hit)
			continue;
		if (!dv_streq(path, "target"))
			return dv_err_new(
				DV_INVALID,
				"cannot update \"%s\" field on image \"%s\": invalid argument",
				path, given->name);
		updated->target = given->target;
	}
	return NULL;
}

struct dv_err *meta_image_update(struct meta_tx *tx, const char *ns, const char *lease,
				 const struct meta_image *given, const struct dv_mask *mask,
				 const struct timespec *when, struct dv_arena *arena,
				 struct meta_image *ret)
{
	const void *labels, *annotations;
	size_t n_labels, n_annotations;
	struct meta_image updated;
	struct dv_err *e;
	int64_t ns_id;

	if (!given->name[0])
		return dv_err_new(DV_INVALID,
				  "image name is required for update: invalid argument");
	e = meta_image_get(tx, ns, given->name, arena, &updated);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = apply_mask(&updated, given, mask, arena);
	if (!e)
		e = check(&updated);
	if (!e)
		e = attach(tx, ns_id, lease, &updated);
	if (e)
		return e;
	updated.updated_at = when ? *when : meta_now();
	meta_labels_normalise(&updated.labels, arena);
	meta_labels_normalise(&updated.target.annotations, arena);
	meta_labels_pack(&updated.labels, arena, &labels, &n_labels);
	meta_labels_pack(&updated.target.annotations, arena, &annotations, &n_annotations);
	e = meta_exec(tx, NULL,
		      "UPDATE image SET media_type=?3, digest=?4, size=?5, updated=?6, labels=?7,"
		      " annotations=?8 WHERE ns=?1 AND name=?2",
		      "isssitbb", ns_id, updated.name, updated.target.media_type,
		      updated.target.digest, updated.target.size, updated.updated_at, labels,
		      n_labels, annotations, n_annotations);
	if (e)
		return e;
	/* What it was the name of before may be garbage now. */
	meta_untie(tx);
	meta_touch(tx, META_NODE_IMAGE, ns_id, "", updated.name);
	*ret = updated;
	return NULL;
}

struct dv_err *meta_image_delete(struct meta_tx *tx, const char *ns, const char *lease,
				 const char *name, const char *digest)
{
	DV_CLEANUP(dv_arena_fini) struct dv_arena arena;
	struct meta_image image;
	struct dv_err *e;
	int64_t ns_id;

	dv_arena_init(&arena);
	e = meta_image_get(tx, ns, name, &arena, &image);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (e)
		return e;
	if (digest && digest[0] && !dv_streq(digest, image.target.digest))
		return dv_err_new(DV_NOT_FOUND, "image \"%s\" has target %s, not %s: not found",
				  name, image.target.digest, digest);
	e = meta_exec(tx, NULL, "DELETE FROM image WHERE ns=?1 AND name=?2", "is", ns_id, name);
	if (!e)
		e = meta_lease_detach(tx, ns_id, lease, META_NODE_IMAGE, "", name);
	meta_untie(tx);
	return e;
}
