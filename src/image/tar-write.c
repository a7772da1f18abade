/* SPDX-License-Identifier: Apache-2.0 */
/* See tar-write.h; POSIX.1-1988's header, which pax calls ustar. */

#include "tar-write.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { BLOCK = 512 };

/* Offsets and lengths are the format's. */
struct header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12], checksum[8];
	char type;
	char link[100];
	char magic[6], version[2];
	char user[32], group[32];
	char dev_major[8], dev_minor[8];
	char prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a block");

static void set_octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

/* Eleven octal digits hold 8 GiB; beyond, the first bit is set and the number is binary. */
static void set_size(struct header *h, uint64_t size)
{
	if (size < (1ULL << 33)) {
		set_octal(h->size, sizeof(h->size), size);
		return;
	}
	h->size[0] = (char)0x80;
	for (size_t i = sizeof(h->size) - 1; size > 0; i--, size >>= 8)
		h->size[i] = (char)(size & 0xff);
}

/* Of the block with spaces in its own place. */
static void set_checksum(struct header *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	unsigned sum = 0;

	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	set_octal(h->checksum, sizeof(h->checksum) - 1, sum);
	h->checksum[sizeof(h->checksum) - 1] = ' ';
}

struct dv_err *tar_write_head(const struct image_sink *to, const char *name, uint64_t size)
{
	bool is_dir = dv_ends_with(name, "/");
	struct header h = { .type = is_dir ? '5' : '0', .magic = "ustar", .version = { '0', '0' } };

	dv_assert(strlen(name) <= TAR_NAME_MAX);
	memcpy(h.name, name, strlen(name));
	set_octal(h.mode, sizeof(h.mode), is_dir ? 0755 : 0644);
	set_octal(h.uid, sizeof(h.uid), 0);
	set_octal(h.gid, sizeof(h.gid), 0);
	set_octal(h.mtime, sizeof(h.mtime), 0);
	set_octal(h.dev_major, sizeof(h.dev_major), 0);
	set_octal(h.dev_minor, sizeof(h.dev_minor), 0);
	set_size(&h, size);
	set_checksum(&h);
	return to->write(to->arg, &h, sizeof(h));
}

struct dv_err *tar_write_padding(const struct image_sink *to, uint64_t size)
{
	static const char zeros[BLOCK];
	size_t n = (BLOCK - size % BLOCK) % BLOCK;

	return n ? to->write(to->arg, zeros, n) : NULL;
}

struct dv_err *tar_write_file(const struct image_sink *to, const char *name, const void *p,
			      size_t n)
{
	struct dv_err *e = tar_write_head(to, name, n);

	if (!e)
		e = to->write(to->arg, p, n);
	return e ? e : tar_write_padding(to, n);
}

struct dv_err *tar_write_end(const struct image_sink *to)
{
	static const char zeros[2 * BLOCK];

	return to->write(to->arg, zeros, sizeof(zeros));
}
