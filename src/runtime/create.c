/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create and run. Each step records in the container what the undo needs before the next
 * one may fail; undo is what `delete --force` does, so that a creator that is killed leaves
 * nothing which that could not clean.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/user.h"
#include "launch-private.h"
#include "lifecycle-private.h"
#include "parent-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { CONFIG_MAX = 16 << 20 };

/* ---- reading the bundle ------------------------------------------------------------------ */

static struct dv_err *enter_bundle(const char *bundle, struct dv_arena *arena, char **ret_path)
{
	char path[PATH_MAX];
	int r = bundle ? sys_chdir(bundle) : 0;

	if (r == 0)
		r = sys_getcwd(path, sizeof(path));
	if (r < 0)
		return dv_err_sys(r, "bundle %s", bundle ? bundle : ".");
	*ret_path = dv_arena_strdup(arena, path);
	return NULL;
}

static void set_from_spec(struct rt_launch *l, const struct spec_runtime *spec)
{
	const struct spec_linux *x = &spec->linux;

	l->spec = spec;
	l->process = spec->process;
	l->mount_label = x->mount_label;
	l->has_personality = x->has_personality;
	l->personality = x->personality;
	l->memory_policy = x->memory_policy;
	l->intel_rdt = x->intel_rdt;
}

static struct dv_err *read_config(struct rt_launch *l)
{
	struct spec_env env = { .is_rootless = l->ctx->is_rootless,
				.needs_process = true,
				.is_no_pivot = l->create->no_pivot };
	struct spec_runtime *spec;
	struct dv_err *e;
	size_t len;
	char *text;

	e = rt_read_file(&l->arena, AT_FDCWD, "config.json", CONFIG_MAX, &text, &len);
	if (e && dv_err_code(e) == DV_NOT_FOUND) {
		dv_err_free(e);
		return dv_err_new(DV_NOT_FOUND, "JSON specification file config.json not found");
	}
	if (!e)
		e = spec_runtime_parse(&l->arena, text, len, &spec);
	if (!e)
		e = spec_runtime_validate(spec, &env, l->ctx->log);
	if (e)
		return dv_err_wrap(e, "config.json");
	set_from_spec(l, spec);
	return NULL;
}

static struct dv_err *find_rootfs(struct rt_launch *l, const char *bundle)
{
	const char *path = l->spec->root.path;
	char real[PATH_MAX];
	ssize_t r;

	if (path[0] != '/')
		path = dv_arena_printf(&l->arena, "%s/%s", bundle, path);
	/* Whoever made the bundle may have let it point elsewhere; mount points are made in there. */
	r = sys_readlinkat(AT_FDCWD, path, real, sizeof(real));
	if (r != -EINVAL && r != -ENOENT)
		return dv_err_new(
			DV_INVALID,
			"root.path: invalid rootfs %s: not an absolute path, or a symlink", path);
	if (!realpath(path, real))
		return dv_err_sys(-errno, "root.path: invalid rootfs %s", path);
	/* The resolved path is opened O_NOFOLLOW, once, by rt_prepare_rootfs(). */
	l->rootfs = dv_arena_strdup(&l->arena, real);
	return NULL;
}

/* ---- what the container is ----------------------------------------------------------------- */

static const char *now_text(struct dv_arena *arena)
{
	char text[DV_CLOCK_SIZE];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	dv_clock_format(&ts, DV_CLOCK_NANOS, text);
	return dv_arena_strdup(arena, text);
}

static const char *owner_name(struct dv_arena *arena)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	char name[256];

	if (fd >= 0 && host_user_name(fd, getuid(), name, sizeof(name)) == 0)
		return dv_arena_strdup(arena, name);
	return dv_arena_printf(arena, "%u", getuid());
}

static void describe(struct rt_launch *l, const char *bundle)
{
	const struct spec_runtime *spec = l->spec;
	struct rt_container *c = l->c;
	struct dv_arena *a = &c->state->arena;

	c->bundle = dv_arena_strdup(a, bundle);
	c->rootfs = dv_arena_strdup(a, l->rootfs);
	c->oci_version = dv_arena_strdup(a, spec->oci_version);
	c->created = now_text(a);
	c->owner = owner_name(a);
	c->status = RT_CREATING;
	c->annotations = dv_arena_new_n(a, struct spec_string_pair, spec->n_annotations + 1);
	c->n_annotations = spec->n_annotations;
	for (size_t i = 0; i < spec->n_annotations; i++) {
		c->annotations[i].key = dv_arena_strdup(a, spec->annotations[i].key);
		c->annotations[i].value = dv_arena_strdup(a, spec->annotations[i].value);
	}
	c->state->is_rootless = l->ctx->is_rootless;
	c->state->has_personality = spec->linux.has_personality;
	c->state->personality = spec->linux.personality;
	c->state->memory_policy = spec->linux.memory_policy;
	c->state->no_new_keyring = l->create->no_new_keyring;
	c->state->has_hooks = spec->hooks[SPEC_HOOK_POSTSTART].n_items > 0 ||
			      spec->hooks[SPEC_HOOK_POSTSTOP].n_items > 0;
	c->state->has_seccomp = l->has_seccomp;
	if (l->has_seccomp) {
		c->state->listener_path = l->listener_path;
		c->state->listener_metadata = l->listener_metadata;
	}
}

/* ---- resources ------------------------------------------------------------------------------ */

/* runtime-spec, config-linux.md "Cgroup ownership": a writable cgroupfs in its own namespaces. */
static bool is_delegated(const struct rt_launch *l)
{
	if (!(l->ns_new & NS_BIT(SPEC_NS_CGROUP)) || !(l->ns_new & NS_BIT(SPEC_NS_USER)))
		return false;
	for (size_t i = 0; i < l->n_mounts; i++) {
		const struct host_mount *p = l->mounts[i].plan;

		if (p->kind == HOST_MOUNT_CGROUP && dv_streq(p->destination, "/sys/fs/cgroup"))
			return !(p->ms_flags & 1 /* MS_RDONLY */);
	}
	return false;
}

static void warn_unkillable(const struct rt_launch *l)
{
	if (!host_cgroup_is_partial(l->c->cgroup) ||
	    (l->ns_new | l->ns_joined) & NS_BIT(SPEC_NS_PID))
		return;
	dv_log(l->ctx->log, DV_WARN,
	       "Creating a rootless container with no cgroup and no private pid namespace. Such configuration is strongly discouraged (as it is impossible to properly kill all container's processes).");
}

static struct dv_err *limit_cgroup(struct rt_launch *l)
{
	const struct spec_linux *x = &l->spec->linux;
	struct host_cgroup *cg = l->c->cgroup;
	struct dv_err *e;
	uint32_t uid;

	warn_unkillable(l);
	e = host_cgroup_set(cg, x->resources, HOST_CGROUP_CREATE);
	if (!e)
		e = host_cgroup_set_devices(cg, x->resources, x->devices, x->n_devices);
	if (!e && is_delegated(l) &&
	    host_idmap_to_host(l->idmap.uids, l->idmap.n_uids, l->process->user.uid, &uid))
		e = host_cgroup_chown(cg, uid);
	return e ? e : host_cgroup_open_tasks(cg, l->join.tasks, &l->join.n_tasks);
}

/* On v2 the child is born into its cgroup, with the limits in place. */
static struct dv_err *make_cgroup(struct rt_launch *l)
{
	struct host_cgroup *cg = l->c->cgroup;
	struct dv_err *e;

	e = host_cgroup_create(cg, l->is_late_cgroup ? HOST_CGROUP_V2_PART : HOST_CGROUP_ALL,
			       l->spec->linux.resources);
	if (!e)
		e = rt_container_save_cgroup(l->c);
	if (!e && !l->is_late_cgroup)
		e = limit_cgroup(l);
	l->join.v2_dirfd = host_cgroup_v2_dirfd(cg);
	if (l->join.v2_dirfd >= 0)
		l->join.v2_dirfd = sys_dup_cloexec(l->join.v2_dirfd, 3);
	return e;
}

struct dv_err *rt_create_late_cgroup(struct rt_launch *l)
{
	struct dv_err *e;

	e = host_cgroup_create(l->c->cgroup, HOST_CGROUP_V1_PART, l->spec->linux.resources);
	return e ? e : limit_cgroup(l);
}

/* Its two ends in one descriptor: the child waits for a byte, and never finds the other end gone. */
static struct dv_err *make_fifo(struct rt_launch *l)
{
	int dir = l->c->state->dirfd, r;

	if (l->is_run)
		return NULL;
	r = sys_mknodat(dir, RT_FIFO, S_IFIFO | 0600, 0);
	if (r < 0)
		return dv_err_sys(r, "make %s", RT_FIFO);
	l->fifofd = sys_openat(dir, RT_FIFO, O_RDWR | O_NOFOLLOW, 0);
	return l->fifofd < 0 ? dv_err_sys(l->fifofd, "open %s", RT_FIFO) : NULL;
}

/* The state for hooks in the child, with a hole where its pid goes. */
static void prepare_hook_states(struct rt_launch *l)
{
	static const char member[] = "\"pid\":";
	static const enum rt_status statuses[] = { RT_CREATING, RT_CREATED };

	for (int i = 0; i < 2; i++) {
		struct dv_strbuf b = DV_STRBUF_INIT;
		char *p;

		l->c->status = statuses[i];
		rt_hook_state_format(l->c, &b);
		p = strstr(b.data, member) + sizeof(member) - 1;
		l->hook_state[i].head = dv_arena_strndup(&l->arena, b.data, (size_t)(p - b.data));
		l->hook_state[i].tail = dv_arena_strdup(&l->arena, p + strspn(p, "0123456789"));
		l->hook_buf_size = DV_MAX(l->hook_buf_size, b.len + 32);
		dv_strbuf_fini(&b);
	}
	l->c->status = RT_CREATING;
	l->hook_buf = dv_arena_alloc(&l->arena, l->hook_buf_size);
}

static bool has_child_hooks(const struct rt_launch *l)
{
	return l->spec->hooks[SPEC_HOOK_CREATE_CONTAINER].n_items > 0 ||
	       l->spec->hooks[SPEC_HOOK_START_CONTAINER].n_items > 0;
}

/* From here on there is a state directory, and failure means undo. */
static struct dv_err *build(struct rt_launch *l)
{
	struct host_cgroup_opts cg = {
		.id = l->c->id,
		.cgroups_path = l->spec->linux.cgroups_path,
		.is_rootless = l->ctx->is_rootless,
		.log = l->ctx->log,
	};
	struct dv_err *e;

	e = host_cgroup_new(&cg, &l->c->cgroup);
	if (e)
		return e;
	/* Rootless: the child has to know which hierarchies had to be left out. */
	l->is_late_cgroup =
		host_cgroup_mode(l->c->cgroup) != HOST_CGROUP_V2 && !l->ctx->is_rootless;
	e = rt_prepare_namespaces(l);
	if (!e)
		e = rt_prepare_seccomp(l, l->spec->linux.seccomp);
	if (e)
		return e;
	describe(l, l->c->bundle);
	e = rt_container_save(l->c);
	if (!e)
		e = rt_notify_prepare(l);
	if (!e && l->c->state->has_hooks)
		e = rt_hooks_save(l->c, l->spec->hooks);
	if (!e && l->has_seccomp)
		e = rt_seccomp_save(l->c, &l->seccomp);
	if (!e)
		e = rt_prepare_rootfs(l);
	if (!e)
		e = rt_prepare_process(l);
	if (!e)
		e = make_fifo(l);
	if (!e)
		e = make_cgroup(l);
	if (!e && has_child_hooks(l))
		prepare_hook_states(l);
	return e ? e : rt_launch_run(l);
}

static void undo(struct rt_launch *l)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;

	rt_launch_kill(l);
	e = rt_container_undo(l->ctx, l->c, l->spec ? &l->spec->hooks[SPEC_HOOK_POSTSTOP] : NULL);
	if (e)
		dv_log(l->ctx->log, DV_WARN, "undo container %s: %s", l->c->id, dv_err_message(e));
}

/* Everything up to the state directory leaves no trace. */
static struct dv_err *launch(struct rt_launch *l)
{
	struct dv_err *e;
	char *bundle;

	e = rt_id_check(l->create->id);
	if (!e)
		e = enter_bundle(l->create->bundle, &l->arena, &bundle);
	if (!e)
		e = read_config(l);
	if (e)
		return e;
	e = find_rootfs(l, bundle);
	if (!e)
		e = rt_prepare_io(l);
	if (!e)
		e = rt_container_new(l->ctx, l->create->id, &l->c);
	if (e)
		return e;
	l->c->bundle = bundle;
	e = build(l);
	if (e)
		undo(l);
	return e;
}

static struct dv_err *init_launch(struct rt_launch *l, const struct rt_context *ctx,
				  const struct rt_create_opts *o)
{
	rt_launch_init(l, ctx);
	l->create = o;
	l->io = &o->io;
	l->no_subreaper = o->no_subreaper;
	l->is_unprivileged = rt_is_unprivileged();
	return rt_prepare_fds(ctx, l->io, &l->preserve_fds);
}

static void fini_launch(struct rt_launch *l)
{
	rt_container_free(l->c);
	rt_launch_fini(l);
}

struct dv_err *rt_create(const struct rt_context *ctx, const struct rt_create_opts *o)
{
	struct rt_io_opts io = o->io;
	struct rt_create_opts detached = *o;
	struct rt_launch l;
	struct dv_err *e;

	/* The one who creates does not stay to hold a terminal. */
	io.is_detached = true;
	detached.io = io;
	e = init_launch(&l, ctx, &detached);
	if (!e)
		e = launch(&l);
	fini_launch(&l);
	return e ? dv_err_wrap(e, "unable to start container process") : NULL;
}

/* ---- run --------------------------------------------------------------------------------------- */

static struct dv_err *after_start(struct rt_launch *l)
{
	const struct spec_hook_list *hooks = &l->spec->hooks[SPEC_HOOK_POSTSTART];
	struct dv_strbuf state = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	l->c->status = RT_RUNNING;
	if (hooks->n_items > 0) {
		rt_hook_state_format(l->c, &state);
		e = rt_hooks_run(hooks, SPEC_HOOK_POSTSTART, state.data, l->ctx->log);
		dv_strbuf_fini(&state);
	}
	return e ? e : rt_notify_relay(l);
}

static struct dv_err *run(struct rt_launch *l, int *ret_status)
{
	struct dv_err *e;

	e = l->io->is_detached ? NULL : rt_foreground_begin(l);
	if (!e)
		e = launch(l);
	if (e)
		return e;
	e = after_start(l);
	if (!e && l->io->is_detached) {
		*ret_status = 0;
		return NULL;
	}
	if (!e)
		e = rt_foreground_wait(l, l->terminal, ret_status);
	if (e || !l->create->keep)
		undo(l);
	return e;
}

struct dv_err *rt_run(const struct rt_context *ctx, const struct rt_create_opts *o, int *ret_status)
{
	struct rt_launch l;
	struct dv_err *e;

	e = init_launch(&l, ctx, o);
	l.is_run = true;
	if (!e)
		e = run(&l, ret_status);
	fini_launch(&l);
	return e ? dv_err_wrap(e, "unable to start container process") : NULL;
}
