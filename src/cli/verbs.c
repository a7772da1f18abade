/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the program. */

#include <stddef.h>

#include "cli-private.h"
#include "cli/cli.h"

#define FIELD(name) offsetof(struct cli_opts, name)

static const struct dv_opt options[] = {
	{ .name = "address",
	  .letter = 'a',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(address),
	  .arg = "path",
	  .help = "davitd's socket (default: $DAVIT_ADDRESS or " CLIENT_ADDRESS_DEFAULT ")" },
	{ .name = "namespace",
	  .letter = 'n',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(ns),
	  .arg = "namespace",
	  .help = "containerd's namespace (default: $DAVIT_NAMESPACE or default)" },
	{ .name = "version",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_version),
	  .help = "print the version" },
	DV_OPT_END,
};

static const struct dv_opt_verb *const verbs[] = {
	&cli_verb_complete,
	&cli_verb_run,
	&cli_verb_exec,
	&cli_verb_ps,
	&cli_verb_logs,
	&cli_verb_attach,
	&cli_verb_start,
	&cli_verb_stop,
	&cli_verb_restart,
	&cli_verb_kill,
	&cli_verb_wait,
	&cli_verb_rm,
	&cli_verb_create,
	&cli_verb_pause,
	&cli_verb_unpause,
	&cli_verb_rename,
	&cli_verb_top,
	&cli_verb_stats,
	&cli_verb_inspect,
	&cli_verb_cp,
	&cli_verb_diff,
	&cli_verb_commit,
	&cli_verb_image_ls,
	&cli_verb_image_load,
	&cli_verb_image_save,
	&cli_verb_import,
	&cli_verb_image_tag,
	&cli_verb_image_rm,
	&cli_verb_image_history,
	&cli_verb_events,
	&cli_verb_system_info,
	&cli_verb_version,
	&cli_verb_completion,
	/* in groups alone */
	&cli_verb_container_inspect,
	&cli_verb_container_prune,
	&cli_verb_image_inspect,
	&cli_verb_image_prune,
	&cli_verb_namespace_create,
	&cli_verb_namespace_inspect,
	&cli_verb_namespace_label,
	&cli_verb_namespace_ls,
	&cli_verb_namespace_rm,
	&cli_verb_system_check,
	&cli_verb_system_df,
	&cli_verb_system_prune,
	&cli_verb_system_repair,
	NULL,
};

static const struct dv_opt_group groups[] = {
	{ "container", "Manage containers" },
	{ "image", "Manage images" },
	{ "namespace", "Manage namespaces" },
	{ "system", "Manage davitd" },
	{ NULL, NULL },
};

const struct dv_opt_program davit_program = {
	.style = DV_OPT_STYLE_DOCKER,
	.name = "davit",
	.summary = "containers and images from the command line",
	.text = "$0 asks davitd, the daemon, in docker's words.",
	.opts = options,
	.verbs = verbs,
	.groups = groups,
};
