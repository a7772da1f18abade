/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside the content store. Locks: @lock guards the two lists and nothing else, it is never held
 * over a system call. The lock of a digest is held by who gives a blob its name and its row, and
 * by who takes the name away: between these two steps a file without a row is not garbage.
 */

#include <pthread.h>

#include "store/content.h"

enum {
	CONTENT_NAME = 2 * 32 + 1, /* of an ingest's directory */
	CONTENT_BUFFER = 256 << 10, /* for reading what is there */
};

struct content {
	struct meta *meta;
	bool is_isolated, has_verity;
	int root, blobs, ingest; /* directories */
	int alg[DV_DIGEST__N]; /* blobs/sha256 ... */
	pthread_mutex_t lock;
	pthread_cond_t is_unlocked; /* some digest is */
	struct content_ingest *open; /* list of claims */
	struct content_digest_lock *digests;
};

/* On the stack of who holds it. */
struct content_digest_lock {
	struct content *c;
	const struct dv_digest *digest;
	struct content_digest_lock *next;
};
void content_digest_lock(struct content_digest_lock *l, struct content *c,
			 const struct dv_digest *d);
/* Empties it; an empty one is fine. */
void content_digest_unlockp(struct content_digest_lock *l);

struct content_ingest {
	struct content *c;
	struct content_ingest *next;
	char *ns, *ref, *lease;
	struct timespec claimed_at;
	int64_t id, offset, total;
	int dir, data; /* -1: a shared one, which has no bytes of its own */
	bool is_new; /* there was no row before */
	bool is_shared; /* all bytes are those of the blob @shared */
	struct dv_digest shared;
	enum dv_digest_alg alg;
	struct dv_hash *hash;
	struct timespec started_at, updated_at;
	int64_t flushed; /* up to here the disk was asked to write */
};

/* The name of the directory below ingest/. */
void content_ingest_name(const char *ns, int64_t id, const char *ref, char buf[CONTENT_NAME]);
/* Removes the directory; one that is not there is fine. */
struct dv_err *content_ingest_remove(struct content *c, const char *name) DV_CHECK;
/* Makes directory and data file of an ingest that has none, and hashes what is in it. */
struct dv_err *content_ingest_attach(struct content_ingest *in) DV_CHECK;

/* What the file has from its start to its end, or to the first failure. *ret_n: bytes hashed. */
struct dv_err *content_hash_file(int fd, struct dv_hash *h, int64_t *ret_n) DV_CHECK;

/* A descriptor of the blob's file, whoever it belongs to. DV_NOT_FOUND. */
struct dv_err *content_open_file(struct content *c, const struct dv_digest *d, int *ret_fd,
				 int64_t *ret_size) DV_CHECK;
