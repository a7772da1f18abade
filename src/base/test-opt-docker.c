/* SPDX-License-Identifier: Apache-2.0 */
/* Options in docker's style: what pflag does with the same arguments. */

#include <stdio.h>

#include "base/opt.h"
#include "base/str.h"
#include "base/test.h"

struct opts {
	bool tty, open, detach, proxy;
	const char *name, *hostname;
	struct dv_opt_int count;
	int64_t timeout;
	struct dv_opt_list env, publish;
};

#define FIELD(f) offsetof(struct opts, f)

static const struct dv_opt table[] = {
	{ .name = "tty", .letter = 't', .type = DV_OPT_FLAG, .offset = FIELD(tty) },
	{ .name = "interactive", .letter = 'i', .type = DV_OPT_FLAG, .offset = FIELD(open) },
	{ .name = "detach", .letter = 'd', .type = DV_OPT_FLAG, .offset = FIELD(detach) },
	{ .name = "sig-proxy", .type = DV_OPT_FLAG, .offset = FIELD(proxy), .preset = "true" },
	{ .name = "name", .type = DV_OPT_STRING, .offset = FIELD(name) },
	{ .name = "hostname", .letter = 'h', .type = DV_OPT_STRING, .offset = FIELD(hostname) },
	{ .name = "last", .letter = 'n', .type = DV_OPT_INT, .offset = FIELD(count) },
	{ .name = "timeout", .type = DV_OPT_DURATION, .offset = FIELD(timeout) },
	{ .name = "env", .letter = 'e', .type = DV_OPT_LIST, .offset = FIELD(env) },
	{ .name = "publish", .letter = 'p', .type = DV_OPT_LIST, .offset = FIELD(publish) },
	{ .name = "old", .letter = 'o', .type = DV_OPT_IGNORED_FLAG },
	DV_OPT_END,
};

static const struct dv_opt no_letters[] = {
	{ .name = "quiet", .letter = 'q', .type = DV_OPT_FLAG, .offset = FIELD(tty) },
	DV_OPT_END,
};

enum { MAX_ARGS = 16 };

/* Parses the words of @line. The outcome as one text: positionals with '|', or the error. */
static const char *parse_with(const struct dv_opt *opts, struct opts *o, const char *line,
			      int stop_after)
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
	e = dv_opt_parse_docker(opts, o, stop_after, argc, argv, &n);
	dv_strbuf_clear(&result);
	if (e) {
		dv_strbuf_addf(&result, "%s%s", dv_err_code(e) == DV_CANCELLED ? "help: " : "",
			       dv_err_message(e));
		dv_err_free(e);
		return result.data;
	}
	T_NULL(argv[n]);
	for (int i = 0; i < n; i++)
		dv_strbuf_addf(&result, "%s%s", i ? "|" : "", argv[i]);
	return result.data;
}

/* The outcome, and what the fields are. */
static const char *parse(const char *line, int stop_after)
{
	static struct dv_strbuf all = DV_STRBUF_INIT;
	struct opts o;
	const char *result = parse_with(table, &o, line, stop_after);

	dv_strbuf_clear(&all);
	dv_strbuf_addf(&all, "%s%s%s%s", o.tty ? "t" : "", o.open ? "i" : "", o.detach ? "d" : "",
		       o.proxy ? "" : "!proxy");
	if (o.name)
		dv_strbuf_addf(&all, " name=%s", o.name);
	if (o.hostname)
		dv_strbuf_addf(&all, " host=%s", o.hostname);
	if (o.count.is_set)
		dv_strbuf_addf(&all, " last=%d", o.count.value);
	for (size_t i = 0; i < o.env.n_items; i++)
		dv_strbuf_addf(&all, " env=%s", o.env.items[i]);
	for (size_t i = 0; i < o.publish.n_items; i++)
		dv_strbuf_addf(&all, " port=%s", o.publish.items[i]);
	dv_strbuf_addf(&all, " %s", result);
	dv_opt_release(table, &o);
	return all.data;
}

Test(opt_docker, forms)
{
	static const struct {
		const char *line, *outcome;
	} cases[] = {
		{ "-it c", "ti c" },
		{ "-i -t c", "ti c" },
		{ "-dit c", "tid c" },
		{ "-eFOO=bar c", " env=FOO=bar c" },
		{ "-e FOO=bar c", " env=FOO=bar c" },
		{ "-e=FOO c", " env=FOO c" },
		{ "-e =x c", " env==x c" },
		{ "-p8080 c", " port=8080 c" },
		{ "-itp 80 c", "ti port=80 c" },
		{ "-itp80:80 c", "ti port=80:80 c" },
		{ "-itp=80 c", "ti port=80 c" },
		{ "-tn3 c", "t last=3 c" },
		{ "-n -1 c", " last=-1 c" },
		{ "-n-1 c", " last=-1 c" },
		{ "--name x c", " name=x c" },
		{ "--name=x c", " name=x c" },
		{ "--name= c", " name= c" },
		{ "--name=a=b c", " name=a=b c" },
		{ "--name -d c", " name=-d c" },
		{ "--tty=false -t=1 c", "t c" },
		{ "-t -t=false c", " c" },
		{ "--sig-proxy=false c", "!proxy c" },
		{ "-h box c", " host=box c" },
		{ "-hbox c", " host=box c" },
		{ "-o --old -t c", "t c" },
		{ "c -t", "t c" },
		{ "-", " -" },
		{ "a - b", " a|-|b" },
		{ "-- -t", " -t" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		T_STR(parse(cases[i].line, -1), cases[i].outcome);
}

Test(opt_docker, the_rest_is_the_container_s)
{
	T_STR(parse("-it image sh -c x", 1), "ti image|sh|-c|x");
	T_STR(parse("-t image -i --nope", 1), "t image|-i|--nope");
	T_STR(parse("image -- -i", 1), " image|--|-i");
	T_STR(parse("-- image -i", 1), " image|-i");
}

Test(opt_docker, errors)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "--nope", " unknown flag: --nope" },
		{ "--nope=3", " unknown flag: --nope" },
		{ "a --nope", " unknown flag: --nope" },
		{ "--nam x", " unknown flag: --nam" },
		{ "-xyz", " unknown shorthand flag: 'x' in -xyz" },
		{ "-itx1", "ti unknown shorthand flag: 'x' in -x1" },
		{ "-name x",
		  " last=0 invalid argument \"ame\" for \"-n, --last\" flag: not a number" },
		{ "-\xc3\xa9z", " unknown shorthand flag: '\xc3\xa9' in -\xc3\xa9z" },
		{ "-t=", "t unknown shorthand flag: '=' in -=" },
		{ "---x", " bad flag syntax: ---x" },
		{ "--=x", " bad flag syntax: --=x" },
		{ "--name", " flag needs an argument: --name" },
		{ "-e", " flag needs an argument: 'e' in -e" },
		{ "-ite", "ti flag needs an argument: 'e' in -e" },
		{ "--tty=maybe",
		  " invalid argument \"maybe\" for \"-t, --tty\" flag: neither true nor false" },
		{ "--last 99999999999",
		  " last=0 invalid argument \"99999999999\" for \"-n, --last\" flag: value out of range" },
		{ "--timeout 3",
		  " invalid argument \"3\" for \"--timeout\" flag: not a duration such as 1m30s" },
		{ "--help=x",
		  " invalid argument \"x\" for \"-h, --help\" flag: neither true nor false" },
		{ "--help --nope", " unknown flag: --nope" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		T_STR(parse(cases[i].line, -1), cases[i].message);
}

Test(opt_docker, help)
{
	struct opts o;

	T_STR(parse("--help", -1), " help: help requested");
	T_STR(parse("a --help", -1), " help: help requested");
	T_STR(parse("a --help", 1), " a|--help");
	T_STR(parse_with(no_letters, &o, "-h", -1), "help: help requested");
	T_STR(parse_with(no_letters, &o, "-qh", -1), "help: help requested");
	T_STR(parse_with(no_letters, &o, "--help=false", -1), "");
}
