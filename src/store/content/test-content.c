/* SPDX-License-Identifier: Apache-2.0 */
/* Ingests become blobs; blobs are found, shared, read and collected. */

#include "test-content.h"

static void expect_offset(const struct content_ingest *in, int64_t offset, const char *text)
{
	char expected[DV_DIGEST_STR], got[DV_DIGEST_STR];
	struct content_status status;
	struct dv_digest d;

	content_ingest_status(in, &status);
	T_INT(status.offset, ==, offset);
	content_ingest_digest(in, &d);
	T_STR(dv_digest_str(&d, got), t_digest(text, expected));
}

Test(content, what_was_written_can_be_read)
{
	STORE(s);
	struct content_ingest *in = t_ingest(&s, "a", "r", 0, NULL);
	char digest[DV_DIGEST_STR], path[512];
	struct meta_label label = { "k", "v" };
	struct meta_labels labels = { &label, 1 };
	struct content_commit commit = { .labels = &labels };
	struct meta_blob blob, info;
	struct stat st;
	int64_t size;
	int fd;

	T_OK(content_ingest_write(in, "hello ", 6));
	expect_offset(in, 6, "hello ");
	T_OK(content_ingest_write(in, "world", 5));
	T_OK(content_ingest_commit(in, &commit, &s.arena, &blob));
	T_STR(blob.digest, t_digest("hello world", digest));
	T_INT(blob.size, ==, 11);
	T_OK(content_info(s.c, "a", digest, &s.arena, &info));
	T_STR(meta_label_get(&info.labels, "k"), "v");
	t_expect_blob(&s, "a", "hello world");
	T_OK(content_open_blob(s.c, "a", digest, &fd, &size));
	T_INT(size, ==, 11);
	sys_close(fd);
	T_OK(content_verify(s.c, digest, 11));
	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", s.content, digest + 7);
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_mode & 0777, ==, 0444);
	T_INT(st.st_nlink, ==, 1);
	T_INT(count_names(&s, "ingest"), ==, 0);
	T_CODE(content_info(s.c, "b", digest, &s.arena, &info), DV_NOT_FOUND);
	T_CODE(content_open_blob(s.c, "b", digest, &fd, &size), DV_NOT_FOUND);
	T_CODE(content_info(s.c, "a", "sha256:../../x", &s.arena, &info), DV_INVALID);
}

Test(content, a_ref_has_one_writer)
{
	STORE(s);
	struct content_ingest *in = t_ingest(&s, "a", "r", 0, NULL);

	T_CODE(t_open(&s, "a", "r", 0, NULL), DV_UNAVAILABLE);
	T_OK(t_open(&s, "b", "r", 0, NULL));
	T_OK(t_open(&s, "a", "other", 0, NULL));
	content_ingest_close(in);
	T_OK(t_open(&s, "a", "r", 0, NULL));
	T_CODE(t_open(&s, "a", "", 0, NULL), DV_INVALID);
	T_CODE(t_open(&s, "a", "r", 0, "sha256:123"), DV_INVALID);
	T_CODE(t_open(&s, "a", "r", -1, NULL), DV_INVALID);
}

Test(content, an_ingest_is_resumed_also_by_another_process)
{
	STORE(s);
	struct content_ingest *in = t_ingest(&s, "a", "r", 11, NULL);
	struct content_status before, after;

	T_OK(content_ingest_write(in, "hello ", 6));
	content_ingest_status(in, &before);
	content_ingest_close(in);
	store_close(&s);
	store_open(&s);
	T_OK(content_ingest_stat(s.c, "a", "r", &s.arena, &after));
	T_INT(after.offset, ==, 6);
	T_INT(after.total, ==, 11);
	in = t_ingest(&s, "a", "r", 0, NULL);
	expect_offset(in, 6, "hello ");
	content_ingest_status(in, &after);
	T_INT(after.total, ==, 11);
	T_INT(after.started_at.tv_nsec, ==, before.started_at.tv_nsec);
	T_INT(after.updated_at.tv_nsec, ==, before.updated_at.tv_nsec);
	T_OK(content_ingest_write(in, "world", 5));
	T_OK(t_commit(in, 11, NULL));
	t_expect_blob(&s, "a", "hello world");
	T_CODE(content_ingest_stat(s.c, "a", "r", &s.arena, &after), DV_NOT_FOUND);
}

Test(content, another_total_starts_anew)
{
	STORE(s);
	struct content_ingest *in = t_ingest(&s, "a", "r", 11, NULL);

	T_OK(content_ingest_write(in, "hello ", 6));
	content_ingest_close(in);
	in = t_ingest(&s, "a", "r", 12, NULL);
	expect_offset(in, 0, "");
	content_ingest_close(in);
}

Test(content, truncate_starts_from_nothing)
{
	STORE(s);
	struct content_ingest *in = t_ingest(&s, "a", "r", 0, NULL);

	T_OK(content_ingest_write(in, "nonsense, long", 14));
	T_OK(content_ingest_truncate(in));
	expect_offset(in, 0, "");
	T_OK(content_ingest_write(in, "text", 4));
	T_OK(t_commit(in, 4, NULL));
	t_expect_blob(&s, "a", "text");
}

Test(content, what_is_not_as_expected_is_no_blob_and_can_be_resumed)
{
	STORE(s);
	char wrong[DV_DIGEST_STR], right[DV_DIGEST_STR];
	struct content_ingest *in = t_ingest(&s, "a", "r", 0, NULL);
	char long_value[5000];
	struct meta_label label = { "k", long_value };
	struct meta_labels labels = { &label, 1 };
	struct content_commit commit = { .labels = &labels };

	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	t_digest("other", wrong);
	T_OK(content_ingest_write(in, "text", 4));
	T_CODE(t_commit(in, 4, wrong), DV_PRECONDITION);
	T_CODE(t_commit(t_ingest(&s, "a", "r", 0, NULL), 5, NULL), DV_PRECONDITION);
	T_CODE(t_commit(t_ingest(&s, "a", "r", 0, NULL), 4, "nonsense"), DV_INVALID);
	T_CODE(content_ingest_commit(t_ingest(&s, "a", "r", 0, NULL), &commit, NULL, NULL),
	       DV_INVALID);
	T_INT(count_names(&s, "blobs/sha256"), ==, 0);
	in = t_ingest(&s, "a", "r", 0, NULL);
	expect_offset(in, 4, "text");
	T_OK(t_commit(in, 4, t_digest("text", right)));
}

Test(content, what_is_there_ends_an_ingest)
{
	STORE(s);
	char digest[DV_DIGEST_STR];

	T_OK(t_put(&s, "a", "r", "text"));
	T_CODE(t_put(&s, "a", "r2", "text"), DV_EXISTS);
	T_INT(count_names(&s, "ingest"), ==, 0);
	T_CODE(t_open(&s, "a", "r3", 0, t_digest("text", digest)), DV_EXISTS);
	T_OK(t_put(&s, "b", "r", "text"));
	T_INT(count_names(&s, "blobs/sha256"), ==, 1);
}

Test(content, other_algorithms)
{
	STORE(s);
	struct dv_digest d;
	char digest[DV_DIGEST_STR];
	struct content_ingest *in;

	dv_digest_of(DV_SHA512, "text", 4, &d);
	dv_digest_str(&d, digest);
	in = t_ingest(&s, "a", "r", 0, digest);
	T_OK(content_ingest_write(in, "text", 4));
	T_OK(t_commit(in, 4, digest));
	T_INT(count_names(&s, "blobs/sha512"), ==, 1);
	dv_digest_of(DV_SHA384, "more", 4, &d);
	dv_digest_str(&d, digest);
	in = t_ingest(&s, "a", "r", 0, NULL);
	T_OK(content_ingest_write(in, "more", 4));
	T_OK(t_commit(in, 4, digest));
	T_INT(count_names(&s, "blobs/sha384"), ==, 1);
	store_close(&s);
	store_open(&s);
	T_INT(count_names(&s, "blobs/sha384"), ==, 1);
}

Test(content, namespaces_share)
{
	STORE(s);
	char digest[DV_DIGEST_STR], more[DV_DIGEST_STR];
	struct content_status status;
	struct content_ingest *in;

	T_OK(t_put(&s, "a", "r", "text"));
	t_digest("text", digest);
	in = t_ingest(&s, "b", "r", 4, digest);
	expect_offset(in, 4, "text");
	T_CODE(content_ingest_stat(s.c, "b", "r", &s.arena, &status), DV_NOT_FOUND);
	T_OK(t_commit(in, 4, digest));
	t_expect_blob(&s, "b", "text");

	/* Whoever writes on has a copy. */
	in = t_ingest(&s, "c", "r", 0, digest);
	T_OK(content_ingest_write(in, " and more", 9));
	expect_offset(in, 13, "text and more");
	T_OK(t_commit(in, 13, t_digest("text and more", more)));
	t_expect_blob(&s, "c", "text and more");
	t_expect_blob(&s, "a", "text");

	in = t_ingest(&s, "d", "r", 0, digest);
	T_OK(content_ingest_truncate(in));
	expect_offset(in, 0, "");
	content_ingest_close(in);
	T_CODE(t_commit(t_ingest(&s, "e", "r", 0, digest), 5, NULL), DV_PRECONDITION);
	T_CODE(t_commit(t_ingest(&s, "e", "r", 0, digest), 4, more), DV_PRECONDITION);
	in = t_ingest(&s, "e", "other-size", 5, digest);
	expect_offset(in, 0, "");
	content_ingest_close(in);
}

Test(content, isolated_namespaces_do_not_share)
{
	STORE(s);
	struct meta_label label = { "containerd.io/namespace.shareable", "true" };
	struct meta_namespace ns = { .name = "open", .labels = { &label, 1 } };
	char digest[DV_DIGEST_STR];
	struct content_ingest *in;
	struct meta_tx *tx;

	store_close(&s);
	s.is_isolated = true;
	store_open(&s);
	T_OK(t_put(&s, "a", "r", "text"));
	t_digest("text", digest);
	in = t_ingest(&s, "b", "r", 4, digest);
	expect_offset(in, 0, "");
	content_ingest_close(in);

	T_OK(meta_begin(s.m, META_WRITE, &tx));
	T_OK(meta_namespace_create(tx, &ns));
	T_OK(meta_commit(tx));
	T_OK(t_put(&s, "open", "r", "text"));
	in = t_ingest(&s, "c", "r", 4, digest);
	expect_offset(in, 4, "text");
	content_ingest_close(in);
}

Test(content, abort_and_list)
{
	STORE(s);
	const char *only_b[] = { "ref==b" };
	struct content_status *list, status;
	struct dv_filter *filter;
	struct content_ingest *in;
	size_t n;

	content_ingest_close(t_ingest(&s, "ns", "a", 0, NULL));
	in = t_ingest(&s, "ns", "b", 7, NULL);
	T_OK(content_ingest_write(in, "123", 3));
	T_OK(content_ingest_list(s.c, "ns", NULL, &s.arena, &list, &n));
	T_INT(n, ==, 2);
	T_OK(dv_filter_parse(only_b, 1, &filter));
	T_OK(content_ingest_list(s.c, "ns", filter, &s.arena, &list, &n));
	T_INT(n, ==, 1);
	T_INT(list[0].offset, ==, 3);
	T_INT(list[0].total, ==, 7);
	dv_filter_free(filter);
	T_OK(content_ingest_abort(s.c, "ns", NULL, "a"));
	T_CODE(content_ingest_abort(s.c, "ns", NULL, "a"), DV_NOT_FOUND);
	T_CODE(content_ingest_stat(s.c, "ns", "a", &s.arena, &status), DV_NOT_FOUND);

	/* Under the hands of its writer. */
	T_OK(content_ingest_abort(s.c, "ns", NULL, "b"));
	T_OK(content_ingest_write(in, "4", 1));
	T_CODE(t_commit(in, 0, NULL), DV_NOT_FOUND);
	T_INT(count_names(&s, "blobs/sha256"), ==, 0);
	T_INT(count_names(&s, "ingest"), ==, 0);
}

Test(content, a_file_goes_when_nobody_has_it)
{
	STORE(s);
	char digest[DV_DIGEST_STR];

	T_OK(t_put(&s, "a", "r", "text"));
	T_OK(t_put(&s, "b", "r", "text"));
	t_digest("text", digest);
	T_OK(content_delete(s.c, "a", NULL, digest));
	T_CODE(content_delete(s.c, "a", NULL, digest), DV_NOT_FOUND);
	T_OK(content_collect_blob(s.c, digest));
	t_expect_blob(&s, "b", "text");
	T_OK(content_delete(s.c, "b", NULL, digest));
	T_INT(count_names(&s, "blobs/sha256"), ==, 1);
	T_OK(content_collect_blob(s.c, digest));
	T_INT(count_names(&s, "blobs/sha256"), ==, 0);
	T_OK(content_collect_blob(s.c, digest));
}

/* Issue 4 of daemon-cri.md's list: files of zero bytes after a power loss. */
Test(content, damage_is_seen_and_healed)
{
	STORE(s);
	char digest[DV_DIGEST_STR], path[512];
	const char *bytes;
	size_t n;
	int fd;

	T_OK(t_put(&s, "a", "r", "text"));
	t_digest("text", digest);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", s.content, digest + 7);
	T_INT(truncate(path, 0), ==, 0);
	T_CODE(content_open_blob(s.c, "a", digest, &fd, NULL), DV_DATA_LOSS);
	T_CODE(content_verify(s.c, digest, 4), DV_DATA_LOSS);
	T_OK(t_put(&s, "b", "r", "text"));
	t_expect_blob(&s, "a", "text");

	fd = open(path, O_WRONLY);
	T_INT(write(fd, "tEXT", 4), ==, 4);
	close(fd);
	T_CODE(content_verify(s.c, digest, 4), DV_DATA_LOSS);
	T_CODE(content_load(s.c, "a", digest, 100, &s.arena, &bytes, &n), DV_DATA_LOSS);
	T_CODE(content_load(s.c, "a", digest, 3, &s.arena, &bytes, &n), DV_EXHAUSTED);
	T_INT(unlink(path), ==, 0);
	T_CODE(content_open_blob(s.c, "a", digest, &fd, NULL), DV_DATA_LOSS);
}

Test(content, leases_get_what_is_written_or_found)
{
	STORE(s);
	struct content_ingest_opts opts = { .ns = "a", .ref = "r", .lease = "l" };
	struct meta_lease lease = { .id = "l" };
	struct meta_resource *items;
	struct dv_digest d;
	struct meta_tx *tx;
	size_t n;

	T_CODE(content_put(s.c, &opts, NULL, "text", 4, &d), DV_NOT_FOUND);
	T_OK(meta_begin(s.m, META_WRITE, &tx));
	T_OK(meta_lease_create(tx, "a", &lease));
	T_OK(meta_commit(tx));
	T_OK(content_put(s.c, &opts, NULL, "text", 4, &d));
	opts.lease = NULL;
	T_OK(content_put(s.c, &opts, NULL, "more", 4, &d));
	opts.lease = "l";
	T_OK(content_put(s.c, &opts, NULL, "more", 4, &d));
	T_OK(meta_begin(s.m, META_READ, &tx));
	T_OK(meta_lease_resources(tx, "a", "l", &s.arena, &items, &n));
	meta_rollback(tx);
	T_INT(n, ==, 2);
	for (size_t i = 0; i < n; i++)
		T_STR(items[i].type, "content");
}

Test(content, put_replaces_what_an_earlier_try_left)
{
	STORE(s);
	struct content_ingest_opts opts = { .ns = "a", .ref = "r" };
	struct content_ingest *in = t_ingest(&s, "a", "r", 0, NULL);
	struct dv_digest d;

	T_OK(content_ingest_write(in, "te", 2));
	content_ingest_close(in);
	T_OK(content_put(s.c, &opts, NULL, "text", 4, &d));
	t_expect_blob(&s, "a", "text");
	T_OK(content_put(s.c, &opts, NULL, "", 0, &d));
	t_expect_blob(&s, "a", "");
}

/* Where the file system cannot, nothing is said. */
Test(content, verity_is_best_effort)
{
	STORE(s);

	store_close(&s);
	s.has_verity = true;
	store_open(&s);
	T_OK(t_put(&s, "a", "r", "text"));
	t_expect_blob(&s, "a", "text");
	T_OK(t_put(&s, "b", "r", "text"));
	t_expect_blob(&s, "b", "text");
}
