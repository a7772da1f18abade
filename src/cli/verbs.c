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
	{ .name = "debug",
	  .letter = 'D',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_debug),
	  .help = "say what is asked of davitd" },
	{ .name = "namespace",
	  .letter = 'n',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(ns),
	  .arg = "name",
	  .help = "containerd's namespace (default: $DAVIT_NAMESPACE or default)" },
	{ .name = "version",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_version),
	  .help = "print the version" },
	DV_OPT_END,
};

static const struct dv_opt_verb *const verbs[] = { &cli_verb_version, NULL };

static const struct dv_opt_group groups[] = {
	{ "container", "Manage containers" },
	{ "image", "Manage images" },
	{ "namespace", "Manage namespaces" },
	{ "system", "Manage davitd" },
	{ NULL, NULL },
};

const struct dv_opt_program davit_program = {
	.name = "davit",
	.summary = "containers and images from the command line",
	.text = "$0 asks davitd, the daemon, in docker's words.",
	.opts = options,
	.verbs = verbs,
	.groups = groups,
};
