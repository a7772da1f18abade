/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an archive holds, for a parent that would rather not read archives itself: images as docker
 * and OCI layouts as skopeo save them. Files and links alone; directories mean nothing there.
 */

#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "sys/file.h"
#include "unpack-private.h"

enum { PIECE_MAX = 1 << 20 };

static struct dv_err *put(int out, const void *p, size_t n)
{
	int r = sys_write_all(out, p, n);

	return r < 0 ? dv_err_sys(r, "hand on the archive's bytes") : NULL;
}

static struct dv_err *put_head(int out, struct entry_head *head, const char *name, const char *link)
{
	struct dv_err *e;

	head->n_name = (uint32_t)strlen(name);
	head->n_link = (uint32_t)strlen(link);
	e = put(out, head, sizeof(*head));
	if (!e)
		e = put(out, name, head->n_name);
	if (!e)
		e = put(out, link, head->n_link);
	return e;
}

static struct dv_err *put_piece(int out, const void *p, size_t n)
{
	struct dv_err *e = NULL;
	uint32_t length;

	for (const char *at = p; n > 0 && !e; at += length, n -= length) {
		length = (uint32_t)DV_MIN(n, (size_t)PIECE_MAX);
		e = put(out, &length, sizeof(length));
		if (!e)
			e = put(out, at, length);
	}
	return e;
}

static struct dv_err *put_zeros(int out, int64_t n)
{
	static const char zeros[64 << 10];
	struct dv_err *e = NULL;

	while (n > 0 && !e) {
		size_t piece = (size_t)DV_MIN(n, (int64_t)sizeof(zeros));

		e = put_piece(out, zeros, piece);
		n -= (int64_t)piece;
	}
	return e;
}

/* Holes, which sparse files have, are zeros on the pipe. */
static struct dv_err *put_data(int out, struct archive *a, const char *name, int64_t size)
{
	la_int64_t offset = 0;
	struct dv_err *e = NULL;
	const void *p = NULL;
	int64_t at = 0;
	size_t n = 0;
	int r;

	while (!e && (r = archive_read_data_block(a, &p, &n, &offset)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return dv_err_new(DV_INVALID, "entry %s: %s", name,
					  archive_error_string(a));
		if (offset < at || (int64_t)n > size - offset)
			return dv_err_new(DV_INVALID, "entry %s: more bytes than it says", name);
		e = put_zeros(out, offset - at);
		if (!e)
			e = put_piece(out, p, n);
		at = offset + (int64_t)n;
	}
	return e ? e : put_zeros(out, size - at);
}

/* @left: bytes that may still come; holes, which cost the archive nothing, count as well. */
static struct dv_err *send_entry(int out, struct archive *a, struct archive_entry *entry,
				 uint64_t *left)
{
	const char *name = archive_entry_pathname(entry), *link = "";
	struct entry_head head = { .kind = ENTRY_FILE };
	struct dv_err *e;

	if (!name)
		return dv_err_new(DV_INVALID, "an entry has a name that is not text");
	if (archive_entry_hardlink(entry)) {
		head.kind = ENTRY_HARDLINK;
		link = archive_entry_hardlink(entry);
	} else if (archive_entry_filetype(entry) == AE_IFLNK) {
		head.kind = ENTRY_SYMLINK;
		link = archive_entry_symlink(entry);
	} else if (archive_entry_filetype(entry) == AE_IFREG) {
		head.size = archive_entry_size(entry);
	} else {
		return NULL;
	}
	if (!link)
		return dv_err_new(DV_INVALID, "entry %s: its target is not text", name);
	if (strlen(name) >= UNPACK_TEXT_MAX || strlen(link) >= UNPACK_TEXT_MAX || head.size < 0)
		return dv_err_new(DV_INVALID, "entry %.64s...: too long", name);
	if ((uint64_t)head.size > *left)
		return dv_err_new(DV_EXHAUSTED, "entry %s: more bytes than are allowed", name);
	*left -= (uint64_t)head.size;
	e = put_head(out, &head, name, link);
	if (e || head.kind != ENTRY_FILE)
		return e;
	e = put_data(out, a, name, head.size);
	if (e)
		dv_err_free(put(out, &(uint32_t){ 0 }, sizeof(uint32_t)));
	return e;
}

struct dv_err *entries_send(struct archive *a, int out, uint64_t max_bytes, uint64_t max_entries)
{
	struct archive_entry *entry = NULL;
	struct dv_err *e = NULL;
	uint64_t n = 0;
	int r;

	while (!e && (r = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return dv_err_new(DV_INVALID, "%s", archive_error_string(a));
		if (++n > max_entries)
			return dv_err_new(DV_EXHAUSTED, "the archive has more than %llu entries",
					  (unsigned long long)max_entries);
		e = send_entry(out, a, entry, &max_bytes);
	}
	return e;
}

void entries_end(int out, struct dv_err *take_e)
{
	struct entry_head head = { .kind = ENTRY_END };
	char text[UNPACK_TEXT_MAX] = "";

	if (take_e) {
		head.kind = ENTRY_FAILED;
		head.code = (int32_t)dv_err_code(take_e);
		strncpy(text, dv_err_message(take_e), sizeof(text) - 1);
	}
	dv_err_free(take_e);
	dv_err_free(put_head(out, &head, text, "")); /* the parent may be gone: nobody to tell */
}
