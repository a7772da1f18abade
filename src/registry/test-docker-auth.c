/* SPDX-License-Identifier: Apache-2.0 */
/* config.json, as docker and podman write it. */

#include "docker-auth.h"

#include <string.h>

#include "base/str.h"
#include "base/test.h"

static struct dv_arena arena;

static void setup(void)
{
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
}

TestSuite(docker_auth, .init = setup, .fini = teardown);

/* "kind user secret helper server" */
static const char *show(const struct docker_auth *a)
{
	static const char *const kinds[] = { "none", "password", "identity", "bearer", "header" };

	return dv_arena_printf(&arena, "%s %s %s %s %s", kinds[a->cred.kind],
			       a->cred.username ? a->cred.username : "-",
			       a->cred.secret ? a->cred.secret : "-", a->helper ? a->helper : "-",
			       a->server);
}

#define HUB "https://index.docker.io/v1/"

Test(docker_auth, cases)
{
	static const struct {
		const char *text, *host, *shown; /* NULL: refused */
	} cases[] = {
		{ "{}", "example.com", "none - - - example.com" },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"dXNlcjpwYXNz\"}}}", "example.com",
		  "password user pass - example.com" },
		{ "{\"auths\":{\"https://example.com/v1/\":{\"auth\":\"dXNlcjpwYTpzcw==\"}}}",
		  "example.com", "password user pa:ss - example.com" },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"dXNlcjpwYXNzAAA=\"}}}", "example.com",
		  "password user pass - example.com" },
		{ "{\"auths\":{\"example.com\":{\"username\":\"u\",\"password\":\"p\"}}}",
		  "example.com", "password u p - example.com" },
		{ "{\"auths\":{\"example.com\":{\"identitytoken\":\"tok\"}}}", "example.com",
		  "identity - tok - example.com" },
		{ "{\"auths\":{\"example.com\":{\"registrytoken\":\"tok\"}}}", "example.com",
		  "bearer - tok - example.com" },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"dXNlcjpwYXNz\"}}}", "example.com:5000",
		  "none - - - example.com:5000" },
		{ "{\"auths\":{\"" HUB "\":{\"auth\":\"dXNlcjpwYXNz\"}}}", "registry-1.docker.io",
		  "password user pass - " HUB },
		{ "{\"auths\":{\"docker.io\":{\"auth\":\"dXNlcjpwYXNz\"}}}", "registry-1.docker.io",
		  "password user pass - " HUB },
		/* podman's entry for one repository is for no other. */
		{ "{\"auths\":{\"example.com/private\":{\"auth\":\"dXNlcjpwYXNz\"}}}",
		  "example.com", "none - - - example.com" },
		{ "{\"credsStore\":\"pass\"}", "example.com", "none - - pass example.com" },
		{ "{\"credsStore\":\"pass\",\"credHelpers\":{\"example.com\":\"gcr\"}}",
		  "example.com", "none - - gcr example.com" },
		{ "{\"credsStore\":\"pass\",\"credHelpers\":{\"example.com\":\"\"}}", "example.com",
		  "none - - - example.com" },
		{ "{\"auths\":{\"example.com\":{}},\"credsStore\":\"pass\"}", "example.com",
		  "none - - pass example.com" },
		{ "{\"credsStore\":\"../../evil\"}", "example.com", NULL },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"!!!\"}}}", "example.com", NULL },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"dXNlcg==\"}}}", "example.com", NULL },
		{ "{\"auths\":{\"example.com\":{\"auth\":\"dXNlcjpwYXNz\"", "example.com", NULL },
		{ "[]", "example.com", "none - - - example.com" },
		{ "{\"auths\":[1,2],\"credHelpers\":5}", "example.com", "none - - - example.com" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct docker_auth auth;
		struct dv_err *e = docker_auth_find(&arena, cases[i].text, strlen(cases[i].text),
						    cases[i].host, &auth);

		if (cases[i].shown) {
			cr_assert(!e, "%s: %s", cases[i].text, dv_err_message(e));
			T_STR(show(&auth), cases[i].shown);
		} else {
			cr_assert(e != NULL, "%s", cases[i].text);
			T_INT(dv_err_code(e), ==, DV_INVALID);
			/* Nothing of the file is quoted. */
			T_NULL(strstr(dv_err_message(e), "dXNl"));
		}
		dv_err_free(e);
	}
}

Test(docker_auth, what_helpers_say)
{
	static const struct {
		const char *text;
		enum registry_cred_kind kind; /* NONE: refused */
	} cases[] = {
		{ "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"s\"}",
		  REGISTRY_CRED_PASSWORD },
		{ "{\"Username\":\"<token>\",\"Secret\":\"s\"}\n", REGISTRY_CRED_IDENTITY },
		{ "{\"Username\":\"u\"}", REGISTRY_CRED_NONE },
		{ "{\"Username\":\"u\",\"Secret\":\"\"}", REGISTRY_CRED_NONE },
		{ "{\"Username\":\"u\",\"Secret\":\"a\\u0000b\"}", REGISTRY_CRED_NONE },
		{ "", REGISTRY_CRED_NONE },
		{ "secret", REGISTRY_CRED_NONE },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct registry_cred cred = { 0 };
		struct dv_err *e = docker_auth_helper_answer(&arena, cases[i].text,
							     strlen(cases[i].text), &cred);

		cr_expect((e != NULL) == (cases[i].kind == REGISTRY_CRED_NONE), "%s",
			  cases[i].text);
		T_INT(cred.kind, ==, cases[i].kind);
		if (e)
			T_NULL(strstr(dv_err_message(e), "secret"));
		dv_err_free(e);
	}
}
