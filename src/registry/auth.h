/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one server of one repository wants to see in Authorization. Credentials are asked for when
 * the server first refuses; bearer tokens are shared between repositories (token.h).
 */

#include "http.h"
#include "registry-private.h"

struct auth;

struct auth *auth_new(struct registry_repo *repo, const struct registry_host *host);
struct auth *auth_free(struct auth *a); /* when nobody waits any more; accepts NULL */

/* The value to send for @scope; NULL: none is known. Borrowed until the loop goes on. */
const char *auth_header(struct auth *a, const char *scope);

/* One who waits. Zeroed at first. */
struct auth_wait {
	struct auth *auth; /* NULL: does not wait */
	struct auth_wait *next, **prev; /* of the same credentials, or the same token */
	struct http_task task;
	char *scope, *authenticate, *used;
	struct dv_err *error;
	void (*fn)(struct auth_wait *w, struct dv_err *take_error);
};

/*
 * The server answered 401. @used: the value that was sent, or NULL. @fn from the loop: then
 * auth_header() has a new one; or, DV_UNAUTHENTICATED, there is none.
 */
void auth_refused(struct auth *a, struct auth_wait *w, const char *scope, const char *authenticate,
		  const char *used, void (*fn)(struct auth_wait *w, struct dv_err *take_error));
void auth_wait_cancel(struct auth_wait *w);

/* For token.c: the token is there, or is not. */
void auth_wait_end(struct auth_wait *w, struct dv_err *take_error);
