/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside davit-unpack. "/" is the layer's directory and there is nothing else: a path of the archive
 * that is resolved by the kernel stays there, whatever links it meets.
 */

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/str.h"
#include "codec/digest.h"
#include "wire.h"

/* ---- the archive's bytes (pipeline.c): read, decompressed and hashed by a thread of their own ---- */

struct pipeline;

/* Makes the thread, which does not read yet. @has_hash: pipeline_finish() wants the digest. */
struct dv_err *pipeline_new(int fd, uint64_t max_bytes, bool has_hash, struct pipeline **ret)
	DV_CHECK;
void pipeline_begin(struct pipeline *p);
struct pipeline *pipeline_free(struct pipeline *p);
DV_DEFINE_CLEANUP(struct pipeline *, pipeline_free);
/* The next piece, valid until the next call. 0: the end, or an error: pipeline_finish() tells. */
size_t pipeline_next(struct pipeline *p, const void **ret);
/* What was wrong with the bytes as far as they were read; NULL: nothing yet. The caller's. */
struct dv_err *pipeline_problem(struct pipeline *p);
/* Takes what is left. Size and digest of everything (either may be NULL). DV_INVALID, DV_EXHAUSTED. */
struct dv_err *pipeline_finish(struct pipeline *p, int64_t *ret_size, struct dv_digest *ret)
	DV_CHECK;

/* ---- writing --------------------------------------------------------------------------------------- */

struct unpack_opts {
	int root; /* the directory */
	int socket; /* -1: nobody is there to do what needs privilege; it is left out (fuzzing) */
	bool is_overlay;
	uint64_t max_bytes; /* of files, holes included */
	uint64_t max_entries;
};

/* A directory whose time is set at the end: until then its entries change it. */
struct late_time {
	struct late_time *next;
	struct timespec mtime;
	char path[];
};

struct layer {
	const struct unpack_opts *opts;
	/* The parent of the entry before, which is most often that of the next one, too. */
	char *parent; /* path; NULL: none */
	int parent_fd;
	bool has_setgid; /* it gives its group to what is made in it */
	bool has_default_acl; /* somewhere: modes are not what open() is told */
	struct late_time *times;
	uint64_t n_bytes; /* of files so far */
	void *unpacked; /* paths of this layer (search.h); without overlayfs alone */
	char *path; /* of the entry, without "/" in front; "" is the root */
	const char *name; /* its last component */
};

/* Unpacks all entries of @a. DV_INVALID: "entry x: ...". */
struct dv_err *layer_unpack(const struct unpack_opts *opts, struct archive *a) DV_CHECK;

/* parents.c: the directory of layer->path, made if it is not there; sets parent_fd. */
struct dv_err *layer_enter_parent(struct layer *l) DV_CHECK;
void layer_leave_parent(struct layer *l);

/* whiteout.c: *ret_done: the entry was one, and what it says is done. */
struct dv_err *layer_whiteout(struct layer *l, struct archive_entry *entry, bool *ret_done)
	DV_CHECK;
bool layer_is_whiteout(struct layer *l, const char *name); /* overlayfs's form, of this layer */
void layer_note(struct layer *l); /* that layer->path is this layer's */
void layer_forget(struct layer *l);

/* create.c: makes the entry, data included. */
struct dv_err *layer_create(struct layer *l, struct archive *a, struct archive_entry *entry)
	DV_CHECK;

/* attrs.c: owner, extended attributes, mode, time. @fd: of a file or directory, or -1. */
struct dv_err *layer_set_attrs(struct layer *l, struct archive_entry *entry, int fd) DV_CHECK;
struct dv_err *layer_set_time(struct layer *l, struct archive_entry *entry, int fd) DV_CHECK;
struct dv_err *layer_set_late_times(struct layer *l) DV_CHECK;
void layer_late_time(struct layer *l, struct archive_entry *entry);

/* broker.c: 0 or -errno. */
int broker_opaque(int socket, int dir);
int broker_is_opaque(int socket, int dir); /* or 1 */
int broker_mknod(int socket, int dir, const char *name, struct archive_entry *entry);
struct broker_parent {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};
int broker_parent(int socket, const char *path, struct broker_parent *ret);
void broker_end(int socket, struct dv_err *take_e, int64_t size, const struct dv_digest *digest);

/* entries.c: files and links of @a to @out, see wire.h; also how it ended. */
struct dv_err *entries_send(struct archive *a, int out, uint64_t max_bytes, uint64_t max_entries)
	DV_CHECK;
void entries_end(int out, struct dv_err *take_e);

/* ---- isolate.c: "/" becomes the detached mount @target; privileges and system calls go ---------------- */

enum unpack_role {
	UNPACK_LAYER, /* writes files */
	UNPACK_ENTRIES, /* reads and writes what is open already */
	UNPACK_PACK, /* reads files */
};

struct dv_err *unpack_isolate(int target) DV_CHECK;
/* Privileges; of this thread, and those that it makes. */
struct dv_err *unpack_drop(enum unpack_role role) DV_CHECK;
/* System calls; of all threads, and no more of them. */
struct dv_err *unpack_filter(enum unpack_role role) DV_CHECK;

/* pack-main.c: "davit-unpack pack ...", with the rest of the arguments. The status to exit with. */
int pack_main(char **args);
