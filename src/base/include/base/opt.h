/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Option tables. A program is a list of verbs, a verb is a list of options and a
 * function; help texts, man pages and shell completion are all made from these tables
 * (tools/), so none of them can disagree with what is parsed.
 *
 * Two styles, for the clients and the habits that there are:
 * dv_opt_parse(), of runc and containerd (Go's flag package): --name VALUE, --name=VALUE,
 * -name VALUE, -n VALUE, -n=VALUE; letters are not joined.
 * dv_opt_parse_docker(), of docker (pflag): --name VALUE, --name=VALUE, -n VALUE, -nVALUE,
 * -n=VALUE; letters of flags are joined ("-it", "-itp8080").
 * In both, booleans take no value, or =true / =false, and "--" ends the options. "-h" and
 * "--help" need no row; a row with the letter h takes the letter away.
 *
 * In all texts "$0" stands for the name that the program was called by.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

enum dv_opt_type {
	DV_OPT_FLAG, /* bool */
	DV_OPT_STRING, /* const char * (borrowed from argv) */
	DV_OPT_INT, /* struct dv_opt_int */
	DV_OPT_DURATION, /* int64_t nanoseconds: "5s", "1m30s" */
	DV_OPT_LIST, /* struct dv_opt_list, may be given several times */
	DV_OPT_IGNORED_FLAG,
	DV_OPT_IGNORED_STRING,
};

struct dv_opt_int {
	int value;
	bool is_set; /* given by the user: a preset leaves it false */
};

struct dv_opt_list {
	const char **items; /* heap, the strings are argv's */
	size_t n_items;
};

struct dv_opt {
	const char *name; /* without dashes */
	char letter; /* 0: none */
	bool is_hidden; /* accepted, in no help text */
	enum dv_opt_type type;
	size_t offset; /* of the field in the verb's option struct */
	const char *arg; /* name of the value in help texts; "path", "dir" are completed */
	const char *help; /* one sentence, lower case, no full stop */
	const char *preset; /* value when not given; shown as "(default: ...)" */
};

#define DV_OPT_END \
	{ \
		.name = NULL \
	}

/* For a verb without options. */
extern const struct dv_opt dv_opt_none[];

/*
 * A name is one word, or two: a group and a verb in it ("image ls").
 */
struct dv_opt_verb {
	const char *name;
	const char *aliases; /* more names, with commas between: "images,image list"; may be NULL */
	const char *args; /* "<container-id> [signal]", "" when there are none */
	const char *args_text; /* paragraph that explains them; may be NULL */
	const char *summary; /* one line */
	const char *text; /* paragraphs; may be NULL */
	const char *example; /* "    # $0 kill c1 KILL" with its introduction; may be NULL */
	const struct dv_opt *opts;
	int min_args;
	int max_args; /* -1: no limit */
	int stop_after; /* see dv_opt_parse(); -1: options may be anywhere */
	bool is_hidden;
	bool needs_seal; /* the program protects its own image first */
	int failure_status; /* of the process when run() fails; 0 means 1 */
	size_t opts_size; /* of the struct that run() gets as @opts, zeroed before parsing */
	/*
	 * @args: the positionals, NULL-terminated, their number checked. *ret_status is 0
	 * before the call and the exit status of the process after it.
	 */
	struct dv_err *(*run)(void *program, const void *opts, char **args,
			      int *ret_status)DV_CHECK;
};

/* The verbs of a group are those with its name in front. */
struct dv_opt_group {
	const char *name;
	const char *summary;
};

enum dv_opt_style { DV_OPT_STYLE_GO, DV_OPT_STYLE_DOCKER };

struct dv_opt_program {
	enum dv_opt_style style; /* of manual pages: docker's are for anybody, in section 1 */
	const char *name; /* of the manual page; help texts show what was called */
	const char *summary;
	const char *text;
	const struct dv_opt *opts; /* in front of the verb */
	const struct dv_opt_verb *const *verbs; /* NULL-terminated */
	const struct dv_opt_group *groups; /* up to one without a name; may be NULL */
};

/* NULL when there is no such verb. Hidden ones are found too, aliases are not looked at. */
const struct dv_opt_verb *dv_opt_verb_find(const struct dv_opt_program *program, const char *name);

/*
 * The verb that the first words of argv[0..argc) name, by any of its names; NULL: none.
 * *ret_n_words, how many words that took, is 1 or 2.
 */
const struct dv_opt_verb *dv_opt_verb_match(const struct dv_opt_program *program, int argc,
					    char *const *argv, int *ret_n_words);

/* A part of a table's text. */
struct dv_opt_name {
	const char *text;
	size_t len;
};

/* The @i-th name of a verb, 0 being the first one; false: it has no more. */
bool dv_opt_verb_name(const struct dv_opt_verb *verb, size_t i, struct dv_opt_name *ret);

/* NULL when there is no such group. */
const struct dv_opt_group *dv_opt_group_find(const struct dv_opt_program *program,
					     const char *name);
/* The verb's name within the group: "ls" for "image"; NULL: it is not in this group. */
const char *dv_opt_group_word(const struct dv_opt_group *group, const struct dv_opt_name *name,
			      size_t *ret_len);

/* False for flags. */
bool dv_opt_takes_value(const struct dv_opt *opt);

/*
 * Parses options from argv[0..argc); what is left, positionals, is moved to the front of
 * argv, and its number is *ret_argc. @opts_struct is the struct that offsets point into.
 * @stop_after: once this many positionals were seen, everything else is positional (-1:
 * options may follow positionals anywhere; behind the first positional what looks like an
 * option and is none is a positional, too).
 *
 * DV_INVALID: unknown option, missing or malformed value. The text is what Go's flag
 * package says ("flag provided but not defined: -x"), since callers match it.
 * DV_CANCELLED: help was asked for (-h, --help), and there was nothing wrong.
 */
struct dv_err *dv_opt_parse(const struct dv_opt *opts, void *opts_struct, int stop_after, int argc,
			    char **argv, int *ret_argc) DV_CHECK;

/*
 * The same in docker's style. What looks like an option behind a positional is one, or an error
 * ("unknown flag: --x", "unknown shorthand flag: 'x' in -xyz"), unless @stop_after is reached.
 */
struct dv_err *dv_opt_parse_docker(const struct dv_opt *opts, void *opts_struct, int stop_after,
				   int argc, char **argv, int *ret_argc) DV_CHECK;

/* Frees what parsing allocated in @opts_struct. */
void dv_opt_release(const struct dv_opt *opts, void *opts_struct);
