/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a further process in a running container. With --process neither the config nor any
 * JSON but the process itself is read; what create knew and exec needs is in the state.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/caps.h"
#include "host/cpulist.h"
#include "host/user.h"
#include "launch-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { PROCESS_MAX = 16 << 20 };

/* ---- the process ---------------------------------------------------------------------------- */

static struct dv_err *read_process(struct rt_launch *l, const char *path, struct spec_process **ret)
{
	struct dv_err *e;
	size_t len;
	char *text;

	e = rt_read_file(&l->arena, AT_FDCWD, path, PROCESS_MAX, &text, &len);
	if (!e)
		e = spec_process_parse(&l->arena, text, len, ret);
	return e ? dv_err_wrap(e, "process file %s", path) : NULL;
}

static struct dv_err *read_bundle_process(struct rt_launch *l, struct spec_process **ret)
{
	struct spec_runtime *spec;
	struct dv_err *e;
	size_t len;
	char *path, *text;

	path = dv_arena_printf(&l->arena, "%s/config.json", l->c->bundle);
	e = rt_read_file(&l->arena, AT_FDCWD, path, PROCESS_MAX, &text, &len);
	if (!e)
		e = spec_runtime_parse(&l->arena, text, len, &spec);
	if (!e && !spec->process)
		e = dv_err_new(DV_INVALID, "process: missing");
	if (e)
		return dv_err_wrap(e, "%s", path);
	*ret = spec->process;
	return NULL;
}

static const char **append(struct rt_launch *l, const char **list, size_t *n,
			   const char *const *more, size_t n_more)
{
	const char **all = dv_arena_new_n(&l->arena, const char *, *n + n_more + 1);

	for (size_t i = 0; i < *n; i++)
		all[i] = list[i];
	for (size_t i = 0; i < n_more; i++)
		all[*n + i] = more[i];
	*n += n_more;
	return all;
}

static void add_groups(struct rt_launch *l, struct spec_user *u, const struct rt_exec_opts *o)
{
	size_t n = u->n_additional_gids + o->n_additional_gids;
	uint32_t *gids = dv_arena_new_n(&l->arena, uint32_t, n + 1);

	for (size_t i = 0; i < u->n_additional_gids; i++)
		gids[i] = u->additional_gids[i];
	for (size_t i = 0; i < o->n_additional_gids; i++)
		gids[u->n_additional_gids + i] = o->additional_gids[i];
	u->additional_gids = gids;
	u->n_additional_gids = n;
}

/* The bundle's process with the flags of the command line over it. */
static struct dv_err *apply_flags(struct rt_launch *l, struct spec_process *p,
				  const struct rt_exec_opts *o)
{
	struct host_user user;
	struct dv_err *e;

	p->args = o->args;
	p->n_args = o->n_args;
	p->terminal = o->tty;
	if (o->cwd)
		p->cwd = o->cwd;
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	if (o->process_label)
		p->selinux_label = o->process_label;
	if (o->no_new_privs)
		p->no_new_privileges = true;
	p->env = append(l, p->env, &p->n_env, o->env, o->n_env);
	if (o->n_caps > 0) {
		if (!p->capabilities)
			p->capabilities = dv_arena_new(&l->arena, struct spec_capabilities);
		host_caps_add(&l->arena, p->capabilities, o->caps, o->n_caps);
	}
	if (o->user) {
		e = host_user_parse(o->user, &user);
		if (e)
			return e;
		p->user.uid = user.uid;
		p->user.gid = user.has_gid ? user.gid : p->user.gid;
	}
	if (o->n_additional_gids > 0)
		add_groups(l, &p->user, o);
	return NULL;
}

static struct dv_err *get_process(struct rt_launch *l, const struct rt_exec_opts *o)
{
	struct spec_process *p;
	struct dv_err *e;

	e = o->process_file ? read_process(l, o->process_file, &p) : read_bundle_process(l, &p);
	if (!e && !o->process_file)
		e = apply_flags(l, p, o);
	if (!e && p->n_args == 0)
		e = dv_err_new(DV_INVALID, "exec args cannot be empty");
	if (!e)
		e = spec_process_validate(p);
	l->process = p;
	return e;
}

/* ---- the container --------------------------------------------------------------------------- */

static struct dv_err *check_status(const struct rt_container *c, bool ignore_paused)
{
	if (c->status == RT_STOPPED || c->status == RT_CREATING)
		return dv_err_new(DV_PRECONDITION, "cannot exec in a stopped container");
	if (c->status == RT_PAUSED && !ignore_paused)
		return dv_err_new(
			DV_PRECONDITION,
			"cannot exec in a paused container (use --ignore-paused to override)");
	return NULL;
}

/*
 * pid and time namespaces only count for children: we enter them ourselves around the clone.
 * Its descriptors are init's for sure, since the pidfd says that it is alive behind them.
 */
static struct dv_err *open_parent_ns(struct rt_launch *l, enum spec_ns ns)
{
	char path[48];

	if (!(l->c->state->namespaces & NS_BIT(ns)))
		return NULL;
	l->ns_joined |= NS_BIT(ns);
	if (l->joins_in_child) {
		l->exec_ns_mask |= (unsigned)rt_ns_flag(ns);
		return NULL;
	}
	snprintf(path, sizeof(path), "%d/ns/%s", l->c->pid, rt_ns_file(ns));
	l->ns_fds[ns] = sys_openat(l->procfd, path, O_RDONLY, 0);
	return l->ns_fds[ns] < 0 ? dv_err_sys(l->ns_fds[ns], "open the container's %s namespace",
					      spec_ns_name(ns))
				 : NULL;
}

static struct dv_err *prepare_join(struct rt_launch *l)
{
	struct dv_err *e;

	l->joins_in_child = l->is_unprivileged;
	l->init_pidfd = l->c->state->pidfd;
	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (ns == SPEC_NS_PID || ns == SPEC_NS_TIME ||
		    !(l->c->state->namespaces & NS_BIT(ns)))
			continue;
		l->ns_joined |= NS_BIT(ns);
		l->exec_ns_mask |= (unsigned)rt_ns_flag(ns);
	}
	e = open_parent_ns(l, SPEC_NS_PID);
	if (!e)
		e = open_parent_ns(l, SPEC_NS_TIME);
	if (e)
		return e;
	l->forks_twice = l->joins_in_child && l->ns_joined & NS_BIT(SPEC_NS_PID);
	return NULL;
}

/* Before the cgroup is joined, which the child does at birth: so it must inherit it. */
static struct dv_err *set_initial_affinity(struct rt_launch *l)
{
	const struct spec_cpu_affinity *a = l->process->exec_cpu_affinity;
	uint64_t mask[RT_AFFINITY_WORDS];
	int r;

	if (!a || !a->initial || !*a->initial)
		return NULL;
	if (host_cpulist_parse(a->initial, mask, RT_AFFINITY_WORDS) < 0)
		return dv_err_new(DV_INVALID,
				  "process.execCPUAffinity.initial: not a list of CPUs: \"%s\"",
				  a->initial);
	l->keeps_affinity = true;
	r = sys_sched_setaffinity(0, mask, sizeof(mask));
	return r < 0 ? dv_err_sys(r, "process.execCPUAffinity.initial: set CPUs %s", a->initial)
		     : NULL;
}

static struct dv_err *prepare_cgroup(struct rt_launch *l, const struct rt_exec_opts *o,
				     struct host_cgroup_subs *subs)
{
	struct dv_err *e;

	if (o->n_cgroups > 0) {
		e = host_cgroup_sub_parse(o->cgroups, o->n_cgroups, subs);
		if (e)
			return e;
		l->subs = subs;
	}
	e = host_cgroup_oom_count(l->c->cgroup, &l->oom_kills_before);
	dv_err_free(e);
	return host_cgroup_join_open(l->c->cgroup, l->subs, l->c->pid, &l->join);
}

static struct dv_err *prepare_saved(struct rt_launch *l)
{
	const struct rt_state *st = l->c->state;
	struct spec_intel_rdt *rdt;

	l->has_personality = st->has_personality;
	l->personality = st->personality;
	l->memory_policy = st->memory_policy;
	l->no_new_keyring = st->no_new_keyring;
	l->listener_path = st->listener_path;
	l->listener_metadata = st->listener_metadata;
	if (st->resctrl.is_used) {
		rdt = dv_arena_new(&l->arena, struct spec_intel_rdt);
		rdt->clos_id = st->clos_id;
		rdt->enable_monitoring = st->resctrl.has_monitoring;
		l->intel_rdt = rdt;
	}
	if (!st->has_seccomp)
		return NULL;
	l->has_seccomp = true;
	return rt_seccomp_load(l->c, &l->seccomp);
}

static struct dv_err *launch(struct rt_launch *l, const struct rt_exec_opts *o,
			     struct host_cgroup_subs *subs)
{
	struct dv_err *e;

	e = rt_load(l->ctx, o->id, &l->c);
	if (!e)
		e = check_status(l->c, o->ignore_paused);
	if (!e)
		e = get_process(l, o);
	if (!e)
		e = rt_prepare_io(l);
	if (!e)
		e = prepare_join(l);
	if (!e)
		e = prepare_saved(l);
	if (!e)
		e = prepare_cgroup(l, o, subs);
	if (!e)
		e = rt_prepare_process(l);
	if (!e)
		e = set_initial_affinity(l);
	if (!e && !l->io->is_detached)
		e = rt_foreground_begin(l);
	return e ? e : rt_launch_run(l);
}

struct dv_err *rt_exec(const struct rt_context *ctx, const struct rt_exec_opts *o, int *ret_status)
{
	struct host_cgroup_subs subs = { 0 };
	struct rt_launch l;
	struct dv_err *e;

	rt_launch_init(&l, ctx);
	l.is_exec = true;
	l.is_run = true;
	l.io = &o->io;
	l.no_subreaper = o->no_subreaper;
	l.is_unprivileged = rt_is_unprivileged();
	e = rt_prepare_fds(ctx, l.io, &l.preserve_fds);
	if (!e)
		e = launch(&l, o, &subs);
	if (!e && o->io.is_detached)
		*ret_status = 0;
	else if (!e)
		e = rt_foreground_wait(&l, l.terminal, ret_status);
	host_cgroup_subs_fini(&subs);
	rt_container_free(l.c);
	rt_launch_fini(&l);
	return e;
}
