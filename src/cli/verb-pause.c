/* SPDX-License-Identifier: Apache-2.0 */
/* davit pause, davit unpause. */

#include "api/containerd/tasks.pb-c.h"
#include "client/services.h"
#include "containers.h"

static struct dv_err *pause_one(struct cli *cli, const void *opts, const char *ref)
{
	Containerd__Services__Tasks__V1__PauseTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__PAUSE_TASK_REQUEST__INIT;
	struct client_record record;
	struct dv_err *e = cli_container(cli, ref, &record);

	(void)opts;
	if (!e && record.state != CLIENT_RUNNING)
		e = dv_err_new(DV_PRECONDITION, "it is not running (%s)",
			       client_state_name(record.state));
	if (!e) {
		r.container_id = record.container->id;
		e = client_call(cli->client, CLIENT_TASKS("Pause", &r), NULL, NULL);
	}
	return e ? dv_err_wrap(e, "cannot pause %s", ref) : cli_done(ref);
}

static struct dv_err *unpause_one(struct cli *cli, const void *opts, const char *ref)
{
	Containerd__Services__Tasks__V1__ResumeTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__RESUME_TASK_REQUEST__INIT;
	struct client_record record;
	struct dv_err *e = cli_container(cli, ref, &record);

	(void)opts;
	if (!e && record.state != CLIENT_PAUSED)
		e = dv_err_new(DV_PRECONDITION, "it is not paused (%s)",
			       client_state_name(record.state));
	if (!e) {
		r.container_id = record.container->id;
		e = client_call(cli->client, CLIENT_TASKS("Resume", &r), NULL, NULL);
	}
	return e ? dv_err_wrap(e, "cannot unpause %s", ref) : cli_done(ref);
}

static struct dv_err *run_pause(void *program, const void *opts, char **args, int *ret_status)
{
	cli_each(program, opts, args, pause_one, ret_status);
	return NULL;
}

static struct dv_err *run_unpause(void *program, const void *opts, char **args, int *ret_status)
{
	cli_each(program, opts, args, unpause_one, ret_status);
	return NULL;
}

const struct dv_opt_verb cli_verb_pause = {
	.name = "pause",
	.aliases = "container pause",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Freeze all processes of containers",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_pause,
};

const struct dv_opt_verb cli_verb_unpause = {
	.name = "unpause",
	.aliases = "container unpause",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Let frozen containers go on",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_unpause,
};
