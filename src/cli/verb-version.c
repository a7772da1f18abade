/* SPDX-License-Identifier: Apache-2.0 */
/* davit version. */

#include "api/containerd/version.pb-c.h"
#include "cli-private.h"
#include "client/services.h"
#include "davit-commit.h"
#include "davit-version.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	const Containerd__Services__Version__V1__VersionResponse *reply = NULL;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)opts;
	(void)args;
	(void)ret_status;
	e = cli_client(cli, &client);
	if (!e)
		e = client_call(client, CLIENT_VERSION("Version", &empty), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot get the version of davitd");
	dv_strbuf_addf(&out, "Client:\n Version:  %s\n Revision: %s\n\n", DAVIT_VERSION,
		       DAVIT_COMMIT);
	dv_strbuf_addf(&out, "Server:\n Version:  %s\n Revision: %s\n", reply->version,
		       reply->revision);
	return cli_print(&out);
}

const struct dv_opt_verb cli_verb_version = {
	.name = "version",
	.args = "",
	.summary = "show the versions of the command and of davitd",
	.opts = dv_opt_none,
	.stop_after = -1,
	.run = run,
};
