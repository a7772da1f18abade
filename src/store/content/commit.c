/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From ingest to blob. The order is what makes it safe against crashes:
 *
 *	1. the bytes are on the disk
 *	2. the file gets its name among the blobs, beside the one that it has
 *	3. the name is on the disk
 *	4. the rows: the namespace has the blob, the ingest is gone
 *	5. the ingest's directory goes
 *
 * After a crash up to 4, content_open() removes the name and the ingest can be resumed; from 4 on
 * it removes the directory. From 2 to 4 the digest is locked, see content-private.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/str.h"
#include "content-private.h"
#include "sys/disk.h"
#include "sys/file.h"

static struct dv_err *check_size(const struct content_ingest *in, const struct content_commit *cm)
{
	if (cm->size == 0 || cm->size == in->offset)
		return NULL;
	return dv_err_new(DV_PRECONDITION,
			  "\"%s\" failed size validation: %lld != %lld: failed precondition",
			  in->ref, (long long)in->offset, (long long)cm->size);
}

/* The digest of what has arrived, in the algorithm that is expected. */
static struct dv_err *check_digest(struct content_ingest *in, const struct content_commit *cm,
				   struct dv_digest *ret)
{
	char got_text[DV_DIGEST_STR], text[DV_DIGEST_STR];
	struct dv_digest expected, got;
	struct dv_err *e;
	int64_t n;

	content_ingest_digest(in, &got);
	if (cm->expected && *cm->expected) {
		e = dv_digest_parse(cm->expected, &expected);
		if (e)
			return e;
		if (expected.alg != got.alg && !in->is_shared) {
			in->alg = expected.alg;
			in->hash = dv_hash_free(in->hash);
			in->hash = dv_hash_new(in->alg);
			e = content_hash_file(in->data, in->hash, &n);
			if (e)
				return dv_err_wrap(e, "hash ingest %s again", in->ref);
			dv_hash_get(in->hash, &got);
		}
		if (!dv_digest_eq(&got, &expected))
			return dv_err_new(DV_PRECONDITION,
					  "unexpected commit digest %s, expected %s: "
					  "failed precondition",
					  dv_digest_str(&got, got_text),
					  dv_digest_str(&expected, text));
	}
	*ret = got;
	return NULL;
}

static struct dv_err *sync_data(struct content_ingest *in)
{
	struct timespec now = meta_now(), times[2] = { now, now };
	struct stat st;
	int r;

	/* Bytes behind the offset are from a write that failed. */
	r = sys_fstat(in->data, &st);
	if (r == 0 && st.st_size != in->offset)
		r = sys_ftruncate(in->data, in->offset);
	if (r == 0)
		r = sys_fchmod(in->data, 0444);
	if (r < 0)
		return dv_err_sys(r, "finish the data of ingest %s", in->ref);
	(void)sys_futimens(in->data, times);
	in->updated_at = now;
	r = sys_fsync(in->data);
	if (r == 0)
		r = DV_FAULT_ERRNO("content.commit.data-synced");
	if (r < 0) {
		/*
		 * What the disk has now is not known, and will not be tried again by the kernel:
		 * there is nothing that could be resumed.
		 */
		(void)sys_unlinkat(in->dir, "data", 0);
		dv_err_free(content_ingest_abort(in->c, in->ns, in->lease, in->ref));
		return dv_err_sys(r, "sync the data of ingest %s", in->ref);
	}
	return NULL;
}

/*
 * Step 2. Another namespace may have the blob; *ret_is_new says whether the name is ours. A file
 * of another size under that name is what a disk made of it: ours is better.
 */
static struct dv_err *link_blob(struct content_ingest *in, const struct dv_digest *d,
				bool *ret_is_new)
{
	char hex[DV_DIGEST_HEX], text[DV_DIGEST_STR];
	int dir = in->c->alg[d->alg], r;
	struct stat st;

	dv_digest_hex(d, hex);
	*ret_is_new = true;
	r = sys_linkat(in->dir, "data", dir, hex, 0);
	if (r == -EEXIST) {
		*ret_is_new = false;
		r = sys_fstatat(dir, hex, &st, AT_SYMLINK_NOFOLLOW);
		if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size != in->offset))
			r = sys_renameat(in->dir, "data", dir, hex);
	}
	if (r == -ENOENT)
		return dv_err_new(DV_NOT_FOUND, "ingest %s was aborted: not found", in->ref);
	if (r < 0)
		return dv_err_sys(r, "publish content %s", dv_digest_str(d, text));
	DV_FAULT("content.commit.named");
	/* Also when it was there: the winner may not have synced its name yet. */
	r = sys_fsync(dir);
	if (r < 0)
		return dv_err_sys(r, "sync the directory of content %s", dv_digest_str(d, text));
	return NULL;
}

/* Step 4. With *ret_exists, the namespace had the blob, and the ingest is over as well. */
static struct dv_err *write_rows(struct content_ingest *in, const struct meta_blob *blob,
				 bool *ret_exists)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;

	*ret_exists = false;
	e = meta_begin(in->c->meta, META_WRITE, &tx);
	if (e)
		return e;
	e = meta_blob_create(tx, in->ns, in->lease, blob);
	if (e && dv_err_code(e) == DV_EXISTS) {
		*ret_exists = true;
		e = dv_err_free(e);
	}
	if (!e)
		e = meta_ingest_delete(tx, in->ns, in->lease, in->ref);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e); /* aborted a moment ago, too late */
	return e ? e : meta_commit(dv_steal(&tx));
}

/* The name goes again, unless a row has it all the same. With the digest locked. */
static void take_back(struct content *c, const struct dv_digest *d)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	char hex[DV_DIGEST_HEX], text[DV_DIGEST_STR];
	bool is_wanted = true;
	struct dv_err *e;

	e = meta_begin(c->meta, META_READ, &tx);
	if (!e)
		e = meta_blob_is_wanted(tx, dv_digest_str(d, text), &is_wanted);
	if (!e && !is_wanted)
		(void)sys_unlinkat(c->alg[d->alg], dv_digest_hex(d, hex), 0);
	dv_err_free(e);
}

static struct dv_err *publish(struct content_ingest *in, const struct dv_digest *d,
			      const struct meta_blob *blob, bool *ret_exists)
{
	DV_CLEANUP(content_digest_unlockp) struct content_digest_lock lock = { 0 };
	bool is_new = false;
	struct dv_err *e = NULL;

	content_digest_lock(&lock, in->c, d);
	if (!in->is_shared)
		e = link_blob(in, d, &is_new);
	if (!e)
		e = write_rows(in, blob, ret_exists);
	DV_FAULT("content.commit.rows-written");
	if (e && is_new)
		take_back(in->c, d);
	return e;
}

static void protect(struct content *c, const struct dv_digest *d)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	int64_t size;

	if (!c->has_verity)
		return;
	/* Best effort, as in containerd: many file systems cannot. */
	e = content_open_file(c, d, &fd, &size);
	if (!e)
		(void)sys_enable_verity(fd);
}

struct dv_err *content_ingest_commit(struct content_ingest *take,
				     const struct content_commit *commit, struct dv_arena *arena,
				     struct meta_blob *ret)
{
	DV_CLEANUP(content_ingest_closep) struct content_ingest *in = take;
	struct meta_blob blob = { 0 };
	char text[DV_DIGEST_STR], name[CONTENT_NAME];
	struct dv_digest d;
	bool exists;
	struct dv_err *e;

	if (commit->labels) {
		blob.labels = *commit->labels;
		e = meta_labels_check("info.Labels", commit->labels);
		if (e)
			return e;
	}
	e = check_size(in, commit);
	if (!e)
		e = check_digest(in, commit, &d);
	if (!e && !in->is_shared)
		e = sync_data(in);
	if (e)
		return e;
	blob.digest = dv_digest_str(&d, text);
	blob.size = in->offset;
	blob.created_at = blob.updated_at = meta_now();
	e = publish(in, &d, &blob, &exists);
	if (e)
		return e;

	/* Done; what is left of the ingest is garbage that the next start would find, too. */
	content_ingest_name(in->ns, in->id, in->ref, name);
	dv_err_free(content_ingest_remove(in->c, name));
	in->data = sys_close(in->data);
	protect(in->c, &d);
	if (exists)
		return dv_err_new(DV_EXISTS, "content %s: already exists", text);
	if (ret) {
		*ret = blob;
		ret->digest = dv_arena_strdup(arena, text);
	}
	return NULL;
}

struct dv_err *content_put(struct content *c, const struct content_ingest_opts *opts,
			   const struct meta_labels *labels, const void *p, size_t n,
			   struct dv_digest *ret_digest)
{
	DV_CLEANUP(content_ingest_closep) struct content_ingest *in = NULL;
	struct content_commit commit = { .size = (int64_t)n, .labels = labels };
	struct content_ingest_opts mine = *opts;
	char text[DV_DIGEST_STR];
	struct dv_digest d;
	struct dv_err *e;

	if (mine.expected && *mine.expected) {
		e = dv_digest_parse(mine.expected, &d);
		if (e)
			return e;
		dv_digest_of(d.alg, p, n, &d);
	} else {
		dv_digest_of(DV_SHA256, p, n, &d);
		mine.expected = dv_digest_str(&d, text);
	}
	commit.expected = mine.expected;
	mine.total = (int64_t)n;
	e = content_ingest_open(c, &mine, &in);
	if (!e && !in->is_shared && in->offset > 0)
		e = content_ingest_truncate(in);
	if (!e && !in->is_shared)
		e = content_ingest_write(in, p, n);
	if (!e)
		e = content_ingest_commit(dv_steal(&in), &commit, NULL, NULL);
	if (e && dv_err_code(e) == DV_EXISTS)
		e = dv_err_free(e);
	if (!e && ret_digest)
		*ret_digest = d;
	return e;
}
