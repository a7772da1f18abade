/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves of Prepare, Commit and Remove; many at a time. */

#include <pthread.h>

#include "base/test-crash.h"
#include "test-snapshot.h"

/* Prepare and Commit, with an end at each system call. */
static void act(void *arg)
{
	struct rig *r = arg;
	struct dv_err *e = prepare(r, &overlay, "key", "A", false, NULL);

	if (!e)
		e = commit(r, &overlay, "B", "key");
	if (!e)
		e = snapshot_remove(r->s, &overlay, "C");
	dv_err_free(e);
}

static void act_prepare(void *arg)
{
	rig_open(arg);
}

static void every_point(enum crash_mode mode)
{
	bool is_hit = true;
	RIG(r);

	r.has_no_sync = true;
	layer(&r, &overlay, "A", NULL);
	for (int n = 1; is_hit; n++) {
		struct crash crash = {
			.mode = mode, .error = ENOSPC, .prepare = act_prepare, .act = act, .arg = &r
		};
		struct meta_snapshot *rows;
		size_t n_rows;
		struct dv_err *e;

		layer(&r, &overlay, "C", NULL);
		rig_close(&r);
		is_hit = crash_at(&crash, n);
		rig_open(&r);
		T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
		T_OK(snapshot_list(r.s, &overlay, &(struct meta_list){ 0 }, &r.arena, &rows,
				   &n_rows));
		T_INT(count_dirs(&r, &overlay), ==, n_rows);
		for (size_t i = 0; i < n_rows; i++)
			T_TRUE(has_dir(&r, &overlay, rows[i].id));
		dv_err_free(snapshot_remove(r.s, &overlay, "key"));
		dv_err_free(snapshot_remove(r.s, &overlay, "B"));
		e = snapshot_remove(r.s, &overlay, "C");
		dv_err_free(e);
		T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
		T_INT(count_dirs(&r, &overlay), ==, 1);
	}
}

Test(snapshot, killed_at_every_point, .timeout = 100)
{
	every_point(CRASH_KILL);
}

Test(snapshot, every_call_fails, .timeout = 100)
{
	every_point(CRASH_FAIL);
}

struct racer {
	struct rig *r;
	int number;
};

static void *race(void *arg)
{
	struct racer *me = arg;
	struct snapshot_mounts mounts;
	struct dv_arena arena;
	char key[32], name[32];

	dv_arena_init(&arena);
	for (int i = 0; i < 20; i++) {
		struct snapshot_new new = { .key = key, .parent = "A" };
		struct snapshot_commit c = { .name = name, .key = key };

		snprintf(key, sizeof(key), "k-%d-%d", me->number, i);
		snprintf(name, sizeof(name), "n-%d-%d", me->number, i);
		T_OK(snapshot_prepare(me->r->s, &overlay, &new, &arena, &mounts));
		T_OK(snapshot_commit(me->r->s, &overlay, &c));
		T_OK(snapshots_cleanup(me->r->s, "overlayfs"));
		T_OK(snapshots_work(me->r->s, SNAPSHOTS_SYNC));
		if (i % 2)
			T_OK(snapshot_remove(me->r->s, &overlay, name));
	}
	dv_arena_fini(&arena);
	return NULL;
}

/* The sweep takes nothing that is being made. */
Test(snapshot, many_at_a_time, .timeout = 100)
{
	RIG(r);
	struct racer racers[4];
	pthread_t threads[4];
	struct meta_snapshot *rows;
	size_t n;

	layer(&r, &overlay, "A", NULL);
	for (int i = 0; i < 4; i++) {
		racers[i] = (struct racer){ &r, i };
		cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
	T_OK(snapshot_list(r.s, &overlay, &(struct meta_list){ 0 }, &r.arena, &rows, &n));
	T_INT(n, ==, 41);
	T_INT(count_dirs(&r, &overlay), ==, 41);
	for (size_t i = 0; i < n; i++)
		T_TRUE(has_dir(&r, &overlay, rows[i].id));
}
