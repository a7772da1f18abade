/* SPDX-License-Identifier: Apache-2.0 */
/* davit rename. */

#include "client/services.h"
#include "containers.h"

static struct dv_err *rename_to(struct cli *cli, const struct client_record *r, const char *name)
{
	Containerd__Services__Containers__V1__UpdateContainerRequest req =
		CONTAINERD__SERVICES__CONTAINERS__V1__UPDATE_CONTAINER_REQUEST__INIT;
	Containerd__Services__Containers__V1__Container__LabelsEntry label =
		CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__LABELS_ENTRY__INIT;
	Containerd__Services__Containers__V1__Container__LabelsEntry *labels[] = { &label };
	Containerd__Services__Containers__V1__Container c =
		CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__INIT;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	char *path = (char *)"labels." CLIENT_LABEL_NAME;

	label.key = (char *)CLIENT_LABEL_NAME;
	label.value = (char *)name;
	c.id = r->container->id;
	c.labels = labels;
	c.n_labels = 1;
	mask.paths = &path;
	mask.n_paths = 1;
	req.container = &c;
	req.update_mask = &mask;
	return client_call(cli->client, CLIENT_CONTAINERS("Update", &req), NULL, NULL);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct cli *cli = program;
	struct client_record r;
	struct dv_err *e = cli_container(cli, args[0], &r);

	(void)opts;
	(void)ret_status;
	if (!e)
		e = rename_to(cli, &r, args[1]);
	return dv_err_wrap(e, "cannot rename %s to %s", args[0], args[1]);
}

const struct dv_opt_verb cli_verb_rename = {
	.name = "rename",
	.aliases = "container rename",
	.args = "CONTAINER NEW_NAME",
	.summary = "Give a container another name",
	.opts = dv_opt_none,
	.min_args = 2,
	.max_args = 2,
	.stop_after = -1,
	.run = run,
};
