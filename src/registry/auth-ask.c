/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials, from the source that the caller of the library has. */

#include <stdlib.h>
#include <string.h>

#include "auth-private.h"
#include "base/str.h"

void auth_secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

const struct registry_question *registry_ask_question(const struct registry_ask *ask)
{
	return &ask->question;
}

static void set_cred(struct auth *a, const struct registry_cred *cred)
{
	a->has_cred = true;
	if (!cred)
		return;
	a->username = dv_strdup(cred->username);
	a->secret = dv_strdup(cred->secret);
	a->cred = (struct registry_cred){
		.kind = cred->kind,
		.username = a->username,
		.secret = a->secret,
	};
}

/* A header would be cut in two, or say something else. */
static struct dv_err *check_cred(const struct registry_cred *cred)
{
	bool is_text =
		cred && (cred->kind == REGISTRY_CRED_BEARER || cred->kind == REGISTRY_CRED_HEADER);

	if (!cred || cred->kind == REGISTRY_CRED_NONE)
		return NULL;
	if (!cred->secret)
		return dv_err_new(DV_INVALID, "credentials without a secret");
	if (is_text && strpbrk(cred->secret, "\r\n"))
		return dv_err_new(DV_INVALID, "credentials of more than one line");
	if (cred->kind == REGISTRY_CRED_PASSWORD && cred->username && strchr(cred->username, ':'))
		return dv_err_new(DV_INVALID, "the name of the user has a ':' in it");
	return NULL;
}

void registry_ask_answer(struct registry_ask *ask, struct dv_err *take_error,
			 const struct registry_cred *cred)
{
	struct auth *a = ask->auth;
	struct auth_wait *w;
	struct dv_err *e = take_error ? take_error : check_cred(cred);

	free(ask->reference);
	free(ask->host);
	free(ask->authenticate);
	free(ask);
	if (!a) {
		dv_err_free(e);
		return;
	}
	a->ask = NULL;
	if (!e)
		set_cred(a, cred);
	while ((w = a->waiting)) {
		auth_wait_unlink(w);
		if (e)
			/* A helper that is not found must not read as an image that is not. */
			auth_wait_end(w, dv_err_new(DV_UNAUTHENTICATED, "credentials: %s",
						    dv_err_message(e)));
		else
			auth_proceed(a, w);
	}
	dv_err_free(e);
}

void auth_ask(struct auth *a, const char *authenticate)
{
	struct registry_ask *q = dv_new(struct registry_ask);

	q->auth = a;
	q->host = dv_strdup(a->host->name);
	q->reference = dv_printf("%s/%s", a->repo->host, a->repo->path);
	q->authenticate = dv_strdup(authenticate);
	q->question = (struct registry_question){
		.host = q->host,
		.reference = q->reference,
		.authenticate = q->authenticate,
	};
	a->ask = q;
	a->repo->credentials.get(a->repo->credentials.arg, q);
}
