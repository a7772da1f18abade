/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the actions of the shim's program share. One struct shim_cli per process, made by main(). */

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/str.h"

struct shim_env;

#define SHIM_NAME "io.containerd.davit.v2"

struct shim_opts {
	bool is_debug, is_version, is_info;
	const char *ns, *address, *publish_binary, *id, *bundle, *socket;
};

struct shim_cli {
	const char *program; /* argv[0] */
	const char *name; /* its last component */
	char *self; /* path of the executable */
	char *path; /* where OCI runtimes are looked for: beside us, then PATH */
	struct shim_opts opts;
	struct dv_log log; /* to standard error */
	const char *const *envp;
	const char *ttrpc_address, *max_version; /* from the environment */
	bool has_sched_core;
};

extern const struct dv_opt_program shim_program;

/* The environment for the parts in src/shim; its loop is the process's default one. */
void cli_env_init(struct shim_cli *cli, struct shim_env *env);

struct dv_err *cli_print(const struct dv_strbuf *text) DV_CHECK;

struct dv_err *cli_start(struct shim_cli *cli) DV_CHECK; /* action.c */
struct dv_err *cli_delete(struct shim_cli *cli) DV_CHECK;
struct dv_err *cli_info(struct shim_cli *cli) DV_CHECK;
struct dv_err *cli_serve(struct shim_cli *cli) DV_CHECK; /* serve.c: no action given */

void cli_help(const struct shim_cli *cli, struct dv_strbuf *out); /* options.c */
void cli_version(const struct shim_cli *cli, struct dv_strbuf *out);
