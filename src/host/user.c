/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of the container. The passwd and group files come from an image, so they are read
 * with a buffer of fixed size: a line that does not fit is passed over, and so is one with
 * too few fields. See host/user.h.
 */

#include "host/user.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/file.h"
#include "user-private.h"

/* Moves the unread part to the front and adds to it. 0 or -errno. */
static int fill(struct user_reader *r)
{
	ssize_t n;

	memmove(r->buf, r->buf + r->begin, r->end - r->begin);
	r->end -= r->begin;
	r->begin = 0;
	n = pread(r->fd, r->buf + r->end, USER_LINE_SIZE - r->end, (off_t)r->total);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	r->total += (size_t)n;
	r->end += (size_t)n;
	r->is_at_end = n == 0 || r->total >= USER_FILE_MAX;
	return 0;
}

int user_next_line(struct user_reader *r, char **ret)
{
	for (;;) {
		char *line = r->buf + r->begin;
		char *nl = memchr(line, '\n', r->end - r->begin);
		int err;

		if (!nl && r->is_at_end && r->begin < r->end)
			nl = r->buf + r->end; /* the last line, unterminated */
		if (nl) {
			bool is_tail = r->is_skipping;

			*nl = '\0';
			r->begin = DV_MIN((size_t)(nl - r->buf) + 1, r->end);
			r->is_skipping = false;
			if (is_tail)
				continue;
			*ret = line;
			return 1;
		}
		if (r->is_at_end)
			return 0;
		if (r->begin == 0 && r->end == USER_LINE_SIZE) {
			r->is_skipping = true;
			r->end = 0;
		}
		err = fill(r);
		if (err < 0)
			return err;
	}
}

size_t user_split(char *line, char *fields[USER_FIELDS])
{
	static char none[] = "";
	size_t n = 0;

	for (size_t i = 0; i < USER_FIELDS; i++)
		fields[i] = none;
	if (line[0] == '#')
		return 0;
	while (n < USER_FIELDS) {
		char *colon = strchr(line, ':');

		fields[n++] = line;
		if (!colon)
			break;
		*colon = '\0';
		line = colon + 1;
	}
	return n;
}

/* Looks @uid up and copies field @field of its line. */
static int find_field(int fd, uint32_t uid, size_t field, char *buf, size_t size)
{
	struct user_reader r = { .fd = fd };
	char *line, *fields[USER_FIELDS];
	int err;

	while ((err = user_next_line(&r, &line)) > 0) {
		uint32_t id;
		size_t n;

		if (user_split(line, fields) < 4 || !dv_parse_u32(fields[2], &id) || id != uid)
			continue;
		n = strlen(fields[field]);
		if (n >= size)
			return -ENAMETOOLONG;
		memcpy(buf, fields[field], n + 1);
		return 0;
	}
	return err < 0 ? err : -ENOENT;
}

int host_user_home(int fd, uint32_t uid, char *buf, size_t size)
{
	return find_field(fd, uid, 5, buf, size);
}

int host_user_name(int fd, uint32_t uid, char *buf, size_t size)
{
	return find_field(fd, uid, 0, buf, size);
}

static bool lists_name(const char *members, const char *user)
{
	size_t n = strlen(user);

	for (const char *p = members; *p;) {
		size_t m = strcspn(p, ",");

		if (m == n && memcmp(p, user, n) == 0)
			return true;
		p += m;
		p += *p == ',';
	}
	return false;
}

int host_user_groups(int fd, const char *user, uint32_t *gids, size_t *n)
{
	struct user_reader r = { .fd = fd };
	char *line, *fields[USER_FIELDS];
	size_t found = 0;
	int err = 0;

	while (found < *n && (err = user_next_line(&r, &line)) > 0) {
		uint32_t gid;

		if (user_split(line, fields) >= 4 && lists_name(fields[3], user) &&
		    dv_parse_u32(fields[2], &gid))
			gids[found++] = gid;
	}
	if (found < *n && err < 0)
		return err;
	*n = found;
	return 0;
}

bool user_parse_id(const char *s, uint32_t *ret)
{
	return dv_parse_u32(s, ret) && *ret != UINT32_MAX;
}

struct dv_err *host_user_parse(const char *text, struct host_user *ret)
{
	struct host_user u = { 0 };
	char uid[16] = "";
	size_t n = strcspn(text, ":");

	/* Ten digits are the most there can be; zeros in front may make it longer. */
	if (n < sizeof(uid))
		memcpy(uid, text, n);
	if (!user_parse_id(uid, &u.uid))
		return dv_err_new(DV_INVALID, "bad uid: \"%.*s\" is not a user id",
				  (int)DV_MIN(n, (size_t)64), text);
	if (text[n] == ':') {
		u.has_gid = true;
		if (!user_parse_id(text + n + 1, &u.gid))
			return dv_err_new(DV_INVALID, "bad gid: \"%.64s\" is not a group id",
					  text + n + 1);
	}
	*ret = u;
	return NULL;
}
