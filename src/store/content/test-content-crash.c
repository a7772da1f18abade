/* SPDX-License-Identifier: Apache-2.0 */
/* Commit is safe at every system call: whether it ends the process, or fails. */

#include "base/test-crash.h"
#include "test-content.h"

#define TEXT "some bytes that arrive in two parts"

static void prepare(void *arg)
{
	store_open(arg);
}

static void act(void *arg)
{
	struct content_ingest_opts opts = { .ns = "a", .ref = "r", .total = sizeof(TEXT) - 1 };
	struct content_commit commit = { .size = sizeof(TEXT) - 1 };
	struct content_ingest *in = NULL;
	struct store *s = arg;
	struct dv_err *e;

	e = content_ingest_open(s->c, &opts, &in);
	if (!e)
		e = content_ingest_write(in, TEXT, 10);
	if (!e)
		e = content_ingest_write(in, &TEXT[10], sizeof(TEXT) - 11);
	if (!e)
		e = content_ingest_commit(in, &commit, NULL, NULL);
	else
		content_ingest_close(in);
	dv_err_free(e);
}

/* What a client does after it has lost its daemon, or got an error: it tries again. */
static void finish(struct store *s)
{
	struct content_ingest *in = t_ingest(s, "a", "r", 0, NULL);
	struct content_status status;
	struct dv_err *e;

	content_ingest_status(in, &status);
	T_INT(status.offset, <=, sizeof(TEXT) - 1);
	T_OK(content_ingest_write(in, &TEXT[status.offset], sizeof(TEXT) - 1 - status.offset));
	e = t_commit(in, sizeof(TEXT) - 1, NULL);
	if (e)
		cr_expect(dv_err_code(e) == DV_EXISTS, "%s", dv_err_message(e));
	dv_err_free(e);
	t_expect_blob(s, "a", TEXT);
	T_INT(count_names(s, "blobs/sha256"), ==, 1);
	T_INT(count_names(s, "ingest"), ==, 0);
}

static void every_point(enum crash_mode mode, int error)
{
	bool is_hit = true;
	int n = 0;

	while (is_hit) {
		STORE(s);
		struct crash crash = {
			.mode = mode, .error = error, .prepare = prepare, .act = act, .arg = &s
		};
		char digest[DV_DIGEST_STR];
		struct meta_blob blob;
		struct dv_err *e;

		store_close(&s);
		is_hit = crash_at(&crash, ++n);
		store_open(&s);
		e = content_info(s.c, "a", t_digest(TEXT, digest), &s.arena, &blob);
		T_INT(count_names(&s, "blobs/sha256"), ==, e ? 0 : 1);
		if (e) {
			cr_expect(dv_err_code(e) == DV_NOT_FOUND, "%s", dv_err_message(e));
			dv_err_free(e);
		} else {
			t_expect_blob(&s, "a", TEXT);
		}
		finish(&s);
	}
	cr_log_info("%d points", n - 1);
	T_INT(n, >, 30);
}

Test(content_crash, killed_at_every_point, .timeout = 100)
{
	every_point(CRASH_KILL, 0);
}

Test(content_crash, every_call_fails_without_space, .timeout = 100)
{
	every_point(CRASH_FAIL, ENOSPC);
}

Test(content_crash, every_call_fails_of_a_disk, .timeout = 100)
{
	every_point(CRASH_FAIL, EIO);
}
