/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between auth.c and auth-ask.c, which gets the credentials. */

#include "auth.h"

struct registry_ask {
	struct auth *auth; /* NULL: nobody waits any more */
	struct registry_question question;
	char *reference, *host, *authenticate;
};

struct auth {
	struct registry_repo *repo;
	const struct registry_host *host;
	struct registry_ask *ask;
	bool has_cred;
	struct registry_cred cred;
	char *username, *secret; /* of cred */
	char *fixed; /* the value, whatever the scope */
	struct grant *grants;
	struct auth_wait *waiting; /* for the credentials */
};

/* Asks the source of the repository. Whoever waits goes on when it has answered. */
void auth_ask(struct auth *a, const char *authenticate);
/* The credentials are known. */
void auth_proceed(struct auth *a, struct auth_wait *w);
void auth_wait_unlink(struct auth_wait *w);

/* Clears it first. Accepts NULL. */
void auth_secret_free(char *s);
