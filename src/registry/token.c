/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without credentials, or with a password: GET, and the password in Authorization. With an
 * identity token: POST, as OAuth 2 has it. What a request needs is copied: the repository that
 * wanted the token may be closed before it comes.
 */

#include "token.h"

#include <stdlib.h>
#include <string.h>

#include "auth-private.h"
#include "base/str.h"
#include "base64.h"
#include "call.h"
#include "codec/digest.h"

enum {
	ANSWER_MAX = 256 * 1024,
	MARGIN_MS = 5000,
	KEPT_MAX = 256,
};

struct token {
	struct registry *registry;
	struct token *next, **prev;
	unsigned refs;
	struct dv_digest key;
	char *header;
	uint64_t expires_at; /* of the loop's clock */
	struct call *call;
	struct auth_wait *waiting;
	/* Copied from the specification. */
	struct dv_arena arena;
	struct registry_host host;
	const char *realm, *service, *const *scopes;
	size_t n_scopes;
	enum registry_cred_kind kind;
	char *username, *secret;
	char *body; /* of the request that is running */
};

/* ---- Memory ---- */

static void token_free(struct token *t)
{
	t->call = call_cancel(t->call);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	auth_secret_free(t->header);
	auth_secret_free(t->username);
	auth_secret_free(t->secret);
	auth_secret_free(t->body);
	dv_arena_fini(&t->arena);
	free(t);
}

static bool is_valid(const struct token *t)
{
	return t->header && uv_now(http_loop(t->registry->http)) + MARGIN_MS < t->expires_at;
}

/* What nobody needs: all that expired, and what is beyond the limit. */
static void tokens_prune(struct registry *r)
{
	size_t n = 0;

	for (struct token *t = r->tokens, *next; t; t = next) {
		next = t->next;
		if (!t->refs && !t->call && (!is_valid(t) || ++n > KEPT_MAX))
			token_free(t);
	}
}

void tokens_free(struct registry *r)
{
	while (r->tokens)
		token_free(r->tokens);
}

struct token *token_unref(struct token *t)
{
	if (t) {
		dv_assert(t->refs > 0);
		t->refs--;
	}
	return NULL;
}

/* ---- Finding ---- */

static void key_add(struct dv_hash *h, const char *s)
{
	/* With the NUL: "ab" "c" is not "a" "bc". */
	dv_hash_add(h, s ? s : "", (s ? strlen(s) : 0) + 1);
}

static void key_of(const struct token_spec *spec, struct dv_digest *ret)
{
	DV_CLEANUP(dv_hash_freep) struct dv_hash *h = dv_hash_new(DV_SHA256);
	const struct registry_cred *cred = spec->cred;
	char kind = (char)('0' + (int)cred->kind + (spec->host->skip_verify ? 10 : 0));

	key_add(h, spec->realm);
	key_add(h, spec->service);
	key_add(h, spec->host->base);
	dv_hash_add(h, &kind, 1);
	key_add(h, cred->username);
	key_add(h, cred->secret);
	for (size_t i = 0; i < spec->n_scopes; i++)
		key_add(h, spec->scopes[i]);
	dv_hash_get(h, ret);
}

static struct registry_pem pem_dup(struct dv_arena *arena, const struct registry_pem *pem)
{
	struct registry_pem copy = { .n = pem->n };

	if (pem->n)
		copy.data = dv_arena_strndup(arena, pem->data, pem->n);
	return copy;
}

static struct token *token_new(struct registry *r, const struct token_spec *spec)
{
	struct token *t = dv_new(struct token);
	const char **scopes;

	t->registry = r;
	dv_arena_init(&t->arena);
	t->realm = dv_arena_strdup(&t->arena, spec->realm);
	t->service = dv_arena_strdup(&t->arena, spec->service);
	scopes = dv_arena_new_n(&t->arena, const char *, spec->n_scopes + 1);
	for (size_t i = 0; i < spec->n_scopes; i++)
		scopes[i] = dv_arena_strdup(&t->arena, spec->scopes[i]);
	t->scopes = scopes;
	t->n_scopes = spec->n_scopes;
	t->kind = spec->cred->kind;
	t->username = dv_strdup(spec->cred->username);
	t->secret = dv_strdup(spec->cred->secret);
	t->host = (struct registry_host){
		.base = dv_arena_strdup(&t->arena, spec->host->base),
		.name = dv_arena_strdup(&t->arena, spec->host->name),
		.skip_verify = spec->host->skip_verify,
		.dial_timeout_ns = spec->host->dial_timeout_ns,
		.ca = pem_dup(&t->arena, &spec->host->ca),
	};
	/* The client's certificate is for the registry, and for nobody else. */
	if (http_url_same_origin(spec->realm, spec->host->base)) {
		t->host.cert = pem_dup(&t->arena, &spec->host->cert);
		t->host.key = pem_dup(&t->arena, &spec->host->key);
	}
	t->next = r->tokens;
	t->prev = &r->tokens;
	if (t->next)
		t->next->prev = &t->next;
	r->tokens = t;
	return t;
}

struct token *token_get(struct registry *r, const struct token_spec *spec)
{
	struct dv_digest key;
	struct token *t;

	tokens_prune(r);
	key_of(spec, &key);
	for (t = r->tokens; t && !dv_digest_eq(&t->key, &key); t = t->next)
		;
	if (!t) {
		t = token_new(r, spec);
		t->key = key;
	}
	t->refs++;
	return t;
}

const char *token_header(const struct token *t)
{
	return is_valid(t) ? t->header : NULL;
}

void token_refused(struct token *t, const char *used)
{
	if (t->header && dv_streq(t->header, used)) {
		auth_secret_free(t->header);
		t->header = NULL;
	}
}

/* ---- Asking ---- */

static void wake(struct token *t, const struct dv_err *error)
{
	struct auth_wait *w;

	while ((w = t->waiting))
		auth_wait_end(w, error ? dv_err_new(dv_err_code(error), "%s", dv_err_message(error))
				       : NULL);
}

static struct dv_err *refusal(const struct token *t, const struct call_reply *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = call_status_error(reply);
	int status = reply->head->status;

	if (status != 400 && status != 401)
		return dv_steal(&e);
	return dv_err_new(DV_UNAUTHENTICATED, "%s: %s",
			  t->kind == REGISTRY_CRED_NONE ? "without credentials"
							: "credentials were refused",
			  dv_err_message(e));
}

static struct dv_err *take_answer(struct token *t, const struct call_reply *reply)
{
	struct token_answer answer = { 0 };
	struct dv_err *e;

	if (reply->head->status != 200)
		return refusal(t, reply);
	if (reply->is_cut)
		return dv_err_new(DV_EXHAUSTED, "an answer of more than %d bytes", ANSWER_MAX);
	e = token_parse(reply->body, reply->n_body, &answer);
	if (!e) {
		auth_secret_free(t->header);
		t->header = dv_printf("Bearer %s", answer.token);
		t->expires_at = uv_now(http_loop(t->registry->http)) + answer.lifetime_ms;
		/* Some servers take a refresh token once only, and hand out the next. */
		if (answer.refresh && t->kind == REGISTRY_CRED_IDENTITY) {
			auth_secret_free(t->secret);
			t->secret = dv_steal(&answer.refresh);
		}
	}
	auth_secret_free(answer.token);
	auth_secret_free(answer.refresh);
	return e;
}

static void on_answer(void *arg, const struct call_reply *reply, struct dv_err *take_error)
{
	struct token *t = arg;
	struct dv_err *e = take_error;

	t->call = NULL;
	auth_secret_free(t->body);
	t->body = NULL;
	if (!e)
		e = take_answer(t, reply);
	if (e) {
		DV_CLEANUP(dv_freep) char *host = http_url_host(t->realm);

		e = dv_err_wrap(e, "ask %s for a token", host);
	}
	wake(t, e);
	dv_err_free(e);
}

static void add_form(struct dv_strbuf *b, const char *name, const char *value)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf pair = DV_STRBUF_INIT;

	http_url_add_query(&pair, name, value);
	if (b->len)
		dv_strbuf_addc(b, '&');
	dv_strbuf_add(b, pair.data + 1);
	explicit_bzero(pair.data, pair.len);
}

static char *oauth_body(const struct token *t)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf scopes = DV_STRBUF_INIT;
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (size_t i = 0; i < t->n_scopes; i++)
		dv_strbuf_addf(&scopes, "%s%s", i ? " " : "", t->scopes[i]);
	add_form(&b, "grant_type", "refresh_token");
	if (t->service)
		add_form(&b, "service", t->service);
	add_form(&b, "client_id", "davit");
	add_form(&b, "scope", scopes.data);
	add_form(&b, "refresh_token", t->secret);
	return dv_strbuf_steal(&b);
}

static void add_queries(const struct token *t, struct dv_strbuf *url)
{
	if (t->service)
		http_url_add_query(url, "service", t->service);
	for (size_t i = 0; i < t->n_scopes; i++)
		http_url_add_query(url, "scope", t->scopes[i]);
	if (t->kind == REGISTRY_CRED_PASSWORD)
		http_url_add_query(url, "account", t->username);
}

static void fetch(struct token *t)
{
	static const char *const form[] = { "Content-Type: application/x-www-form-urlencoded" };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf url = DV_STRBUF_INIT;
	char *authorization = NULL;
	struct call_opts o = {
		.registry = t->registry,
		.host = &t->host,
		.method = "GET",
		.body_size = -1,
		.answer_max = ANSWER_MAX,
		.is_last = true,
		.done = on_answer,
		.arg = t,
	};

	dv_strbuf_add(&url, t->realm);
	if (t->kind == REGISTRY_CRED_IDENTITY) {
		t->body = oauth_body(t);
		o.method = "POST";
		o.body = t->body;
		o.body_size = (int64_t)strlen(t->body);
		o.headers = form;
		o.n_headers = 1;
	} else {
		add_queries(t, &url);
	}
	if (t->kind == REGISTRY_CRED_PASSWORD)
		authorization = base64_basic(t->username, t->secret);
	o.url = url.data;
	o.authorization = authorization;
	t->call = call_start(&o);
	auth_secret_free(authorization);
}

void token_wait(struct token *t, struct auth_wait *w)
{
	if (is_valid(t)) {
		auth_wait_end(w, NULL);
		return;
	}
	w->next = t->waiting;
	w->prev = &t->waiting;
	if (w->next)
		w->next->prev = &w->next;
	t->waiting = w;
	if (!t->call)
		fetch(t);
}
