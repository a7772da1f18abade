/* SPDX-License-Identifier: Apache-2.0 */

/* Containers. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-container.h"

#define BRIEF_COLUMNS \
	"name, labels, image, runtime, snapshotter, snapshot_key, created, updated, sandbox"
#define COLUMNS BRIEF_COLUMNS ", options_url, options, spec_url, spec, extensions"

static struct dv_err *not_found(const char *ns, const char *id)
{
	return dv_err_new(DV_NOT_FOUND, "container \"%s\" in namespace \"%s\": not found", id, ns);
}

static struct dv_err *read_brief(const struct meta_rows *rows, struct dv_arena *arena,
				 struct meta_container *ret)
{
	*ret = (struct meta_container){
		.id = meta_col_text(rows, 0, arena),
		.image = meta_col_text(rows, 2, arena),
		.runtime_name = meta_col_text(rows, 3, arena),
		.snapshotter = meta_col_text(rows, 4, arena),
		.snapshot_key = meta_col_text(rows, 5, arena),
		.created_at = meta_col_time(rows, 6),
		.updated_at = meta_col_time(rows, 7),
		.sandbox = meta_col_text(rows, 8, arena),
	};
	return meta_col_labels(rows, 1, arena, &ret->labels);
}

static struct dv_err *read_rest(const struct meta_rows *rows, struct dv_arena *arena,
				struct meta_container *ret)
{
	ret->runtime_options = meta_col_any(rows, 9, arena);
	ret->spec = meta_col_any(rows, 11, arena);
	return meta_col_extensions(rows, 13, arena, &ret->extensions, &ret->n_extensions);
}

struct dv_err *meta_container_get(struct meta_tx *tx, const char *ns, const char *id,
				  struct dv_arena *arena, struct meta_container *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM container"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name=?2",
		       "ss", ns, id);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(ns, id);
	if (!e)
		e = read_brief(&rows, arena, ret);
	if (!e)
		e = read_rest(&rows, arena, ret);
	return dv_err_wrap(e, "container \"%s\"", id);
}

struct dv_err *meta_container_find_name(struct meta_tx *tx, const char *ns, const char *name,
					struct dv_arena *arena, const char **ret_id)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT name FROM container"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND nick=?2",
		       "ss", ns, name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return dv_err_new(DV_NOT_FOUND,
				  "no container is called \"%s\" in namespace \"%s\": not found",
				  name, ns);
	if (!e)
		*ret_id = meta_col_text(&rows, 0, arena);
	return e;
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct meta_container *c = object;

	if (dv_streq(path->parts[0], "id"))
		return c->id;
	if (dv_streq(path->parts[0], "runtime"))
		return path->n_parts > 1 && dv_streq(path->parts[1], "name") ? c->runtime_name
									     : NULL;
	if (dv_streq(path->parts[0], "image"))
		return c->image[0] ? c->image : NULL;
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&c->labels, path);
	return NULL;
}

struct dv_err *meta_container_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
				   struct dv_arena *arena, struct meta_container **ret,
				   size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_container);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT " COLUMNS " FROM container"
		" WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name>?2 ORDER BY name",
		"ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_container c;

		e = read_brief(&rows, arena, &c);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &c))
			continue;
		/* The pages of a spec are not even read before it is asked for. */
		if (!list || !list->is_brief)
			e = read_rest(&rows, arena, &c);
		*(struct meta_container *)meta_vec_push(&vec) = c;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list containers");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* Also makes NULL texts empty ones. */
static struct dv_err *check(struct meta_container *c)
{
	struct dv_err *e;

	c->image = or_empty(c->image);
	c->runtime_name = or_empty(c->runtime_name);
	c->snapshotter = or_empty(c->snapshotter);
	c->snapshot_key = or_empty(c->snapshot_key);
	c->sandbox = or_empty(c->sandbox);
	e = meta_id_check("container.ID", c->id);
	if (e)
		return e;
	for (size_t i = 0; i < c->n_extensions; i++)
		if (!c->extensions[i].key[0])
			return dv_err_new(DV_INVALID, "container.Extension keys must not be "
						      "zero-length: invalid argument");
	e = meta_labels_check("containers.Labels", &c->labels);
	if (e)
		return e;
	if (!c->runtime_name[0])
		return dv_err_new(DV_INVALID,
				  "container.Runtime.Name must be set: invalid argument");
	if (!c->spec.type_url)
		return dv_err_new(DV_INVALID, "container.Spec must be set: invalid argument");
	if (c->snapshot_key[0] && !c->snapshotter[0])
		return dv_err_new(
			DV_INVALID,
			"container.Snapshotter must be set if container.SnapshotKey is set: "
			"invalid argument");
	return NULL;
}

/* DV_EXISTS: another one has that name. *ret: NULL for none. */
static struct dv_err *check_name(struct meta_tx *tx, const char *ns, const struct meta_container *c,
				 struct dv_arena *arena, const char **ret)
{
	const char *name = meta_label_get(&c->labels, META_LABEL_NAME), *holder;
	struct dv_err *e;

	*ret = name && name[0] ? name : NULL;
	if (!*ret)
		return NULL;
	e = meta_container_find_name(tx, ns, name, arena, &holder);
	if (!e && !dv_streq(holder, c->id))
		return dv_err_new(DV_EXISTS,
				  "the name \"%s\" is taken by container %s: already exists", name,
				  holder);
	if (e && dv_err_code(e) != DV_NOT_FOUND)
		return e;
	dv_err_free(e);
	return NULL;
}

struct dv_err *meta_container_create(struct meta_tx *tx, const char *ns,
				     const struct meta_container *container, struct dv_arena *arena,
				     struct meta_container *ret)
{
	struct meta_container c = *container;
	size_t n_labels, n_extensions;
	const void *labels, *extensions;
	const char *nick;
	struct dv_err *e;
	int64_t ns_id;
	int n;

	e = check(&c);
	if (e)
		return dv_err_wrap(e, "create container failed validation");
	e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = check_name(tx, ns, &c, arena, &nick);
	if (e)
		return e;
	c.created_at = c.updated_at = meta_now();
	meta_labels_normalise(&c.labels, arena);
	meta_labels_pack(&c.labels, arena, &labels, &n_labels);
	meta_extensions_pack(c.extensions, c.n_extensions, arena, &extensions, &n_extensions);
	e = meta_exec(
		tx, &n,
		"INSERT INTO container (ns, name, nick, image, runtime, snapshotter, snapshot_key,"
		" sandbox, created, updated, labels, options_url, options, extensions, spec_url,"
		" spec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12, ?13, ?14,"
		" ?15) ON CONFLICT (ns, name) DO NOTHING",
		"isssssss"
		"tbsb"
		"bsb",
		ns_id, c.id, nick, c.image, c.runtime_name, c.snapshotter, c.snapshot_key,
		c.sandbox, c.created_at, labels, n_labels, c.runtime_options.type_url,
		c.runtime_options.value, c.runtime_options.n_value, extensions, n_extensions,
		c.spec.type_url, c.spec.value, c.spec.n_value);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "container \"%s\": already exists", c.id);
	meta_touch(tx, META_NODE_CONTAINER, ns_id, "", c.id);
	if (ret)
		*ret = c;
	return NULL;
}

/* Without a mask: all that may change; what may not must be the same. */
static struct dv_err *replace(struct meta_container *updated, const struct meta_container *given)
{
	if (!dv_streq(updated->snapshotter, or_empty(given->snapshotter)))
		return dv_err_new(DV_INVALID,
				  "container.Snapshotter field is immutable: invalid argument");
	if (!dv_streq(updated->runtime_name, or_empty(given->runtime_name)))
		return dv_err_new(DV_INVALID,
				  "container.Runtime.Name field is immutable: invalid argument");
	updated->labels = given->labels;
	updated->spec = given->spec;
	updated->extensions = given->extensions;
	updated->n_extensions = given->n_extensions;
	updated->image = given->image;
	updated->snapshot_key = given->snapshot_key;
	return NULL;
}

static struct dv_err *apply_mask(struct meta_container *updated, const struct meta_container *given,
				 const struct dv_mask *mask, struct dv_arena *arena)
{
	if (dv_mask_is_empty(mask))
		return replace(updated, given);
	for (size_t i = 0; i < mask->n_paths; i++) {
		const char *path = mask->paths[i];
		bool hit;

		meta_labels_mask(&updated->labels, &given->labels, "labels", path, arena, &hit);
		if (hit ||
		    meta_extensions_mask(&updated->extensions, &updated->n_extensions,
					 given->extensions, given->n_extensions, path, arena))
			continue;
		if (dv_streq(path, "spec"))
			updated->spec = given->spec;
		else if (dv_streq(path, "image"))
			updated->image = given->image;
		else if (dv_streq(path, "snapshotkey"))
			updated->snapshot_key = given->snapshot_key;
		else
			return dv_err_new(DV_INVALID,
					  "cannot update \"%s\" field on \"%s\": invalid argument",
					  path, given->id);
	}
	return NULL;
}

struct dv_err *meta_container_update(struct meta_tx *tx, const char *ns,
				     const struct meta_container *container,
				     const struct dv_mask *mask, struct dv_arena *arena,
				     struct meta_container *ret)
{
	size_t n_labels, n_extensions;
	const void *labels, *extensions;
	struct meta_container c;
	const char *nick;
	struct dv_err *e;
	int64_t ns_id;

	if (!container->id[0])
		return dv_err_new(DV_INVALID, "must specify a container id: invalid argument");
	e = meta_container_get(tx, ns, container->id, arena, &c);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = apply_mask(&c, container, mask, arena);
	if (e)
		return e;
	e = check(&c);
	if (e)
		return dv_err_wrap(e, "update failed validation");
	e = check_name(tx, ns, &c, arena, &nick);
	if (e)
		return e;
	c.updated_at = meta_now();
	meta_labels_normalise(&c.labels, arena);
	meta_labels_pack(&c.labels, arena, &labels, &n_labels);
	meta_extensions_pack(c.extensions, c.n_extensions, arena, &extensions, &n_extensions);
	e = meta_exec(
		tx, NULL,
		"UPDATE container SET nick=?3, image=?4, snapshot_key=?5, updated=?6, labels=?7,"
		" extensions=?8, spec_url=?9, spec=?10 WHERE ns=?1 AND name=?2",
		"issss"
		"tbbsb",
		ns_id, c.id, nick, c.image, c.snapshot_key, c.updated_at, labels, n_labels,
		extensions, n_extensions, c.spec.type_url, c.spec.value, c.spec.n_value);
	if (e)
		return e;
	meta_touch(tx, META_NODE_CONTAINER, ns_id, "", c.id);
	*ret = c;
	return NULL;
}

struct dv_err *meta_container_delete(struct meta_tx *tx, const char *ns, const char *id)
{
	struct dv_err *e;
	int n;

	e = meta_exec(tx, &n,
		      "DELETE FROM container WHERE ns=(SELECT id FROM namespace WHERE name=?1)"
		      " AND name=?2",
		      "ss", ns, id);
	if (e)
		return e;
	if (!n)
		return not_found(ns, id);
	meta_untie(tx);
	return NULL;
}
