/* SPDX-License-Identifier: Apache-2.0 */
/* See events-private.h. Page cache is enough: nobody has to survive the end of the machine here. */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "events-private.h"
#include "sys/file.h"

#define MAGIC "dvspool1"

enum { MAGIC_SIZE = 8, HEAD_SIZE = 16, RECORD_HEAD = 8 };

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Four bits at a time; events are short. */
uint32_t spool_crc(const void *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *b = p;
	uint32_t crc = ~0U;

	for (size_t i = 0; i < n; i++) {
		crc = table[(crc ^ b[i]) & 15] ^ (crc >> 4);
		crc = table[(crc ^ (uint32_t)(b[i] >> 4)) & 15] ^ (crc >> 4);
	}
	return ~crc;
}

static uint32_t get_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static void add_u32(struct dv_strbuf *b, uint32_t v)
{
	v = htole32(v);
	dv_strbuf_add_n(b, &v, sizeof(v));
}

static void add_u64(struct dv_strbuf *b, uint64_t v)
{
	v = htole64(v);
	dv_strbuf_add_n(b, &v, sizeof(v));
}

size_t spool_record(const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t length;

	if (n < RECORD_HEAD)
		return 0;
	length = get_u32(b);
	if (length > SPOOL_RECORD_MAX || length > n - RECORD_HEAD ||
	    spool_crc(b + RECORD_HEAD, length) != get_u32(b + 4))
		return 0;
	return RECORD_HEAD + length;
}

/* ---- the file ------------------------------------------------------------------------------- */

void spool_init(struct spool *s, const char *path)
{
	*s = (struct spool){ .path = path && *path ? dv_strdup(path) : NULL, .fd = -1 };
}

void spool_fini(struct spool *s)
{
	if (s->fd >= 0 && s->head == s->tail)
		(void)sys_unlinkat(AT_FDCWD, s->path, 0);
	sys_close(s->fd);
	free(s->path);
	spool_init(s, NULL);
}

static ssize_t read_at(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t r;

	do
		r = pread(fd, p, n, (off_t)offset);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int write_at(int fd, const void *p, size_t n, uint64_t offset)
{
	ssize_t r;

	while (n > 0) {
		r = pwrite(fd, p, n, (off_t)offset);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p = (const char *)p + r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

static int set_empty(struct spool *s)
{
	s->head = s->tail = 0;
	s->n_records = 0;
	return sys_ftruncate(s->fd, 0);
}

/* Where the records end that can be read; the rest was never finished. */
static int recover(struct spool *s, const uint8_t *bytes, size_t size, bool *ret_is_damaged)
{
	uint64_t head, at;
	size_t n;

	if (size == 0)
		return 0;
	memcpy(&head, bytes + MAGIC_SIZE, size >= HEAD_SIZE ? sizeof(head) : 0);
	if (size < HEAD_SIZE) { /* a first write that was cut off, if it is ours at all */
		*ret_is_damaged = memcmp(bytes, MAGIC, DV_MIN(size, (size_t)MAGIC_SIZE)) != 0;
		return set_empty(s);
	}
	head = le64toh(head);
	if (memcmp(bytes, MAGIC, MAGIC_SIZE) != 0 || head < HEAD_SIZE || head > size) {
		*ret_is_damaged = true;
		return set_empty(s);
	}
	for (at = head; (n = spool_record(bytes + at, size - at)) > 0; at += n)
		s->n_records++;
	if (s->n_records == 0)
		return set_empty(s);
	s->head = head;
	s->tail = at;
	return at < size ? sys_ftruncate(s->fd, (off_t)at) : 0;
}

static struct dv_err *load(struct spool *s, bool *ret_is_damaged)
{
	DV_CLEANUP(dv_freep) uint8_t *bytes = NULL;
	struct stat st;
	ssize_t n;
	int r;

	r = sys_fstat(s->fd, &st);
	if (r < 0)
		return dv_err_sys(r, "stat %s", s->path);
	if (!S_ISREG(st.st_mode))
		return dv_err_new(DV_PRECONDITION, "%s: not a file", s->path);
	if (st.st_size > (off_t)SPOOL_MAX) {
		*ret_is_damaged = true;
		r = set_empty(s);
		return r < 0 ? dv_err_sys(r, "empty %s", s->path) : NULL;
	}
	if (st.st_size == 0)
		return NULL;
	bytes = dv_alloc((size_t)st.st_size);
	n = read_at(s->fd, bytes, (size_t)st.st_size, 0);
	if (n < 0)
		return dv_err_sys((int)n, "read %s", s->path);
	r = recover(s, bytes, (size_t)n, ret_is_damaged);
	return r < 0 ? dv_err_sys(r, "cut %s", s->path) : NULL;
}

struct dv_err *spool_open(struct spool *s, bool is_made, bool *ret_is_damaged)
{
	struct dv_err *e;
	int r;

	*ret_is_damaged = false;
	s->fd = sys_openat(AT_FDCWD, s->path,
			   O_RDWR | O_NOFOLLOW | O_NONBLOCK | (is_made ? O_CREAT : 0), 0600);
	if (s->fd == -ENOENT && !is_made) {
		s->fd = -1;
		return NULL;
	}
	if (s->fd < 0) {
		r = s->fd;
		s->fd = -1;
		return dv_err_sys(r, "open %s", s->path);
	}
	r = sys_try_lock(s->fd);
	if (r == -EAGAIN)
		e = dv_err_new(DV_UNAVAILABLE, "%s: in use by another process", s->path);
	else if (r < 0)
		e = dv_err_sys(r, "lock %s", s->path);
	else
		e = load(s, ret_is_damaged);
	if (e)
		s->fd = sys_close(s->fd);
	return e;
}

struct dv_err *spool_append(struct spool *s, const void *p, size_t n)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	int r;

	if (n > SPOOL_RECORD_MAX || s->tail + HEAD_SIZE + RECORD_HEAD + n > SPOOL_MAX)
		return dv_err_new(DV_EXHAUSTED, "%s: no room for %zu bytes more", s->path, n);
	if (s->tail == 0) {
		dv_strbuf_add_n(&b, MAGIC, MAGIC_SIZE);
		add_u64(&b, HEAD_SIZE);
	}
	add_u32(&b, (uint32_t)n);
	add_u32(&b, spool_crc(p, n));
	dv_strbuf_add_n(&b, p, n);
	r = write_at(s->fd, b.data, b.len, s->tail);
	if (r < 0) {
		(void)sys_ftruncate(s->fd, (off_t)s->tail);
		return dv_err_sys(r, "write %s", s->path);
	}
	if (s->tail == 0)
		s->head = HEAD_SIZE;
	s->tail += b.len;
	s->n_records++;
	return NULL;
}

struct dv_err *spool_first(struct spool *s, void **ret, size_t *ret_n)
{
	DV_CLEANUP(dv_freep) uint8_t *record = NULL;
	uint8_t head[RECORD_HEAD];
	size_t length;
	ssize_t n;

	if (s->n_records == 0)
		return dv_err_new(DV_NOT_FOUND, "%s: empty", s->path);
	n = read_at(s->fd, head, sizeof(head), s->head);
	length = n == RECORD_HEAD ? get_u32(head) : SPOOL_RECORD_MAX + 1;
	if (length > SPOOL_RECORD_MAX)
		return dv_err_new(DV_DATA_LOSS, "%s: damaged", s->path);
	record = dv_alloc(RECORD_HEAD + length);
	n = read_at(s->fd, record, RECORD_HEAD + length, s->head);
	if (n < 0)
		return dv_err_sys((int)n, "read %s", s->path);
	if (spool_record(record, (size_t)n) == 0)
		return dv_err_new(DV_DATA_LOSS, "%s: damaged", s->path);
	memmove(record, record + RECORD_HEAD, length);
	*ret_n = length;
	*ret = dv_steal(&record);
	return NULL;
}

struct dv_err *spool_drop(struct spool *s)
{
	uint64_t next, value;
	uint8_t head[4];
	ssize_t n;
	int r;

	dv_assert(s->n_records > 0);
	if (s->n_records == 1) {
		r = set_empty(s);
		return r < 0 ? dv_err_sys(r, "empty %s", s->path) : NULL;
	}
	n = read_at(s->fd, head, sizeof(head), s->head);
	next = s->head + RECORD_HEAD + (n == sizeof(head) ? get_u32(head) : 0);
	if (n != sizeof(head) || next >= s->tail) {
		(void)set_empty(s);
		return dv_err_new(DV_DATA_LOSS, "%s: damaged", s->path);
	}
	/* Eight bytes within one page: all of them are written or none. */
	value = htole64(next);
	r = write_at(s->fd, &value, sizeof(value), MAGIC_SIZE);
	s->head = next;
	s->n_records--;
	return r < 0 ? dv_err_sys(r, "write %s", s->path) : NULL;
}
