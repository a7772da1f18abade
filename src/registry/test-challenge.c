/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate as registries send it, and as they should not. */

#include "challenge.h"

#include <string.h>

#include "base/str.h"
#include "base/test.h"

/* "bearer(realm,service,scope,error) basic(...)", '-' for what is not there. */
static void show(struct dv_strbuf *b, const struct challenge *c)
{
	static const char *const names[] = { "other", "basic", "bearer" };

	dv_strbuf_addf(b, "%s%s(%s,%s,%s,%s)", b->len ? " " : "", names[c->scheme],
		       c->realm ? c->realm : "-", c->service ? c->service : "-",
		       c->scope ? c->scope : "-", c->error ? c->error : "-");
}

Test(challenge, cases)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
		  "scope=\"repository:library/busybox:pull\"",
		  "bearer(https://auth.docker.io/token,registry.docker.io,"
		  "repository:library/busybox:pull,-)" },
		{ "Basic realm=\"Registry Realm\"", "basic(Registry Realm,-,-,-)" },
		{ "BASIC realm=plain", "basic(plain,-,-,-)" },
		{ "Basic", "basic(-,-,-,-)" },
		{ "Negotiate, Basic realm=\"x\"", "other(-,-,-,-) basic(x,-,-,-)" },
		{ "Negotiate YWJj==, Basic realm=\"x\"", "other(-,-,-,-) basic(x,-,-,-)" },
		{ "Basic realm=\"a\", Bearer realm=\"b\" , error = \"invalid_token\"",
		  "basic(a,-,-,-) bearer(b,-,-,invalid_token)" },
		{ "Bearer realm=\"a\\\"b\\\\c\"", "bearer(a\"b\\c,-,-,-)" },
		{ "Bearer realm=\"one\",realm=\"two\"", "bearer(one,-,-,-)" },
		{ "Bearer unknown=\"x\",realm=\"r\"", "bearer(r,-,-,-)" },
		{ "realm=\"nobody's\"", "" },
		{ "", "" },
		{ ",,, ,", "" },
		{ "\"", "" },
		{ "Bearer realm=\"not closed", "bearer(-,-,-,-)" },
		{ "Bearer realm=\"a\rb\"", "bearer(-,-,-,-)" },
		{ "Bearer realm=\"a\\", "bearer(-,-,-,-)" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
		struct challenge found[CHALLENGES_MAX];
		struct dv_arena arena;
		size_t n;

		dv_arena_init(&arena);
		n = challenges_parse(&arena, cases[i].text, found);
		for (size_t k = 0; k < n; k++)
			show(&b, &found[k]);
		/* What follows a token68 is not all understood, but never taken for a challenge. */
		cr_expect(dv_streq(b.data, cases[i].shown), "%s: %s", cases[i].text, b.data);
		dv_arena_fini(&arena);
	}
}

Test(challenge, too_many_and_too_long)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct challenge found[CHALLENGES_MAX];
	struct dv_arena arena;

	dv_arena_init(&arena);
	for (int i = 0; i < 100; i++)
		dv_strbuf_add(&b, "Basic, ");
	T_INT(challenges_parse(&arena, b.data, found), ==, CHALLENGES_MAX);
	while (b.len <= CHALLENGE_TEXT_MAX)
		dv_strbuf_add(&b, "Basic, ");
	T_INT(challenges_parse(&arena, b.data, found), ==, 0);
	dv_arena_fini(&arena);
}

Test(challenge, find)
{
	struct challenge c[] = { { .scheme = CHALLENGE_OTHER },
				 { .scheme = CHALLENGE_BASIC, .realm = "1" },
				 { .scheme = CHALLENGE_BASIC, .realm = "2" } };

	T_STR(challenge_find(c, 3, CHALLENGE_BASIC)->realm, "1");
	T_NULL(challenge_find(c, 3, CHALLENGE_BEARER));
}
