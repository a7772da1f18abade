/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials in docker's config.json: "auths", and the programs docker-credential-* that
 * "credHelpers" and "credsStore" name. The file is read at each question; a helper gets what it is
 * about on its standard input, never on its command line.
 *
 * This part of the library needs no libcurl: it is for the clients as well (registry_cred_dep).
 */

#include <uv.h>

#include "base/err.h"
#include "registry/cred.h"

struct registry_docker_config;

/*
 * @path need not exist. @envp, for the helpers, is borrowed: PATH is where they are looked for.
 */
struct registry_docker_config *registry_docker_config_new(uv_loop_t *loop, const char *path,
							  const char *const *envp);
/* What is open is answered by DV_CANCELLED. Accepts NULL. */
struct registry_docker_config *registry_docker_config_free(struct registry_docker_config *c);
DV_DEFINE_CLEANUP(struct registry_docker_config *, registry_docker_config_free);

/*
 * The credentials for @host, "registry-1.docker.io" or "example.com:5000"; of kind NONE if there
 * are none. @done is called once, from within or later, and @cred is borrowed.
 */
typedef void (*registry_docker_config_fn)(void *arg, const struct registry_cred *cred,
					  struct dv_err *take_error);
void registry_docker_config_get(struct registry_docker_config *c, const char *host,
				registry_docker_config_fn done, void *arg);

/* The same for the requests of a repository. */
struct registry_cred_source registry_docker_config_source(struct registry_docker_config *c);

/*
 * Keeps a password or an identity token for @host: with the helper that is configured for it, or
 * else in the file, which is then replaced as a whole (0600), with all else that was in it.
 */
void registry_docker_config_store(struct registry_docker_config *c, const char *host,
				  const struct registry_cred *cred, registry_docker_config_fn done,
				  void *arg);
/* Forgets them. That there were none is no error. */
void registry_docker_config_erase(struct registry_docker_config *c, const char *host,
				  registry_docker_config_fn done, void *arg);
