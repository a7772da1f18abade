/* SPDX-License-Identifier: Apache-2.0 */

/* Rows for files that a saved database does not know, so that nothing of a person's is removed. */

#include <fcntl.h>

#include "base/str.h"
#include "check-private.h"
#include "store/content.h"
#include "store/meta-lease.h"
#include "store/meta-namespace.h"
#include "store/meta-snapshot.h"
#include "sys/file.h"

#define LEASE "recovered"

static const char *const algorithms[] = { "sha256", "sha512" };
static const char *const drivers[] = { "overlayfs", "native" };

struct adopt {
	struct meta_tx *tx;
	struct dv_arena arena;
	const char *root, *ns;
	unsigned n;
};

static struct dv_err *adopt_blob(struct adopt *a, const char *dir, const char *alg,
				 const char *name)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, name);
	struct meta_blob blob = { .digest = dv_arena_printf(&a->arena, "%s:%s", alg, name) };
	struct dv_err *e;
	bool is_wanted;
	struct stat st;

	e = meta_blob_is_wanted(a->tx, blob.digest, &is_wanted);
	if (e || is_wanted || sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return e;
	blob.size = st.st_size;
	e = meta_blob_create(a->tx, a->ns, LEASE, &blob);
	/* A name that is no digest is none of ours. */
	if (e && dv_err_code(e) == DV_INVALID)
		return dv_err_free(e);
	a->n += !e;
	return e;
}

static struct dv_err *adopt_blobs(struct adopt *a, const char *alg)
{
	DV_CLEANUP(dv_freep) char *dir = dv_printf("%s/" CONTENT_DIR "/blobs/%s", a->root, alg);
	DV_CLEANUP(check_list_fini) struct check_list names = { 0 };
	struct dv_err *e;

	e = check_read_dir(dir, &a->arena, &names);
	for (size_t i = 0; i < names.n && !e; i++)
		e = adopt_blob(a, dir, alg, names.items[i]);
	return e;
}

struct known {
	int64_t id;
	bool is_known;
};

static struct dv_err *look(void *arg, const char *ns, const char *snapshotter,
			   const struct meta_snapshot *s)
{
	struct known *known = arg;

	(void)ns;
	(void)snapshotter;
	known->is_known |= s->id == known->id;
	return NULL;
}

static struct dv_err *adopt_snapshot(struct adopt *a, const char *driver, int64_t id)
{
	static const struct meta_label root = { "containerd.io/gc.root", "recovered" };
	struct meta_snapshot s = {
		.id = id,
		.key = dv_arena_printf(&a->arena, "recovered-%lld", (long long)id),
		.kind = META_SNAPSHOT_ACTIVE,
		.labels = { &root, 1 },
	};
	struct known known = { .id = id };
	struct dv_err *e;

	e = meta_snapshot_each(a->tx, driver, look, &known);
	if (e || known.is_known)
		return e;
	a->n++;
	return meta_snapshot_create(a->tx, a->ns, driver, NULL, &s);
}

static struct dv_err *adopt_snapshots(struct adopt *a, const char *driver)
{
	DV_CLEANUP(dv_freep)
	char *dir = dv_printf("%s/io.containerd.snapshotter.v1.%s/snapshots", a->root, driver);
	DV_CLEANUP(check_list_fini) struct check_list names = { 0 };
	struct dv_err *e;

	e = check_read_dir(dir, &a->arena, &names);
	for (size_t i = 0; i < names.n && !e; i++) {
		int64_t id;

		if (dv_parse_i64(names.items[i], &id) && id > 0)
			e = adopt_snapshot(a, driver, id);
	}
	return e;
}

/* The first namespace there is; "default" if there is none. */
static struct dv_err *choose_namespace(struct adopt *a)
{
	struct meta_namespace *namespaces;
	struct meta_lease lease = { .id = LEASE };
	struct dv_err *e;
	size_t n;

	e = meta_namespace_list(a->tx, &a->arena, &namespaces, &n);
	if (e)
		return e;
	a->ns = n ? namespaces[0].name : "default";
	e = meta_lease_create(a->tx, a->ns, &lease);
	return e && dv_err_code(e) == DV_EXISTS ? dv_err_free(e) : e;
}

struct dv_err *store_adopt(struct meta *meta, const char *root, unsigned *ret_n)
{
	struct adopt a = { .root = root };
	struct dv_err *e;

	e = meta_begin(meta, META_WRITE, &a.tx);
	if (e)
		return e;
	dv_arena_init(&a.arena);
	e = choose_namespace(&a);
	for (size_t i = 0; i < DV_ARRAY_SIZE(algorithms) && !e; i++)
		e = adopt_blobs(&a, algorithms[i]);
	for (size_t i = 0; i < DV_ARRAY_SIZE(drivers) && !e; i++)
		e = adopt_snapshots(&a, drivers[i]);
	dv_arena_fini(&a.arena);
	if (e)
		meta_rollback(a.tx);
	else
		e = meta_commit(a.tx);
	if (!e)
		*ret_n = a.n;
	return dv_err_wrap(e, "give rows to files without any");
}
