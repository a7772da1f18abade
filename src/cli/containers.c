/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs on containers share. See containers.h. */

#include "containers.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "api/davit/system.pb-c.h"
#include "base/signame.h"
#include "client/services.h"
#include "human.h"
#include "sys/file.h"
#include "sys/process.h"

struct dv_err *cli_container(struct cli *cli, const char *ref, struct client_record *ret)
{
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		e = client_record_find(client, ref, &cli->arena, ret);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		cli_hint(cli, "see all containers with: %s ps -a", cli->name);
	return e;
}

struct dv_err *cli_containers(struct cli *cli, const char *what, char **args,
			      struct cli_containers *ret, int *ret_status)
{
	struct dv_err *e = NULL;
	size_t n = 0;

	while (args[n])
		n++;
	ret->records = dv_arena_new_n(&cli->arena, struct client_record, n);
	ret->refs = dv_arena_new_n(&cli->arena, const char *, n);
	ret->n = 0;
	for (; *args; args++) {
		e = cli_container(cli, *args, &ret->records[ret->n]);
		e = dv_err_wrap(e, "cannot %s %s", what, *args);
		if (e && dv_err_code(e) == DV_UNAVAILABLE)
			return e; /* nobody is there to ask for the others */
		if (e) {
			cli_report(cli, e);
			*ret_status = 1;
			continue;
		}
		ret->refs[ret->n++] = *args;
	}
	return NULL;
}

struct dv_err *cli_signal(const char *text, int *ret)
{
	*ret = 0;
	if (!text || dv_signal_parse(text, ret))
		return NULL;
	return dv_err_new(DV_INVALID, "no such signal: \"%s\"; signals are like TERM, SIGHUP or 9",
			  text);
}

struct dv_err *cli_done(const char *ref)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	dv_strbuf_addf(&out, "%s\n", ref);
	return cli_print(&out);
}

/* The kernel counts in ticks since the machine started. */
struct timespec cli_container_started(const struct client_record *r)
{
	DV_CLEANUP(sys_closep) int proc = -1;
	struct timespec now, up, started = { 0 };
	uint64_t ticks = 0;
	int64_t ns;
	char state;

	if (r->pid == 0)
		return started;
	proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	if (proc < 0 || sys_proc_stat(proc, (pid_t)r->pid, &state, &ticks) < 0)
		return started;
	now = cli_now();
	clock_gettime(CLOCK_BOOTTIME, &up);
	ns = (int64_t)ticks * (1000000000LL / sysconf(_SC_CLK_TCK));
	ns -= up.tv_sec * 1000000000LL + up.tv_nsec;
	ns += now.tv_sec * 1000000000LL + now.tv_nsec;
	started.tv_sec = ns / 1000000000LL;
	started.tv_nsec = ns % 1000000000LL;
	return started;
}

void cli_container_status(const struct client_record *r, struct dv_strbuf *out)
{
	struct timespec now = cli_now(), started;

	switch (r->state) {
	case CLIENT_RUNNING:
	case CLIENT_PAUSED:
		started = cli_container_started(r);
		dv_strbuf_add(out, "Up ");
		cli_human_duration(now.tv_sec - started.tv_sec, out);
		if (r->state == CLIENT_PAUSED)
			dv_strbuf_add(out, " (Paused)");
		break;
	case CLIENT_EXITED:
		dv_strbuf_addf(out, "Exited (%u) ", r->exit.status);
		cli_human_ago(&r->exit.finished, &now, out);
		break;
	case CLIENT_CREATED:
		dv_strbuf_add(out, "Created");
		break;
	default:
		dv_strbuf_add(out, "Unknown: its shim does not answer");
	}
}

struct dv_err *cli_dirs(struct cli *cli, const char **ret_root, const char **ret_state)
{
	Davit__System__V1__InfoRequest r = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	const Davit__System__V1__InfoResponse *reply = NULL;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		e = client_call(client, CLIENT_SYSTEM("Info", &r), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "ask davitd for its directories");
	*ret_root = reply->root;
	*ret_state = reply->state;
	return NULL;
}
