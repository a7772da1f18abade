/* SPDX-License-Identifier: Apache-2.0 */
/* docker's config.json as what the requests of a repository ask. */

#include "registry/docker-config.h"

static void answer(void *arg, const struct registry_cred *cred, struct dv_err *take_error)
{
	registry_ask_answer(arg, take_error, cred);
}

static void get(void *arg, struct registry_ask *ask)
{
	registry_docker_config_get(arg, registry_ask_question(ask)->host, answer, ask);
}

struct registry_cred_source registry_docker_config_source(struct registry_docker_config *c)
{
	return (struct registry_cred_source){ .get = get, .arg = c };
}
