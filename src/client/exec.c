/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See client/exec.h. The process is made from the configuration that the container has on record, which
 * may be anybody's: it is parsed with the runtime's care. Names of users are looked up where the
 * container is now, by its process' root directory.
 */

#include "client/exec.h"

#include <fcntl.h>
#include <string.h>

#include "client/caps.h"
#include "client/task.h"
#include "env.h"
#include "host/user.h"
#include "spec/generate.h"
#include "sys/file.h"

#define FIFO_PARENT "/run"

struct execing {
	struct client *c;
	const struct client_record *r;
	const struct client_exec_opts *opts;
	struct dv_arena arena;
	struct spec_container spec;
	struct host_user_found user;
};

/* ---- the process -------------------------------------------------------------------- */

static struct dv_err *find_user(struct execing *x)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("/proc/%u/root", x->r->pid);
	DV_CLEANUP(sys_closep) int root = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	struct dv_err *e;

	if (root < 0)
		return dv_err_sys(root, "open the container's root directory");
	e = host_user_find(root, x->opts->user, &x->user);
	if (e)
		return e;
	x->spec.uid = x->user.uid;
	x->spec.gid = x->user.gid;
	x->spec.groups = x->user.groups;
	x->spec.n_groups = x->user.n_groups;
	return NULL;
}

static void put_env(struct execing *x, const struct spec_process *first)
{
	struct env env;

	env_init(&env, &x->arena, first->n_env + x->opts->n_env + 1);
	for (size_t i = 0; i < first->n_env; i++)
		env_set(&env, first->env[i]);
	if (x->opts->has_terminal)
		env_set(&env, "TERM=xterm");
	for (size_t i = 0; i < x->opts->n_env; i++)
		env_set(&env, x->opts->env[i]);
	x->spec.env = env.items;
	x->spec.n_env = env.n;
}

static void put_first(struct execing *x, const struct spec_process *first)
{
	struct spec_container *s = &x->spec;

	s->args = x->opts->args;
	s->n_args = x->opts->n_args;
	s->cwd = x->opts->working_dir ? x->opts->working_dir : first->cwd;
	s->uid = first->user.uid;
	s->gid = first->user.gid;
	s->groups = first->user.additional_gids;
	s->n_groups = first->user.n_additional_gids;
	s->has_terminal = x->opts->has_terminal;
	s->console_width = x->opts->console_width;
	s->console_height = x->opts->console_height;
	s->caps = first->capabilities ? first->capabilities->bounding : 0;
	s->is_no_new_privileges = first->no_new_privileges;
	s->rlimits = first->rlimits;
	s->n_rlimits = first->n_rlimits;
	s->oom_score_adj = first->oom_score_adj;
	s->apparmor_profile = first->apparmor_profile;
	s->selinux_label = first->selinux_label;
	if (x->opts->is_privileged)
		s->caps = client_caps_known();
}

static struct dv_err *make_process(struct execing *x, struct dv_strbuf *out)
{
	const Google__Protobuf__Any *any = x->r->container->spec;
	struct spec_runtime *spec;
	struct dv_err *e;

	if (!any)
		return dv_err_new(DV_PRECONDITION, "the container has no configuration");
	e = spec_runtime_parse(&x->arena, (const char *)any->value.data, any->value.len, &spec);
	if (e)
		return dv_err_wrap(e, "read the container's configuration");
	if (!spec->process)
		return dv_err_new(DV_PRECONDITION, "the container's configuration has no process");
	put_first(x, spec->process);
	put_env(x, spec->process);
	e = x->opts->user ? find_user(x) : NULL;
	if (!e)
		spec_container_process_format(&x->spec, out);
	return e;
}

/* ---- starting ----------------------------------------------------------------------- */

static struct dv_err *start(struct execing *x, const char *id, const char *process,
			    const struct client_streams_opts *streams, void (*on_exit)(void *arg),
			    void *arg, struct client_started *started)
{
	struct client_task_io io = { .has_terminal = x->opts->has_terminal };
	const char *container = x->r->container->id;
	struct dv_err *e = NULL;

	if (streams)
		e = client_streams_new(x->c, FIFO_PARENT, streams, &io, &started->streams);
	if (!e)
		e = client_task_exec(x->c, container, id, process, &io);
	if (e)
		return e;
	if (streams)
		started->wait = client_task_wait_start(x->c, container, id, on_exit, arg);
	e = client_task_start(x->c, container, id, &started->pid);
	if (e)
		dv_err_free(client_task_delete(x->c, container, id));
	return e;
}

struct dv_err *client_exec_start(struct client *c, const struct client_record *r,
				 const struct client_exec_opts *opts,
				 const struct client_streams_opts *streams,
				 void (*on_exit)(void *arg), void *arg, char ret_id[CLIENT_ID_SIZE],
				 struct client_started *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf process = DV_STRBUF_INIT;
	struct execing *x = dv_new(struct execing);
	struct client_started started = { 0 };
	struct dv_err *e;

	x->c = c;
	x->r = r;
	x->opts = opts;
	dv_arena_init(&x->arena);
	client_unique_id(ret_id);
	e = make_process(x, &process);
	if (!e)
		e = start(x, ret_id, process.data, streams, on_exit, arg, &started);
	dv_arena_fini(&x->arena);
	free(x);
	if (e)
		client_started_fini(&started);
	else
		*ret = started;
	return e;
}
