/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of `bare` share; bare.c says what it is for. Every function here ends the program
 * with a message when a system call fails.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define HIERARCHIES_MAX 16
#define STATUS_SETUP	125
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* One cgroup hierarchy and the container's directory in it. */
struct hierarchy {
	char name[64]; /* as mounted below CGROUP_ROOT, "" for pure v2 */
	char dir[384]; /* the container's cgroup */
	char base[320]; /* its parent: the cgroup of this process */
	bool is_v2;
};

struct container {
	const char *id;
	const char *state; /* directory of directories, for create, start, exec and delete */
	bool new_cgroup_ns;
	bool is_pure_v2;
	size_t n_hierarchies;
	struct hierarchy hierarchies[HIERARCHIES_MAX];
};

/* Says what failed, with errno's text, and exits with STATUS_SETUP. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Returns @r, unless it is negative: then "@what @arg: why" and the end. */
long must(long r, const char *what, const char *arg);

void format_path(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads once, adds a NUL, returns the length. */
size_t read_file(const char *path, char *buf, size_t size);
void write_file(const char *path, int flags, const char *data, size_t size);

/* Fills in the hierarchies: one level below this process, as runc does without cgroupsPath. */
void cgroups_find(struct container *c);

/* Makes the directories with their limits. */
void cgroups_make(const struct container *c);
void cgroups_remove(const struct container *c);

/* A descriptor of the v2 directory for CLONE_INTO_CGROUP; -1: there is none. */
int cgroups_open_v2(const struct container *c);

/* Descriptors of the v1 `tasks` files, ended by -1: the child has its own view of the paths. */
void cgroups_open_v1(const struct container *c, int fds[HIERARCHIES_MAX + 1]);

/* Moves the calling thread. Leaves the descriptors to exec: closing them costs as much as joining. */
void cgroups_join_v1(const int *fds);

/* Builds everything below @rootfs and makes it the root of this mount namespace. */
void mounts_make(const struct container *c, const char *rootfs);
