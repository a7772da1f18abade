/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials from docker's config.json: "auths", and the programs docker-credential-* that
 * "credHelpers" and "credsStore" name. The file is read at each question; a helper gets the server
 * on its standard input, never a secret on its command line.
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
/* Open questions are answered by DV_CANCELLED. Accepts NULL. */
struct registry_docker_config *registry_docker_config_free(struct registry_docker_config *c);
DV_DEFINE_CLEANUP(struct registry_docker_config *, registry_docker_config_free);

struct registry_cred_source registry_docker_config_source(struct registry_docker_config *c);
