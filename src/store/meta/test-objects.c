/* SPDX-License-Identifier: Apache-2.0 */

/* Namespaces, leases, images, containers, sandboxes, mounts, values. */

#include "test-meta.h"

#include "store/meta-blob.h"
#include "store/meta-container.h"
#include "store/meta-image.h"
#include "store/meta-lease.h"
#include "store/meta-mount.h"
#include "store/meta-namespace.h"
#include "store/meta-sandbox.h"
#include "store/meta-snapshot.h"

#define MASK(...) \
	(&(struct dv_mask){ .paths = (const char *const[]){ __VA_ARGS__ }, \
			    .n_paths = sizeof((const char *const[]){ __VA_ARGS__ }) / \
				       sizeof(char *) })

Test(objects, namespaces)
{
	RIG(r);
	struct meta_namespace ns = { .name = "a", .labels = T_LABELS({ "k", "v" }, { "e", "" }) };
	struct meta_namespace given = { .name = "a",
					.labels = T_LABELS({ "k", "w" }, { "x", "y" }) };

	T_WRITE(&r, meta_namespace_create(tx, &ns));
	T_WRITE_CODE(&r, meta_namespace_create(tx, &ns), DV_EXISTS);
	T_WRITE_CODE(&r, meta_namespace_create(tx, &(struct meta_namespace){ .name = "a/b" }),
		     DV_INVALID);
	T_READ(&r, meta_namespace_get(tx, "a", &r.arena, &ns));
	T_INT(ns.labels.n_items, ==, 1);
	T_STR(meta_label_get(&ns.labels, "k"), "v");
	T_WRITE(&r, meta_namespace_update(tx, &given, MASK("labels.x"), &r.arena, &ns));
	T_INT(ns.labels.n_items, ==, 2);
	T_STR(meta_label_get(&ns.labels, "k"), "v");
	T_WRITE(&r, meta_namespace_update(tx, &given, NULL, &r.arena, &ns));
	T_STR(meta_label_get(&ns.labels, "k"), "w");
	T_WRITE_CODE(&r, meta_namespace_update(tx, &given, MASK("name"), &r.arena, &ns),
		     DV_INVALID);
	T_WRITE(&r, meta_namespace_delete(tx, "a"));
	T_WRITE_CODE(&r, meta_namespace_delete(tx, "a"), DV_NOT_FOUND);
	T_WRITE_CODE(&r, meta_namespace_get(tx, "a", &r.arena, &ns), DV_NOT_FOUND);
}

static struct meta_image an_image(const char *name)
{
	static const struct meta_label labels[] = { { "b", "2" }, { "a", "1" } };

	return (struct meta_image){
		.name = name,
		.labels = { labels, 2 },
		.target = { .media_type = "type", .digest = DIGEST_A, .size = 7 },
	};
}

static struct meta_container a_container(const char *id)
{
	return (struct meta_container){
		.id = id,
		.image = "busybox",
		.runtime_name = "io.containerd.runc.v2",
		.spec = { "types/spec", "{}", 2 },
	};
}

Test(objects, a_namespace_with_contents_stays)
{
	RIG(r);
	struct meta_image image = an_image("i");
	struct meta_container container = a_container("c");
	struct meta_snapshot s = { .id = 1, .key = "k", .kind = META_SNAPSHOT_ACTIVE };
	struct meta_lease lease = { .id = "l" };
	struct meta_tx *last;
	struct dv_err *e;

	T_WRITE(&r, meta_image_create(tx, "n", NULL, &image, NULL, &r.arena, NULL));
	T_WRITE(&r, meta_container_create(tx, "n", &container, &r.arena, NULL));
	T_WRITE(&r, meta_snapshot_create(tx, "n", "overlayfs", NULL, &s));
	T_WRITE(&r, meta_blob_create(tx, "n", NULL, &(struct meta_blob){ .digest = DIGEST_A }));
	T_WRITE(&r, meta_lease_create(tx, "n", &lease));
	last = t_begin(&r, META_WRITE);
	e = meta_namespace_delete(last, "n");
	T_STR(dv_err_message(e),
	      "namespace \"n\" must be empty, but it still has images, blobs, "
	      "containers, snapshots on \"overlayfs\" snapshotter: failed precondition");
	dv_err_free(e);
	meta_rollback(last);
}

Test(objects, images)
{
	RIG(r);
	struct meta_image image = an_image("i"), got, *list;
	struct timespec when = { 1000, 5 };
	size_t n;

	T_WRITE(&r, meta_image_create(tx, "n", NULL, &image, NULL, &r.arena, &got));
	T_STR(got.labels.items[0].key, "a");
	T_WRITE_CODE(&r, meta_image_create(tx, "n", NULL, &image, NULL, &r.arena, &got), DV_EXISTS);
	T_WRITE(&r, meta_image_create(tx, "other", NULL, &image, &when, &r.arena, &got));
	T_READ(&r, meta_image_get(tx, "other", "i", &r.arena, &got));
	T_INT(got.created_at.tv_sec, ==, 1000);
	T_INT(got.created_at.tv_nsec, ==, 5);
	T_STR(got.target.digest, DIGEST_A);
	T_INT(got.target.size, ==, 7);

	image.labels = T_LABELS({ "a", "" }, { "c", "3" });
	image.target.annotations = T_LABELS({ "x.y", "z" });
	T_WRITE(&r, meta_image_update(tx, "n", NULL, &image, MASK("labels.a", "annotations.x.y"),
				      NULL, &r.arena, &got));
	T_NULL(meta_label_get(&got.labels, "a"));
	T_STR(meta_label_get(&got.labels, "b"), "2");
	T_STR(meta_label_get(&got.target.annotations, "x.y"), "z");
	image.target.digest = DIGEST_B;
	T_WRITE(&r, meta_image_update(tx, "n", NULL, &image, NULL, NULL, &r.arena, &got));
	T_READ(&r, meta_image_get(tx, "n", "i", &r.arena, &got));
	T_STR(got.target.digest, DIGEST_B);
	T_WRITE_CODE(&r,
		     meta_image_update(tx, "n", NULL, &image, MASK("size"), NULL, &r.arena, &got),
		     DV_INVALID);
	image.target.size = 0;
	T_WRITE_CODE(&r,
		     meta_image_update(tx, "n", NULL, &image, MASK("target"), NULL, &r.arena, &got),
		     DV_INVALID);
	image.target.size = 1;
	image.target.digest = "sha256:abc";
	T_WRITE_CODE(&r, meta_image_update(tx, "n", NULL, &image, NULL, NULL, &r.arena, &got),
		     DV_INVALID);

	T_READ(&r, meta_image_list(tx, "n", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_READ(&r, meta_image_list(tx, "nothing", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 0);
	T_WRITE_CODE(&r, meta_image_delete(tx, "n", NULL, "i", DIGEST_A), DV_NOT_FOUND);
	T_WRITE(&r, meta_image_delete(tx, "n", NULL, "i", DIGEST_B));
	T_WRITE_CODE(&r, meta_image_delete(tx, "n", NULL, "i", NULL), DV_NOT_FOUND);
}

Test(objects, containers)
{
	RIG(r);
	struct meta_extension extensions[] = { { "x.y", { "t", "\0v", 2 } },
					       { "z", { "", NULL, 0 } } };
	struct meta_container c = a_container("c1"), got, *list;
	size_t n;

	c.labels = T_LABELS({ META_LABEL_NAME, "web" });
	c.extensions = extensions;
	c.n_extensions = 2;
	c.runtime_options = (struct meta_any){ "opts", "\1\2\3", 3 };
	T_WRITE(&r, meta_container_create(tx, "n", &c, &r.arena, &got));
	T_WRITE_CODE(&r, meta_container_create(tx, "n", &c, &r.arena, &got), DV_EXISTS);
	c.id = "c2";
	T_WRITE_CODE(&r, meta_container_create(tx, "n", &c, &r.arena, &got), DV_EXISTS);
	T_WRITE(&r, meta_container_create(tx, "other", &c, &r.arena, &got));

	T_READ(&r, meta_container_get(tx, "n", "c1", &r.arena, &got));
	T_STR(got.runtime_options.type_url, "opts");
	T_INT(got.runtime_options.n_value, ==, 3);
	T_INT(got.n_extensions, ==, 2);
	T_STR(got.extensions[0].key, "x.y");
	T_INT(got.extensions[0].any.n_value, ==, 2);
	T_TRUE(memcmp(got.extensions[0].any.value, "\0v", 2) == 0);
	T_STR(got.sandbox, "");
	T_READ(&r, meta_container_list(tx, "n", &(struct meta_list){ .is_brief = true }, &r.arena,
				       &list, &n));
	T_INT(n, ==, 1);
	T_NULL(list[0].spec.type_url);
	T_STR(list[0].image, "busybox");

	c = a_container("c1");
	c.image = "alpine";
	T_WRITE(&r,
		meta_container_update(tx, "n", &c, MASK("image", "extensions.z"), &r.arena, &got));
	T_STR(got.image, "alpine");
	T_INT(got.n_extensions, ==, 1);
	c.runtime_name = "other";
	T_WRITE_CODE(&r, meta_container_update(tx, "n", &c, NULL, &r.arena, &got), DV_INVALID);
	T_WRITE_CODE(&r, meta_container_update(tx, "n", &c, MASK("runtime"), &r.arena, &got),
		     DV_INVALID);
	c.runtime_name = "io.containerd.runc.v2";
	T_WRITE(&r, meta_container_update(tx, "n", &c, NULL, &r.arena, &got));
	T_INT(got.labels.n_items, ==, 0);
	c.snapshot_key = "k";
	T_WRITE_CODE(&r, meta_container_update(tx, "n", &c, MASK("snapshotkey"), &r.arena, &got),
		     DV_INVALID);
	T_WRITE(&r, meta_container_delete(tx, "n", "c1"));
	T_WRITE_CODE(&r, meta_container_delete(tx, "n", "c1"), DV_NOT_FOUND);
	c = a_container("bad id");
	T_WRITE_CODE(&r, meta_container_create(tx, "n", &c, &r.arena, &got), DV_INVALID);
	c = a_container("c3");
	c.spec.type_url = NULL;
	T_WRITE_CODE(&r, meta_container_create(tx, "n", &c, &r.arena, &got), DV_INVALID);
}

Test(objects, names_of_containers)
{
	RIG(r);
	struct meta_container a = a_container("a"), b = a_container("b"), got;
	const char *id;

	a.labels = T_LABELS({ META_LABEL_NAME, "web" });
	T_WRITE(&r, meta_container_create(tx, "n", &a, &r.arena, NULL));
	T_WRITE(&r, meta_container_create(tx, "n", &b, &r.arena, NULL));
	T_READ(&r, meta_container_find_name(tx, "n", "web", &r.arena, &id));
	T_STR(id, "a");
	b.labels = a.labels;
	T_WRITE_CODE(&r, meta_container_update(tx, "n", &b, MASK("labels"), &r.arena, &got),
		     DV_EXISTS);
	T_WRITE(&r, meta_container_update(tx, "n", &a, MASK("labels"), &r.arena, &got));
	a.labels = (struct meta_labels){ 0 };
	T_WRITE(&r, meta_container_update(tx, "n", &a, MASK("labels." META_LABEL_NAME), &r.arena,
					  &got));
	T_WRITE(&r, meta_container_update(tx, "n", &b, MASK("labels"), &r.arena, &got));
	T_READ(&r, meta_container_find_name(tx, "n", "web", &r.arena, &id));
	T_STR(id, "b");
}

Test(objects, lists_have_parts_and_filters)
{
	RIG(r);
	struct meta_labels odd = T_LABELS({ "odd.one", "yes" });
	struct dv_filter *filter;
	struct meta_container *list;
	char id[16], after[16];
	size_t n;

	for (int i = 0; i < 10; i++) {
		struct meta_container c = a_container(id);

		snprintf(id, sizeof(id), "c%d", i);
		c.labels = odd;
		c.labels.n_items = i % 2;
		T_WRITE(&r, meta_container_create(tx, "n", &c, &r.arena, NULL));
	}
	T_OK(dv_filter_parse((const char *const[]){ "labels.odd.one==yes,id!=c3" }, 1, &filter));
	T_READ(&r, meta_container_list(tx, "n", &(struct meta_list){ .filter = filter }, &r.arena,
				       &list, &n));
	T_INT(n, ==, 4);
	T_STR(list[1].id, "c5");
	T_READ(&r, meta_container_list(tx, "n", &(struct meta_list){ .limit = 3 }, &r.arena, &list,
				       &n));
	T_INT(n, ==, 3);
	snprintf(after, sizeof(after), "%s", list[2].id);
	T_READ(&r,
	       meta_container_list(
		       tx, "n", &(struct meta_list){ .limit = 2, .after = after, .filter = filter },
		       &r.arena, &list, &n));
	T_INT(n, ==, 2);
	T_STR(list[0].id, "c5");
	dv_filter_free(filter);
}

Test(objects, leases)
{
	RIG(r);
	struct meta_lease lease = { .id = "l", .labels = T_LABELS({ "a", "b" }) }, *list;
	struct meta_resource content = { DIGEST_A, "content" },
			     snapshot = { "k", "snapshots/overlayfs" }, *resources;
	size_t n;

	T_WRITE(&r, meta_lease_create(tx, "n", &lease));
	T_INT(lease.created_at.tv_sec, >, 0);
	T_WRITE_CODE(&r, meta_lease_create(tx, "n", &lease), DV_EXISTS);
	T_WRITE(&r, meta_lease_add(tx, "n", "l", &content));
	T_WRITE(&r, meta_lease_add(tx, "n", "l", &content));
	T_WRITE(&r, meta_lease_add(tx, "n", "l", &snapshot));
	T_READ(&r, meta_lease_resources(tx, "n", "l", &r.arena, &resources, &n));
	T_INT(n, ==, 2);
	T_STR(resources[1].type, "snapshots/overlayfs");
	T_STR(resources[1].id, "k");
	T_WRITE(&r, meta_lease_remove(tx, "n", "l", &content));
	T_WRITE(&r, meta_lease_remove(tx, "n", "l", &content));
	T_READ(&r, meta_lease_resources(tx, "n", "l", &r.arena, &resources, &n));
	T_INT(n, ==, 1);
	T_WRITE_CODE(&r, meta_lease_add(tx, "n", "x", &content), DV_NOT_FOUND);
	content.type = "tasks";
	T_WRITE_CODE(&r, meta_lease_add(tx, "n", "l", &content), DV_UNIMPLEMENTED);
	content.type = "content/x";
	T_WRITE_CODE(&r, meta_lease_add(tx, "n", "l", &content), DV_INVALID);
	content = (struct meta_resource){ "no digest", "content" };
	T_WRITE_CODE(&r, meta_lease_add(tx, "n", "l", &content), DV_INVALID);
	snapshot.type = "snapshots";
	T_WRITE_CODE(&r, meta_lease_add(tx, "n", "l", &snapshot), DV_INVALID);
	T_READ(&r, meta_lease_list(tx, "n", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_STR(meta_label_get(&list[0].labels, "a"), "b");
	T_WRITE(&r, meta_lease_delete(tx, "n", "l"));
	T_WRITE_CODE(&r, meta_lease_delete(tx, "n", "l"), DV_NOT_FOUND);
}

Test(objects, sandboxes)
{
	RIG(r);
	struct meta_sandbox s = { .id = "s",
				  .sandboxer = "shim",
				  .runtime_name = "rt",
				  .labels = T_LABELS({ "a", "b" }) };
	struct meta_sandbox got, *list;
	size_t n;

	T_WRITE(&r, meta_sandbox_create(tx, "n", &s, &r.arena, &got));
	T_WRITE_CODE(&r, meta_sandbox_create(tx, "n", &s, &r.arena, &got), DV_EXISTS);
	s.spec = (struct meta_any){ "t", "x", 1 };
	T_WRITE(&r, meta_sandbox_update(tx, "n", &s, MASK("spec"), &r.arena, &got));
	T_WRITE_CODE(&r, meta_sandbox_update(tx, "n", &s, MASK("sandboxer"), &r.arena, &got),
		     DV_INVALID);
	T_READ(&r, meta_sandbox_get(tx, "n", "s", &r.arena, &got));
	T_STR(got.spec.type_url, "t");
	T_STR(got.sandboxer, "shim");
	T_READ(&r, meta_sandbox_list(tx, "n", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_WRITE(&r, meta_sandbox_delete(tx, "n", "s"));
	T_WRITE_CODE(&r, meta_sandbox_delete(tx, "n", "s"), DV_NOT_FOUND);
}

Test(objects, mounts_and_values)
{
	RIG(r);
	struct meta_mount mount = { .name = "m", .data = "\0d", .n_data = 2, .lease = "l" }, got,
			  *list;
	struct meta_lease lease = { .id = "l" };
	const char *value;
	size_t n;

	T_WRITE_CODE(&r, meta_mount_create(tx, "n", &mount), DV_NOT_FOUND);
	T_WRITE(&r, meta_lease_create(tx, "n", &lease));
	T_WRITE(&r, meta_mount_create(tx, "n", &mount));
	T_WRITE_CODE(&r, meta_mount_create(tx, "n", &mount), DV_EXISTS);
	mount.data = "e";
	mount.n_data = 1;
	T_WRITE(&r, meta_mount_update(tx, "n", &mount));
	T_READ(&r, meta_mount_get(tx, "n", "m", &r.arena, &got));
	T_INT(got.n_data, ==, 1);
	T_STR(got.lease, "l");
	T_READ(&r, meta_mount_list(tx, "n", NULL, &r.arena, &list, &n));
	T_INT(n, ==, 1);
	T_WRITE(&r, meta_mount_delete(tx, "n", "m"));
	T_WRITE_CODE(&r, meta_mount_delete(tx, "n", "m"), DV_NOT_FOUND);

	T_WRITE(&r, meta_value_set(tx, "k", "1"));
	T_WRITE(&r, meta_value_set(tx, "k", "2"));
	T_READ(&r, meta_value_get(tx, "k", &r.arena, &value));
	T_STR(value, "2");
	T_WRITE(&r, meta_value_set(tx, "k", NULL));
	T_READ(&r, meta_value_get(tx, "k", &r.arena, &value));
	T_NULL(value);
}
