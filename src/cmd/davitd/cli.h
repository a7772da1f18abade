/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of davitd's program share. One struct cli per process, made by main(). */

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "daemon/config.h"

struct davitd_opts {
	bool is_version, is_fault_list;
	const char *address, *root, *state, *config, *log_level, *log_format;
};

struct cli {
	const char *name; /* the last component of argv[0] */
	char *dir; /* where the program is, and our others */
	struct davitd_opts opts;
	struct dv_arena arena; /* of the configuration */
	struct daemon_config config; /* after cli_configure() */
	struct dv_log log; /* to standard error */
	const char *const *envp;
};

extern const struct dv_opt_program davitd_program;
extern const struct dv_opt_verb davitd_verb_config; /* config.c */
extern const struct dv_opt_verb davitd_verb_publish; /* publish.c */

/* Reads files and flags; what is odd in them is logged. Strings of @ret are in @arena. */
struct dv_err *cli_load(struct cli *cli, struct dv_arena *arena, struct daemon_config *ret)
	DV_CHECK;
/* The same into @cli, and for its log. */
struct dv_err *cli_configure(struct cli *cli) DV_CHECK;

struct dv_err *cli_serve(struct cli *cli) DV_CHECK; /* serve.c */
struct dv_err *cli_print(const struct dv_strbuf *text) DV_CHECK;
void cli_help(const struct cli *cli, struct dv_strbuf *out); /* options.c */
void cli_version(const struct cli *cli, struct dv_strbuf *out);
void cli_faults(const struct cli *cli, struct dv_strbuf *out);
