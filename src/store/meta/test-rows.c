/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of content and of snapshots. */

#include "test-meta.h"

#include "store/meta-blob.h"
#include "store/meta-lease.h"
#include "store/meta-namespace.h"
#include "store/meta-snapshot.h"

#define SN "overlayfs"

static size_t n_resources(struct rig *r, const char *lease)
{
	struct meta_resource *resources;
	size_t n;

	T_READ(r, meta_lease_resources(tx, "n", lease, &r->arena, &resources, &n));
	return n;
}

Test(rows, blobs)
{
	RIG(r);
	struct meta_blob blob = { .digest = DIGEST_A, .size = 5, .labels = T_LABELS({ "k", "v" }) },
			 got, *list;
	struct dv_filter *filter;
	bool is_wanted;
	int64_t size;
	size_t n;

	T_WRITE(&r, meta_blob_create(tx, "n", NULL, &blob));
	T_WRITE_CODE(&r, meta_blob_create(tx, "n", NULL, &blob), DV_EXISTS);
	T_WRITE(&r, meta_blob_create(tx, "other", NULL, &blob));
	T_READ(&r, meta_blob_get(tx, "n", DIGEST_A, &r.arena, &got));
	T_INT(got.size, ==, 5);
	T_READ(&r, meta_blob_find(tx, DIGEST_A, false, &size));
	T_INT(size, ==, 5);
	T_READ(&r, meta_blob_find(tx, DIGEST_A, true, &size));
	T_INT(size, ==, -1);
	T_WRITE(&r, meta_namespace_update(
			    tx,
			    &(struct meta_namespace){
				    .name = "other",
				    .labels = T_LABELS(
					    { "containerd.io/namespace.shareable", "true" }) },
			    NULL, &r.arena, &(struct meta_namespace){ 0 }));
	T_READ(&r, meta_blob_find(tx, DIGEST_A, true, &size));
	T_INT(size, ==, 5);
	blob.labels = T_LABELS({ "x", "y" });
	T_WRITE(&r, meta_blob_update(tx, "n", &blob,
				     &(struct dv_mask){ (const char *const[]){ "labels.x" }, 1 },
				     &r.arena, &got));
	T_INT(got.labels.n_items, ==, 2);
	T_READ(&r, meta_blob_get(tx, "other", DIGEST_A, &r.arena, &got));
	T_INT(got.labels.n_items, ==, 1);
	T_OK(dv_filter_parse((const char *const[]){ "size==6", "labels.k==v,size==5" }, 2,
			     &filter));
	T_READ(&r, meta_blob_list(tx, "n", &(struct meta_list){ .filter = filter }, &r.arena, &list,
				  &n));
	T_INT(n, ==, 1);
	dv_filter_free(filter);
	T_WRITE(&r, meta_blob_delete(tx, "n", NULL, DIGEST_A));
	T_WRITE_CODE(&r, meta_blob_delete(tx, "n", NULL, DIGEST_A), DV_NOT_FOUND);
	T_READ(&r, meta_blob_is_wanted(tx, DIGEST_A, &is_wanted));
	T_TRUE(is_wanted);
	T_WRITE(&r, meta_blob_delete(tx, "other", NULL, DIGEST_A));
	T_READ(&r, meta_blob_is_wanted(tx, DIGEST_A, &is_wanted));
	T_FALSE(is_wanted);
	T_WRITE_CODE(&r, meta_blob_create(tx, "n", NULL, &(struct meta_blob){ .digest = "md5:1" }),
		     DV_INVALID);
}

Test(rows, leases_of_content)
{
	RIG(r);
	struct meta_blob blob = { .digest = DIGEST_A, .size = 5 };
	struct meta_lease lease = { .id = "l" };

	T_WRITE_CODE(&r, meta_blob_create(tx, "n", "l", &blob), DV_NOT_FOUND);
	T_WRITE(&r, meta_lease_create(tx, "n", &lease));
	T_WRITE(&r, meta_blob_create(tx, "n", "l", &blob));
	T_INT(n_resources(&r, "l"), ==, 1);
	T_WRITE(&r, meta_blob_delete(tx, "n", "l", DIGEST_A));
	T_INT(n_resources(&r, "l"), ==, 0);
}

Test(rows, ingests)
{
	RIG(r);
	struct meta_ingest in = { .ref = "layer-1", .total = 10 }, got, again, *list;
	struct meta_lease lease = { .id = "l" };
	bool is_wanted;
	size_t n;

	T_WRITE(&r, meta_ingest_open(tx, "n", NULL, &in, &r.arena, &got));
	T_INT(got.id, >, 0);
	T_INT(got.expires_at.tv_sec, >, meta_now().tv_sec + 86000);
	in.total = 0;
	in.expected = DIGEST_A;
	T_WRITE(&r, meta_lease_create(tx, "n", &lease));
	T_WRITE(&r, meta_ingest_open(tx, "n", "l", &in, &r.arena, &again));
	T_INT(again.id, ==, got.id);
	T_INT(again.total, ==, 10);
	T_INT(again.expires_at.tv_sec, ==, 0);
	T_STR(again.expected, DIGEST_A);
	T_INT(n_resources(&r, "l"), ==, 1);
	T_READ(&r, meta_blob_is_wanted(tx, DIGEST_A, &is_wanted));
	T_TRUE(is_wanted);
	T_READ(&r, meta_ingest_list(tx, "n", &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_WRITE(&r, meta_ingest_delete(tx, "n", "l", "layer-1"));
	T_INT(n_resources(&r, "l"), ==, 0);
	T_WRITE_CODE(&r, meta_ingest_delete(tx, "n", "l", "layer-1"), DV_NOT_FOUND);
	T_WRITE(&r, meta_ingest_open(tx, "n", NULL, &in, &r.arena, &again));
	T_INT(again.id, >, got.id);
	in.ref = "";
	T_WRITE_CODE(&r, meta_ingest_open(tx, "n", NULL, &in, &r.arena, &again), DV_INVALID);
}

static void prepare(struct rig *r, const char *key, const char *parent)
{
	struct meta_snapshot s = { .id = meta_snapshot_next_id(r->m),
				   .key = key,
				   .parent = parent,
				   .kind = META_SNAPSHOT_ACTIVE };

	T_WRITE(r, meta_snapshot_create(tx, "n", SN, NULL, &s));
}

static int64_t commit(struct rig *r, const char *key, const char *name, const char *parent)
{
	struct meta_snapshot s = { .key = name, .parent = parent, .size = 3, .inodes = 1 };
	int64_t id;

	T_WRITE(r, meta_snapshot_commit(tx, "n", SN, NULL, key, &s, &id));
	return id;
}

Test(rows, snapshots)
{
	RIG(r);
	struct meta_snapshot s = { .key = "x", .kind = META_SNAPSHOT_ACTIVE }, *chain, *list;
	int64_t id;
	size_t n;

	prepare(&r, "a", "");
	s.id = meta_snapshot_next_id(r.m);
	s.key = "a";
	T_WRITE_CODE(&r, meta_snapshot_create(tx, "n", SN, NULL, &s), DV_EXISTS);
	s.key = "b";
	s.parent = "a";
	T_WRITE_CODE(&r, meta_snapshot_create(tx, "n", SN, NULL, &s), DV_INVALID);
	s.parent = "nothing";
	T_WRITE_CODE(&r, meta_snapshot_create(tx, "n", SN, NULL, &s), DV_NOT_FOUND);

	T_INT(commit(&r, "a", "A", NULL), ==, 1);
	prepare(&r, "b", "A");
	T_WRITE_CODE(&r, meta_snapshot_delete(tx, "n", SN, NULL, "A", &id), DV_PRECONDITION);
	commit(&r, "b", "B", NULL);
	prepare(&r, "c", "B");
	s.key = "B";
	T_WRITE_CODE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "c", &s, &id), DV_EXISTS);
	s.key = "C";
	T_WRITE_CODE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "B", &s, &id), DV_PRECONDITION);
	T_WRITE_CODE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "zzz", &s, &id), DV_NOT_FOUND);

	T_READ(&r, meta_snapshot_chain(tx, "n", SN, "c", &r.arena, &chain, &n));
	T_INT(n, ==, 3);
	T_STR(chain[0].key, "c");
	T_STR(chain[0].parent, "B");
	T_STR(chain[2].key, "A");
	T_STR(chain[2].parent, "");
	T_INT(chain[2].size, ==, 3);
	T_READ(&r, meta_snapshot_list(tx, "n", SN, NULL, &r.arena, &list, &n));
	T_INT(n, ==, 3);
	T_READ(&r, meta_snapshot_list(tx, "n", "native", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 0);
	T_WRITE(&r, meta_snapshot_delete(tx, "n", SN, NULL, "c", &id));
	T_INT(id, ==, chain[0].id);
	T_WRITE(&r, meta_snapshot_delete(tx, "n", SN, NULL, "B", &id));
	T_WRITE_CODE(&r, meta_snapshot_delete(tx, "n", SN, NULL, "B", &id), DV_NOT_FOUND);
}

Test(rows, ids_of_snapshots_are_never_used_twice)
{
	RIG(r);
	struct meta_snapshot s;
	int64_t id;

	prepare(&r, "a", "");
	prepare(&r, "b", "");
	T_WRITE(&r, meta_snapshot_delete(tx, "n", SN, NULL, "b", &id));
	T_INT(id, ==, 2);
	r.m = meta_close(r.m);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	prepare(&r, "c", "");
	T_READ(&r, meta_snapshot_get(tx, "n", SN, "c", &r.arena, &s));
	T_INT(s.id, ==, 3);
}

Test(rows, a_commit_may_set_the_parent)
{
	RIG(r);
	struct meta_snapshot s;

	prepare(&r, "b", "");
	prepare(&r, "a", "");
	commit(&r, "a", "A", NULL);
	commit(&r, "b", "B", "A");
	T_READ(&r, meta_snapshot_get(tx, "n", SN, "B", &r.arena, &s));
	T_STR(s.parent, "A");
	T_INT(s.kind, ==, META_SNAPSHOT_COMMITTED);
}

static struct dv_err *count(void *arg, const char *ns, const char *snapshotter,
			    const struct meta_snapshot *s)
{
	int *n = arg;

	T_STR(ns, "n");
	T_STR(snapshotter, SN);
	/* Children first. */
	T_STR(s->key, *n == 0 ? "c" : *n == 1 ? "B" : "?");
	++*n;
	return NULL;
}

Test(rows, unsynced_ones_of_another_boot_go)
{
	RIG(r);
	struct meta_snapshot s = { .key = "B", .unsynced_boot = "boot-1" }, *list;
	int64_t id;
	size_t n;
	int dropped = 0;

	prepare(&r, "a", "");
	commit(&r, "a", "A", NULL);
	prepare(&r, "b", "A");
	T_WRITE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "b", &s, &id));
	prepare(&r, "c", "B");
	T_WRITE(&r, meta_snapshot_drop_unsynced(tx, "boot-1", count, &dropped));
	T_INT(dropped, ==, 0);
	T_WRITE(&r, meta_snapshot_drop_unsynced(tx, "boot-2", count, &dropped));
	T_INT(dropped, ==, 2);
	T_READ(&r, meta_snapshot_list(tx, "n", SN, NULL, &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_STR(list[0].key, "A");
}

Test(rows, synced_ones_stay)
{
	RIG(r);
	struct meta_snapshot s = { .key = "A", .unsynced_boot = "boot-1" };
	int dropped = 0;
	int64_t id;

	prepare(&r, "a", "");
	T_WRITE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "a", &s, &id));
	T_WRITE(&r, meta_snapshot_set_synced(tx, &id, 1));
	T_WRITE(&r, meta_snapshot_drop_unsynced(tx, "boot-2", count, &dropped));
	T_INT(dropped, ==, 0);
}
