/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the verbs of davit-oci share: the global options turned into a runtime context, and
 * small services around standard output. One struct cli per process, made by main().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/str.h"
#include "runtime/runtime.h"

struct global_opts {
	bool is_debug, is_version, is_systemd_cgroup;
	const char *log, *log_format, *root, *rootless;
};

struct cli {
	const char *argv0; /* as called: usage errors show it whole */
	const char *name; /* its last component */
	char **argv; /* all words, as they came */
	struct global_opts opts;
	struct dv_log log;
	struct rt_context ctx;
	char *root; /* what ctx.root points to */
};

extern const struct dv_opt_program davit_oci_program;

/*
 * A cli that can report errors, with nothing configured yet; and a process whose standard
 * streams are open. Keeps a copy of @argv: parsing moves the words about.
 */
void cli_init(struct cli *cli, int argc, char **argv);
void cli_fini(struct cli *cli);

/* Makes @cli what cli->opts says: opens the log, decides root directory and rootlessness. */
struct dv_err *cli_configure(struct cli *cli) DV_CHECK;

/* To the log and, when that is not standard error, to standard error too. Frees @take. */
void cli_report(const struct cli *cli, struct dv_err *take);

/* All of @text to standard output. */
struct dv_err *cli_print(const struct dv_strbuf *text) DV_CHECK;

/* An empty value means "not given", as in runc. */
static inline const char *cli_given(const char *value)
{
	return value && *value ? value : NULL;
}

/* @path as an absolute one, heap; NULL for NULL and "". */
struct dv_err *cli_absolute(const char *path, char **ret) DV_CHECK;

/* DV_UNIMPLEMENTED when --systemd-cgroup was given: for verbs that make a cgroup. */
struct dv_err *cli_check_cgroup_driver(const struct cli *cli) DV_CHECK;

/* The number of --preserve-fds. DV_INVALID when negative. */
struct dv_err *cli_preserve_fds(const struct dv_opt_int *opt, unsigned *ret) DV_CHECK;

/* When @e is about permissions, warns that cgroups may be the reason. Returns @e. */
struct dv_err *cli_hint_cgroup(const struct cli *cli, const char *op, struct dv_err *e) DV_CHECK;
