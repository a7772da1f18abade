/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The client of registries. One `struct registry` per process holds connections, tokens and
 * limits; a `struct registry_repo` is one repository for the time of a pull or a push, with its
 * servers (hosts.toml is read when it is opened) and credentials.
 *
 * Everything is of the loop's thread. Requests are started and end with exactly one callback, from
 * the loop and never from within the function that started them, unless they are cancelled: then
 * with none. Errors name registry, repository and what was asked for; codes are
 *
 *	DV_NOT_FOUND		no server has it
 *	DV_UNAUTHENTICATED	credentials are needed, or were refused
 *	DV_PERMISSION		not with these credentials
 *	DV_UNAVAILABLE, DV_DEADLINE  nobody could be reached, or what answers is broken
 *	DV_EXHAUSTED		too many requests, or a document that is too large
 *	DV_DATA_LOSS		bytes are not those of the digest, or not as many as was said
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "registry/cred.h"
#include "registry/hosts.h"

struct registry;
struct registry_repo;
struct registry_request;

/* 0 is the default of a number. Strings are copied. */
struct registry_opts {
	uv_loop_t *loop;
	const char *user_agent; /* NULL: "davit" */
	const char *http_proxy, *https_proxy, *no_proxy; /* as in the environment's variables */
	unsigned max_per_host; /* exchanges at a time with one server; 8 */
	unsigned max_attempts; /* of one exchange, before it fails; 5 */
	uint64_t backoff_ms; /* before the second attempt; doubles; 500 */
	uint64_t retry_after_max_ms; /* the longest that a server may make us wait; 120,000 */
	uint64_t connect_timeout_ms; /* 30,000 */
	uint64_t progress_timeout_ms; /* without a byte in either direction; 60,000 */
};

struct dv_err *registry_new(const struct registry_opts *opts, struct registry **ret) DV_CHECK;
/* Closes its repositories. The memory goes when the loop has closed the handles. Accepts NULL. */
struct registry *registry_free(struct registry *r);
DV_DEFINE_CLEANUP(struct registry *, registry_free);

struct registry_repo_opts {
	const char *host, *path; /* of a name: see spec/ref.h */
	struct registry_hosts_opts hosts;
	struct registry_cred_source credentials; /* get NULL: there are none */
	const struct registry_header *headers; /* besides; to each of the servers */
	size_t n_headers;
};

/* Errors of registry_hosts_load(). */
struct dv_err *registry_repo_open(struct registry *r, const struct registry_repo_opts *opts,
				  struct registry_repo **ret) DV_CHECK;
/* Cancels its requests. Accepts NULL. */
struct registry_repo *registry_repo_close(struct registry_repo *repo);
DV_DEFINE_CLEANUP(struct registry_repo *, registry_repo_close);

/* No callback will come. Only before the request's own; accepts NULL. */
struct registry_request *registry_cancel(struct registry_request *request);

/*
 * Does the server take the credentials? For a login. DV_UNAUTHENTICATED: it does not.
 * @take_error NULL: it does.
 */
typedef void (*registry_ping_fn)(void *arg, struct dv_err *take_error);
struct registry_request *registry_ping(struct registry_repo *repo, registry_ping_fn done,
				       void *arg);
