/* SPDX-License-Identifier: Apache-2.0 */

/* Sandboxes. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-sandbox.h"

#define COLUMNS \
	"name, labels, sandboxer, runtime, created, updated, options_url, options, spec_url, spec," \
	" extensions"

static struct dv_err *not_found(const char *id)
{
	return dv_err_new(DV_NOT_FOUND, "sandbox \"%s\": not found", id);
}

static struct dv_err *read_brief(const struct meta_rows *rows, struct dv_arena *arena,
				 struct meta_sandbox *ret)
{
	*ret = (struct meta_sandbox){
		.id = meta_col_text(rows, 0, arena),
		.sandboxer = meta_col_text(rows, 2, arena),
		.runtime_name = meta_col_text(rows, 3, arena),
		.created_at = meta_col_time(rows, 4),
		.updated_at = meta_col_time(rows, 5),
	};
	return meta_col_labels(rows, 1, arena, &ret->labels);
}

static struct dv_err *read_rest(const struct meta_rows *rows, struct dv_arena *arena,
				struct meta_sandbox *ret)
{
	ret->runtime_options = meta_col_any(rows, 6, arena);
	ret->spec = meta_col_any(rows, 8, arena);
	return meta_col_extensions(rows, 10, arena, &ret->extensions, &ret->n_extensions);
}

struct dv_err *meta_sandbox_get(struct meta_tx *tx, const char *ns, const char *id,
				struct dv_arena *arena, struct meta_sandbox *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM sandbox"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name=?2",
		       "ss", ns, id);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(id);
	if (!e)
		e = read_brief(&rows, arena, ret);
	if (!e)
		e = read_rest(&rows, arena, ret);
	return dv_err_wrap(e, "sandbox \"%s\"", id);
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct meta_sandbox *s = object;

	if (dv_streq(path->parts[0], "id"))
		return s->id;
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&s->labels, path);
	return NULL;
}

struct dv_err *meta_sandbox_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
				 struct dv_arena *arena, struct meta_sandbox **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_sandbox);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT " COLUMNS " FROM sandbox"
		" WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name>?2 ORDER BY name",
		"ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_sandbox s;

		e = read_brief(&rows, arena, &s);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &s))
			continue;
		if (!list || !list->is_brief)
			e = read_rest(&rows, arena, &s);
		*(struct meta_sandbox *)meta_vec_push(&vec) = s;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list sandboxes");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

/* Also makes NULL texts empty ones. */
static struct dv_err *check(struct meta_sandbox *s)
{
	struct dv_err *e;

	if (!s->sandboxer)
		s->sandboxer = "";
	if (!s->runtime_name)
		s->runtime_name = "";
	e = meta_id_check("invalid sandbox ID", s->id);
	return e ? e : meta_labels_check("sandbox.Labels", &s->labels);
}

struct dv_err *meta_sandbox_create(struct meta_tx *tx, const char *ns,
				   const struct meta_sandbox *sandbox, struct dv_arena *arena,
				   struct meta_sandbox *ret)
{
	struct meta_sandbox s = *sandbox;
	size_t n_labels, n_extensions;
	const void *labels, *extensions;
	struct dv_err *e;
	int64_t ns_id;
	int n;

	e = check(&s);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (e)
		return e;
	s.created_at = s.updated_at = meta_now();
	meta_labels_normalise(&s.labels, arena);
	meta_labels_pack(&s.labels, arena, &labels, &n_labels);
	meta_extensions_pack(s.extensions, s.n_extensions, arena, &extensions, &n_extensions);
	e = meta_exec(tx, &n,
		      "INSERT INTO sandbox (ns, name, sandboxer, runtime, created, updated, labels,"
		      " options_url, options, extensions, spec_url, spec)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
		      " ON CONFLICT DO NOTHING",
		      "issstbsbbsb", ns_id, s.id, s.sandboxer, s.runtime_name, s.created_at, labels,
		      n_labels, s.runtime_options.type_url, s.runtime_options.value,
		      s.runtime_options.n_value, extensions, n_extensions, s.spec.type_url,
		      s.spec.value, s.spec.n_value);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "sandbox \"%s\": already exists", s.id);
	meta_touch(tx, META_NODE_SANDBOX, ns_id, "", s.id);
	if (ret)
		*ret = s;
	return NULL;
}

static void take_runtime(struct meta_sandbox *updated, const struct meta_sandbox *given)
{
	updated->runtime_name = given->runtime_name ? given->runtime_name : "";
	updated->runtime_options = given->runtime_options;
}

static struct dv_err *apply_mask(struct meta_sandbox *updated, const struct meta_sandbox *given,
				 const struct dv_mask *mask, struct dv_arena *arena)
{
	static const char *const all_paths[] = { "labels", "extensions", "spec", "runtime" };
	static const struct dv_mask all = { all_paths, DV_ARRAY_SIZE(all_paths) };

	if (dv_mask_is_empty(mask)) {
		if (!dv_streq(updated->runtime_name,
			      given->runtime_name ? given->runtime_name : ""))
			return dv_err_new(DV_INVALID, "sandbox.Runtime.Name field is immutable: "
						      "invalid argument");
		mask = &all;
	}
	for (size_t i = 0; i < mask->n_paths; i++) {
		const char *path = mask->paths[i];
		bool hit;

		meta_labels_mask(&updated->labels, &given->labels, "labels", path, arena, &hit);
		if (hit ||
		    meta_extensions_mask(&updated->extensions, &updated->n_extensions,
					 given->extensions, given->n_extensions, path, arena))
			continue;
		if (dv_streq(path, "runtime"))
			take_runtime(updated, given);
		else if (dv_streq(path, "spec"))
			updated->spec = given->spec;
		else
			return dv_err_new(DV_INVALID,
					  "cannot update \"%s\" field on sandbox \"%s\": invalid "
					  "argument",
					  path, given->id);
	}
	return NULL;
}

struct dv_err *meta_sandbox_update(struct meta_tx *tx, const char *ns,
				   const struct meta_sandbox *sandbox, const struct dv_mask *mask,
				   struct dv_arena *arena, struct meta_sandbox *ret)
{
	size_t n_labels, n_extensions;
	const void *labels, *extensions;
	struct meta_sandbox s;
	struct dv_err *e;
	int64_t ns_id;

	e = meta_sandbox_get(tx, ns, sandbox->id, arena, &s);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = apply_mask(&s, sandbox, mask, arena);
	if (!e)
		e = check(&s);
	if (e)
		return e;
	s.updated_at = meta_now();
	meta_labels_normalise(&s.labels, arena);
	meta_labels_pack(&s.labels, arena, &labels, &n_labels);
	meta_extensions_pack(s.extensions, s.n_extensions, arena, &extensions, &n_extensions);
	e = meta_exec(
		tx, NULL,
		"UPDATE sandbox SET runtime=?3, updated=?4, labels=?5, options_url=?6, options=?7,"
		" extensions=?8, spec_url=?9, spec=?10 WHERE ns=?1 AND name=?2",
		"isstbsbbsb", ns_id, s.id, s.runtime_name, s.updated_at, labels, n_labels,
		s.runtime_options.type_url, s.runtime_options.value, s.runtime_options.n_value,
		extensions, n_extensions, s.spec.type_url, s.spec.value, s.spec.n_value);
	if (e)
		return e;
	meta_touch(tx, META_NODE_SANDBOX, ns_id, "", s.id);
	*ret = s;
	return NULL;
}

struct dv_err *meta_sandbox_delete(struct meta_tx *tx, const char *ns, const char *id)
{
	struct dv_err *e;
	int n;

	e = meta_exec(tx, &n,
		      "DELETE FROM sandbox WHERE ns=(SELECT id FROM namespace WHERE name=?1)"
		      " AND name=?2",
		      "ss", ns, id);
	if (e)
		return e;
	if (!n)
		return not_found(id);
	meta_untie(tx);
	return NULL;
}
