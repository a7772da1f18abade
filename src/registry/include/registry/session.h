/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A repository as a thread uses it that may block, such as a worker that fills a store: each
 * function waits for its answer, while the requests run on the loop. Several threads may use one
 * session at the same time; that is how layers are fetched side by side. The loop must be running,
 * and none of these may be called on it.
 *
 * Errors: see registry/registry.h; and DV_CANCELLED after registry_session_interrupt().
 */

#include "io/work.h"
#include "registry/push.h"

struct registry_session;

/* @pool is only used for posts to the loop of @r. What @opts points to is copied. */
struct dv_err *registry_session_open(struct registry *r, struct io_work_pool *pool,
				     const struct registry_repo_opts *opts,
				     struct registry_session **ret) DV_CHECK;
/* When no other thread uses it any more, and its readers are closed. Accepts NULL. */
struct registry_session *registry_session_close(struct registry_session *s);
DV_DEFINE_CLEANUP(struct registry_session *, registry_session_close);

/* Whatever waits now, or would later, fails. From any thread, also the loop's. */
void registry_session_interrupt(struct registry_session *s);

/* As the functions of registry/fetch.h; what is found is @arena's. */
struct dv_err *registry_session_resolve(struct registry_session *s, const char *reference,
					struct dv_arena *arena, struct spec_descriptor *ret)
	DV_CHECK;
struct dv_err *registry_session_document(struct registry_session *s,
					 const struct spec_descriptor *desc, struct dv_arena *arena,
					 struct registry_document *ret) DV_CHECK;

/*
 * The bytes of a blob, from @offset on. The digest is not checked: who stores them does that. At
 * most 1 MiB is held for a thread that does not read, and 4 MiB that came out of turn: large blobs
 * come over three connections.
 */
struct registry_reader;
struct dv_err *registry_reader_open(struct registry_session *s, const struct spec_descriptor *blob,
				    int64_t offset, struct registry_reader **ret) DV_CHECK;
/* *ret_n 0: that was all; otherwise what there is, at most @n. */
struct dv_err *registry_reader_read(struct registry_reader *r, void *p, size_t n, size_t *ret_n)
	DV_CHECK;
/* Also before the end. Accepts NULL. */
struct registry_reader *registry_reader_close(struct registry_reader *r);
DV_DEFINE_CLEANUP(struct registry_reader *, registry_reader_close);

/* As registry/push.h has it; but the source is read on the calling thread, and so may block. */
struct dv_err *registry_session_push_blob(struct registry_session *s,
					  const struct registry_push_opts *opts,
					  enum registry_pushed *ret) DV_CHECK;
struct dv_err *registry_session_push_document(struct registry_session *s,
					      const struct registry_push_document *doc) DV_CHECK;
