/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms: the names that people and compilers give to processors, and which of them runs what.
 * The rules are containerd's, since images were published with its tools' idea of what is equal.
 */

#include "spec/image.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_TEXT = 256 };

struct alias {
	const char *name, *architecture, *variant; /* variant NULL: the one given stays */
};

static const struct alias aliases[] = {
	{ "x86_64", "amd64", NULL }, { "x86-64", "amd64", NULL },  { "i386", "386", NULL },
	{ "i686", "386", NULL },     { "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },
	{ "armel", "arm", "v6" },
};

/* A variant that means nothing more than the architecture's name, or is spelt otherwise. */
static const struct variant {
	const char *architecture, *name, *normal;
} variants[] = {
	{ "amd64", "v1", "" },	 { "arm64", "8", "" }, { "arm64", "v8", "" },
	{ "arm64", "v8.0", "" }, { "arm", "", "v7" },  { "arm", "5", "v5" },
	{ "arm", "6", "v6" },	 { "arm", "7", "v7" }, { "arm", "8", "v8" },
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* The strings of the result are @p's or static; none is NULL but os_version. */
static struct spec_platform normalise(const struct spec_platform *p)
{
	struct spec_platform out = {
		.os = or_empty(p->os),
		.architecture = or_empty(p->architecture),
		.variant = or_empty(p->variant),
		.os_version = p->os_version,
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(aliases); i++) {
		if (strcasecmp(out.architecture, aliases[i].name) != 0)
			continue;
		out.architecture = aliases[i].architecture;
		if (aliases[i].variant)
			out.variant = aliases[i].variant;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(variants); i++) {
		if (dv_streq(out.architecture, variants[i].architecture) &&
		    strcasecmp(out.variant, variants[i].name) == 0)
			out.variant = variants[i].normal;
	}
	return out;
}

#if defined(__x86_64__)
/*
 * The levels of the psABI; "v1" is not written. clang 14 does not know their names, but these
 * features tell them apart: no processor has them without the others of its level.
 */
static const char *x86_64_level(void)
{
	if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt"))
		return NULL;
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") ||
	    !__builtin_cpu_supports("fma"))
		return "v2";
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl"))
		return "v3";
	return "v4";
}
#endif

void spec_platform_host(struct spec_platform *ret)
{
	*ret = (struct spec_platform){ .os = "linux" };
#if defined(__x86_64__)
	ret->architecture = "amd64";
	ret->variant = x86_64_level();
#elif defined(__aarch64__)
	ret->architecture = "arm64";
#elif defined(__arm__)
	ret->architecture = "arm";
	ret->variant = "v7";
#elif defined(__riscv)
	ret->architecture = "riscv64";
#elif defined(__i386__)
	ret->architecture = "386";
#else
#error "which platform is this?"
#endif
}

static bool is_os(const char *s)
{
	static const char *const names[] = { "linux",  "windows", "darwin", "freebsd",
					     "netbsd", "openbsd", "solaris" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (strcasecmp(s, names[i]) == 0)
			return true;
	}
	return false;
}

static bool is_word(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
			return false;
	}
	return *s != '\0';
}

static struct dv_err *bad_platform(const char *text)
{
	return dv_err_new(DV_INVALID,
			  "platform \"%.*s\" is not os/architecture or os/architecture/variant",
			  MAX_TEXT, text);
}

struct dv_err *spec_platform_parse(struct dv_arena *arena, const char *text,
				   struct spec_platform *ret)
{
	char *copy = dv_arena_strdup(arena, text);
	struct spec_platform p = { .os = "linux" };
	char *parts[3] = { NULL };
	size_t n = 0;

	if (strlen(text) > MAX_TEXT)
		return bad_platform(text);
	for (char *next = copy; next; n++) {
		if (n == DV_ARRAY_SIZE(parts))
			return bad_platform(text);
		parts[n] = strsep(&next, "/");
		if (!is_word(parts[n]))
			return bad_platform(text);
		for (char *c = parts[n]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	if (n == 1 && is_os(parts[0])) {
		spec_platform_host(&p);
		p.os = parts[0];
	} else if (n == 1) {
		p.architecture = parts[0];
	} else {
		p.os = parts[0];
		p.architecture = parts[1];
		p.variant = parts[2];
	}
	*ret = normalise(&p);
	return NULL;
}

char *spec_platform_format(const struct spec_platform *p)
{
	struct spec_platform n = normalise(p);

	return dv_printf("%s/%s%s%s", n.os, n.architecture, *n.variant ? "/" : "", n.variant);
}

/* "v7" is 7; "" is @none; what is not of that form is -1. */
static int variant_number(const char *variant, int none)
{
	uint32_t n;

	if (!*variant)
		return none;
	if (variant[0] != 'v' || !dv_parse_u32(variant + 1, &n) || n > 99)
		return -1;
	return (int)n;
}

/* An older variant runs, too, and the newest of those is the best. */
static int rank_variant(const struct spec_platform *want, const struct spec_platform *have,
			int none)
{
	int w = variant_number(want->variant, none), h = variant_number(have->variant, none);

	if (dv_streq(want->variant, have->variant))
		return 0;
	if (w < 0 || h < 0 || h > w)
		return -1;
	return w - h;
}

int spec_platform_rank(const struct spec_platform *want_any, const struct spec_platform *have_any)
{
	struct spec_platform want = normalise(want_any), have = normalise(have_any);
	enum { OTHER_WIDTH = 100 };
	int rank;

	if (strcasecmp(want.os, have.os) != 0)
		return -1;
	if (strcasecmp(want.architecture, have.architecture) == 0)
		return rank_variant(&want, &have, dv_streq(have.architecture, "arm64") ? 8 : 1);
	if (dv_streq(want.architecture, "amd64") && dv_streq(have.architecture, "386"))
		return OTHER_WIDTH;
	if (!dv_streq(want.architecture, "arm64") || !dv_streq(have.architecture, "arm"))
		return -1;
	want.variant = "v8";
	rank = rank_variant(&want, &have, 7);
	return rank < 0 ? -1 : OTHER_WIDTH + rank;
}
