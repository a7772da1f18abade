/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent does at the stages where the child waits for it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "codec/json.h"
#include "host/netdev.h"
#include "launch-private.h"
#include "parent-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

struct dv_err *rt_parent_join_cgroup(struct rt_launch *l, int value)
{
	(void)value;
	return host_cgroup_add_pid(l->c->cgroup, l->subs, l->pid, l->is_exec ? l->c->pid : 0);
}

/* Made right after the fork; what matters is the answer, which brings the descriptors. */
struct dv_err *rt_parent_hand_cgroup(struct rt_launch *l, int value)
{
	(void)l;
	(void)value;
	return NULL;
}

struct dv_err *rt_parent_write_maps(struct rt_launch *l, int value)
{
	struct host_idmap_how how = {
		.denies_setgroups = l->denies_setgroups,
		.search_path = l->ctx->search_path,
	};

	(void)value;
	return host_idmap_write(l->procfd, l->pid, &l->idmap, &how, l->ctx->log);
}

struct dv_err *rt_time_offsets_write(struct rt_launch *l, const char *pid)
{
	const struct spec_linux *x = &l->spec->linux;
	char path[40], text[160];
	int n = 0, r;

	snprintf(path, sizeof(path), "%s/timens_offsets", pid);
	if (x->offset_monotonic.is_set)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "monotonic %lld %u\n",
			      (long long)x->offset_monotonic.secs, x->offset_monotonic.nanosecs);
	if (x->offset_boottime.is_set)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "boottime %lld %u\n",
			      (long long)x->offset_boottime.secs, x->offset_boottime.nanosecs);
	if (n == 0)
		return NULL;
	r = sys_write_file_at_n(l->procfd, path, text, (size_t)n);
	return r < 0 ? dv_err_sys(r, "linux.timeOffsets: write %s", path) : NULL;
}

struct dv_err *rt_parent_write_time_offsets(struct rt_launch *l, int value)
{
	char pid[16];

	(void)value;
	snprintf(pid, sizeof(pid), "%d", l->pid);
	return rt_time_offsets_write(l, pid);
}

struct dv_err *rt_parent_move_net_devices(struct rt_launch *l, int value)
{
	const struct spec_linux *x = &l->spec->linux;
	DV_CLEANUP(sys_closep) int netns = -1;
	char path[32];

	(void)value;
	snprintf(path, sizeof(path), "%d/ns/net", l->pid);
	netns = sys_openat(l->procfd, path, O_RDONLY, 0);
	if (netns < 0)
		return dv_err_sys(netns, "open the container's network namespace");
	return host_netdev_move(l->procfd, netns, x->net_devices, x->n_net_devices, l->ctx->log);
}

static char *state_text(struct rt_launch *l, enum rt_status status)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	enum rt_status was = l->c->status;
	pid_t pid = l->c->pid;

	l->c->status = status;
	l->c->pid = l->pid;
	rt_hook_state_format(l->c, &b);
	l->c->status = was;
	l->c->pid = pid;
	return dv_strbuf_steal(&b);
}

struct dv_err *rt_parent_run_hooks(struct rt_launch *l, int value)
{
	DV_CLEANUP(dv_freep) char *state = state_text(l, RT_CREATING);
	struct dv_err *e;

	(void)value;
	e = rt_hooks_run(&l->spec->hooks[SPEC_HOOK_PRESTART], SPEC_HOOK_PRESTART, state,
			 l->ctx->log);
	if (!e)
		e = rt_hooks_run(&l->spec->hooks[SPEC_HOOK_CREATE_RUNTIME],
				 SPEC_HOOK_CREATE_RUNTIME, state, l->ctx->log);
	return e;
}

/* ContainerProcessState of runtime-spec, config-linux.md, "The Container Process State". */
static void format_process_state(struct rt_launch *l, struct dv_strbuf *b)
{
	DV_CLEANUP(dv_freep) char *state = state_text(l, l->is_exec ? l->c->status : RT_CREATING);
	struct dv_jw w;

	dv_jw_init(&w, b, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", SPEC_VERSION);
	dv_jw_array_begin(&w, "fds");
	dv_jw_string(&w, NULL, "seccompFd");
	dv_jw_array_end(&w);
	dv_jw_int(&w, "pid", l->pid);
	dv_jw_string(&w, "metadata", l->listener_metadata ? l->listener_metadata : "");
	dv_jw_raw(&w, "state", state);
	dv_jw_object_end(&w);
}

struct dv_err *rt_parent_send_listener(struct rt_launch *l, int value)
{
	DV_CLEANUP(sys_closep) int sock = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_strbuf b = DV_STRBUF_INIT;
	int r;

	if (!l->listener_path || !*l->listener_path)
		return dv_err_new(
			DV_INVALID,
			"linux.seccomp: listenerPath is not set but SCMP_ACT_NOTIFY is used");
	fd = sys_pidfd_getfd(l->pidfd, value);
	if (fd < 0)
		return dv_err_sys(fd, "take the seccomp listener from the container");
	sock = sys_unix_connect(l->listener_path);
	if (sock < 0)
		return dv_err_sys(
			sock,
			"failed to connect with seccomp agent specified in the seccomp profile: connect to %s",
			l->listener_path);
	format_process_state(l, &b);
	r = sys_send_fd(sock, b.data, b.len, fd);
	dv_strbuf_fini(&b);
	return r < 0 ? dv_err_sys(r, "send the seccomp listener to %s", l->listener_path) : NULL;
}

/* For a process in a user namespace, which has no right to raise its own. */
static struct dv_err *set_rlimits(struct rt_launch *l)
{
	char text[RT_TEXT_MAX] = "";
	int r;

	if (!rt_has_userns(l))
		return NULL;
	r = rt_rlimits_set(l, l->pid, text);
	return r < 0 ? dv_err_sys(r, "%s", text) : NULL;
}

static struct dv_err *save(struct rt_launch *l)
{
	struct rt_container *c = l->c;
	char state;
	int r;

	r = sys_proc_stat(l->procfd, l->pid, &state, &c->state->starttime);
	if (r < 0)
		return dv_err_sys(r, "read the start time of pid %d", l->pid);
	c->pid = l->pid;
	l->is_saved = true;
	return rt_container_save(c);
}

struct dv_err *rt_parent_ready(struct rt_launch *l, int value)
{
	struct dv_err *e;

	(void)value;
	dv_log(l->ctx->log, DV_DEBUG,
	       l->is_exec ? "child process in init(): setns_init: about to exec"
			  : "child process in init(): all set up");
	e = set_rlimits(l);
	if (!e && l->terminal)
		e = rt_terminal_start(l->terminal);
	if (!e && !l->is_exec)
		e = save(l);
	if (!e && l->io->pid_file)
		e = rt_pid_file_write(l->io->pid_file, l->pid);
	l->is_ready = !e;
	return e;
}
