/* SPDX-License-Identifier: Apache-2.0 */
/* Ingests as others see them: status, list, abort. */

#include <errno.h>
#include <fcntl.h>

#include "base/str.h"
#include "content-private.h"
#include "sys/file.h"

/* False: there are no bytes; a shared one, or one that is ending at this moment. */
static bool read_status(struct content *c, const char *ns, const struct meta_ingest *row,
			struct content_status *ret)
{
	char name[CONTENT_NAME + sizeof("/data")];
	struct stat st;

	content_ingest_name(ns, row->id, row->ref, name);
	memcpy(name + CONTENT_NAME - 1, "/data", sizeof("/data"));
	if (sys_fstatat(c->ingest, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*ret = (struct content_status){
		.ref = row->ref,
		.offset = st.st_size,
		.total = row->total,
		.expected = "",
		.started_at = row->started_at,
		.updated_at = st.st_size > 0 ? st.st_mtim : row->started_at,
	};
	return true;
}

struct dv_err *content_ingest_stat(struct content *c, const char *ns, const char *ref,
				   struct dv_arena *arena, struct content_status *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_ingest row;
	struct dv_err *e;

	e = meta_begin(c->meta, META_READ, &tx);
	if (!e)
		e = meta_ingest_get(tx, ns, ref, arena, &row);
	if (!e && !read_status(c, ns, &row, ret))
		e = dv_err_new(DV_NOT_FOUND, "reference %s: not found", ref);
	return e;
}

static const char *status_field(const void *object, const struct dv_filter_path *path)
{
	const struct content_status *status = object;

	return dv_streq(path->parts[0], "ref") ? status->ref : NULL;
}

struct dv_err *content_ingest_list(struct content *c, const char *ns,
				   const struct dv_filter *filter, struct dv_arena *arena,
				   struct content_status **ret, size_t *ret_n)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct content_status *items;
	struct meta_ingest *rows;
	struct dv_err *e;
	size_t n, kept = 0;

	e = meta_begin(c->meta, META_READ, &tx);
	if (!e)
		e = meta_ingest_list(tx, ns, arena, &rows, &n);
	if (e)
		return e;
	items = dv_arena_new_n(arena, struct content_status, n);
	for (size_t i = 0; i < n; i++)
		if (read_status(c, ns, &rows[i], &items[kept]) &&
		    dv_filter_match(filter, status_field, &items[kept]))
			kept++;
	*ret = items;
	*ret_n = kept;
	return NULL;
}

struct dv_err *content_ingest_remove(struct content *c, const char *name)
{
	int r = sys_unlinkat(c->ingest, name, AT_REMOVEDIR);

	/* An empty one goes also when no descriptor is left. */
	if (r < 0 && r != -ENOENT)
		r = sys_remove_tree(c->ingest, name);
	if (r == -ENOENT)
		return NULL;
	return r < 0 ? dv_err_sys(r, "remove the directory of ingest %s", name) : NULL;
}

struct dv_err *content_collect_ingest(struct content *c, const char *ns, int64_t id,
				      const char *ref)
{
	char name[CONTENT_NAME];

	content_ingest_name(ns, id, ref, name);
	return content_ingest_remove(c, name);
}

struct dv_err *content_ingest_abort(struct content *c, const char *ns, const char *lease,
				    const char *ref)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_ingest row = { 0 };
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = meta_begin(c->meta, META_WRITE, &tx);
	if (!e)
		e = meta_ingest_get(tx, ns, ref, &arena, &row);
	if (!e)
		e = meta_ingest_delete(tx, ns, lease, ref);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	dv_arena_fini(&arena);
	return e ? e : content_collect_ingest(c, ns, row.id, ref);
}
