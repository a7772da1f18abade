/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was refused waits, first until the credentials are known, then until there is a token:
 *
 *	auth_refused() -> [a->waiting] --registry_ask_answer()--> proceed() -> [token's] -> fn
 *	                                                             |
 *	                                                             +-- a fixed value ---> fn
 */

#include "auth.h"

#include <stdlib.h>
#include <string.h>

#include "auth-private.h"
#include "base/str.h"
#include "base64.h"
#include "challenge.h"
#include "spec/ref.h"
#include "token.h"

enum { SCOPES_MAX = 16 };

/* The token that was given for a scope. */
struct grant {
	struct grant *next;
	char *scope;
	struct token *token;
};

struct auth *auth_new(struct registry_repo *repo, const struct registry_host *host)
{
	struct auth *a = dv_new(struct auth);

	a->repo = repo;
	a->host = host;
	a->has_cred = !repo->credentials.get;
	return a;
}

struct auth *auth_free(struct auth *a)
{
	if (!a)
		return NULL;
	dv_assert(!a->waiting);
	if (a->ask)
		a->ask->auth = NULL;
	while (a->grants) {
		struct grant *g = a->grants;

		a->grants = g->next;
		token_unref(g->token);
		free(g->scope);
		free(g);
	}
	auth_secret_free(a->username);
	auth_secret_free(a->secret);
	auth_secret_free(a->fixed);
	free(a);
	return NULL;
}

static struct grant *grant_of(struct auth *a, const char *scope)
{
	struct grant *g = a->grants;

	while (g && !dv_streq(g->scope, scope))
		g = g->next;
	return g;
}

const char *auth_header(struct auth *a, const char *scope)
{
	struct grant *g;

	if (a->fixed)
		return a->fixed;
	g = grant_of(a, scope);
	return g ? token_header(g->token) : NULL;
}

/* ---- Waiting ---- */

void auth_wait_unlink(struct auth_wait *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
}

static void wait_clear(struct auth_wait *w)
{
	auth_wait_unlink(w);
	http_unpost(&w->task);
	free(w->scope);
	free(w->authenticate);
	auth_secret_free(w->used);
	w->scope = w->authenticate = w->used = NULL;
	w->auth = NULL;
}

void auth_wait_cancel(struct auth_wait *w)
{
	wait_clear(w);
	w->error = dv_err_free(w->error);
}

static void end_task(struct http_task *task)
{
	struct auth_wait *w = dv_container_of(task, struct auth_wait, task);
	struct dv_err *e = dv_steal(&w->error);

	wait_clear(w);
	w->fn(w, e);
}

void auth_wait_end(struct auth_wait *w, struct dv_err *take_error)
{
	auth_wait_unlink(w);
	w->error = take_error;
	http_post(w->auth->repo->registry->http, &w->task, end_task);
}

/* ---- What is sent the next time ---- */

static struct dv_err *refused(void)
{
	return dv_err_new(DV_UNAUTHENTICATED, "credentials were refused");
}

/* Is all of @scope, "repository:x:pull", in one that is there? */
static bool is_covered(const char *scope, const char *const *scopes, size_t n)
{
	const char *actions = strrchr(scope, ':');

	for (size_t i = 0; i < n; i++) {
		const char *ours = strrchr(scopes[i], ':');

		if (dv_streq(scope, scopes[i]))
			return true;
		if (actions && ours && actions - scope == ours - scopes[i] &&
		    strncmp(scope, scopes[i], (size_t)(actions - scope)) == 0 &&
		    strstr(ours, actions + 1))
			return true;
	}
	return false;
}

/* Ours, and what the server wants besides. */
static size_t split_scopes(struct dv_arena *arena, const char *ours, const char *theirs,
			   const char **ret)
{
	const char *texts[] = { ours, theirs ? theirs : "" };
	size_t n = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		for (const char *p = texts[i]; *p;) {
			size_t len = strcspn(p, " ");
			char *scope = dv_arena_strndup(arena, p, len);

			if (len && n < SCOPES_MAX && !is_covered(scope, ret, n))
				ret[n++] = scope;
			p += len + strspn(p + len, " ");
		}
	}
	return n;
}

static void set_grant(struct auth *a, const char *scope, struct token *take_token)
{
	struct grant *g = grant_of(a, scope);

	if (!g) {
		g = dv_new(struct grant);
		g->scope = dv_strdup(scope);
		g->next = a->grants;
		a->grants = g;
	}
	token_unref(g->token);
	g->token = take_token;
}

static struct dv_err *check_realm(struct auth *a, const struct challenge *c, char **ret)
{
	DV_CLEANUP(dv_freep) char *host = NULL;
	struct dv_err *e;

	if (!c->realm)
		return dv_err_new(DV_UNAVAILABLE, "asks for a token, and does not say where from");
	e = http_url_resolve(NULL, c->realm, ret);
	if (e)
		return dv_err_wrap(e, "asks for a token from somewhere unusable");
	host = http_url_host(*ret);
	if (!http_url_is_plain(*ret) || a->host->is_plain || spec_host_is_local(host))
		return NULL;
	return dv_err_new(DV_UNAVAILABLE, "asks for a token over plain http from %s", host);
}

static struct dv_err *want_token(struct auth *a, struct auth_wait *w, const struct challenge *c)
{
	DV_CLEANUP(dv_freep) char *realm = NULL;
	const char *scopes[SCOPES_MAX];
	struct token_spec spec = {
		.service = c->service,
		.scopes = scopes,
		.host = a->host,
		.cred = &a->cred,
	};
	struct token *token;
	struct dv_arena arena;
	struct dv_err *e;

	e = check_realm(a, c, &realm);
	if (e)
		return e;
	spec.realm = realm;
	dv_arena_init(&arena);
	spec.n_scopes = split_scopes(&arena, w->scope, c->scope, scopes);
	token = token_get(a->repo->registry, &spec);
	dv_arena_fini(&arena);
	set_grant(a, w->scope, token);
	if (w->used)
		token_refused(token, w->used);
	token_wait(token, w);
	return NULL;
}

static struct dv_err *set_fixed(struct auth *a, struct auth_wait *w, char *take_value)
{
	if (w->used) {
		auth_secret_free(take_value);
		return refused();
	}
	auth_secret_free(a->fixed);
	a->fixed = take_value;
	auth_wait_end(w, NULL);
	return NULL;
}

static struct dv_err *want_basic(struct auth *a, struct auth_wait *w)
{
	switch (a->cred.kind) {
	case REGISTRY_CRED_PASSWORD:
		return set_fixed(a, w, base64_basic(a->username, a->secret));
	case REGISTRY_CRED_NONE:
		return dv_err_new(DV_UNAUTHENTICATED, "credentials are needed, and there are none");
	default:
		return dv_err_new(DV_UNAUTHENTICATED,
				  "a password is needed, and there is only a token");
	}
}

static struct dv_err *answer_challenge(struct auth *a, struct auth_wait *w)
{
	struct challenge found[CHALLENGES_MAX];
	const struct challenge *bearer, *basic;
	struct dv_err *e;
	struct dv_arena arena;
	size_t n;

	dv_arena_init(&arena);
	n = challenges_parse(&arena, w->authenticate, found);
	bearer = challenge_find(found, n, CHALLENGE_BEARER);
	basic = challenge_find(found, n, CHALLENGE_BASIC);
	if (bearer)
		e = want_token(a, w, bearer);
	else if (basic)
		e = want_basic(a, w);
	else
		e = dv_err_new(
			DV_UNAUTHENTICATED,
			"credentials are needed, of a kind that is neither Bearer nor Basic");
	dv_arena_fini(&arena);
	return e;
}

void auth_proceed(struct auth *a, struct auth_wait *w)
{
	struct dv_err *e;

	if (a->cred.kind == REGISTRY_CRED_BEARER)
		e = set_fixed(a, w, dv_printf("Bearer %s", a->secret));
	else if (a->cred.kind == REGISTRY_CRED_HEADER)
		e = set_fixed(a, w, dv_strdup(a->secret));
	else
		e = answer_challenge(a, w);
	if (e)
		auth_wait_end(w, e);
}

void auth_refused(struct auth *a, struct auth_wait *w, const char *scope, const char *authenticate,
		  const char *used, void (*fn)(struct auth_wait *w, struct dv_err *take_error))
{
	w->auth = a;
	w->scope = dv_strdup(scope);
	w->authenticate = dv_strdup(authenticate);
	w->used = dv_strdup(used);
	w->fn = fn;
	if (a->has_cred) {
		auth_proceed(a, w);
		return;
	}
	w->next = a->waiting;
	w->prev = &a->waiting;
	if (w->next)
		w->next->prev = &w->next;
	a->waiting = w;
	if (!a->ask)
		auth_ask(a, authenticate);
}
