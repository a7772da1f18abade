/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of users and groups, looked up in a container's tree before it runs. The tree is an
 * image's: paths are resolved inside it, and only regular files are opened for reading. See
 * host/user.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "host/user.h"
#include "sys/file.h"
#include "user-private.h"

enum { MAX_NAME = 256 };

/* fd, or -errno: -ENOENT also for what is not a file. */
static int open_file(int rootfd, const char *path)
{
	DV_CLEANUP(sys_closep) int proc = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	fd = sys_open_in_root(rootfd, path, O_PATH);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return -ENOENT;
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	/* A fifo would block, a device could do anything. */
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	if (proc < 0)
		return proc;
	return sys_reopen(proc, fd, O_RDONLY);
}

struct entry {
	char name[MAX_NAME];
	uint32_t uid, gid; /* a group's is gid */
};

/* A line's name and ids. False: it is not one. */
static bool read_entry(char *line, bool is_group, struct entry *ret)
{
	char *fields[USER_FIELDS];
	size_t n = user_split(line, fields);

	if (n < (is_group ? 3 : 4) || strlen(fields[0]) >= sizeof(ret->name) ||
	    !user_parse_id(fields[2], is_group ? &ret->gid : &ret->uid))
		return false;
	memcpy(ret->name, fields[0], strlen(fields[0]) + 1);
	return is_group || user_parse_id(fields[3], &ret->gid);
}

/* The first line with that id, or if @text is no number, with that name: 1. 0: none. -errno. */
static int find_entry(int fd, bool is_group, const char *text, struct entry *ret)
{
	struct user_reader reader = { .fd = fd };
	uint32_t id = 0;
	bool is_id = user_parse_id(text, &id);
	char *line;
	int r;

	while ((r = user_next_line(&reader, &line)) > 0) {
		if (!read_entry(line, is_group, ret))
			continue;
		if (is_id ? id == (is_group ? ret->gid : ret->uid) : dv_streq(text, ret->name))
			return 1;
	}
	return r;
}

static struct dv_err *find_in(int rootfd, bool is_group, const char *text, bool *ret_is_found,
			      struct entry *ret)
{
	const char *path = is_group ? "/etc/group" : "/etc/passwd";
	DV_CLEANUP(sys_closep) int fd = open_file(rootfd, path);
	int r = fd == -ENOENT ? 0 : fd < 0 ? fd : find_entry(fd, is_group, text, ret);

	if (r < 0)
		return dv_err_sys(r, "read the container's %s", path);
	*ret_is_found = r > 0;
	return NULL;
}

static struct dv_err *find_group(int rootfd, const char *text, uint32_t *ret)
{
	struct entry entry = { 0 };
	bool is_found = false;
	struct dv_err *e;

	if (user_parse_id(text, ret))
		return NULL;
	e = find_in(rootfd, true, text, &is_found, &entry);
	if (e)
		return e;
	if (!is_found)
		return dv_err_new(DV_NOT_FOUND, "no group \"%.100s\" in the container's /etc/group",
				  text);
	*ret = entry.gid;
	return NULL;
}

static struct dv_err *find_user(int rootfd, const char *text, struct entry *ret)
{
	bool is_found = false;
	struct dv_err *e;

	e = find_in(rootfd, false, text, &is_found, ret);
	if (e || is_found)
		return e;
	*ret = (struct entry){ .name = "" };
	if (user_parse_id(text, &ret->uid))
		return NULL;
	return dv_err_new(DV_NOT_FOUND, "no user \"%.100s\" in the container's /etc/passwd", text);
}

static struct dv_err *add_listed(int rootfd, const char *user, struct host_user_found *u)
{
	DV_CLEANUP(sys_closep) int fd = open_file(rootfd, "/etc/group");
	size_t n = HOST_USER_GROUPS_MAX;
	int r;

	if (fd == -ENOENT)
		return NULL;
	r = fd < 0 ? fd : host_user_groups(fd, user, u->groups, &n);
	if (r < 0)
		return dv_err_sys(r, "read the container's /etc/group");
	u->n_groups = n;
	return NULL;
}

struct dv_err *host_user_find(int rootfd, const char *text, struct host_user_found *ret)
{
	size_t n = strcspn(text, ":");
	const char *group = text[n] == ':' ? text + n + 1 : "";
	char user[MAX_NAME] = "0";
	struct entry entry;
	struct dv_err *e;

	if (n >= sizeof(user))
		return dv_err_new(DV_INVALID, "user \"%.64s...\" is too long", text);
	if (n > 0) {
		memcpy(user, text, n);
		user[n] = '\0';
	}
	e = find_user(rootfd, user, &entry);
	if (e)
		return e;
	ret->uid = entry.uid;
	ret->gid = entry.gid;
	ret->n_groups = 0;
	if (*group)
		return find_group(rootfd, group, &ret->gid);
	return *entry.name ? add_listed(rootfd, entry.name, ret) : NULL;
}

struct dv_err *host_user_add_group(int rootfd, const char *group, struct host_user_found *u)
{
	struct dv_err *e;
	uint32_t gid = 0;

	e = find_group(rootfd, group, &gid);
	if (e)
		return e;
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return NULL;
	}
	if (u->n_groups == HOST_USER_GROUPS_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d groups", HOST_USER_GROUPS_MAX);
	u->groups[u->n_groups++] = gid;
	return NULL;
}
