/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests: a content store in a directory of its own. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "store/content.h"
#include "store/meta-lease.h"
#include "store/meta-namespace.h"
#include "sys/disk.h"
#include "sys/file.h"

#define T_OK(expr) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_assert(t_err_ == NULL, "%s: %s", #expr, t_err_ ? dv_err_message(t_err_) : ""); \
	} while (0)

#define T_CODE(expr, code) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_expect(t_err_ &&dv_err_code(t_err_) == (code), "%s: got %d (%s), expected %s", \
			  #expr, t_err_ ? (int)dv_err_code(t_err_) : 0, \
			  t_err_ ? dv_err_message(t_err_) : "no error", #code); \
		dv_err_free(t_err_); \
	} while (0)

struct store {
	char dir[64], content[128];
	bool is_isolated, has_verity;
	struct meta *m;
	struct content *c;
	struct dv_arena arena;
};

static inline void store_open(struct store *s)
{
	struct content_opts opts = { .dir = s->content,
				     .is_isolated = s->is_isolated,
				     .has_verity = s->has_verity };

	T_OK(meta_open(&(struct meta_opts){ .dir = s->dir }, &s->m));
	opts.meta = s->m;
	T_OK(content_open(&opts, &s->c));
}

static inline void store_close(struct store *s)
{
	s->c = content_close(s->c);
	s->m = meta_close(s->m);
}

static inline void store_init(struct store *s)
{
	*s = (struct store){ .is_isolated = false };
	snprintf(s->dir, sizeof(s->dir), "/tmp/davit-content-XXXXXX");
	cr_assert(mkdtemp(s->dir));
	snprintf(s->content, sizeof(s->content), "%s/content", s->dir);
	dv_arena_init(&s->arena);
	store_open(s);
}

static inline void store_fini(struct store *s)
{
	store_close(s);
	dv_arena_fini(&s->arena);
	(void)sys_remove_tree(AT_FDCWD, s->dir);
}

#define STORE(name) \
	DV_CLEANUP(store_fini) struct store name; \
	store_init(&name)

static inline int count_names(const struct store *s, const char *below)
{
	char path[256];
	struct sys_dirent e;
	struct sys_dir dir;
	int fd, n = 0;

	snprintf(path, sizeof(path), "%s/%s", s->content, below);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	sys_dir_init(&dir, fd);
	while (sys_dir_next(&dir, &e) > 0)
		n++;
	sys_close(fd);
	return n;
}

static inline const char *t_digest(const char *text, char buf[DV_DIGEST_STR])
{
	struct dv_digest d;

	dv_digest_of(DV_SHA256, text, strlen(text), &d);
	return dv_digest_str(&d, buf);
}

static inline struct content_ingest *t_ingest(struct store *s, const char *ns, const char *ref,
					      int64_t total, const char *expected)
{
	struct content_ingest_opts opts = {
		.ns = ns, .ref = ref, .total = total, .expected = expected
	};
	struct content_ingest *in = NULL;

	T_OK(content_ingest_open(s->c, &opts, &in));
	return in;
}

static inline struct dv_err *t_open(struct store *s, const char *ns, const char *ref, int64_t total,
				    const char *expected)
{
	struct content_ingest_opts opts = {
		.ns = ns, .ref = ref, .total = total, .expected = expected
	};
	struct content_ingest *in = NULL;
	struct dv_err *e = content_ingest_open(s->c, &opts, &in);

	content_ingest_close(in);
	return e;
}

static inline struct dv_err *t_commit(struct content_ingest *in, int64_t size, const char *expected)
{
	struct content_commit commit = { .size = size, .expected = expected };

	return content_ingest_commit(in, &commit, NULL, NULL);
}

static inline struct dv_err *t_put(struct store *s, const char *ns, const char *ref,
				   const char *text)
{
	struct content_ingest *in = t_ingest(s, ns, ref, 0, NULL);
	struct dv_err *e = content_ingest_write(in, text, strlen(text));

	if (!e)
		return t_commit(in, 0, NULL);
	content_ingest_close(in);
	return e;
}

static inline void t_expect_blob(struct store *s, const char *ns, const char *text)
{
	char digest[DV_DIGEST_STR];
	const char *got;
	size_t n;

	T_OK(content_load(s->c, ns, t_digest(text, digest), 1 << 20, &s->arena, &got, &n));
	T_INT(n, ==, strlen(text));
	T_STR(got, text);
}
