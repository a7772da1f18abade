/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs: rows of a namespace, and the files that they are about. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "content-private.h"
#include "sys/disk.h"
#include "sys/file.h"

struct dv_err *content_info(struct content *c, const char *ns, const char *digest,
			    struct dv_arena *arena, struct meta_blob *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_digest d;
	struct dv_err *e;

	e = dv_digest_parse(digest, &d);
	if (!e)
		e = meta_begin(c->meta, META_READ, &tx);
	return e ? e : meta_blob_get(tx, ns, digest, arena, ret);
}

struct dv_err *content_list(struct content *c, const char *ns, const struct meta_list *list,
			    struct dv_arena *arena, struct meta_blob **ret, size_t *ret_n)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(c->meta, META_READ, &tx);

	return e ? e : meta_blob_list(tx, ns, list, arena, ret, ret_n);
}

struct dv_err *content_update(struct content *c, const char *ns, const struct meta_blob *blob,
			      const struct dv_mask *mask, struct dv_arena *arena,
			      struct meta_blob *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_digest d;
	struct dv_err *e;

	e = dv_digest_parse(blob->digest, &d);
	if (!e)
		e = meta_begin(c->meta, META_WRITE, &tx);
	if (!e)
		e = meta_blob_update(tx, ns, blob, mask, arena, ret);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct dv_err *content_delete(struct content *c, const char *ns, const char *lease,
			      const char *digest)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_digest d;
	struct dv_err *e;

	e = dv_digest_parse(digest, &d);
	if (!e)
		e = meta_begin(c->meta, META_WRITE, &tx);
	if (!e)
		e = meta_blob_delete(tx, ns, lease, digest);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct dv_err *content_open_file(struct content *c, const struct dv_digest *d, int *ret_fd,
				 int64_t *ret_size)
{
	char hex[DV_DIGEST_HEX], text[DV_DIGEST_STR];
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	/* Not blocking: should something else than a file have that name. */
	fd = sys_openat(c->alg[d->alg], dv_digest_hex(d, hex), O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
			0);
	if (fd == -ENOENT)
		return dv_err_new(DV_NOT_FOUND, "content %s: not found", dv_digest_str(d, text));
	if (fd < 0)
		return dv_err_sys(fd, "open content %s", dv_digest_str(d, text));
	r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "look at content %s", dv_digest_str(d, text));
	if (!S_ISREG(st.st_mode))
		return dv_err_new(DV_DATA_LOSS, "content %s is not a regular file",
				  dv_digest_str(d, text));
	*ret_fd = dv_steal_fd(&fd);
	*ret_size = st.st_size;
	return NULL;
}

/* What a row says is there must be. */
static struct dv_err *open_checked(struct content *c, const struct dv_digest *d, int64_t size,
				   int *ret_fd)
{
	char text[DV_DIGEST_STR];
	struct dv_err *e;
	int64_t found;
	int fd;

	e = content_open_file(c, d, &fd, &found);
	if (e && dv_err_code(e) == DV_NOT_FOUND) {
		dv_err_free(e);
		return dv_err_new(DV_DATA_LOSS, "the file of content %s is missing",
				  dv_digest_str(d, text));
	}
	if (e)
		return e;
	if (found != size) {
		sys_close(fd);
		return dv_err_new(DV_DATA_LOSS,
				  "the file of content %s has %lld bytes, expected %lld",
				  dv_digest_str(d, text), (long long)found, (long long)size);
	}
	*ret_fd = fd;
	return NULL;
}

static struct dv_err *blob_size(struct content *c, const char *ns, const char *digest, int64_t *ret)
{
	struct meta_blob blob = { 0 };
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = content_info(c, ns, digest, &arena, &blob);
	dv_arena_fini(&arena);
	*ret = blob.size;
	return e;
}

struct dv_err *content_open_blob(struct content *c, const char *ns, const char *digest, int *ret_fd,
				 int64_t *ret_size)
{
	struct dv_digest d;
	struct dv_err *e, *gone;
	int64_t size;

	e = blob_size(c, ns, digest, &size);
	if (!e)
		e = dv_digest_parse(digest, &d);
	if (e)
		return e;
	e = open_checked(c, &d, size, ret_fd);
	if (e) {
		/* Deleted and collected in the meantime is no damage. */
		gone = blob_size(c, ns, digest, &size);
		if (!gone)
			return e;
		dv_err_free(e);
		return gone;
	}
	if (ret_size)
		*ret_size = size;
	return NULL;
}

static struct dv_err *check_hash(const struct dv_digest *expected, const struct dv_digest *got)
{
	char a[DV_DIGEST_STR], b[DV_DIGEST_STR];

	if (dv_digest_eq(expected, got))
		return NULL;
	return dv_err_new(DV_DATA_LOSS, "content %s is damaged: its bytes hash to %s",
			  dv_digest_str(expected, a), dv_digest_str(got, b));
}

struct dv_err *content_load(struct content *c, const char *ns, const char *digest, size_t max,
			    struct dv_arena *arena, const char **ret, size_t *ret_n)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_digest d, got;
	struct dv_err *e;
	int64_t size;
	ssize_t n;
	char *p;

	e = content_open_blob(c, ns, digest, &fd, &size);
	if (e)
		return e;
	if (size > (int64_t)max)
		return dv_err_new(DV_EXHAUSTED, "content %s has %lld bytes, at most %zu are read",
				  digest, (long long)size, max);
	p = dv_arena_alloc(arena, (size_t)size + 1);
	n = sys_pread(fd, p, (size_t)size, 0);
	if (n < 0)
		return dv_err_sys((int)n, "read content %s", digest);
	e = dv_digest_parse(digest, &d);
	if (e)
		return e;
	dv_digest_of(d.alg, p, (size_t)n, &got);
	e = check_hash(&d, &got);
	if (e)
		return e;
	*ret = p;
	*ret_n = (size_t)n;
	return NULL;
}

struct dv_err *content_collect_blob(struct content *c, const char *digest)
{
	DV_CLEANUP(content_digest_unlockp) struct content_digest_lock lock = { 0 };
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	char hex[DV_DIGEST_HEX];
	struct dv_digest d;
	struct dv_err *e;
	bool is_wanted;
	int r;

	e = dv_digest_parse(digest, &d);
	if (e)
		return e;
	content_digest_lock(&lock, c, &d);
	e = meta_begin(c->meta, META_READ, &tx);
	if (!e)
		e = meta_blob_is_wanted(tx, digest, &is_wanted);
	if (e || is_wanted)
		return e;
	r = sys_unlinkat(c->alg[d.alg], dv_digest_hex(&d, hex), 0);
	return r < 0 && r != -ENOENT ? dv_err_sys(r, "remove content %s", digest) : NULL;
}

struct dv_err *content_hash_file(int fd, struct dv_hash *h, int64_t *ret_n)
{
	DV_CLEANUP(dv_freep) char *buf = dv_alloc(CONTENT_BUFFER);
	int64_t at = 0;
	ssize_t n;

	sys_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = sys_pread(fd, buf, CONTENT_BUFFER, at)) > 0) {
		dv_hash_add(h, buf, (size_t)n);
		at += n;
	}
	if (n < 0)
		return dv_err_sys((int)n, "read at %lld", (long long)at);
	*ret_n = at;
	return NULL;
}

struct dv_err *content_verify(struct content *c, const char *digest, int64_t size)
{
	DV_CLEANUP(dv_hash_freep) struct dv_hash *h = NULL;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_digest d, got;
	struct dv_err *e;
	int64_t n;

	e = dv_digest_parse(digest, &d);
	if (!e)
		e = open_checked(c, &d, size, &fd);
	if (e)
		return e;
	h = dv_hash_new(d.alg);
	e = content_hash_file(fd, h, &n);
	if (e)
		return dv_err_wrap(e, "content %s", digest);
	dv_hash_get(h, &got);
	return check_hash(&d, &got);
}
