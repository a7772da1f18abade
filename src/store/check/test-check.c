/* SPDX-License-Identifier: Apache-2.0 */

/* Metadata and files that are not of one mind. */

#include <fcntl.h>
#include <sys/stat.h>

#include "test-meta.h"

#include "codec/digest.h"
#include "store/check.h"
#include "store/content.h"
#include "store/meta-image.h"
#include "store/meta-lease.h"
#include "store/meta-snapshot.h"
#include "store/snapshot.h"

#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

struct stores {
	struct rig r; /* its directory is the root */
	struct content *content;
	struct snapshots *snapshots;
};

static void stores_init(struct stores *s)
{
	char dir[160];

	rig_init(&s->r);
	snprintf(dir, sizeof(dir), "%s/" CONTENT_DIR, s->r.dir);
	T_OK(content_open(&(struct content_opts){ .dir = dir, .meta = s->r.m }, &s->content));
	T_OK(snapshots_open(&(struct snapshots_opts){ .root = s->r.dir, .meta = s->r.m },
			    &s->snapshots));
}

static void stores_fini(struct stores *s)
{
	snapshots_close(s->snapshots);
	content_close(s->content);
	rig_fini(&s->r);
}

#define STORES(name) \
	DV_CLEANUP(stores_fini) struct stores name; \
	stores_init(&name)

static void put_file(struct stores *s, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" CONTENT_DIR "/blobs/sha256/%s", s->r.dir, name);
	unlink(path);
	f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void put_row(struct stores *s, const char *digest, int64_t size)
{
	struct meta_blob blob = { .digest = digest, .size = size };

	T_WRITE(&s->r, meta_blob_create(tx, "n", NULL, &blob));
}

static void note(void *arg, const struct store_finding *f)
{
	struct dv_strbuf *b = arg;

	dv_strbuf_addf(b, "%s%s:%s%s", b->len ? " " : "", f->kind, f->problem,
		       f->is_repaired ? "!" : "");
}

static void expect(struct stores *s, bool is_repair, bool is_deep, const char *expected)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;

	T_OK(store_check(&(struct store_check_opts){ .meta = s->r.m,
						     .content = s->content,
						     .snapshots = s->snapshots,
						     .root = s->r.dir,
						     .is_repair = is_repair,
						     .is_deep = is_deep,
						     .fn = note,
						     .arg = &b }));
	T_STR(b.data, expected);
}

Test(check, all_is_well)
{
	STORES(s);

	put_file(&s, HELLO, "hello");
	put_row(&s, "sha256:" HELLO, 5);
	expect(&s, false, true, "");
}

Test(check, blobs)
{
	STORES(s);

	put_row(&s, "sha256:" HELLO, 5);
	expect(&s, false, false, "blob:its file is missing");
	expect(&s, true, false, "blob:its file is missing!");
	expect(&s, false, false, "");
	put_file(&s, HELLO, "hello");
	expect(&s, false, false, "file:no namespace has this blob");
	put_row(&s, "sha256:" HELLO, -1);
	expect(&s, true, false, "blob:its size in the metadata is wrong!");
	expect(&s, false, true, "");
	put_file(&s, HELLO, "jello");
	expect(&s, false, false, "");
	expect(&s, true, true, "blob:its file has other bytes than its digest says!");
	expect(&s, false, true, "");
}

Test(check, images_without_content)
{
	STORES(s);
	struct meta_image image = {
		.name = "i",
		.target = { .media_type = "t", .digest = "sha256:" HELLO, .size = 5 },
	};

	T_WRITE(&s.r, meta_image_create(tx, "n", NULL, &image, NULL, &s.r.arena, NULL));
	expect(&s, true, false, "image:its content is missing");
	put_file(&s, HELLO, "hello");
	put_row(&s, "sha256:" HELLO, 5);
	expect(&s, false, false, "");
}

static void dir_of(struct stores *s, int64_t id, char path[200])
{
	snprintf(path, 200, "%s/io.containerd.snapshotter.v1.native/snapshots/%lld", s->r.dir,
		 (long long)id);
}

Test(check, snapshots)
{
	STORES(s);
	struct snapshot_at at = { .ns = "n", .snapshotter = "native" };
	struct snapshot_mounts mounts;
	struct meta_snapshot row;
	char path[200], moved[220];

	T_OK(snapshot_prepare(s.snapshots, &at, &(struct snapshot_new){ .key = "k" }, &s.r.arena,
			      &mounts));
	T_READ(&s.r, meta_snapshot_get(tx, "n", "native", "k", &s.r.arena, &row));
	expect(&s, false, false, "");
	dir_of(&s, row.id, path);
	snprintf(moved, sizeof(moved), "%s.moved", path);
	cr_assert(rename(path, moved) == 0);
	expect(&s, true, false, "snapshot:its directory is missing!");
	cr_assert(rename(moved, path) == 0);
	expect(&s, false, false, "file:no snapshot has this directory");
}

Test(check, what_no_row_knows_is_adopted)
{
	STORES(s);
	struct meta_resource *resources;
	struct meta_snapshot row;
	struct meta_blob blob;
	char path[200];
	unsigned adopted;
	size_t n;

	put_file(&s, HELLO, "hello");
	put_file(&s, "README", "no digest");
	dir_of(&s, 77, path);
	cr_assert(mkdir(path, 0700) == 0);
	T_OK(store_adopt(s.r.m, s.r.dir, &adopted));
	T_INT(adopted, ==, 2);
	T_READ(&s.r, meta_blob_get(tx, "default", "sha256:" HELLO, &s.r.arena, &blob));
	T_INT(blob.size, ==, 5);
	T_READ(&s.r, meta_snapshot_get(tx, "default", "native", "recovered-77", &s.r.arena, &row));
	T_READ(&s.r, meta_lease_resources(tx, "default", "recovered", &s.r.arena, &resources, &n));
	T_INT(n, ==, 1);
	T_OK(store_adopt(s.r.m, s.r.dir, &adopted));
	T_INT(adopted, ==, 0);
}
