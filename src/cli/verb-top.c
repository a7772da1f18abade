/* SPDX-License-Identifier: Apache-2.0 */
/* davit top: ps, and of its lines those of the container's processes. */

#include <string.h>

#include "api/containerd/tasks.pb-c.h"
#include "client/services.h"
#include "containers.h"
#include "io/child.h"
#include "io/pidfd.h"

enum { OUTPUT_MAX = 16 << 20, WORDS_MAX = 64 };

struct ps {
	bool is_done;
	int status;
	char *out, *err;
};

static void on_done(void *arg, const struct io_child_result *result)
{
	struct ps *ps = arg;

	ps->is_done = true;
	ps->status = io_exit_status(&result->si);
	ps->out = dv_strdup(result->out);
	ps->err = dv_strdup(result->err);
}

/* @args: of ps, NULL-terminated; none: -ef. */
static struct dv_err *run_ps(struct cli *cli, char **args, struct ps *ret)
{
	static const char *const envp[] = { "LC_ALL=C.UTF-8", "COLUMNS=10000", NULL };
	DV_CLEANUP(dv_freep) char *path = NULL;
	const char *argv[WORDS_MAX] = { "ps", "-ef" };
	struct io_child_opts opts = { .argv = argv,
				      .envp = envp,
				      .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE },
				      .capture_max = OUTPUT_MAX };
	struct io_child *child = NULL;
	struct dv_err *e;

	for (size_t i = 1; *args && i < WORDS_MAX - 1; i++)
		argv[i] = *args++;
	if (*args)
		return dv_err_new(DV_INVALID, "too many options of ps");
	e = io_path_find("ps", "/usr/local/bin:/usr/bin:/bin", &path);
	if (e)
		return e;
	opts.path = path;
	e = io_child_run(client_loop(cli->client), &opts, on_done, ret, &child);
	while (!e && !ret->is_done)
		(void)uv_run(client_loop(cli->client), UV_RUN_ONCE);
	if (!e && ret->status != 0)
		e = dv_err_new(DV_INVALID, "ps: %.*s", (int)strcspn(ret->err, "\n"), ret->err);
	return e;
}

/* Which word of the heading is PID; -1: none. */
static int find_column(const char *heading)
{
	DV_CLEANUP(dv_freep) char *line = dv_strndup(heading, strcspn(heading, "\n"));
	char *save = NULL;
	int i = 0;

	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save), i++) {
		if (dv_streq(w, "PID"))
			return i;
	}
	return -1;
}

static uint32_t pid_of(const char *line, size_t n, int column)
{
	DV_CLEANUP(dv_freep) char *copy = dv_strndup(line, n);
	char *save = NULL, *w = strtok_r(copy, " ", &save);
	uint32_t pid = 0;

	while (w && column-- > 0)
		w = strtok_r(NULL, " ", &save);
	return w && dv_parse_u32(w, &pid) ? pid : 0;
}

static bool has_pid(const Containerd__Services__Tasks__V1__ListPidsResponse *pids, uint32_t pid)
{
	for (size_t i = 0; i < pids->n_processes; i++) {
		if (pids->processes[i]->pid == pid)
			return true;
	}
	return false;
}

static struct dv_err *show(const char *text,
			   const Containerd__Services__Tasks__V1__ListPidsResponse *pids)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	int column = find_column(text);

	if (column < 0)
		return dv_err_new(DV_INVALID, "ps shows no column PID: choose others");
	for (bool is_heading = true; *text; is_heading = false) {
		size_t n = strcspn(text, "\n");

		if (is_heading || has_pid(pids, pid_of(text, n, column)))
			dv_strbuf_addf(&out, "%.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
	return cli_print(&out);
}

static struct dv_err *top(struct cli *cli, char **args)
{
	Containerd__Services__Tasks__V1__ListPidsRequest r =
		CONTAINERD__SERVICES__TASKS__V1__LIST_PIDS_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__ListPidsResponse *pids = NULL;
	struct client_record record;
	struct ps ps = { 0 };
	struct dv_err *e = cli_container(cli, args[0], &record);

	if (!e && record.state != CLIENT_RUNNING && record.state != CLIENT_PAUSED)
		e = dv_err_new(DV_PRECONDITION, "it is not running (%s)",
			       client_state_name(record.state));
	if (e)
		return e;
	r.container_id = record.container->id;
	e = run_ps(cli, args + 1, &ps);
	if (!e)
		e = client_call(cli->client, CLIENT_TASKS("ListPids", &r), &cli->arena, &pids);
	if (!e)
		e = show(ps.out, pids);
	free(ps.out);
	free(ps.err);
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	(void)opts;
	(void)ret_status;
	return dv_err_wrap(top(program, args), "cannot list the processes of %s", args[0]);
}

const struct dv_opt_verb cli_verb_top = {
	.name = "top",
	.aliases = "container top",
	.args = "CONTAINER [OPTION_OF_PS...]",
	.summary = "List the processes of a container, as the host's ps shows them",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = 1,
	.run = run,
};
