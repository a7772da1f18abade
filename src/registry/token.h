/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bearer tokens. A token belongs to what it was asked for: the realm, service and scopes, the
 * server that will see it, and the credentials. Whoever needs the same one shares it, and waits
 * for the same request.
 */

#include "auth.h"

struct token;

struct token_spec {
	const char *realm; /* an absolute URL, checked */
	const char *service; /* NULL: none */
	const char *const *scopes;
	size_t n_scopes;
	const struct registry_host *host;
	const struct registry_cred *cred; /* NONE, PASSWORD or IDENTITY */
};

/* A reference, which the caller drops by token_unref(). Nothing is asked for yet. */
struct token *token_get(struct registry *r, const struct token_spec *spec);
struct token *token_unref(struct token *t); /* accepts NULL */

/* "Bearer ..."; NULL: there is none, or not any more. */
const char *token_header(const struct token *t);
/* The server did not take @used. Nothing happens if there is a newer one. */
void token_refused(struct token *t, const char *used);
/* @w ends when there is a token. */
void token_wait(struct token *t, struct auth_wait *w);

void tokens_free(struct registry *r);

/* The answer of a token server, for tests and fuzzing. Strings are heap, the caller's. */
struct token_answer {
	char *token, *refresh;
	uint64_t lifetime_ms;
};
struct dv_err *token_parse(const char *text, size_t n, struct token_answer *ret) DV_CHECK;
