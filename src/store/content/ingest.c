/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ingest that is open. Who has it is a claim in the list of the store; what it is about is a
 * row; what has arrived is a file.
 *
 *	(none) --open--> open --write, truncate--> open --close--> resumable --open--> open
 *	                  |                                           |
 *	                  +--commit--> blob                           +--abort, expiry--> (none)
 *
 * The file has a second name once it is a blob. If a crash, or a failing disk, leaves an ingest in
 * that state, its next writer gets a new file: a blob is never written to.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "content-private.h"
#include "store/meta-lease.h"
#include "sys/disk.h"
#include "sys/file.h"

enum { FLUSH_STEP = 8 << 20 };

void content_ingest_name(const char *ns, int64_t id, const char *ref, char buf[CONTENT_NAME])
{
	DV_CLEANUP(dv_freep) char *key = dv_printf("%s/%lld/%s", ns, (long long)id, ref);
	char hex[DV_DIGEST_HEX];
	struct dv_digest d;

	dv_digest_of(DV_SHA256, key, strlen(key), &d);
	memcpy(buf, dv_digest_hex(&d, hex), CONTENT_NAME);
}

/* Makes *in the holder of its ref, or says who is. */
static struct dv_err *claim(struct content_ingest *in)
{
	struct content *c = in->c;
	struct timespec since = { 0 };
	char text[DV_CLOCK_SIZE];

	in->claimed_at = meta_now();
	pthread_mutex_lock(&c->lock);
	for (const struct content_ingest *o = c->open; o && !since.tv_sec; o = o->next)
		if (dv_streq(o->ref, in->ref) && dv_streq(o->ns, in->ns))
			since = o->claimed_at;
	if (!since.tv_sec) {
		in->next = c->open;
		c->open = in;
	}
	pthread_mutex_unlock(&c->lock);
	if (!since.tv_sec)
		return NULL;
	dv_clock_format(&since, DV_CLOCK_NANOS, text);
	return dv_err_new(DV_UNAVAILABLE, "ref %s locked for %llds (since %s): unavailable",
			  in->ref, (long long)(in->claimed_at.tv_sec - since.tv_sec), text);
}

static void unclaim(struct content_ingest *in)
{
	struct content *c = in->c;

	pthread_mutex_lock(&c->lock);
	for (struct content_ingest **at = &c->open; *at; at = &(*at)->next) {
		if (*at == in) {
			*at = in->next;
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
}

/* The blob that is expected: does the namespace have it, may it have the store's? */
static struct dv_err *look_for_expected(struct content_ingest *in, struct meta_tx *tx,
					const struct content_ingest_opts *opts, bool *ret_exists)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *none = NULL;
	struct meta_resource leased = { .id = opts->expected, .type = "content" };
	struct meta_blob blob;
	struct dv_arena arena;
	struct dv_err *e;
	int64_t size;

	*ret_exists = false;
	dv_arena_init(&arena);
	none = meta_blob_get(tx, in->ns, opts->expected, &arena, &blob);
	dv_arena_fini(&arena);
	if (!none) {
		*ret_exists = true;
		return in->lease ? meta_lease_add(tx, in->ns, in->lease, &leased) : NULL;
	}
	if (dv_err_code(none) != DV_NOT_FOUND)
		return dv_steal(&none);
	e = meta_blob_find(tx, opts->expected, in->c->is_isolated, &size);
	if (e || size < 0 || (in->total > 0 && in->total != size))
		return e; /* another size: the caller is wrong, which its commit will tell */
	in->is_shared = true;
	in->total = size;
	return NULL;
}

/* Claim and row; the transaction ends here, in either way. */
static struct dv_err *open_row(struct content_ingest *in, const struct content_ingest_opts *opts,
			       bool *ret_is_other_total)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_ingest before = { 0 }, row = { .ref = in->ref }, now = { 0 };
	bool has_expected = opts->expected && *opts->expected, exists = false;
	struct dv_arena arena;
	struct dv_err *e;

	e = meta_begin(in->c->meta, META_WRITE, &tx);
	if (!e && has_expected)
		e = look_for_expected(in, tx, opts, &exists);
	if (e)
		return e;
	if (exists) {
		e = meta_commit(dv_steal(&tx));
		return e ? e : dv_err_new(DV_EXISTS, "content %s: already exists", opts->expected);
	}
	e = claim(in);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = meta_ingest_get(tx, in->ns, in->ref, &arena, &before);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	*ret_is_other_total = in->total > 0 && before.total > 0 && in->total != before.total;
	row.total = in->total > 0 ? in->total : before.total;
	row.expected = in->is_shared ? opts->expected : NULL;
	if (!e)
		e = meta_ingest_open(tx, in->ns, in->lease, &row, &arena, &now);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	in->is_new = !before.id;
	in->id = now.id;
	in->total = row.total;
	in->started_at = in->updated_at = now.started_at;
	dv_arena_fini(&arena);
	if (e)
		unclaim(in);
	return e;
}

static struct dv_err *open_data(struct content_ingest *in)
{
	struct stat st;
	int r;

	/* A blob's mode is 0444, which means something to those who are not root. */
	r = sys_fstatat(in->dir, "data", &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && (st.st_nlink != 1 || !S_ISREG(st.st_mode)))
		r = sys_unlinkat(in->dir, "data", 0);
	else if (r == 0 && !(st.st_mode & S_IWUSR))
		r = sys_fchmodat(in->dir, "data", 0600);
	if (r < 0 && r != -ENOENT)
		return dv_err_sys(r, "look at the data of ingest %s", in->ref);
	in->data = sys_openat(in->dir, "data", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (in->data < 0)
		return dv_err_sys(in->data, "open the data of ingest %s", in->ref);
	r = sys_fstat(in->data, &st);
	if (r < 0)
		return dv_err_sys(r, "look at the data of ingest %s", in->ref);
	if (st.st_size > 0)
		in->updated_at = st.st_mtim;
	return NULL;
}

struct dv_err *content_ingest_attach(struct content_ingest *in)
{
	char name[CONTENT_NAME];
	struct dv_err *e;
	int r;

	content_ingest_name(in->ns, in->id, in->ref, name);
	r = sys_mkdirat(in->c->ingest, name, 0755);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make the directory of ingest %s", in->ref);
	in->dir = sys_openat(in->c->ingest, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (in->dir < 0)
		return dv_err_sys(in->dir, "open the directory of ingest %s", in->ref);
	if (r == 0) {
		DV_CLEANUP(dv_freep)
		char *key = dv_printf("%s/%lld/%s", in->ns, (long long)in->id, in->ref);
		DV_CLEANUP(sys_closep) int fd = -1;

		/* For people alone: that it is there does not matter. */
		fd = sys_openat(in->dir, "ref", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
		if (fd >= 0)
			(void)!sys_write_all(fd, key, strlen(key));
	}
	e = open_data(in);
	if (!e)
		e = content_hash_file(in->data, in->hash, &in->offset);
	return e ? dv_err_wrap(e, "ingest %s", in->ref) : NULL;
}

struct dv_err *content_ingest_open(struct content *c, const struct content_ingest_opts *opts,
				   struct content_ingest **ret)
{
	DV_CLEANUP(content_ingest_closep) struct content_ingest *in = NULL;
	struct dv_digest expected = { .alg = DV_SHA256 };
	bool is_other_total = false;
	struct dv_err *e;

	if (!opts->ref || !*opts->ref)
		return dv_err_new(DV_INVALID, "ref must not be empty: invalid argument");
	if (opts->total < 0)
		return dv_err_new(DV_INVALID, "total must not be negative");
	if (opts->expected && *opts->expected) {
		e = dv_digest_parse(opts->expected, &expected);
		if (e)
			return e;
	}
	in = dv_new(struct content_ingest);
	in->c = c;
	in->ns = dv_strdup(opts->ns);
	in->ref = dv_strdup(opts->ref);
	in->lease = dv_strdup(opts->lease);
	in->total = opts->total;
	in->dir = in->data = -1;
	in->alg = expected.alg;
	in->hash = dv_hash_new(in->alg);
	in->shared = expected;
	e = open_row(in, opts, &is_other_total);
	if (e)
		return e;
	if (in->is_shared) {
		in->offset = in->total;
	} else {
		e = content_ingest_attach(in);
		if (!e && is_other_total)
			e = content_ingest_truncate(in); /* what is there is of something else */
		if (e && in->is_new)
			dv_err_free(content_ingest_abort(c, in->ns, in->lease, in->ref));
		if (e)
			return e;
	}
	*ret = dv_steal(&in);
	return NULL;
}

struct content_ingest *content_ingest_close(struct content_ingest *in)
{
	if (!in)
		return NULL;
	if (in->data >= 0) {
		/* The kernel's own stamp is some milliseconds off; the status says when. */
		struct timespec times[2] = { in->updated_at, in->updated_at };

		(void)sys_futimens(in->data, times);
	}
	sys_close(in->data);
	sys_close(in->dir);
	unclaim(in);
	dv_hash_free(in->hash);
	free(in->lease);
	free(in->ref);
	free(in->ns);
	free(in);
	return NULL;
}

/* A shared one gets bytes of its own: those of the blob, or none. */
static struct dv_err *ingest_unshare(struct content_ingest *in, bool has_bytes)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	DV_CLEANUP(sys_closep) int blob = -1;
	struct meta_ingest row = { .ref = in->ref, .total = in->total }, now;
	struct dv_arena arena;
	struct dv_err *e;
	int64_t size;
	int r;

	e = content_open_file(in->c, &in->shared, &blob, &size);
	if (!e)
		e = content_ingest_attach(in);
	if (!e)
		e = content_ingest_truncate(in);
	if (!e && has_bytes) {
		r = sys_reflink(in->data, blob);
		if (r < 0)
			r = sys_copy_sparse(in->data, blob, size);
		if (r < 0)
			return dv_err_sys(r, "copy content into ingest %s", in->ref);
		e = content_hash_file(in->data, in->hash, &in->offset);
	}
	if (!e)
		e = meta_begin(in->c->meta, META_WRITE, &tx);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = meta_ingest_open(tx, in->ns, in->lease, &row, &arena, &now);
	dv_arena_fini(&arena);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	if (!e)
		in->is_shared = false;
	return e;
}

/* What was written is on its way to the disk before a commit waits for it. */
static void flush(struct content_ingest *in)
{
	if (in->offset - in->flushed < FLUSH_STEP)
		return;
	(void)sys_start_writeback(in->data, in->flushed, in->offset - in->flushed);
	in->flushed = in->offset;
}

struct dv_err *content_ingest_write(struct content_ingest *in, const void *p, size_t n)
{
	struct dv_err *e;
	int r;

	if (n == 0)
		return NULL;
	if (in->is_shared) {
		e = ingest_unshare(in, true);
		if (e)
			return e;
	}
	r = sys_pwrite_all(in->data, p, n, in->offset);
	if (r < 0) {
		(void)sys_ftruncate(in->data, in->offset);
		return dv_err_sys(r, "write to ingest %s at %lld", in->ref, (long long)in->offset);
	}
	dv_hash_add(in->hash, p, n);
	in->offset += (int64_t)n;
	in->updated_at = meta_now();
	flush(in);
	return NULL;
}

struct dv_err *content_ingest_truncate(struct content_ingest *in)
{
	int r;

	if (in->is_shared && in->data < 0)
		return ingest_unshare(in, false);
	r = sys_ftruncate(in->data, 0);
	if (r < 0)
		return dv_err_sys(r, "empty ingest %s", in->ref);
	dv_hash_reset(in->hash);
	in->offset = in->flushed = 0;
	in->updated_at = meta_now();
	return NULL;
}

void content_ingest_status(const struct content_ingest *in, struct content_status *ret)
{
	*ret = (struct content_status){
		.ref = in->ref,
		.offset = in->offset,
		.total = in->total,
		.expected = "",
		.started_at = in->started_at,
		.updated_at = in->updated_at,
	};
}

void content_ingest_digest(const struct content_ingest *in, struct dv_digest *ret)
{
	if (in->is_shared)
		*ret = in->shared;
	else
		dv_hash_get(in->hash, ret);
}
