/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The text of config.json, and what helpers print. Pure. */

#include <stdbool.h>

#include "base/mem.h"
#include "registry/cred.h"

struct docker_auth {
	const char *helper; /* "secretservice"; NULL: none */
	const char *server; /* what to ask it for */
	struct registry_cred cred; /* from "auths"; NONE: nothing there */
};

/* @host: that of a server, "registry-1.docker.io". DV_INVALID never quotes the text. */
struct dv_err *docker_auth_find(struct dv_arena *arena, const char *text, size_t n,
				const char *host, struct docker_auth *ret) DV_CHECK;

/* What "docker-credential-x get" printed. */
struct dv_err *docker_auth_helper_answer(struct dv_arena *arena, const char *text, size_t n,
					 struct registry_cred *ret) DV_CHECK;

/* Is this the name under which @host is kept? "https://example.com/v1/" is for "example.com". */
bool docker_auth_is_for(const char *key, const char *host);
/* The name that docker gives it. */
const char *docker_auth_key(const char *host);

/* @text with an entry for @host, or with @cred NULL without one, added to @out. DV_INVALID. */
struct dv_strbuf;
struct dv_err *docker_auth_rewrite(const char *text, size_t n, const char *host,
				   const struct registry_cred *cred, struct dv_strbuf *out)
	DV_CHECK;
/* What "docker-credential-x store" reads; heap, and secret. */
char *docker_auth_helper_input(const char *server, const struct registry_cred *cred);
