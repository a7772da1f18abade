/* SPDX-License-Identifier: Apache-2.0 */
/* The program's option table: global options and the list of verbs. */

#include "verbs.h"

#include "cli.h"

#define FIELD(f) offsetof(struct global_opts, f)

static const struct dv_opt global_opts[] = {
	{ .name = "debug",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_debug),
	  .help = "log debug messages too" },
	{ .name = "log",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(log),
	  .arg = "path",
	  .help = "append log messages to this file instead of standard error" },
	{ .name = "log-format",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(log_format),
	  .arg = "format",
	  .help = "form of log messages: text or json",
	  .preset = "text" },
	{ .name = "root",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(root),
	  .arg = "dir",
	  .help = "directory for the state of containers, best on a tmpfs; without it /run/davit-oci, "
		  "or $XDG_RUNTIME_DIR/davit-oci for ordinary users" },
	{ .name = "systemd-cgroup",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_systemd_cgroup),
	  .help = "let systemd manage cgroups (not supported yet)" },
	{ .name = "rootless",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(rootless),
	  .arg = "mode",
	  .help = "go on when cgroups cannot be changed for lack of permission: true, false or auto",
	  .preset = "auto" },
	{ .name = "version",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_version),
	  .help = "print the version" },
	DV_OPT_END,
};

/* In the order of the help text. */
static const struct dv_opt_verb *const verbs[] = {
	&verb_create, &verb_start,  &verb_run,	      &verb_state,   &verb_list,
	&verb_ps,     &verb_exec,   &verb_kill,	      &verb_delete,  &verb_pause,
	&verb_resume, &verb_update, &verb_events,     &verb_spec,    &verb_features,
	&verb_help,   &verb_h,	    &verb_checkpoint, &verb_restore, NULL,
};

const struct dv_opt_program davit_oci_program = {
	.name = "davit-oci",
	.summary = "Open Container Initiative runtime",
	.text = "$0 runs containers as the OCI runtime specification describes them. It understands\n"
		"the command line of runc and can stand in its place under containerd, CRI-O,\n"
		"Docker and podman.\n"
		"\n"
		"A container is made from a bundle: a directory with a file \"config.json\", which\n"
		"says how to run the container, and a root file system. \"$0 spec\" writes a\n"
		"config.json to start from. To run the bundle in the working directory as a\n"
		"container named c1:\n"
		"\n"
		"    # $0 run c1\n"
		"\n"
		"The name is chosen by the caller and is unique among the containers of one state\n"
		"directory (see --root).",
	.opts = global_opts,
	.verbs = verbs,
};
