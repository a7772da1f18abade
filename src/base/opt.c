/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option parser, and the style of Go's flag package. It walks argv once; positionals are moved
 * forward in place, which is safe because there are never more of them than arguments read.
 */

#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "opt-private.h"

const struct dv_opt dv_opt_none[] = { DV_OPT_END };

const struct dv_opt opt_help = { .name = "help", .letter = 'h', .type = DV_OPT_FLAG };

/* One argument taken apart: "--name=value". */
struct word {
	const char *name;
	size_t name_len;
	const char *value; /* NULL: no "=" */
	const struct dv_opt *opt;
};

bool dv_opt_takes_value(const struct dv_opt *opt)
{
	return opt->type != DV_OPT_FLAG && opt->type != DV_OPT_IGNORED_FLAG;
}

static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1];
}

static bool word_names(const struct word *w, const struct dv_opt *opt)
{
	if (opt->letter && w->name_len == 1 && w->name[0] == opt->letter)
		return true;
	return strncmp(opt->name, w->name, w->name_len) == 0 && !opt->name[w->name_len];
}

/* One dash or two make no difference; the first "=" ends the name. */
static struct word word_split(const struct dv_opt *opts, const char *arg)
{
	struct word w = { .name = arg + 1 + (arg[1] == '-') };

	w.name_len = strcspn(w.name, "=");
	if (w.name_len == 0 || w.name[0] == '-') {
		w.name_len = 0; /* bad syntax */
		return w;
	}
	if (w.name[w.name_len])
		w.value = w.name + w.name_len + 1;
	for (const struct dv_opt *o = opts; o->name; o++) {
		if (word_names(&w, o)) {
			w.opt = o;
			return w;
		}
	}
	if (word_names(&w, &opt_help))
		w.opt = &opt_help;
	return w;
}

/* NULL, or what is wrong with it. A leading 0x means hexadecimal, 0 octal. */
static const char *parse_int(const char *s, int *ret)
{
	long long v;
	char *end;

	if (!isdigit((unsigned char)s[s[0] == '-' || s[0] == '+']))
		return "parse error";
	errno = 0;
	v = strtoll(s, &end, 0);
	if (*end)
		return "parse error";
	if (errno || v < INT_MIN || v > INT_MAX)
		return "value out of range";
	*ret = (int)v;
	return NULL;
}

static void list_add(struct dv_opt_list *list, const char *item)
{
	list->items = dv_realloc_n(list->items, list->n_items + 1, sizeof(*list->items));
	list->items[list->n_items++] = item;
}

const char *opt_store(const struct dv_opt *opt, char *fields, const char *value, bool is_preset)
{
	void *field = fields + opt->offset;
	struct dv_opt_int *number;

	switch (opt->type) {
	case DV_OPT_FLAG:
		return dv_parse_bool(value, field) ? NULL : "parse error";
	case DV_OPT_STRING:
		*(const char **)field = value;
		return NULL;
	case DV_OPT_INT:
		number = field;
		number->is_set = !is_preset;
		return parse_int(value, &number->value);
	case DV_OPT_DURATION:
		return dv_parse_duration(value, field) ? NULL : "parse error";
	case DV_OPT_LIST:
		list_add(field, value);
		return NULL;
	default:
		return NULL;
	}
}

/* Go quotes with %q; JSON's quoting is the same for what people type. */
char *opt_quote(const char *value)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	dv_strbuf_add_json(&b, value);
	return dv_strbuf_steal(&b);
}

static struct dv_err *set_flag(struct opt_parser *p, const struct word *w)
{
	bool on = true;

	if (w->value && !dv_parse_bool(w->value, &on)) {
		DV_CLEANUP(dv_freep) char *quoted = opt_quote(w->value);

		return dv_err_new(DV_INVALID, "invalid boolean value %s for -%.*s: parse error",
				  quoted, (int)w->name_len, w->name);
	}
	if (w->opt == &opt_help)
		p->is_help = on;
	else if (w->opt->type == DV_OPT_FLAG)
		*(bool *)(p->fields + w->opt->offset) = on;
	return NULL;
}

static struct dv_err *set_value(struct opt_parser *p, const struct word *w)
{
	const char *value = w->value, *why;

	if (!value) {
		if (p->next == p->argc)
			return dv_err_new(DV_INVALID, "flag needs an argument: -%.*s",
					  (int)w->name_len, w->name);
		value = p->argv[p->next++];
	}
	why = opt_store(w->opt, p->fields, value, false);
	if (why) {
		DV_CLEANUP(dv_freep) char *quoted = opt_quote(value);

		return dv_err_new(DV_INVALID, "invalid value %s for flag -%.*s: %s", quoted,
				  (int)w->name_len, w->name, why);
	}
	return NULL;
}

/* Unknown options, except behind a positional, where they are taken for one. */
static struct dv_err *set_option(struct opt_parser *p, const char *arg, bool *ret_is_positional)
{
	struct word w = word_split(p->opts, arg);

	if (w.opt)
		return dv_opt_takes_value(w.opt) ? set_value(p, &w) : set_flag(p, &w);
	if (p->n_args > 0) {
		*ret_is_positional = true;
		return NULL;
	}
	if (w.name_len == 0)
		return dv_err_new(DV_INVALID, "bad flag syntax: %s", arg);
	return dv_err_new(DV_INVALID, "flag provided but not defined: -%.*s", (int)w.name_len,
			  w.name);
}

static void apply_presets(const struct dv_opt *opts, char *fields)
{
	for (const struct dv_opt *o = opts; o->name; o++) {
		const char *why = o->preset ? opt_store(o, fields, o->preset, true) : NULL;

		dv_assert(!why);
	}
}

struct dv_err *opt_walk(struct opt_parser *p, opt_set_fn set, int *ret_argc)
{
	bool is_over = p->stop_after == 0; /* no more options */

	apply_presets(p->opts, p->fields);
	while (p->next < p->argc) {
		char *arg = p->argv[p->next++];
		bool is_positional = is_over || !is_option(arg);
		struct dv_err *e;

		if (!is_positional && dv_streq(arg, "--")) {
			is_over = true;
			continue;
		}
		if (!is_positional) {
			e = set(p, arg, &is_positional);
			if (e)
				return e;
		}
		if (is_positional)
			p->argv[p->n_args++] = arg;
		is_over |= p->n_args == p->stop_after;
	}
	if (p->n_args < p->argc)
		p->argv[p->n_args] = NULL;
	*ret_argc = p->n_args;
	return p->is_help ? dv_err_new(DV_CANCELLED, "help requested") : NULL;
}

struct dv_err *dv_opt_parse(const struct dv_opt *opts, void *opts_struct, int stop_after, int argc,
			    char **argv, int *ret_argc)
{
	struct opt_parser p = { .opts = opts,
				.fields = opts_struct,
				.stop_after = stop_after,
				.argc = argc,
				.argv = argv };

	return opt_walk(&p, set_option, ret_argc);
}

void dv_opt_release(const struct dv_opt *opts, void *opts_struct)
{
	for (const struct dv_opt *o = opts; o->name; o++) {
		struct dv_opt_list *list;

		if (o->type != DV_OPT_LIST)
			continue;
		list = (struct dv_opt_list *)((char *)opts_struct + o->offset);
		free(list->items);
		*list = (struct dv_opt_list){ 0 };
	}
}
