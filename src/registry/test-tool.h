/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* registry-tool: the library from a command line, for tests/e2e/test_registry*.py alone. */

#include <stdio.h>
#include <uv.h>

#include "base/str.h"
#include "io/work.h"
#include "registry/fetch.h"
#include "registry/push.h"
#include "spec/ref.h"

struct tool {
	uv_loop_t loop;
	struct registry *registry;
	struct registry_repo *repo;
	struct spec_ref ref;
	struct dv_arena arena;
	struct io_work_pool *pool;
	int64_t offset, chunk_size, stop_at;
	unsigned n_parallel;
	bool is_slow; /* the sink says "wait" after each piece */
	const char *mount_from;
	int status; /* of the program */
};

/* Prints the error, "NOT_FOUND: ...", and frees it; NULL is none. */
void tool_fail(struct tool *t, struct dv_err *take_error);

/* "resolve NAME", "document NAME@DIGEST", ... @args: what follows the name. */
void tool_resolve(struct tool *t);
void tool_document(struct tool *t);
void tool_referrers(struct tool *t, const char *artifact_type);
void tool_ping(struct tool *t);
void tool_blob(struct tool *t, const char *size);
void tool_pull(struct tool *t, const char *directory);
void tool_push_blob(struct tool *t, const char *file);
void tool_push_document(struct tool *t, const char *file, const char *media_type);
void tool_session(struct tool *t, const struct registry_repo_opts *repo_opts, const char *path,
		  bool is_push);
void tool_verify(struct tool *t, const char *policy);
