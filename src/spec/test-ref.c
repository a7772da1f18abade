/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images: what docker and containerd take, and what they refuse. */

#include "spec/ref.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"

#define HEX  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA  "sha256:" HEX
#define L10  "abcdefghij"
#define L50  L10 L10 L10 L10 L10
#define L250 L50 L50 L50 L50 L50

static const struct {
	const char *text;
	const char *full; /* in the full form; NULL: refused */
	const char *familiar;
} people[] = {
	{ "busybox", "docker.io/library/busybox", "busybox" },
	{ "busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36" },
	{ "user/app", "docker.io/user/app", "user/app" },
	{ "docker.io/busybox", "docker.io/library/busybox", "busybox" },
	{ "index.docker.io/busybox", "docker.io/library/busybox", "busybox" },
	{ "index.docker.io/user/app:v1", "docker.io/user/app:v1", "user/app:v1" },
	{ "localhost/app", "localhost/app", "localhost/app" },
	{ "localhost:5000/app", "localhost:5000/app", "localhost:5000/app" },
	{ "host:5000/a/b/c:t@" SHA, "host:5000/a/b/c:t@" SHA, "host:5000/a/b/c:t@" SHA },
	{ "Host/app", "Host/app", "Host/app" },
	{ "quay.io/app", "quay.io/app", "quay.io/app" },
	{ "[::1]:5000/app:x", "[::1]:5000/app:x", "[::1]:5000/app:x" },
	{ "[2001:db8::1]/app", "[2001:db8::1]/app", "[2001:db8::1]/app" },
	{ "busybox@" SHA, "docker.io/library/busybox@" SHA, "busybox@" SHA },
	{ "a_b/c__d/e-f/g---h/i.j", "docker.io/a_b/c__d/e-f/g---h/i.j", "a_b/c__d/e-f/g---h/i.j" },
	{ "busybox:5000", "docker.io/library/busybox:5000", "busybox:5000" },
	{ "x/" HEX, "docker.io/x/" HEX, "x/" HEX },
	{ "docker.io/library/" HEX, "docker.io/library/" HEX, "library/" HEX },
	{ "docker.io/localhost/x", "docker.io/localhost/x", "docker.io/localhost/x" },
	{ "docker.io/a.b/x", "docker.io/a.b/x", "docker.io/a.b/x" },
	{ L250 "/abcd", "docker.io/" L250 "/abcd", L250 "/abcd" },
	{ HEX, NULL, NULL },
	{ L250 "/abcdef", NULL, NULL },
	{ "", NULL, NULL },
	{ ":tag", NULL, NULL },
	{ "/app", NULL, NULL },
	{ "app/", NULL, NULL },
	{ "a//b", NULL, NULL },
	{ "App", NULL, NULL },
	{ "user/App", NULL, NULL },
	{ "-app", NULL, NULL },
	{ "app-", NULL, NULL },
	{ "a___b", NULL, NULL },
	{ "a..b", NULL, NULL },
	{ "a._b", NULL, NULL },
	{ "app:", NULL, NULL },
	{ "app:.x", NULL, NULL },
	{ "app:-x", NULL, NULL },
	{ "app:a/b", NULL, NULL },
	{ "app:a:b", NULL, NULL },
	{ "app@", NULL, NULL },
	{ "app@sha256:abcd", NULL, NULL },
	{ "app@md5:d41d8cd98f00b204e9800998ecf8427e", NULL, NULL },
	{ "app@" SHA ":tag", NULL, NULL },
	{ "app@" SHA "@" SHA, NULL, NULL },
	{ "host.:5000/app", NULL, NULL },
	{ "-host.io/app", NULL, NULL },
	{ "host.io:/app", NULL, NULL },
	{ "host.io:123456/app", NULL, NULL },
	{ "[::1/app", NULL, NULL },
	{ "[]/app", NULL, NULL },
	{ "[::1%lo]/app", NULL, NULL },
	{ "https://host/app", NULL, NULL },
	{ "user:pass@host/app", NULL, NULL },
	{ "host/app?x=y", NULL, NULL },
	{ "host.io/../app", NULL, NULL },
	{ "app\n", NULL, NULL },
	{ "\xc3\xa4pp", NULL, NULL },
};

Test(ref, as_people_type_them)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(people); i++) {
		struct spec_ref ref;
		struct dv_arena arena;
		struct dv_err *e;

		dv_arena_init(&arena);
		e = spec_ref_parse(&arena, people[i].text, SPEC_REF_FAMILIAR, &ref);
		if (!people[i].full) {
			cr_expect(e != NULL, "\"%s\" is taken", people[i].text);
			if (e)
				T_INT(dv_err_code(e), ==, DV_INVALID);
		} else {
			cr_assert(!e, "%s", dv_err_message(e));
			DV_CLEANUP(dv_freep) char *full = spec_ref_format(&ref);
			DV_CLEANUP(dv_freep) char *familiar = spec_ref_familiar(&ref);

			T_STR(full, people[i].full);
			T_STR(familiar, people[i].familiar);
		}
		dv_err_free(e);
		dv_arena_fini(&arena);
	}
}

Test(ref, full_names_need_a_host)
{
	struct spec_ref ref;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = spec_ref_parse(&arena, "busybox:1", SPEC_REF_FULL, &ref);
	cr_assert(e != NULL);
	T_STR(dv_err_message(e), "image name \"busybox:1\": a host is needed, as in "
				 "docker.io/library/busybox");
	dv_err_free(e);
	T_NULL(spec_ref_parse(&arena, "docker.io/busybox", SPEC_REF_FULL, &ref));
	T_STR(ref.path, "busybox");
	T_NULL(ref.tag);
	spec_ref_default_tag(&ref);
	T_STR(ref.tag, "latest");
	dv_arena_fini(&arena);
}

Test(ref, long_texts)
{
	static char text[1 << 20];
	struct spec_ref ref;
	struct dv_arena arena;
	struct dv_err *e;

	memset(text, 'a', sizeof(text) - 1);
	dv_arena_init(&arena);
	e = spec_ref_parse(&arena, text, SPEC_REF_FAMILIAR, &ref);
	cr_assert(e != NULL);
	T_INT(strlen(dv_err_message(e)), <, 200);
	dv_err_free(e);
	memset(text, 'a', 129);
	text[129] = '\0';
	T_FALSE(spec_ref_is_tag(text));
	text[128] = '\0';
	T_TRUE(spec_ref_is_tag(text));
	dv_arena_fini(&arena);
}

Test(ref, local_hosts)
{
	static const struct {
		const char *host;
		bool is_local;
	} cases[] = {
		{ "localhost", true },
		{ "localhost:5000", true },
		{ "127.0.0.1", true },
		{ "127.1.2.3:80", true },
		{ "[::1]", true },
		{ "[::1]:5000", true },
		{ "localhost.evil.io", false },
		{ "127.evil.io", false },
		{ "127.0.0.1.io", false },
		{ "[::2]", false },
		{ "10.0.0.1", false },
		{ "notlocalhost", false },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		cr_expect(spec_host_is_local(cases[i].host) == cases[i].is_local, "%s",
			  cases[i].host);
}
