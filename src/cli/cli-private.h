/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the verbs share. One struct cli per process; a verb is a file verb-<name>.c with an option
 * table and a struct dv_opt_verb, whose run() gets the struct cli as its first argument.
 *
 * An error of a verb says what it could not do, on what: "cannot remove image x: why". What to
 * do about it is a hint, a line of its own.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "client/client.h"

struct cli_opts { /* in front of the verb */
	bool is_version;
	const char *address, *ns;
};

struct cli {
	const char *name; /* as called, the last component */
	struct cli_opts opts;
	struct client *client; /* cli_client() */
	struct dv_arena arena; /* of the whole run */
	bool is_terminal; /* standard output is one */
	bool has_colour; /* it is, and NO_COLOR does not forbid it */
	char *hint; /* of the error that is to come */
};

/* davitd; connected by its first call. */
struct dv_err *cli_client(struct cli *cli, struct client **ret) DV_CHECK;

/* A variable of our own environment; NULL: there is none. */
const char *cli_env(const char *name);

/* All of @text to standard output. */
struct dv_err *cli_print(const struct dv_strbuf *text) DV_CHECK;

/* The last hint wins; it goes with the next error that is reported. */
void cli_hint(struct cli *cli, const char *fmt, ...) DV_PRINTF(2, 3);
/* "davit: ..." and the hint, to standard error. Frees @take; NULL is nothing. */
void cli_report(struct cli *cli, struct dv_err *take);

/*
 * @fn for each of @args. Errors are reported as they come, the others are done all the same, and
 * *ret_status is 1 then.
 */
typedef struct dv_err *(*cli_each_fn)(struct cli *cli, const void *ctx, const char *arg);
void cli_each(struct cli *cli, const void *ctx, char **args, cli_each_fn fn, int *ret_status);

/* Now, by the wall clock. */
struct timespec cli_now(void);

/* dispatch.c: parses and runs. */
struct dv_err *cli_dispatch(struct cli *cli, int argc, char **argv, int *ret_status) DV_CHECK;

extern const struct dv_opt_verb cli_verb_attach;
extern const struct dv_opt_verb cli_verb_commit;
extern const struct dv_opt_verb cli_verb_complete;
extern const struct dv_opt_verb cli_verb_completion;
extern const struct dv_opt_verb cli_verb_container_inspect;
extern const struct dv_opt_verb cli_verb_container_prune;
extern const struct dv_opt_verb cli_verb_cp;
extern const struct dv_opt_verb cli_verb_create;
extern const struct dv_opt_verb cli_verb_diff;
extern const struct dv_opt_verb cli_verb_events;
extern const struct dv_opt_verb cli_verb_exec;
extern const struct dv_opt_verb cli_verb_image_history;
extern const struct dv_opt_verb cli_verb_image_inspect;
extern const struct dv_opt_verb cli_verb_image_load;
extern const struct dv_opt_verb cli_verb_image_ls;
extern const struct dv_opt_verb cli_verb_image_prune;
extern const struct dv_opt_verb cli_verb_image_rm;
extern const struct dv_opt_verb cli_verb_image_save;
extern const struct dv_opt_verb cli_verb_image_tag;
extern const struct dv_opt_verb cli_verb_import;
extern const struct dv_opt_verb cli_verb_inspect;
extern const struct dv_opt_verb cli_verb_kill;
extern const struct dv_opt_verb cli_verb_logs;
extern const struct dv_opt_verb cli_verb_namespace_create;
extern const struct dv_opt_verb cli_verb_namespace_inspect;
extern const struct dv_opt_verb cli_verb_namespace_label;
extern const struct dv_opt_verb cli_verb_namespace_ls;
extern const struct dv_opt_verb cli_verb_namespace_rm;
extern const struct dv_opt_verb cli_verb_pause;
extern const struct dv_opt_verb cli_verb_ps;
extern const struct dv_opt_verb cli_verb_rename;
extern const struct dv_opt_verb cli_verb_restart;
extern const struct dv_opt_verb cli_verb_rm;
extern const struct dv_opt_verb cli_verb_run;
extern const struct dv_opt_verb cli_verb_start;
extern const struct dv_opt_verb cli_verb_stats;
extern const struct dv_opt_verb cli_verb_stop;
extern const struct dv_opt_verb cli_verb_system_check;
extern const struct dv_opt_verb cli_verb_system_df;
extern const struct dv_opt_verb cli_verb_system_info;
extern const struct dv_opt_verb cli_verb_system_prune;
extern const struct dv_opt_verb cli_verb_system_repair;
extern const struct dv_opt_verb cli_verb_top;
extern const struct dv_opt_verb cli_verb_unpause;
extern const struct dv_opt_verb cli_verb_version;
extern const struct dv_opt_verb cli_verb_wait;
