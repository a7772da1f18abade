/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts share: the client, and one repository. */

#include "base/mem.h"
#include "http.h"
#include "registry/registry.h"

struct auth;
struct slots;
struct token;

struct registry {
	struct http *http;
	struct registry_opts opts; /* without strings, and with the defaults filled in */
	struct slots *slots; /* one per server */
	struct token *tokens; /* see token.c */
	struct registry_repo *repos;
};

struct registry_repo {
	struct registry *registry;
	struct registry_repo *next, **prev;
	struct dv_arena arena;
	const char *host, *path;
	struct registry_cred_source credentials;
	struct registry_hosts hosts;
	struct auth **auths; /* one per host */
	struct registry_request *requests;
};
