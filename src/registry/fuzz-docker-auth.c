/* SPDX-License-Identifier: Apache-2.0 */
/* Any config.json, and any answer of a helper: what is found can be sent, and run. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "docker-auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct registry_cred *cred)
{
	dv_assert(cred->kind == REGISTRY_CRED_NONE || cred->secret);
	if (cred->kind == REGISTRY_CRED_PASSWORD && cred->username)
		dv_assert(strlen(cred->username) < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = { "registry-1.docker.io", "example.com:5000" };
	struct registry_cred cred = { 0 };
	struct docker_auth auth;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	for (size_t i = 0; i < DV_ARRAY_SIZE(hosts); i++) {
		e = docker_auth_find(&arena, (const char *)data, size, hosts[i], &auth);
		if (!e) {
			check(&auth.cred);
			dv_assert(!auth.helper || !strchr(auth.helper, '/'));
		}
		dv_err_free(e);
	}
	e = docker_auth_helper_answer(&arena, (const char *)data, size, &cred);
	if (!e)
		check(&cred);
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
