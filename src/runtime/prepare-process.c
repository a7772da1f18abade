/* SPDX-License-Identifier: Apache-2.0 */
/* Parent, before the fork: arguments, environment and capabilities of the process. */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpulist.h"
#include "host/lsm.h"
#include "launch-private.h"
#include "sys/file.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Length of the name in "NAME=value". */
static size_t name_len(const char *env)
{
	return strcspn(env, "=");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_len(a);

	return n == name_len(b) && strncmp(a, b, n) == 0;
}

/* Adds @env, or replaces the variable of that name: the last one wins, in its place. */
static void env_put(struct rt_launch *l, size_t *n, char *env)
{
	for (size_t i = 0; i < *n; i++) {
		if (same_name(l->envp[i], env)) {
			memmove(l->envp + i, l->envp + i + 1, (*n - i - 1) * sizeof(*l->envp));
			(*n)--;
			break;
		}
	}
	l->envp[(*n)++] = env;
}

static const char *env_get(const struct rt_launch *l, const char *name)
{
	for (char **p = l->envp; *p; p++) {
		if (same_name(*p, name) && (*p)[name_len(*p)] == '=')
			return *p + name_len(*p) + 1;
	}
	return NULL;
}

static struct dv_err *prepare_env(struct rt_launch *l)
{
	const struct spec_process *p = l->process;
	size_t n = 0;

	/* LISTEN_FDS, LISTEN_PID, NOTIFY_SOCKET, HOME, NULL */
	l->envp = dv_arena_new_n(&l->arena, char *, p->n_env + 6);
	for (size_t i = 0; i < p->n_env; i++) {
		if (name_len(p->env[i]) == 0)
			return dv_err_new(DV_INVALID,
					  "process.env[%zu]: expected NAME=value, got \"%s\"", i,
					  p->env[i]);
		if (!strchr(p->env[i], '='))
			return dv_err_new(
				DV_INVALID,
				"process.env[%zu]: invalid environment variable: missing '=': \"%s\"",
				i, p->env[i]);
		env_put(l, &n, dv_arena_strdup(&l->arena, p->env[i]));
	}
	if (l->ctx->n_listen_fds > 0) {
		env_put(l, &n, dv_arena_printf(&l->arena, "LISTEN_FDS=%u", l->ctx->n_listen_fds));
		env_put(l, &n, dv_arena_strdup(&l->arena, "LISTEN_PID=1"));
	}
	if (l->notify_dir)
		env_put(l, &n, dv_arena_strdup(&l->arena, "NOTIFY_SOCKET=/run/notify/notify.sock"));
	l->path = env_get(l, "PATH");
	if (!l->path)
		l->path = default_path;
	/* The child looks HOME up in the container's /etc/passwd and fills the last place. */
	if (!env_get(l, "HOME") || !*env_get(l, "HOME")) {
		l->home = dv_arena_alloc(&l->arena, RT_HOME_MAX);
		snprintf(l->home, RT_HOME_MAX, "HOME=/");
		env_put(l, &n, l->home);
	}
	return NULL;
}

static struct dv_err *prepare_affinity(struct rt_launch *l)
{
	const struct spec_cpu_affinity *a = l->process->exec_cpu_affinity;
	uint64_t *mask;

	if (!l->is_exec || !a || !a->final || !*a->final)
		return NULL;
	mask = dv_arena_new_n(&l->arena, uint64_t, RT_AFFINITY_WORDS);
	if (host_cpulist_parse(a->final, mask, RT_AFFINITY_WORDS) < 0)
		return dv_err_new(DV_INVALID,
				  "process.execCPUAffinity.final: not a list of CPUs: \"%s\"",
				  a->final);
	l->affinity = mask;
	return NULL;
}

static struct dv_err *prepare_labels(struct rt_launch *l)
{
	const struct spec_process *p = l->process;
	bool wants_apparmor = p->apparmor_profile && *p->apparmor_profile;
	bool wants_selinux =
		(p->selinux_label && *p->selinux_label) || (l->mount_label && *l->mount_label);
	DV_CLEANUP(sys_closep) int root = -1;

	if (!wants_apparmor && !wants_selinux)
		return NULL;
	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (root < 0)
		return dv_err_sys(root, "open /");
	if (wants_apparmor) {
		l->has_apparmor = host_apparmor_is_enabled(root);
		if (!l->has_apparmor)
			return dv_err_new(
				DV_PRECONDITION,
				"process.apparmorProfile: cannot apply profile \"%s\": apparmor is not enabled on this system",
				p->apparmor_profile);
	}
	if (wants_selinux) {
		l->has_selinux = host_selinux_is_enabled(root, l->procfd);
		if (!l->has_selinux)
			return dv_err_new(
				DV_PRECONDITION,
				"process.selinuxLabel or linux.mountLabel is specified in config, but selinux is disabled or not supported");
	}
	return NULL;
}

struct dv_err *rt_prepare_process(struct rt_launch *l)
{
	const struct spec_process *p = l->process;
	struct dv_err *e;

	l->argv = dv_arena_new_n(&l->arena, char *, p->n_args + 1);
	for (size_t i = 0; i < p->n_args; i++)
		l->argv[i] = dv_arena_strdup(&l->arena, p->args[i]);
	l->exec_path = dv_arena_alloc(&l->arena, PATH_MAX);
	host_caps_plan(p->capabilities, l->ctx->log, &l->caps);

	e = prepare_env(l);
	if (!e)
		e = prepare_affinity(l);
	if (!e)
		e = prepare_labels(l);
	return e;
}
