/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials, and where they come from. A source is asked at most once per repository and server,
 * and only when the server wants to see some. Credentials are in no message and no log.
 */

#include <stddef.h>

#include "base/err.h"

enum registry_cred_kind {
	REGISTRY_CRED_NONE,
	REGISTRY_CRED_PASSWORD, /* username and secret */
	REGISTRY_CRED_IDENTITY, /* secret: a refresh token, for which bearer tokens are given */
	REGISTRY_CRED_BEARER, /* secret: a bearer token */
	REGISTRY_CRED_HEADER, /* secret: the value of Authorization */
};

struct registry_cred {
	enum registry_cred_kind kind;
	const char *username, *secret;
};

/* One question to a source. */
struct registry_ask;

struct registry_question {
	const char *host; /* that asks: "mirror.example:5000", "registry-1.docker.io" */
	const char *reference; /* "docker.io/library/busybox": what is being asked for */
	const char *authenticate; /* what the server said: WWW-Authenticate */
};

struct registry_cred_source {
	/* Leads to exactly one registry_ask_answer(), from within or later. On the loop. */
	void (*get)(void *arg, struct registry_ask *ask);
	void *arg;
};

/* Borrowed, until the answer. */
const struct registry_question *registry_ask_question(const struct registry_ask *ask);

/*
 * @cred is copied; @take_error fails the requests that wait for it. Also when nobody waits any
 * more: the answer is then dropped.
 */
void registry_ask_answer(struct registry_ask *ask, struct dv_err *take_error,
			 const struct registry_cred *cred);
