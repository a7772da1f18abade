/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, which is containerd's for shims of its version 2, and texts made from its table
 * in the layout of Go's flag package, which administrators know from containerd's own shim.
 */

#include <stddef.h>

#include "cli.h"
#include "davit-commit.h"
#include "davit-version.h"

#define FIELD(name) offsetof(struct shim_opts, name)

static const struct dv_opt options[] = {
	{ .name = "address",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(address),
	  .arg = "path",
	  .help = "gRPC socket of the daemon" },
	{ .name = "bundle",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(bundle),
	  .arg = "dir",
	  .help = "bundle of the container to be deleted; the working directory if not given" },
	{ .name = "debug",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_debug),
	  .help = "log what helps to find errors" },
	{ .name = "debug-socket", .is_hidden = true, .type = DV_OPT_IGNORED_STRING, .arg = "path" },
	{ .name = "id",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(id),
	  .arg = "id",
	  .help = "id of the container" },
	{ .name = "info",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_info),
	  .help = "read options of a runtime (protobuf) from standard input, describe shim and "
		  "runtime (protobuf)" },
	{ .name = "namespace",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(ns),
	  .arg = "name",
	  .help = "namespace of the container in the daemon" },
	{ .name = "publish-binary",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(publish_binary),
	  .arg = "path",
	  .help = "program that publishes events, if there is no TTRPC_ADDRESS" },
	{ .name = "socket",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(socket),
	  .arg = "path",
	  .help = "serve on this socket, which is made; without it, and without an action, on "
		  "the one that is open as descriptor 3" },
	{ .name = "version",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_version),
	  .help = "print the version" },
	DV_OPT_END,
};

static struct dv_err *run_start(void *program, const void *opts, char **args, int *ret_status)
{
	(void)opts;
	(void)args;
	(void)ret_status;
	return cli_start(program);
}

static struct dv_err *run_delete(void *program, const void *opts, char **args, int *ret_status)
{
	(void)opts;
	(void)args;
	(void)ret_status;
	return cli_delete(program);
}

static const struct dv_opt_verb verb_start = {
	.name = "start",
	.args = "",
	.summary = "start the shim of the container's group, or find it, and print its address",
	.opts = dv_opt_none,
	.run = run_start,
};

static const struct dv_opt_verb verb_delete = {
	.name = "delete",
	.args = "",
	.summary = "remove all that is left of a container whose shim cannot be reached",
	.opts = dv_opt_none,
	.run = run_delete,
};

static const struct dv_opt_verb *const verbs[] = { &verb_start, &verb_delete, NULL };

const struct dv_opt_program shim_program = {
	.name = "containerd-shim-davit-v2",
	.summary = "what stands between containerd and Davit's containers",
	.text = "The daemon runs $0 when the runtime of a container is io.containerd.davit.v2:\n"
		"with the action start to get the address of a shim, and with the action delete when\n"
		"a shim cannot be reached any more. The shim itself is the same program without an\n"
		"action. It outlives the daemon.\n"
		"\n"
		"    # ctr run --runtime io.containerd.davit.v2 docker.io/library/busybox:latest c1\n"
		"\n"
		"The OCI runtime is davit-oci, first looked for beside this program, then in PATH, or\n"
		"what the option BinaryName of the runtime says.\n"
		"\n"
		"Containers whose annotations io.containerd.runc.v2.group, or else\n"
		"io.kubernetes.cri.sandbox-id, are the same share a shim.\n"
		"\n"
		"The environment variables TTRPC_ADDRESS and MAX_SHIM_VERSION are the daemon's;\n"
		"SCHED_CORE gives a new shim, and so all its containers, a core scheduling cookie.",
	.opts = options,
	.verbs = verbs,
};

/* ---- texts ------------------------------------------------------------------------------------ */

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
	dv_strbuf_addf(out, "  -%s", o->name);
	if (o->letter)
		dv_strbuf_addf(out, ", -%c", o->letter);
	if (dv_opt_takes_value(o))
		dv_strbuf_addf(out, " %s", o->arg);
	dv_strbuf_addf(out, "\n    \t%s\n", o->help);
}

void cli_help(const struct shim_cli *cli, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "%s - %s\n\nUsage: %s [option...] [action]\n\n", cli->name,
		       shim_program.summary, cli->name);
	add_text(out, shim_program.text, cli->name);
	dv_strbuf_add(out, "\n\nActions:\n");
	for (const struct dv_opt_verb *const *v = verbs; *v; v++)
		dv_strbuf_addf(out, "  %s\n    \t%s\n", (*v)->name, (*v)->summary);
	dv_strbuf_add(out, "\nOptions:\n");
	for (const struct dv_opt *o = options; o->name; o++) {
		if (!o->is_hidden)
			add_option(out, o);
	}
}

/* The lines that containerd's shim prints, the blank one at the end as well. */
void cli_version(const struct shim_cli *cli, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "%s:\n", cli->name);
	dv_strbuf_addf(out, "  Version:  %s\n", DAVIT_VERSION);
	dv_strbuf_addf(out, "  Revision: %s\n", DAVIT_COMMIT);
	dv_strbuf_addf(out, "  C compiler: %s\n\n", __VERSION__);
}
