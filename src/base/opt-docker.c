/* SPDX-License-Identifier: Apache-2.0 */
/* Options in docker's style: the rules, and the errors, of its library (pflag). */

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "opt-private.h"

static const struct dv_opt *find_name(const struct opt_parser *p, const char *name, size_t len)
{
	for (const struct dv_opt *o = p->opts; o->name; o++) {
		if (strncmp(o->name, name, len) == 0 && !o->name[len])
			return o;
	}
	return strlen(opt_help.name) == len && strncmp(opt_help.name, name, len) == 0 ? &opt_help
										      : NULL;
}

static const struct dv_opt *find_letter(const struct opt_parser *p, char letter)
{
	for (const struct dv_opt *o = p->opts; o->name; o++) {
		if (o->letter == letter)
			return o;
	}
	return letter == opt_help.letter ? &opt_help : NULL;
}

/* What people understand, where Go names its functions. */
static const char *wanted(const struct dv_opt *opt, const char *why)
{
	switch (opt->type) {
	case DV_OPT_INT:
		return dv_streq(why, "parse error") ? "not a number" : why;
	case DV_OPT_DURATION:
		return "not a duration such as 1m30s";
	default:
		return "neither true nor false";
	}
}

static struct dv_err *set(struct opt_parser *p, const struct dv_opt *opt, const char *value)
{
	DV_CLEANUP(dv_freep) char *quoted = NULL;
	const char *why;
	char letter[] = { '-', opt->letter, ',', ' ', '\0' };

	if (opt == &opt_help)
		why = dv_parse_bool(value, &p->is_help) ? NULL : "";
	else
		why = opt_store(opt, p->fields, value, false);
	if (!why)
		return NULL;
	quoted = opt_quote(value);
	return dv_err_new(DV_INVALID, "invalid argument %s for \"%s--%s\" flag: %s", quoted,
			  opt->letter ? letter : "", opt->name, wanted(opt, why));
}

/* "--name", "--name=value", "--name value" */
static struct dv_err *set_long(struct opt_parser *p, const char *arg)
{
	const char *name = arg + 2, *value;
	size_t len = strcspn(name, "=");
	const struct dv_opt *opt;

	if (len == 0 || name[0] == '-')
		return dv_err_new(DV_INVALID, "bad flag syntax: %s", arg);
	opt = find_name(p, name, len);
	if (!opt)
		return dv_err_new(DV_INVALID, "unknown flag: --%.*s", (int)len, name);
	if (name[len])
		value = name + len + 1;
	else if (!dv_opt_takes_value(opt))
		value = "true";
	else if (p->next < p->argc)
		value = p->argv[p->next++];
	else
		return dv_err_new(DV_INVALID, "flag needs an argument: --%s", opt->name);
	return set(p, opt, value);
}

static struct dv_err *unknown_letter(const char *letters)
{
	int len = 1; /* of the character, which may be one of several bytes */

	while ((letters[len] & 0xc0) == 0x80)
		len++;
	return dv_err_new(DV_INVALID, "unknown shorthand flag: '%.*s' in -%s", len, letters,
			  letters);
}

/* "-d", "-dit", "-p80", "-p=80", "-p 80", "-itp80" */
static struct dv_err *set_letters(struct opt_parser *p, const char *letters)
{
	for (; *letters; letters++) {
		const struct dv_opt *opt = find_letter(p, *letters);
		const char *value = "true";
		bool is_last = true;
		struct dv_err *e;

		if (!opt)
			return unknown_letter(letters);
		if (letters[1] == '=' && letters[2])
			value = letters + 2;
		else if (!dv_opt_takes_value(opt))
			is_last = false;
		else if (letters[1])
			value = letters + 1;
		else if (p->next < p->argc)
			value = p->argv[p->next++];
		else
			return dv_err_new(DV_INVALID, "flag needs an argument: '%c' in -%s",
					  *letters, letters);
		e = set(p, opt, value);
		if (e || is_last)
			return e;
	}
	return NULL;
}

static struct dv_err *set_option(struct opt_parser *p, const char *arg, bool *ret_is_positional)
{
	(void)ret_is_positional;
	return arg[1] == '-' ? set_long(p, arg) : set_letters(p, arg + 1);
}

struct dv_err *dv_opt_parse_docker(const struct dv_opt *opts, void *opts_struct, int stop_after,
				   int argc, char **argv, int *ret_argc)
{
	struct opt_parser p = { .opts = opts,
				.fields = opts_struct,
				.stop_after = stop_after,
				.argc = argc,
				.argv = argv };

	return opt_walk(&p, set_option, ret_argc);
}
