/* SPDX-License-Identifier: Apache-2.0 */

/* The database as a whole: opening, versions, transactions, damage; identifiers and labels. */

#include "test-meta.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "store/meta-blob.h"
#include "store/meta-check.h"
#include "store/meta-container.h"
#include "store/meta-image.h"
#include "store/meta-namespace.h"
#include "store/meta-snapshot.h"

static void sql(struct rig *r, const char *text)
{
	char path[96], *err = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/meta.db", r->dir);
	cr_assert(sqlite3_open(path, &db) == SQLITE_OK);
	cr_assert(sqlite3_exec(db, text, NULL, NULL, &err) == SQLITE_OK, "%s", err);
	sqlite3_close(db);
}

static struct dv_err *put_image(struct meta *m, const char *name)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_image image = {
		.name = name,
		.target = { .media_type = "t", .digest = DIGEST_A, .size = 1 },
	};
	struct dv_arena arena;
	struct dv_err *e;

	e = meta_begin(m, META_WRITE, &tx);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = meta_image_create(tx, "default", NULL, &image, NULL, &arena, NULL);
	dv_arena_fini(&arena);
	return e ? e : meta_commit(dv_steal(&tx));
}

static size_t count_images(struct rig *r)
{
	struct meta_image *images;
	size_t n;

	T_READ(r, meta_image_list(tx, "default", NULL, &r->arena, &images, &n));
	return n;
}

Test(meta, opens_twice_in_a_row_but_not_at_once)
{
	RIG(r);
	struct meta *other;

	T_OK(put_image(r.m, "a"));
	T_CODE(meta_open(&(struct meta_opts){ .dir = r.dir }, &other), DV_UNAVAILABLE);
	r.m = meta_close(r.m);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	T_INT(count_images(&r), ==, 1);
}

Test(meta, a_reader_may_look_beside)
{
	RIG(r);
	struct meta *other;

	T_OK(put_image(r.m, "a"));
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir, .is_read_only = true }, &other));
	T_CODE(put_image(other, "b"), DV_PRECONDITION);
	meta_close(other);
}

Test(meta, newer_and_foreign_databases_are_refused)
{
	RIG(r);

	r.m = meta_close(r.m);
	sql(&r, "PRAGMA user_version=999");
	T_CODE(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m), DV_PRECONDITION);
	sql(&r, "PRAGMA user_version=1; PRAGMA application_id=7");
	T_CODE(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m), DV_PRECONDITION);
	r.m = NULL;
}

Test(meta, no_database_at_all)
{
	RIG(r);
	char path[96];
	int fd;

	r.m = meta_close(r.m);
	snprintf(path, sizeof(path), "%s/meta.db", r.dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	for (int i = 0; i < 100; i++)
		cr_assert(write(fd, "this is not a database, it is a text; ", 38) == 38);
	close(fd);
	T_CODE(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m), DV_DATA_LOSS);
	r.m = NULL;
}

/* Overwrites a page of the table (its root, or a leaf) of a database that is closed. */
static void hurt(struct rig *r, const char *table, bool is_leaf)
{
	char path[96], garbage[4096], *text;
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t page;
	int fd;

	snprintf(path, sizeof(path), "%s/meta.db", r->dir);
	cr_assert(sqlite3_open(path, &db) == SQLITE_OK);
	text = sqlite3_mprintf("SELECT rootpage FROM sqlite_schema WHERE name=%Q", table);
	cr_assert(sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK);
	cr_assert(sqlite3_step(st) == SQLITE_ROW);
	page = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_free(text);
	sqlite3_close(db);
	fd = open(path, O_RDWR);
	if (is_leaf) {
		unsigned char root[4096], *p;

		/* The child of the third cell of an interior page. */
		cr_assert(pread(fd, root, sizeof(root), (page - 1) * 4096) == 4096);
		T_INT(root[0], ==, 5);
		p = root + (root[12 + 4] << 8 | root[12 + 5]);
		page = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
	}
	memset(garbage, 0x5a, sizeof(garbage));
	cr_assert(pwrite(fd, garbage, sizeof(garbage), (page - 1) * 4096) == 4096);
	close(fd);
}

static void count_problem(void *arg, const char *text)
{
	(void)text;
	++*(int *)arg;
}

/* A page of a table is overwritten: what needs it fails, the rest goes on. */
Test(meta, damage_is_named)
{
	RIG(r);
	struct meta_namespace *namespaces;
	struct meta_image image;
	char name[32];
	int problems = 0;
	size_t n;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "image-%d", i);
		T_OK(put_image(r.m, name));
	}
	T_OK(meta_check(r.m, count_problem, &problems));
	T_INT(problems, ==, 0);
	r.m = meta_close(r.m);
	hurt(&r, "image", false);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	T_READ(&r, meta_namespace_list(tx, &r.arena, &namespaces, &n));
	T_INT(n, ==, 1);
	{
		DV_CLEANUP(meta_rollbackp) struct meta_tx *reader = t_begin(&r, META_READ);

		T_CODE(meta_image_get(reader, "default", "image-7", &r.arena, &image),
		       DV_DATA_LOSS);
	}
	T_CODE(put_image(r.m, "one more"), DV_DATA_LOSS);
	T_WRITE(&r, meta_namespace_create(tx, &(struct meta_namespace){ .name = "other" }));
	T_OK(meta_check(r.m, count_problem, &problems));
	T_INT(problems, >, 0);
}

Test(meta, what_can_be_read_is_saved)
{
	RIG(r);
	struct meta_salvage_result result;
	struct meta_snapshot s = { .key = "A", .kind = META_SNAPSHOT_COMMITTED };
	int problems = 0;
	char name[32];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "image-%d", i);
		T_OK(put_image(r.m, name));
	}
	s.id = meta_snapshot_next_id(r.m);
	T_WRITE(&r, meta_snapshot_create(tx, "default", "overlayfs", NULL, &s));
	T_WRITE(&r,
		meta_blob_create(tx, "default", NULL, &(struct meta_blob){ .digest = DIGEST_A }));
	T_CODE(meta_salvage(r.dir, &result), DV_UNAVAILABLE);
	r.m = meta_close(r.m);
	hurt(&r, "image", true);
	T_OK(meta_salvage(r.dir, &result));
	T_INT(result.n_tables_hurt, ==, 1);
	T_INT(access(result.aside, F_OK), ==, 0);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	/* One page of them is lost. */
	T_INT(count_images(&r), >, 400);
	T_INT(count_images(&r), <, 500);
	T_READ(&r, meta_snapshot_get(tx, "default", "overlayfs", "A", &r.arena, &s));
	T_INT(meta_snapshot_next_id(r.m), >, s.id);
	T_OK(meta_check(r.m, count_problem, &problems));
	T_INT(problems, ==, 0);
	T_OK(put_image(r.m, "goes on"));
}

Test(meta, lost_rows_get_stand_ins)
{
	RIG(r);
	struct meta_salvage_result result;
	struct meta_namespace *namespaces;
	char aside[sizeof(result.aside)];
	int problems = 0;
	size_t n;

	T_OK(put_image(r.m, "a"));
	T_WRITE(&r,
		meta_blob_create(tx, "default", NULL, &(struct meta_blob){ .digest = DIGEST_A }));
	T_OK(meta_salvage_if_asked(r.dir, &result));
	T_FALSE(result.is_done);
	T_OK(meta_ask_salvage(r.m));
	r.m = meta_close(r.m);
	hurt(&r, "namespace", false);
	hurt(&r, "blob", false);
	T_OK(meta_salvage_if_asked(r.dir, &result));
	T_TRUE(result.is_done);
	T_INT(result.n_invented, ==, 2);
	/* Nobody has said that it is done: again, and from the old one, not from ours. */
	snprintf(aside, sizeof(aside), "%s", result.aside);
	T_OK(meta_salvage_if_asked(r.dir, &result));
	T_TRUE(result.is_done);
	T_INT(result.n_invented, ==, 2);
	T_STR(result.aside, aside);
	T_OK(meta_salvage_done(r.dir));
	T_OK(meta_salvage_if_asked(r.dir, &result));
	T_FALSE(result.is_done);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	T_READ(&r, meta_namespace_list(tx, &r.arena, &namespaces, &n));
	T_INT(n, ==, 1);
	T_STR(namespaces[0].name, "recovered-1");
	T_OK(meta_check(r.m, count_problem, &problems));
	T_INT(problems, ==, 0);
}

Test(meta, rolled_back_is_undone)
{
	RIG(r);
	struct meta_namespace *list;
	struct meta_tx *first;
	size_t n;

	first = t_begin(&r, META_WRITE);
	T_OK(meta_namespace_create(first, &(struct meta_namespace){ .name = "a" }));
	meta_rollback(first);
	T_READ(&r, meta_namespace_list(tx, &r.arena, &list, &n));
	T_INT(n, ==, 0);
}

Test(meta, a_reader_sees_the_state_of_its_beginning)
{
	RIG(r);
	struct meta_namespace *list;
	struct meta_tx *reader;
	size_t n;

	reader = t_begin(&r, META_READ);
	T_OK(meta_namespace_list(reader, &r.arena, &list, &n));
	T_WRITE(&r, meta_namespace_create(tx, &(struct meta_namespace){ .name = "a" }));
	T_OK(meta_namespace_list(reader, &r.arena, &list, &n));
	T_INT(n, ==, 0);
	meta_rollback(reader);
	T_READ(&r, meta_namespace_list(tx, &r.arena, &list, &n));
	T_INT(n, ==, 1);
}

struct writer {
	struct rig *r;
	int id;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;
	char name[32];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "image-%d-%d", w->id, i);
		T_OK(put_image(w->r->m, name));
	}
	return NULL;
}

Test(meta, many_writers)
{
	RIG(r);
	struct writer writers[8];
	pthread_t threads[8];

	for (int i = 0; i < 8; i++) {
		writers[i] = (struct writer){ &r, i };
		cr_assert(pthread_create(&threads[i], NULL, write_many, &writers[i]) == 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	T_INT(count_images(&r), ==, 400);
}

/* A process that is killed while it writes: what was committed is there. */
Test(meta, killed_writers_lose_nothing)
{
	RIG(r);
	int pipes[2], status;
	char c;
	size_t n = 0;
	pid_t pid;

	r.m = meta_close(r.m);
	cr_assert(pipe(pipes) == 0);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		char name[32];

		T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
		for (int i = 0;; i++) {
			snprintf(name, sizeof(name), "image-%d", i);
			T_OK(put_image(r.m, name));
			if (write(pipes[1], "x", 1) != 1)
				_exit(1);
		}
	}
	close(pipes[1]);
	while (n < 100 && read(pipes[0], &c, 1) == 1)
		n++;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	while (read(pipes[0], &c, 1) == 1)
		n++;
	close(pipes[0]);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	T_INT(count_images(&r), >=, n);
	T_INT(count_images(&r), <=, n + 1);
}

/* The file may not grow: each call says so, and what was there can still be read. */
Test(meta, a_full_disk)
{
	RIG(r);
	struct rlimit limit, none;
	struct dv_err *e = NULL;
	char name[32];
	size_t before;
	int i;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &none);
	limit = none;
	limit.rlim_cur = 600000;
	T_OK(put_image(r.m, "first"));
	setrlimit(RLIMIT_FSIZE, &limit);
	for (i = 0; i < 5000 && !e; i++) {
		snprintf(name, sizeof(name), "image-%d", i);
		e = put_image(r.m, name);
	}
	cr_assert(e != NULL);
	before = count_images(&r);
	T_INT(before, ==, i);
	dv_err_free(e);
	setrlimit(RLIMIT_FSIZE, &none);
	T_OK(put_image(r.m, "there is room again"));
	T_INT(count_images(&r), ==, before + 1);
}

/* After a sync that failed nobody knows what is on disk: it says so, to all, and still reads. */
Test(meta, a_disk_that_fails)
{
	RIG(r);

	T_OK(put_image(r.m, "before"));
	T_OK(dv_fault_arm("meta.commit.sync=EIO"));
	T_CODE(put_image(r.m, "lost, maybe"), DV_INTERNAL);
	T_CODE(put_image(r.m, "after"), DV_INTERNAL);
	T_INT(count_images(&r), >=, 1);
	r.m = meta_close(r.m);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
	T_OK(dv_fault_arm(NULL));
	T_OK(put_image(r.m, "after a restart"));
}

static void on_small_tmpfs(struct rig *r)
{
	struct dv_err *e = NULL;
	char name[32];
	int i;

	T_OK(meta_open(&(struct meta_opts){ .dir = r->dir }, &r->m));
	for (i = 0; i < 5000 && !e; i++) {
		snprintf(name, sizeof(name), "image-%d", i);
		e = put_image(r->m, name);
	}
	cr_assert(e != NULL);
	cr_expect(dv_err_code(e) == DV_EXHAUSTED, "%d: %s", dv_err_code(e), dv_err_message(e));
	dv_err_free(e);
	T_INT(count_images(r), ==, i - 1);
	cr_assert(mount(NULL, r->dir, NULL, MS_REMOUNT, "size=8m") == 0);
	T_OK(put_image(r->m, "there is room again"));
	r->m = meta_close(r->m);
}

/* ENOSPC itself needs a file system of our own. */
Test(meta, a_full_file_system)
{
	RIG(r);

	r.m = meta_close(r.m);
	if (geteuid() != 0 || mount("tmpfs", r.dir, "tmpfs", 0, "size=512k") < 0)
		cr_skip_test("needs root");
	on_small_tmpfs(&r);
	umount2(r.dir, MNT_DETACH);
}

static void check_id(const char *id, bool is_good)
{
	struct dv_err *e = meta_id_check("id", id);

	cr_expect((e == NULL) == is_good, "\"%s\"", id);
	dv_err_free(e);
}

Test(meta, identifiers)
{
	char id[80];

	for (size_t i = 0; i < 3; i++) {
		static const char *const good[] = { "default", "A.b_c-d", "0" };

		check_id(good[i], true);
	}
	for (size_t i = 0; i < 8; i++) {
		static const char *const bad[] = { "",	   ".",	  "a.",	 "-a",
						   "a..b", "a/b", "a b", "\xc3\xa9" };

		check_id(bad[i], false);
	}
	memset(id, 'a', sizeof(id));
	id[76] = '\0';
	check_id(id, true);
	id[76] = 'a';
	id[77] = '\0';
	check_id(id, false);
}

Test(meta, labels_and_masks)
{
	struct meta_labels labels = T_LABELS({ "a.b", "1" }, { "c", "2" }),
			   given = T_LABELS({ "a.b", "9" }, { "d", "3" });
	struct dv_arena arena;
	char big[4200];
	bool hit;

	dv_arena_init(&arena);
	meta_labels_mask(&labels, &given, "labels", "labels.a.b", &arena, &hit);
	T_TRUE(hit);
	T_STR(meta_label_get(&labels, "a.b"), "9");
	T_STR(meta_label_get(&labels, "c"), "2");
	T_NULL(meta_label_get(&labels, "d"));
	/* Named, and not given: gone. */
	meta_labels_mask(&labels, &given, "labels", "labels.c", &arena, &hit);
	T_NULL(meta_label_get(&labels, "c"));
	meta_labels_mask(&labels, &given, "labels", "spec", &arena, &hit);
	T_FALSE(hit);
	meta_labels_mask(&labels, &given, "labels", "labels", &arena, &hit);
	T_STR(meta_label_get(&labels, "d"), "3");

	memset(big, 'x', sizeof(big));
	big[4095] = '\0';
	labels = T_LABELS({ "k", big });
	T_OK(meta_labels_check("l", &labels));
	big[4095] = 'x';
	big[4096] = '\0';
	T_CODE(meta_labels_check("l", &labels), DV_INVALID);
	dv_arena_fini(&arena);
}
