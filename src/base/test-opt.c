/* SPDX-License-Identifier: Apache-2.0 */
/* Option parsing: what Go's flag package and urfave/cli do with the same arguments. */

#include <stdio.h>

#include "base/opt.h"
#include "base/str.h"
#include "base/test.h"

struct opts {
	bool detach, keep;
	const char *bundle, *format;
	struct dv_opt_int fds;
	int64_t interval;
	struct dv_opt_list env;
};

#define FIELD(f) offsetof(struct opts, f)

static const struct dv_opt table[] = {
	{ .name = "detach", .letter = 'd', .type = DV_OPT_FLAG, .offset = FIELD(detach) },
	{ .name = "keep", .type = DV_OPT_FLAG, .offset = FIELD(keep) },
	{ .name = "bundle", .letter = 'b', .type = DV_OPT_STRING, .offset = FIELD(bundle) },
	{ .name = "format", .type = DV_OPT_STRING, .offset = FIELD(format), .preset = "table" },
	{ .name = "fds", .type = DV_OPT_INT, .offset = FIELD(fds), .preset = "0" },
	{ .name = "interval", .type = DV_OPT_DURATION, .offset = FIELD(interval), .preset = "5s" },
	{ .name = "env", .letter = 'e', .type = DV_OPT_LIST, .offset = FIELD(env) },
	{ .name = "old", .type = DV_OPT_IGNORED_FLAG },
	{ .name = "older", .letter = 'O', .type = DV_OPT_IGNORED_STRING },
	DV_OPT_END,
};

enum { MAX_ARGS = 16 };

/* Parses the words of @line. The outcome as one text: positionals with '|', or the error. */
static const char *parse_into(struct opts *o, const char *line, int stop_after)
{
	static struct dv_strbuf result = DV_STRBUF_INIT;
	static char words[512];
	char *argv[MAX_ARGS + 1], *rest = words;
	struct dv_err *e;
	int argc = 0, n = 0;

	*o = (struct opts){ 0 };
	snprintf(words, sizeof(words), "%s", line);
	for (char *w; (w = strsep(&rest, " "));) {
		if (*w || argc > 0)
			argv[argc++] = w;
	}
	argv[argc] = NULL;

	e = dv_opt_parse(table, o, stop_after, argc, argv, &n);
	if (e) {
		dv_strbuf_clear(&result);
		dv_strbuf_addf(&result, "%s%s", dv_err_code(e) == DV_CANCELLED ? "help: " : "",
			       dv_err_message(e));
		dv_err_free(e);
		return result.data;
	}
	T_NULL(argv[n]);
	dv_strbuf_clear(&result);
	for (int i = 0; i < n; i++)
		dv_strbuf_addf(&result, "%s%s", i ? "|" : "", argv[i]);
	return result.data;
}

static const char *parse(const char *line, int stop_after)
{
	struct opts o;
	const char *result = parse_into(&o, line, stop_after);

	dv_opt_release(table, &o);
	return result;
}

Test(opt, values)
{
	static const struct {
		const char *line, *bundle;
	} cases[] = {
		{ "--bundle x c", "x" },     { "--bundle=x c", "x" },
		{ "-bundle x c", "x" },	     { "-bundle=x c", "x" },
		{ "-b x c", "x" },	     { "-b=x c", "x" },
		{ "--b x c", "x" },	     { "--bundle= c", "" },
		{ "--bundle -d c", "-d" },   { "--bundle -- c", "--" },
		{ "--bundle=a=b c", "a=b" }, { "c --bundle x", "x" },
		{ "c -b=x", "x" },	     { "--bundle x --bundle y c", "y" },
		{ "-b - c", "-" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct opts o;

		T_STR(parse_into(&o, cases[i].line, -1), "c");
		T_NOT_NULL(o.bundle);
		T_STR(o.bundle, cases[i].bundle);
	}
}

Test(opt, flags)
{
	static const struct {
		const char *line;
		bool is_set;
	} cases[] = {
		{ "-d c", true },
		{ "--detach c", true },
		{ "-detach c", true },
		{ "c -d", true },
		{ "--detach=true c", true },
		{ "-d=1 c", true },
		{ "-d=T c", true },
		{ "--detach=false c", false },
		{ "-d -d=0 c", false },
		{ "-d=FALSE c", false },
		{ "c", false },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct opts o;

		T_STR(parse_into(&o, cases[i].line, -1), "c");
		T_INT(o.detach, ==, cases[i].is_set);
	}
}

Test(opt, positionals)
{
	static const struct {
		const char *line;
		int stop_after;
		const char *positionals;
	} cases[] = {
		{ "", -1, "" },
		{ "a b", -1, "a|b" },
		{ "-d a --keep b -b x", -1, "a|b" },
		{ "-", -1, "-" },
		{ "a -", -1, "a|-" },
		{ "-- -d", -1, "-d" },
		{ "a -- -d", -1, "a|-d" },
		{ "-- a -- b", -1, "a|--|b" },
		/* What is no option of ours is an argument, once there was one. */
		{ "a --nope", -1, "a|--nope" },
		{ "a -9", -1, "a|-9" },
		{ "a --=x", -1, "a|--=x" },
		/* exec, ps: the rest belongs to somebody else. */
		{ "-d a -d -h", 1, "a|-d|-h" },
		{ "a -- b", 1, "a|--|b" },
		{ "-- a -d", 1, "a|-d" },
		{ "-b a b c", 1, "b|c" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		T_STR(parse(cases[i].line, cases[i].stop_after), cases[i].positionals);
}

Test(opt, errors_are_those_of_go)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "--nope", "flag provided but not defined: -nope" },
		{ "-nope=3", "flag provided but not defined: -nope" },
		{ "-dk", "flag provided but not defined: -dk" },
		{ "--bundl x", "flag provided but not defined: -bundl" },
		{ "--bundles x", "flag provided but not defined: -bundles" },
		{ "-9", "flag provided but not defined: -9" },
		{ "---x", "bad flag syntax: ---x" },
		{ "--=x", "bad flag syntax: --=x" },
		{ "-=x", "bad flag syntax: -=x" },
		{ "--bundle", "flag needs an argument: -bundle" },
		{ "a -b", "flag needs an argument: -b" },
		{ "--fds", "flag needs an argument: -fds" },
		{ "--fds abc", "invalid value \"abc\" for flag -fds: parse error" },
		{ "--fds=", "invalid value \"\" for flag -fds: parse error" },
		{ "--fds 1x", "invalid value \"1x\" for flag -fds: parse error" },
		{ "--fds 99999999999999999999",
		  "invalid value \"99999999999999999999\" for flag -fds: value out of range" },
		{ "--fds 2147483648",
		  "invalid value \"2147483648\" for flag -fds: value out of range" },
		{ "--interval 3", "invalid value \"3\" for flag -interval: parse error" },
		{ "-d=maybe", "invalid boolean value \"maybe\" for -d: parse error" },
		{ "--detach=", "invalid boolean value \"\" for -detach: parse error" },
		{ "--help=x", "invalid boolean value \"x\" for -help: parse error" },
		{ "-h --nope", "flag provided but not defined: -nope" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		T_STR(parse(cases[i].line, -1), cases[i].message);
}

Test(opt, help_is_always_known)
{
	static const char help[] = "help: help requested";

	T_STR(parse("-h", -1), help);
	T_STR(parse("--help", -1), help);
	T_STR(parse("-help a", -1), help);
	T_STR(parse("a -h", -1), help);
	T_STR(parse("-h=false a", -1), "a");
	T_STR(parse("a -h", 1), "a|-h");
}

Test(opt, presets)
{
	struct opts o;

	parse_into(&o, "c", -1);
	T_STR(o.format, "table");
	T_INT(o.fds.value, ==, 0);
	T_FALSE(o.fds.is_set);
	T_INT(o.interval, ==, 5000000000);
	T_NULL(o.bundle);

	parse_into(&o, "c --fds 0 --format json --interval 1m30s", -1);
	T_TRUE(o.fds.is_set);
	T_STR(o.format, "json");
	T_INT(o.interval, ==, 90000000000);
}

Test(opt, numbers)
{
	static const struct {
		const char *line;
		int value;
	} cases[] = {
		{ "--fds 7", 7 },     { "--fds -1", -1 }, { "--fds=+3", 3 },
		{ "--fds 0x10", 16 }, { "--fds 010", 8 }, { "--fds 2147483647", 2147483647 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct opts o;

		T_STR(parse_into(&o, cases[i].line, -1), "");
		T_INT(o.fds.value, ==, cases[i].value);
	}
}

Test(opt, lists)
{
	struct opts o;

	T_STR(parse_into(&o, "-e A=1 c --env=B=2 -e -d", -1), "c");
	T_INT(o.env.n_items, ==, 3);
	T_STR(o.env.items[0], "A=1");
	T_STR(o.env.items[1], "B=2");
	T_STR(o.env.items[2], "-d");
	T_FALSE(o.detach);
	dv_opt_release(table, &o);
	T_INT(o.env.n_items, ==, 0);
	dv_opt_release(table, &o);

	/* After an error there may be something to release, too. */
	parse_into(&o, "-e A=1 --fds x", -1);
	dv_opt_release(table, &o);
}

Test(opt, ignored)
{
	T_STR(parse("--old --older x -O y a --old=false", -1), "a");
	T_STR(parse("--older", -1), "flag needs an argument: -older");
}
