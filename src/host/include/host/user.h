/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Users of the container: `exec --user`, names looked up, and HOME from its /etc/passwd. The file is the
 * container's, so hostile: no NSS, bounded reading.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

struct host_user {
	uint32_t uid, gid;
	bool has_gid; /* ":gid" was given; gid is 0 otherwise */
};

/*
 * "uid" or "uid:gid", decimal, nothing else: no sign, no space, nothing left over
 * (CVE-2026-30892). 4294967295 is no id.
 *
 * DV_INVALID: `bad uid: "12x"`, `bad gid: ...`.
 */
struct dv_err *host_user_parse(const char *text, struct host_user *ret) DV_CHECK;

/*
 * The home directory of @uid from the passwd file @fd, read from its beginning: 0, -ENOENT
 * (nobody has that uid; also a line longer than 4096 bytes is nobody's), or the -errno of
 * reading. Fork-safe.
 */
int host_user_home(int fd, uint32_t uid, char *buf, size_t size) DV_CHECK;

/*
 * The groups of /etc/group @fd that list @user, gids at most *n: for callers that know a
 * name. *n becomes the number found. 0 or -errno. Fork-safe.
 */
int host_user_groups(int fd, const char *user, uint32_t *gids, size_t *n) DV_CHECK;
/* The name of @uid, as host_user_home(). */
int host_user_name(int fd, uint32_t uid, char *buf, size_t size) DV_CHECK;

enum { HOST_USER_GROUPS_MAX = 1024 };

struct host_user_found {
	uint32_t uid, gid;
	uint32_t groups[HOST_USER_GROUPS_MAX]; /* supplementary ones */
	size_t n_groups;
};

/*
 * "user", "user:group", each a name or an id, "" for root, in the tree @rootfd, as docker reads it: who
 * has a line in /etc/passwd gets the groups that list its name, unless a group is given; a number
 * needs no line. DV_NOT_FOUND: no such name there.
 */
struct dv_err *host_user_find(int rootfd, const char *text, struct host_user_found *ret) DV_CHECK;

/* Adds the group, a name or an id, unless it is there. DV_NOT_FOUND, DV_EXHAUSTED: too many. */
struct dv_err *host_user_add_group(int rootfd, const char *group, struct host_user_found *u)
	DV_CHECK;
