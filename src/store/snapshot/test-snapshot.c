/* SPDX-License-Identifier: Apache-2.0 */
/* The life of snapshots with both drivers. */

#include "test-snapshot.h"

/* "bind /source rw,rbind", with the directory of snapshots as "@". */
static const char *mount_text(struct rig *r, const struct snapshot_mounts *m)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT, out = DV_STRBUF_INIT;
	const struct snapshot_mount *one = &m->items[0];

	T_INT(m->n_items, ==, 1);
	dv_strbuf_addf(&b, "%s %s ", one->type, one->source);
	for (size_t i = 0; i < one->n_options; i++)
		dv_strbuf_addf(&b, "%s%s", i ? "," : "", one->options[i]);
	for (const char *p = b.data; *p;) {
		const char *at = strstr(p, r->dir);

		if (!at) {
			dv_strbuf_add(&out, p);
			break;
		}
		dv_strbuf_add_n(&out, p, (size_t)(at - p));
		dv_strbuf_addc(&out, '@');
		p = strstr(at, "/snapshots/") + strlen("/snapshots");
	}
	return dv_arena_strdup(&r->arena, out.data);
}

#define EXPECT_MOUNT(r, m, ...) T_STR(mount_text(r, m), dv_arena_printf(&(r)->arena, __VA_ARGS__))

Test(snapshot, mounts_of_overlayfs)
{
	RIG(r);
	struct snapshot_mounts m, again;
	long long a, b, x;

	T_OK(prepare(&r, &overlay, "first", NULL, false, &m));
	a = id_of(&r, &overlay, "first");
	EXPECT_MOUNT(&r, &m, "bind @/%lld/fs rw,rbind", a);
	T_OK(commit(&r, &overlay, "A", "first"));
	T_INT(id_of(&r, &overlay, "A"), ==, a);
	T_OK(prepare(&r, &overlay, "view", "A", true, &m));
	EXPECT_MOUNT(&r, &m, "bind @/%lld/fs ro,rbind", a);
	layer(&r, &overlay, "B", "A");
	b = id_of(&r, &overlay, "B");
	T_OK(prepare(&r, &overlay, "x", "B", false, &m));
	x = id_of(&r, &overlay, "x");
	EXPECT_MOUNT(&r, &m,
		     "overlay overlay workdir=@/%lld/work,upperdir=@/%lld/fs,"
		     "lowerdir=@/%lld/fs:@/%lld/fs,index=off",
		     x, x, b, a);
	T_OK(snapshot_mounts(r.s, &overlay, "x", &r.arena, &again));
	T_STR(mount_text(&r, &again), mount_text(&r, &m));
	T_OK(prepare(&r, &overlay, "view2", "B", true, &m));
	EXPECT_MOUNT(&r, &m, "overlay overlay lowerdir=@/%lld/fs:@/%lld/fs,index=off", b, a);
	T_OK(prepare(&r, &overlay, "empty", NULL, true, &m));
	EXPECT_MOUNT(&r, &m, "bind @/%lld/fs ro,rbind", (long long)id_of(&r, &overlay, "empty"));
	T_CODE(snapshot_mounts(r.s, &overlay, "B", &r.arena, &m), DV_PRECONDITION);
	T_CODE(snapshot_mounts(r.s, &overlay, "none", &r.arena, &m), DV_NOT_FOUND);
}

Test(snapshot, native_copies)
{
	RIG(r);
	struct snapshot_usage usage;
	struct snapshot_mounts m;
	char path[256];
	long long a;
	int fd;

	T_OK(prepare(&r, &native, "first", NULL, false, &m));
	a = id_of(&r, &native, "first");
	EXPECT_MOUNT(&r, &m, "bind @/%lld rw,rbind", a);
	snprintf(path, sizeof(path), "%s/file", m.items[0].source);
	fd = sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY, 0644);
	T_INT(sys_write_all(fd, "text", 4), ==, 0);
	sys_close(fd);
	T_OK(commit(&r, &native, "A", "first"));
	T_OK(snapshot_usage(r.s, &native, "A", &usage));
	T_INT(usage.inodes, ==, 2);
	T_OK(prepare(&r, &native, "view", "A", true, &m));
	EXPECT_MOUNT(&r, &m, "bind @/%lld ro,rbind", a);
	T_OK(prepare(&r, &native, "x", "A", false, &m));
	snprintf(path, sizeof(path), "%s/file", m.items[0].source);
	T_INT(access(path, F_OK), ==, 0);
	T_OK(prepare(&r, &native, "alone", NULL, false, NULL));
	T_CODE(snapshot_commit(
		       r.s, &native,
		       &(struct snapshot_commit){ .name = "B", .key = "alone", .parent = "A" }),
	       DV_UNIMPLEMENTED);
}

Test(snapshot, what_is_wrong_is_said)
{
	RIG(r);
	struct snapshot_at unknown = { .ns = "ns", .snapshotter = "zfs" };
	struct snapshot_at nothing = { .ns = "ns", .snapshotter = "" };
	struct snapshot_usage usage;
	struct meta_snapshot row;

	layer(&r, &overlay, "A", NULL);
	T_OK(prepare(&r, &overlay, "active", "A", false, NULL));
	T_OK(prepare(&r, &overlay, "view", "A", true, NULL));
	T_CODE(prepare(&r, &overlay, "active", "A", false, NULL), DV_EXISTS);
	T_CODE(prepare(&r, &overlay, "A", NULL, false, NULL), DV_EXISTS);
	T_CODE(prepare(&r, &overlay, "x", "none", false, NULL), DV_NOT_FOUND);
	T_CODE(prepare(&r, &overlay, "x", "active", false, NULL), DV_INVALID);
	T_CODE(prepare(&r, &overlay, "x", "view", false, NULL), DV_INVALID);
	T_CODE(prepare(&r, &overlay, "", NULL, false, NULL), DV_INVALID);
	T_CODE(prepare(&r, &unknown, "x", NULL, false, NULL), DV_INVALID);
	T_CODE(prepare(&r, &nothing, "x", NULL, false, NULL), DV_INVALID);
	T_CODE(commit(&r, &overlay, "A", "active"), DV_EXISTS);
	T_CODE(commit(&r, &overlay, "B", "none"), DV_NOT_FOUND);
	T_CODE(commit(&r, &overlay, "B", "view"), DV_PRECONDITION);
	T_CODE(commit(&r, &overlay, "B", "A"), DV_PRECONDITION);
	T_CODE(commit(&r, &overlay, "", "active"), DV_INVALID);
	T_CODE(snapshot_remove(r.s, &overlay, "A"), DV_PRECONDITION);
	T_CODE(snapshot_remove(r.s, &overlay, "none"), DV_NOT_FOUND);
	T_CODE(snapshot_stat(r.s, &overlay, "none", &r.arena, &row), DV_NOT_FOUND);
	T_CODE(snapshot_usage(r.s, &overlay, "none", &usage), DV_NOT_FOUND);
	T_CODE(snapshot_stat(r.s, &native, "A", &r.arena, &row), DV_NOT_FOUND);
}

Test(snapshot, a_parent_may_come_at_commit)
{
	RIG(r);
	struct snapshot_commit c = { .name = "B", .key = "alone", .parent = "A" };
	struct meta_snapshot row;

	layer(&r, &overlay, "A", NULL);
	layer(&r, &overlay, "other", NULL);
	T_OK(prepare(&r, &overlay, "alone", NULL, false, NULL));
	c.parent = "none";
	T_CODE(snapshot_commit(r.s, &overlay, &c), DV_NOT_FOUND);
	c.parent = "A";
	T_OK(snapshot_commit(r.s, &overlay, &c));
	T_OK(snapshot_stat(r.s, &overlay, "B", &r.arena, &row));
	T_STR(row.parent, "A");
	T_CODE(snapshot_remove(r.s, &overlay, "A"), DV_PRECONDITION);
	T_OK(prepare(&r, &overlay, "has one", "A", false, NULL));
	c = (struct snapshot_commit){ .name = "C", .key = "has one", .parent = "other" };
	T_CODE(snapshot_commit(r.s, &overlay, &c), DV_INVALID);
	c.parent = "A";
	T_OK(snapshot_commit(r.s, &overlay, &c));
}

Test(snapshot, a_target_that_is_there_needs_no_unpacking)
{
	RIG(r);
	struct meta_label label = { "containerd.io/snapshot.ref", "A" };
	struct snapshot_new new = { .key = "extract A", .labels = { &label, 1 } };
	struct snapshot_at leased = { .ns = "ns", .snapshotter = "overlayfs", .lease = "l" };
	struct meta_lease lease = { .id = "l" };
	struct meta_resource *items;
	struct snapshot_mounts m;
	struct meta_tx *tx;
	size_t n;

	T_OK(snapshot_prepare(r.s, &overlay, &new, &r.arena, &m));
	T_OK(commit(&r, &overlay, "A", "extract A"));
	T_OK(meta_begin(r.m, META_WRITE, &tx));
	T_OK(meta_lease_create(tx, "ns", &lease));
	T_OK(meta_commit(tx));
	T_CODE(snapshot_prepare(r.s, &leased, &new, &r.arena, &m), DV_EXISTS);
	T_OK(meta_begin(r.m, META_READ, &tx));
	T_OK(meta_lease_resources(tx, "ns", "l", &r.arena, &items, &n));
	meta_rollback(tx);
	T_INT(n, ==, 1);
	T_STR(items[0].id, "A");
	T_STR(items[0].type, "snapshots/overlayfs");
}

/* What is behind @prefix in the option that has it. */
static const char *option(const struct snapshot_mounts *m, const char *prefix)
{
	for (size_t i = 0; i < m->items[0].n_options; i++)
		if (dv_starts_with(m->items[0].options[i], prefix))
			return m->items[0].options[i] + strlen(prefix);
	return NULL;
}

Test(snapshot, id_maps_give_the_root_to_its_owner)
{
	RIG(r);
	struct meta_label labels[] = {
		{ "containerd.io/snapshot/uidmapping", "1:5000:10,0:100000:1" },
		{ "containerd.io/snapshot/gidmapping", "0:200000:65536" },
	};
	struct snapshot_new new = { .key = "x", .labels = { labels, 2 } };
	static const char *const bad[] = {
		"", "0:1", "0:1:x", "1:2:3", "0:1:0", "0:1:2;", "-1:0:1"
	};
	struct snapshot_driver_info info;
	struct snapshot_mounts m;
	bool can_map = false;
	struct stat st;

	T_OK(snapshot_prepare(r.s, &overlay, &new, &r.arena, &m));
	T_INT(stat(m.items[0].source, &st), ==, 0);
	T_INT(st.st_uid, ==, 100000);
	T_INT(st.st_gid, ==, 200000);
	snapshots_driver_info(r.s, 0, &info);
	for (size_t i = 0; info.capabilities[i]; i++)
		can_map = can_map || dv_streq(info.capabilities[i], "remap-ids");
	if (can_map) {
		T_STR(option(&m, "uidmap="), "1:5000:10,0:100000:1");
		T_STR(option(&m, "gidmap="), "0:200000:65536");
	}
	T_OK(commit(&r, &overlay, "A", "x"));
	T_OK(prepare(&r, &overlay, "y", "A", false, &m));
	T_INT(stat(option(&m, "upperdir="), &st), ==, 0);
	T_INT(st.st_uid, ==, 100000);
	if (can_map)
		T_NULL(option(&m, "uidmap="));
	new.key = "z";
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		labels[1].value = bad[i];
		T_CODE(snapshot_prepare(r.s, &overlay, &new, &r.arena, &m), DV_INVALID);
	}
	new.labels.n_items = 1;
	T_CODE(snapshot_prepare(r.s, &overlay, &new, &r.arena, &m), DV_INVALID);
	T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
	T_INT(count_dirs(&r, &overlay), ==, 2);
}

Test(snapshot, removal_and_syncing_are_work_for_later)
{
	RIG(r);
	struct meta_snapshot row;
	int64_t a, b;

	layer(&r, &overlay, "A", NULL);
	layer(&r, &overlay, "B", NULL);
	T_INT(r.n_wakes[SNAPSHOTS_SYNC], ==, 1);
	T_OK(snapshot_stat(r.s, &overlay, "A", &r.arena, &row));
	T_NOT_NULL(row.unsynced_boot);
	T_OK(snapshots_work(r.s, SNAPSHOTS_SYNC));
	T_OK(snapshot_stat(r.s, &overlay, "A", &r.arena, &row));
	T_NULL(row.unsynced_boot);
	layer(&r, &overlay, "C", NULL);
	T_INT(r.n_wakes[SNAPSHOTS_SYNC], ==, 2);

	a = id_of(&r, &overlay, "A");
	b = id_of(&r, &overlay, "B");
	T_OK(snapshot_remove(r.s, &overlay, "A"));
	T_OK(snapshot_remove(r.s, &overlay, "B"));
	T_INT(r.n_wakes[SNAPSHOTS_REMOVE], ==, 1);
	T_TRUE(has_dir(&r, &overlay, a));
	T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
	T_FALSE(has_dir(&r, &overlay, a));
	T_FALSE(has_dir(&r, &overlay, b));
	snapshots_collect(r.s, "ns", "overlayfs", "x", 12345);
	T_INT(r.n_wakes[SNAPSHOTS_REMOVE], ==, 2);
	T_OK(snapshots_work(r.s, SNAPSHOTS_REMOVE));
}

Test(snapshot, a_mounted_tree_is_removed_later_and_keeps_nothing_else)
{
	RIG(r);
	struct snapshot_mounts m;
	int64_t id;

	T_OK(prepare(&r, &overlay, "x", NULL, false, &m));
	layer(&r, &overlay, "A", NULL);
	id = id_of(&r, &overlay, "x");
	if (mount("davit-test", m.items[0].source, "tmpfs", 0, NULL) != 0)
		cr_skip_test("no mounts here");
	T_OK(snapshot_remove(r.s, &overlay, "x"));
	T_OK(snapshot_remove(r.s, &overlay, "A"));
	dv_err_free(snapshots_work(r.s, SNAPSHOTS_REMOVE));
	T_INT(count_dirs(&r, &overlay), ==, 1);
	T_TRUE(has_dir(&r, &overlay, id));
	T_INT(umount(m.items[0].source), ==, 0);
	T_OK(snapshots_cleanup(r.s, "overlayfs"));
	T_INT(count_dirs(&r, &overlay), ==, 0);
}

Test(snapshot, another_boot_drops_what_was_not_synced)
{
	RIG(r);
	struct meta_snapshot row;
	struct meta_snapshot c = { .key = "bad", .unsynced_boot = "another-boot", .size = 0 };
	struct meta_tx *tx;
	int64_t id, active;

	layer(&r, &overlay, "good", NULL);
	T_OK(prepare(&r, &overlay, "key", "good", false, NULL));
	T_OK(meta_begin(r.m, META_WRITE, &tx));
	T_OK(meta_snapshot_commit(tx, "ns", "overlayfs", NULL, "key", &c, &id));
	T_OK(meta_commit(tx));
	T_OK(prepare(&r, &overlay, "on top", "bad", false, NULL));
	active = id_of(&r, &overlay, "on top");
	rig_close(&r);
	rig_open(&r);
	T_CODE(snapshot_stat(r.s, &overlay, "bad", &r.arena, &row), DV_NOT_FOUND);
	T_CODE(snapshot_stat(r.s, &overlay, "on top", &r.arena, &row), DV_NOT_FOUND);
	T_OK(snapshot_stat(r.s, &overlay, "good", &r.arena, &row));
	T_FALSE(has_dir(&r, &overlay, id));
	T_FALSE(has_dir(&r, &overlay, active));
	/* good is of this boot: it is synced now */
	T_OK(snapshot_stat(r.s, &overlay, "good", &r.arena, &row));
	T_NULL(row.unsynced_boot);
}

Test(snapshot, lost_directories_are_made_again)
{
	RIG(r);
	struct snapshot_mounts m;

	layer(&r, &overlay, "A", NULL);
	T_OK(prepare(&r, &overlay, "x", "A", false, &m));
	T_INT(sys_remove_tree(AT_FDCWD, m.items[0].options[1] + strlen("upperdir=")), ==, 0);
	rig_close(&r);
	rig_open(&r);
	T_INT(access(m.items[0].options[1] + strlen("upperdir="), F_OK), ==, 0);
}
