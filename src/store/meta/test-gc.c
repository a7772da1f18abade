/* SPDX-License-Identifier: Apache-2.0 */

/* The collector: roots, edges, each kind of label, and what happens beside it. */

#include "test-meta.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "store/meta-blob.h"
#include "store/meta-container.h"
#include "store/meta-gc.h"
#include "store/meta-image.h"
#include "store/meta-lease.h"
#include "store/meta-mount.h"
#include "store/meta-namespace.h"
#include "store/meta-sandbox.h"
#include "store/meta-snapshot.h"

#define SN "overlayfs"
#define GC "containerd.io/gc."

/* ---- A small language for objects: all are in the namespace "n" ---- */

/* "a" stands for the digest of 64 times "a". */
static const char *digest(const char *name)
{
	static char buf[8][80];
	static int next;
	char *s = buf[next++ % 8];

	memcpy(s, "sha256:", 7);
	memset(s + 7, name[0], 64);
	return s;
}

/* "key=value key=value" */
static struct meta_labels parse(const char *text, struct dv_arena *arena)
{
	struct meta_label *items = dv_arena_new_n(arena, struct meta_label, 16);
	char *copy = dv_arena_strdup(arena, text ? text : ""), *save = NULL;
	size_t n = 0;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		*value = '\0';
		items[n++] =
			(struct meta_label){ dv_arena_printf(arena, GC "%s", word), value + 1 };
	}
	return (struct meta_labels){ items, n };
}

static void blob(struct rig *r, const char *name, const char *labels)
{
	T_WRITE(r, meta_blob_create(tx, "n", NULL,
				    &(struct meta_blob){ .digest = digest(name),
							 .size = 1,
							 .labels = parse(labels, &r->arena) }));
}

static void image(struct rig *r, const char *name, const char *target, const char *labels)
{
	struct meta_image i = {
		.name = name,
		.target = { .media_type = "t", .digest = digest(target), .size = 1 },
		.labels = parse(labels, &r->arena)
	};

	T_WRITE(r, meta_image_create(tx, "n", NULL, &i, NULL, &r->arena, NULL));
}

static void snapshot(struct rig *r, const char *key, const char *parent, const char *labels)
{
	struct meta_snapshot s = { .id = meta_snapshot_next_id(r->m),
				   .key = key,
				   .parent = parent,
				   .kind = META_SNAPSHOT_COMMITTED,
				   .labels = parse(labels, &r->arena) };

	T_WRITE(r, meta_snapshot_create(tx, "n", SN, NULL, &s));
}

static void container(struct rig *r, const char *id, const char *key, const char *labels)
{
	struct meta_container c = { .id = id,
				    .runtime_name = "rt",
				    .spec = { "t", "", 0 },
				    .snapshotter = key ? SN : "",
				    .snapshot_key = key,
				    .labels = parse(labels, &r->arena) };

	T_WRITE(r, meta_container_create(tx, "n", &c, &r->arena, NULL));
}

static void lease(struct rig *r, const char *id, const char *labels)
{
	struct meta_lease l = { .id = id, .labels = parse(labels, &r->arena) };

	T_WRITE(r, meta_lease_create(tx, "n", &l));
}

static void hold(struct rig *r, const char *id, const char *type, const char *key)
{
	T_WRITE(r, meta_lease_add(tx, "n", id, &(struct meta_resource){ key, type }));
}

/* ---- What a collection removed, as "image:i content:a", in order ---- */

static void note(void *arg, const struct meta_gc_item *item)
{
	static const char *const names[] = { "lease",  "image", "snapshot", "content",
					     "ingest", "mount", "file" };
	struct dv_strbuf *b = arg;
	bool is_digest = item->kind == META_GC_CONTENT || item->kind == META_GC_FILE;

	dv_strbuf_addf(b, "%s%s:", b->len ? " " : "", names[item->kind]);
	if (is_digest)
		dv_strbuf_addc(b, item->key[7]);
	else
		dv_strbuf_add(b, item->key);
}

static void expect_gc(struct rig *r, const char *expected, int line)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	struct meta_gc_result result;

	T_OK(meta_gc(r->m, note, &b, &result));
	cr_expect(dv_streq(b.data, expected), "line %d: removed \"%s\", expected \"%s\"", line,
		  b.data, expected);
	dv_strbuf_fini(&b);
	T_OK(meta_gc(r->m, note, &b, &result));
	cr_expect(dv_streq(b.data, ""), "line %d: a second time: \"%s\"", line, b.data);
	dv_strbuf_fini(&b);
}
#define GC_IS(expected) expect_gc(&r, expected, __LINE__)

Test(gc, an_image_holds_its_tree)
{
	RIG(r);

	blob(&r, "a",
	     "ref.content.l.0=sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	blob(&r, "b", "ref.snapshot." SN "=top");
	blob(&r, "c", NULL);
	snapshot(&r, "base", "", NULL);
	snapshot(&r, "top", "base", NULL);
	snapshot(&r, "loose", "base", NULL);
	image(&r, "i", "a", NULL);
	GC_IS("snapshot:loose content:c file:c");
	T_WRITE(&r, meta_image_delete(tx, "n", NULL, "i", NULL));
	GC_IS("snapshot:top snapshot:base content:a content:b file:a file:b");
}

Test(gc, containers_hold_snapshots)
{
	RIG(r);

	snapshot(&r, "base", "", NULL);
	snapshot(&r, "top", "base", NULL);
	snapshot(&r, "named", "", NULL);
	container(&r, "c", "top", "ref.snapshot." SN "/x=named");
	GC_IS("");
	T_WRITE(&r, meta_container_delete(tx, "n", "c"));
	GC_IS("snapshot:top snapshot:base snapshot:named");
}

Test(gc, roots_and_suffixes)
{
	RIG(r);

	blob(&r, "a", "root=now ref.content/x=" DIGEST_B " ref.contents=" DIGEST_C);
	blob(&r, "b", "ref.image.foo=i");
	blob(&r, "c", NULL);
	image(&r, "i", "d", "expire=2001-01-01T00:00:00Z");
	image(&r, "j", "c", "expire=2001-01-01T00:00:00Z");
	blob(&r, "d", NULL);
	snapshot(&r, "s", "", "root=1");
	GC_IS("image:j content:c file:c");
}

Test(gc, leases)
{
	RIG(r);

	lease(&r, "l", NULL);
	lease(&r, "gone", "expire=2001-01-01T00:00:00Z");
	lease(&r, "later", "expire=2999-01-01T00:00:00+01:00");
	lease(&r, "odd", "expire=tomorrow");
	blob(&r, "a", "ref.content=" DIGEST_B);
	blob(&r, "b", NULL);
	blob(&r, "c", NULL);
	blob(&r, "d", NULL);
	blob(&r, "e", NULL);
	hold(&r, "l", "content", digest("a"));
	hold(&r, "gone", "content", digest("c"));
	hold(&r, "later", "content", digest("d"));
	hold(&r, "odd", "content", digest("e"));
	GC_IS("lease:gone content:c file:c");
	T_WRITE(&r, meta_lease_delete(tx, "n", "l"));
	GC_IS("content:a content:b file:a file:b");
}

Test(gc, flat_leases_hold_what_they_name)
{
	RIG(r);

	lease(&r, "l", "flat=1");
	blob(&r, "a", "ref.content=" DIGEST_B);
	blob(&r, "b", NULL);
	blob(&r, "c", "ref.content=" DIGEST_B);
	snapshot(&r, "base", "", "ref.content=" DIGEST_B);
	snapshot(&r, "top", "base", "ref.content=" DIGEST_B);
	image(&r, "i", "c", "expire=2001-01-01T00:00:00Z ref.content=" DIGEST_B);
	hold(&r, "l", "content", digest("a"));
	hold(&r, "l", "snapshots/" SN, "top");
	hold(&r, "l", "images", "i");
	GC_IS("content:b file:b");
}

Test(gc, flat_and_not_flat)
{
	RIG(r);

	lease(&r, "a-flat", "flat=1");
	lease(&r, "b-deep", NULL);
	blob(&r, "a", "ref.content=" DIGEST_B);
	blob(&r, "b", NULL);
	hold(&r, "a-flat", "content", digest("a"));
	hold(&r, "b-deep", "content", digest("a"));
	GC_IS("");
}

Test(gc, references_the_other_way_round)
{
	RIG(r);

	container(&r, "c", NULL, NULL);
	image(&r, "i", "a", NULL);
	blob(&r, "a", NULL);
	blob(&r, "b", "bref.container=c");
	blob(&r, "c", "bref.content.x=" DIGEST_B);
	snapshot(&r, "s", "", "bref.image=i");
	snapshot(&r, "t", "", "bref.snapshot." SN "/y=s");
	snapshot(&r, "u", "", "bref.snapshot.native=s");
	blob(&r, "d", "bref.image=nothing");
	GC_IS("snapshot:u content:d file:d");
	T_WRITE(&r, meta_container_delete(tx, "n", "c"));
	T_WRITE(&r, meta_image_delete(tx, "n", NULL, "i", NULL));
	GC_IS("snapshot:s snapshot:t content:a content:b content:c file:a file:b file:c");
}

Test(gc, circles)
{
	RIG(r);

	blob(&r, "a", "ref.content=" DIGEST_B);
	blob(&r, "b", "ref.content=" DIGEST_A);
	blob(&r, "c", "ref.content=" DIGEST_C);
	GC_IS("content:a content:b content:c file:a file:b file:c");
	blob(&r, "a", "ref.content=" DIGEST_B);
	blob(&r, "b", "ref.content=" DIGEST_A);
	image(&r, "i", "b", NULL);
	GC_IS("");
}

Test(gc, conditions)
{
	RIG(r);
	struct timespec now = meta_now();
	char text[DV_CLOCK_SIZE], labels[96];

	now.tv_sec -= 7200;
	dv_clock_format(&now, DV_CLOCK_SECONDS, text);
	snprintf(labels, sizeof(labels), "cond.value-usedat=%s", text);
	image(&r, "i", "a",
	      "cond.snapshot." SN "/1=usedat<3h|young cond.snapshot." SN "/2=usedat<1h|old "
	      "cond.snapshot." SN "/3=usedat>1h|over cond.snapshot." SN
	      "/4=usedat<1m,usedat>1h|either "
	      "cond.snapshot." SN "/5=usedat<9h|without cond.snapshot." SN "/6=other<9h|odd");
	blob(&r, "a", NULL);
	snapshot(&r, "either", "", labels);
	snapshot(&r, "odd", "", labels);
	snapshot(&r, "old", "", labels);
	snapshot(&r, "over", "", labels);
	snapshot(&r, "without", "", NULL);
	snapshot(&r, "young", "", labels);
	GC_IS("snapshot:old snapshot:without snapshot:odd");
	T_WRITE(&r, meta_image_delete(tx, "n", NULL, "i", NULL));
	GC_IS("snapshot:either snapshot:over snapshot:young content:a file:a");
}

Test(gc, ingests)
{
	RIG(r);
	struct meta_ingest in = { .ref = "leased", .expected = DIGEST_A }, got;

	lease(&r, "l", NULL);
	blob(&r, "a", NULL);
	blob(&r, "b", NULL);
	T_WRITE(&r, meta_ingest_open(tx, "n", "l", &in, &r.arena, &got));
	in = (struct meta_ingest){ .ref = "open" };
	T_WRITE(&r, meta_ingest_open(tx, "n", NULL, &in, &r.arena, &got));
	/* The blob of another namespace is wanted by the ingest, even if nobody has it any more. */
	GC_IS("content:b file:b");
	T_WRITE(&r, meta_blob_delete(tx, "n", NULL, digest("a")));
	GC_IS("");
	T_WRITE(&r, meta_lease_delete(tx, "n", "l"));
	GC_IS("ingest:leased file:a");
}

Test(gc, sandboxes_and_mounts)
{
	RIG(r);
	struct meta_sandbox s = { .id = "s",
				  .labels = T_LABELS({ GC "ref.snapshot." SN, "held" }) };

	snapshot(&r, "held", "", NULL);
	T_WRITE(&r, meta_sandbox_create(tx, "n", &s, &r.arena, NULL));
	lease(&r, "l", NULL);
	container(&r, "c", NULL, NULL);
	T_WRITE(&r, meta_mount_create(tx, "n", &(struct meta_mount){ .name = "free" }));
	T_WRITE(&r,
		meta_mount_create(tx, "n", &(struct meta_mount){ .name = "leased", .lease = "l" }));
	T_WRITE(&r, meta_mount_create(tx, "n",
				      &(struct meta_mount){
					      .name = "of-c",
					      .labels = T_LABELS({ GC "bref.container", "c" }) }));
	GC_IS("");
	T_WRITE(&r, meta_sandbox_delete(tx, "n", "s"));
	T_WRITE(&r, meta_container_delete(tx, "n", "c"));
	T_WRITE(&r, meta_lease_delete(tx, "n", "l"));
	GC_IS("snapshot:held mount:leased mount:of-c");
}

Test(gc, namespaces_are_apart_but_files_are_shared)
{
	RIG(r);

	blob(&r, "a", NULL);
	T_WRITE(&r, meta_blob_create(tx, "other", NULL,
				     &(struct meta_blob){ .digest = digest("a"),
							  .labels = parse("root=1", &r.arena) }));
	GC_IS("content:a");
	T_WRITE(&r, meta_blob_delete(tx, "other", NULL, digest("a")));
	GC_IS("file:a");
}

Test(gc, children_whose_parents_are_younger)
{
	RIG(r);
	struct meta_snapshot s = { .key = "B", .parent = "A" };
	int64_t id;

	s.id = meta_snapshot_next_id(r.m);
	T_WRITE(&r, meta_snapshot_create(tx, "n", SN, NULL,
					 &(struct meta_snapshot){ .id = s.id,
								  .key = "b",
								  .kind = META_SNAPSHOT_ACTIVE }));
	snapshot(&r, "A", "", NULL);
	T_WRITE(&r, meta_snapshot_commit(tx, "n", SN, NULL, "b", &s, &id));
	GC_IS("snapshot:B snapshot:A");
}

Test(gc, tells_when_to_come_again)
{
	RIG(r);
	struct meta_gc_pressure pressure;
	struct meta_gc_result result;

	lease(&r, "l", "expire=2199-01-01T00:00:00Z");
	lease(&r, "m", "expire=2198-01-01T00:00:00Z");
	meta_gc_pressure(r.m, &pressure);
	T_INT(pressure.mutations, ==, 2);
	T_INT(pressure.deletions, ==, 0);
	T_WRITE(&r, meta_lease_delete(tx, "n", "l"));
	meta_gc_pressure(r.m, &pressure);
	T_INT(pressure.deletions, ==, 1);
	T_OK(meta_gc(r.m, NULL, NULL, &result));
	T_INT(result.next_expiry.tv_sec, ==, 7195046400);
	meta_gc_pressure(r.m, &pressure);
	T_INT(pressure.mutations, ==, 0);
}

/* ---- Beside writers ---- */

struct busy {
	struct rig *r;
	int id;
	_Atomic bool *stop;
	int64_t longest_ns;
	_Atomic int n;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 100000000u + (uint64_t)ts.tv_nsec;
}

/* Pulls an image: content under a lease, then the image, then the lease goes. Then checks it. */
static void pull(struct busy *b)
{
	char lease_id[32], digest_text[80], config[80], key[32], name[32];
	struct dv_arena arena;
	struct meta_lease l = { .id = lease_id };
	struct meta_blob layer = { .digest = config, .size = 1 },
			 manifest = { .digest = digest_text, .size = 1 }, got;
	struct meta_image img = {
		.name = name, .target = { .media_type = "t", .digest = digest_text, .size = 1 }
	};
	struct meta_snapshot s = { .key = key, .kind = META_SNAPSHOT_COMMITTED };
	struct rig *r = b->r;

	dv_arena_init(&arena);
	snprintf(lease_id, sizeof(lease_id), "l-%d-%d", b->id, b->n);
	snprintf(name, sizeof(name), "i-%d-%d", b->id, b->n);
	snprintf(key, sizeof(key), "s-%d-%d", b->id, b->n);
	snprintf(digest_text, sizeof(digest_text), "sha256:%060x%04x", b->n, b->id);
	snprintf(config, sizeof(config), "sha256:%060x%04x", b->n, b->id + 100);
	manifest.labels = T_LABELS({ GC "ref.content.config", config });
	layer.labels = T_LABELS({ GC "ref.snapshot." SN, key });
	T_WRITE(r, meta_lease_create(tx, "n", &l));
	T_WRITE(r, meta_blob_create(tx, "n", lease_id, &layer));
	T_WRITE(r, meta_blob_create(tx, "n", lease_id, &manifest));
	s.id = meta_snapshot_next_id(r->m);
	T_WRITE(r, meta_snapshot_create(tx, "n", SN, lease_id, &s));
	T_WRITE(r, meta_image_create(tx, "n", lease_id, &img, NULL, &arena, NULL));
	T_WRITE(r, meta_lease_delete(tx, "n", lease_id));
	T_READ(r, meta_blob_get(tx, "n", digest_text, &arena, &got));
	T_READ(r, meta_blob_get(tx, "n", config, &arena, &got));
	T_READ(r, meta_snapshot_get(tx, "n", SN, key, &arena, &s));
	if (b->n % 2)
		T_WRITE(r, meta_image_delete(tx, "n", NULL, name, NULL));
	b->n++;
	dv_arena_fini(&arena);
}

static void *pull_many(void *arg)
{
	struct busy *b = arg;

	while (!*b->stop)
		pull(b);
	return NULL;
}

static struct dv_err *check_blob(void *arg, const char *digest_text, int64_t size)
{
	(void)size;
	++*(int *)arg;
	(void)digest_text;
	return NULL;
}

Test(gc, beside_many_pulls)
{
	RIG(r);
	_Atomic bool stop = false;
	struct busy busy[3];
	pthread_t threads[3];
	struct meta_gc_result result;
	int n = 0, kept = 0;

	for (int i = 0; i < 3; i++) {
		busy[i] = (struct busy){ .r = &r, .id = i, .stop = &stop };
		pthread_create(&threads[i], NULL, pull_many, &busy[i]);
	}
	do {
		T_OK(meta_gc(r.m, NULL, NULL, &result));
		usleep(2000); /* the others' turn: a mutex is not fair */
	} while (busy[0].n + busy[1].n + busy[2].n < 60);
	stop = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		kept += (busy[i].n + 1) / 2;
	}
	T_OK(meta_gc(r.m, NULL, NULL, &result));
	T_READ(&r, meta_blob_each(tx, check_blob, &n));
	T_INT(kept, >, 10);
	T_INT(n, ==, kept * 2);
}

static void *write_on(void *arg)
{
	struct busy *b = arg;
	char value[16];

	while (!*b->stop) {
		int64_t before = clock_ns(), took;

		snprintf(value, sizeof(value), "%d", b->n++);
		T_WRITE(b->r, meta_value_set(tx, "k", value));
		took = clock_ns() - before;
		b->longest_ns = DV_MAX(b->longest_ns, took);
	}
	return NULL;
}

/* A hundred thousand objects of which half is garbage. Times are shown, not asserted. */
Test(gc, a_hundred_thousand)
{
	RIG(r);
	_Atomic bool stop = false;
	struct busy busy = { .r = &r, .stop = &stop };
	struct meta_gc_result result;
	pthread_t thread;
	struct meta_tx *fill = t_begin(&r, META_WRITE);

	for (int i = 0; i < 100000; i++) {
		char text[80], next[80];
		struct meta_blob b = { .digest = text, .size = 1 };

		snprintf(text, sizeof(text), "sha256:%064x", i);
		snprintf(next, sizeof(next), "sha256:%064x", i + 1);
		b.labels = T_LABELS({ i == 50000 ? GC "root" : "containerd.io/uncompressed", next },
				    { GC "ref.content.l.0", next });
		T_OK(meta_blob_create(fill, "n", NULL, &b));
	}
	T_OK(meta_commit(fill));
	pthread_create(&thread, NULL, write_on, &busy);
	T_OK(meta_gc(r.m, NULL, NULL, &result));
	stop = true;
	pthread_join(thread, NULL);
	T_INT(result.n_objects, ==, 100000);
	T_INT(result.n_removed[META_GC_CONTENT], ==, 50000);
	T_INT(result.n_removed[META_GC_FILE], ==, 50000);
	fprintf(stderr,
		"mark %.0f ms, sweep %.0f ms, longest lock %.1f ms; %d writes beside it, the slowest "
		"took %.1f ms\n",
		(double)result.mark_ns / 1e6, (double)result.sweep_ns / 1e6,
		(double)result.longest_lock_ns / 1e6, busy.n, (double)busy.longest_ns / 1e6);
}
