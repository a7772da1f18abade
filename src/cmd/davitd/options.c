/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, which is containerd's: its tools and tests can start us in its place. */

#include <stddef.h>

#include "base/fault.h"
#include "cli.h"
#include "davit-commit.h"
#include "davit-version.h"

#define FIELD(name) offsetof(struct davitd_opts, name)

static const struct dv_opt options[] = {
	{ .name = "address",
	  .letter = 'a',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(address),
	  .arg = "path",
	  .help = "socket of the gRPC API; shims have one of the same name with .ttrpc" },
	{ .name = "config",
	  .letter = 'c',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(config),
	  .arg = "path",
	  .help = "the configuration (default: " DAEMON_CONFIG_PATH ", which need not be there)" },
	{ .name = "list-faults",
	  .is_hidden = true,
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_fault_list),
	  .help = "print the names that DAVIT_FAULT may have" },
	{ .name = "log-format",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(log_format),
	  .arg = "format",
	  .help = "form of the lines on standard error: text or json" },
	{ .name = "log-level",
	  .letter = 'l',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(log_level),
	  .arg = "level",
	  .help = "which lines: trace, debug, info, warn, error, fatal, panic" },
	{ .name = "root",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(root),
	  .arg = "dir",
	  .help = "what outlives the machine: content, snapshots, metadata" },
	{ .name = "state",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(state),
	  .arg = "dir",
	  .help = "what outlives the daemon: the bundles of running containers" },
	{ .name = "version",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_version),
	  .help = "print the version" },
	DV_OPT_END,
};

static const struct dv_opt_verb *const verbs[] = { &davitd_verb_config, &davitd_verb_publish,
						   NULL };

const struct dv_opt_program davitd_program = {
	.name = "davitd",
	.summary = "the daemon of Davit: containers and images, by containerd's API",
	.text = "Without a verb $0 serves until it gets SIGTERM or SIGINT. Containers go on running\n"
		"then, and the next daemon with the same directories finds them.\n"
		"\n"
		"Clients of containerd work with it:\n"
		"\n"
		"    # ctr --address /run/davit/davitd.sock version\n"
		"\n"
		"SIGHUP reads the configuration again; what cannot be changed while it runs is named\n"
		"in the log. SIGUSR1 writes to the log what it is doing.",
	.opts = options,
	.verbs = verbs,
};

/* What "$0" stands for, and lines as they are. */
static void add_text(struct dv_strbuf *out, const char *text, const char *name)
{
	for (; *text; text++) {
		if (text[0] == '$' && text[1] == '0') {
			dv_strbuf_add(out, name);
			text++;
		} else {
			dv_strbuf_addc(out, *text);
		}
	}
}

static void add_option(struct dv_strbuf *out, const struct dv_opt *o)
{
	dv_strbuf_addf(out, "  --%s", o->name);
	if (o->letter)
		dv_strbuf_addf(out, ", -%c", o->letter);
	if (dv_opt_takes_value(o))
		dv_strbuf_addf(out, " %s", o->arg);
	dv_strbuf_addf(out, "\n    \t%s\n", o->help);
}

void cli_help(const struct cli *cli, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "%s - %s\n\nUsage: %s [option...] [verb]\n\n", cli->name,
		       davitd_program.summary, cli->name);
	add_text(out, davitd_program.text, cli->name);
	dv_strbuf_add(out, "\n\nVerbs:\n");
	for (const struct dv_opt_verb *const *v = verbs; *v; v++)
		dv_strbuf_addf(out, "  %s\n    \t%s\n", (*v)->name, (*v)->summary);
	dv_strbuf_add(out, "\nOptions:\n");
	for (const struct dv_opt *o = options; o->name; o++) {
		if (!o->is_hidden)
			add_option(out, o);
	}
}

static void add_name(void *arg, const char *name)
{
	dv_strbuf_addf(arg, "%s\n", name);
}

void cli_faults(const struct cli *cli, struct dv_strbuf *out)
{
	(void)cli;
	dv_fault_each(add_name, out);
}

/* As containerd prints it: name, package, version, revision. */
void cli_version(const struct cli *cli, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "%s davit %s %s\n", cli->name, DAVIT_VERSION, DAVIT_COMMIT);
}
