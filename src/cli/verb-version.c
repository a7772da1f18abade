/* SPDX-License-Identifier: Apache-2.0 */
/* davit version. */

#include <sys/utsname.h>

#include "api/containerd/version.pb-c.h"
#include "client/services.h"
#include "codec/json.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "inspect.h"

typedef Containerd__Services__Version__V1__VersionResponse version_msg;

struct version_opts {
	const char *format;
};

/* @server: NULL if it does not answer. */
static void add_text(const version_msg *server, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "Client:\n Version:  %s\n Revision: %s\n", DAVIT_VERSION, DAVIT_COMMIT);
	if (server)
		dv_strbuf_addf(out, "\nServer:\n Version:  %s\n Revision: %s\n", server->version,
			       server->revision);
}

static void add_json(const version_msg *server, struct dv_strbuf *out)
{
	struct utsname host = { 0 };
	struct dv_jw w;

	(void)uname(&host);
	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_object_begin(&w, "Client");
	dv_jw_string(&w, "Version", DAVIT_VERSION);
	dv_jw_string(&w, "GitCommit", DAVIT_COMMIT);
	dv_jw_string(&w, "Os", "linux");
	dv_jw_string(&w, "Arch", host.machine);
	dv_jw_object_end(&w);
	if (server) {
		dv_jw_object_begin(&w, "Server");
		dv_jw_string(&w, "Version", server->version);
		dv_jw_string(&w, "GitCommit", server->revision);
		dv_jw_string(&w, "Os", "linux");
		dv_jw_string(&w, "Arch", host.machine);
		dv_jw_string(&w, "KernelVersion", host.release);
		dv_jw_object_end(&w);
	}
	dv_jw_object_end(&w);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *inspect = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	const struct version_opts *o = opts;
	const version_msg *server = NULL;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e, *why;

	(void)args;
	(void)ret_status;
	e = cli_inspect_new(cli, o->format && *o->format ? o->format : "json", &inspect);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	/* Our own version is worth knowing also when nobody answers. */
	why = client_call(client, CLIENT_VERSION("Version", &empty), &cli->arena, &server);
	if (!o->format || !*o->format) {
		add_text(server, &out);
		e = cli_print(&out);
	} else {
		add_json(server, &out);
		e = cli_inspect_add(inspect, out.data);
		if (!e)
			e = cli_inspect_print(inspect);
	}
	if (!why)
		return e;
	dv_err_free(e); /* a template that looks for the server, perhaps */
	return dv_err_wrap(why, "cannot get the version of davitd");
}

static const struct dv_opt options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct version_opts, format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_version = {
	.name = "version",
	.args = "",
	.summary = "Show the versions of the command and of davitd",
	.opts = options,
	.opts_size = sizeof(struct version_opts),
	.stop_after = -1,
	.run = run,
};
