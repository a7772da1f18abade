/* SPDX-License-Identifier: Apache-2.0 */
/* What the services share, the events of tasks, and the small services. */

#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "api/containerd/events.pb-c.h"
#include "api/containerd/runc-options.pb-c.h"
#include "api/containerd/runtime-options.pb-c.h"
#include "api/davit/shim.pb-c.h"
#include "events.h"
#include "sandbox.h"
#include "service-private.h"

/* ---- options -------------------------------------------------------------------------------------- */

static char *dup_nonempty(const char *text)
{
	return *text ? dv_strdup(text) : NULL;
}

static void warn_ignored(const struct dv_log *log, const char *name, bool is_given)
{
	if (is_given)
		dv_log(log, DV_WARN, "runtime option %s is ignored: not supported yet", name);
}

static struct dv_err *take_options(const struct dv_log *log, const Google__Protobuf__Any *any,
				   struct dv_arena *arena, struct shim_options *options)
{
	const Containerd__Runc__V1__Options *pb;
	ProtobufCMessage *msg;
	struct dv_err *e;

	e = pb_unpack(&containerd__runc__v1__options__descriptor, any->value.data, any->value.len,
		      arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "runtime options");
	pb = (const void *)msg;
	options->no_pivot_root = pb->no_pivot_root;
	options->no_new_keyring = pb->no_new_keyring;
	options->systemd_cgroup = pb->systemd_cgroup;
	options->io_uid = pb->io_uid;
	options->io_gid = pb->io_gid;
	options->shim_cgroup = dup_nonempty(pb->shim_cgroup);
	options->binary_name = dup_nonempty(pb->binary_name);
	options->root = dup_nonempty(pb->root);
	warn_ignored(log, "criu_image_path", *pb->criu_image_path != '\0');
	warn_ignored(log, "criu_work_path", *pb->criu_work_path != '\0');
	for (size_t i = 0; i < msg->n_unknown_fields; i++)
		dv_log(log, DV_WARN, "runtime option with number %u is ignored: it is unknown",
		       msg->unknown_fields[i].tag);
	return NULL;
}

struct dv_err *shim_options_from_any(const Google__Protobuf__Any *any, const struct dv_log *log,
				     struct shim_options **ret)
{
	DV_CLEANUP(shim_options_freep) struct shim_options *options = shim_options_new();
	struct dv_err *e = NULL;
	struct dv_arena arena;

	if (any && *any->type_url) {
		dv_arena_init(&arena);
		if (pb_any_is(any->type_url, &containerd__runc__v1__options__descriptor))
			e = take_options(log, any, &arena, options);
		else
			dv_log(log, DV_WARN,
			       "runtime options of type \"%.100s\" are ignored: expected %s",
			       any->type_url, containerd__runc__v1__options__descriptor.name);
		dv_arena_fini(&arena);
	}
	if (e)
		return e;
	*ret = dv_steal(&options);
	return NULL;
}

/* ---- mounts ------------------------------------------------------------------------------------------ */

struct host_fs_mount *shim_service_mounts(struct dv_arena *arena,
					  Containerd__Types__Mount *const *mounts, size_t n)
{
	struct host_fs_mount *out = dv_arena_new_n(arena, struct host_fs_mount, n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct host_fs_mount){
			.type = mounts[i]->type,
			.source = mounts[i]->source,
			.target = mounts[i]->target,
			.options = (const char *const *)mounts[i]->options,
			.n_options = mounts[i]->n_options,
		};
	return out;
}

Google__Protobuf__Timestamp *shim_service_timestamp(struct dv_arena *arena,
						    const struct timespec *ts)
{
	Google__Protobuf__Timestamp *pb;

	if (!ts->tv_sec)
		return NULL;
	pb = dv_arena_new(arena, Google__Protobuf__Timestamp);
	google__protobuf__timestamp__init(pb);
	PB_TIMESTAMP_SET(pb, ts);
	return pb;
}

/* ---- events -------------------------------------------------------------------------------------------- */

static void publish_create(struct shim_service *s, const struct task_info *info)
{
	Containerd__Events__TaskCreate msg = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;
	Containerd__Types__Mount *mounts;
	struct dv_arena arena;

	dv_arena_init(&arena);
	mounts = dv_arena_new_n(&arena, Containerd__Types__Mount, info->n_mounts + 1);
	msg.rootfs = dv_arena_new_n(&arena, Containerd__Types__Mount *, info->n_mounts + 1);
	msg.n_rootfs = info->n_mounts;
	for (size_t i = 0; i < info->n_mounts; i++) {
		containerd__types__mount__init(&mounts[i]);
		mounts[i].type = (char *)info->mounts[i].type;
		mounts[i].source = (char *)info->mounts[i].source;
		mounts[i].target = (char *)info->mounts[i].target;
		mounts[i].options = (char **)info->mounts[i].options;
		mounts[i].n_options = info->mounts[i].n_options;
		msg.rootfs[i] = &mounts[i];
	}
	msg.container_id = (char *)info->id;
	msg.bundle = (char *)info->bundle;
	msg.io = &io;
	io.stdin = (char *)info->stdio.in;
	io.stdout = (char *)info->stdio.out;
	io.stderr = (char *)info->stdio.err;
	io.terminal = info->stdio.is_terminal;
	msg.pid = (uint32_t)info->pid;
	shim_events_publish(s->opts.events, &msg.base);
	dv_arena_fini(&arena);
}

static void publish_end(struct shim_service *s, enum task_event event, const struct task_info *info)
{
	Containerd__Events__TaskExit exit = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Containerd__Events__TaskDelete del = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	PB_TIMESTAMP_SET(&at, &info->exited_at);
	if (event == TASK_EVENT_EXIT) {
		exit.container_id = (char *)info->id;
		exit.id = (char *)(*info->exec_id ? info->exec_id : info->id);
		exit.pid = (uint32_t)info->pid;
		exit.exit_status = info->exit_status;
		exit.exited_at = &at;
		shim_events_publish(s->opts.events, &exit.base);
	} else {
		del.container_id = (char *)info->id;
		del.pid = (uint32_t)info->pid;
		del.exit_status = info->exit_status;
		del.exited_at = &at;
		shim_events_publish(s->opts.events, &del.base);
	}
}

static void publish_exec(struct shim_service *s, enum task_event event,
			 const struct task_info *info)
{
	Containerd__Events__TaskExecAdded added = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;
	Containerd__Events__TaskExecStarted started = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	if (event == TASK_EVENT_EXEC_ADDED) {
		added.container_id = (char *)info->id;
		added.exec_id = (char *)info->exec_id;
		shim_events_publish(s->opts.events, &added.base);
	} else {
		started.container_id = (char *)info->id;
		started.exec_id = (char *)info->exec_id;
		started.pid = (uint32_t)info->pid;
		shim_events_publish(s->opts.events, &started.base);
	}
}

static void publish_start(struct shim_service *s, const struct task_info *info)
{
	Containerd__Events__TaskStart msg = CONTAINERD__EVENTS__TASK_START__INIT;

	msg.container_id = (char *)info->id;
	msg.pid = (uint32_t)info->pid;
	shim_events_publish(s->opts.events, &msg.base);
}

/* The events that say no more than which container it was. */
static void publish_name(struct shim_service *s, enum task_event event,
			 const struct task_info *info)
{
	Containerd__Events__TaskOOM oom = CONTAINERD__EVENTS__TASK_OOM__INIT;
	Containerd__Events__TaskPaused paused = CONTAINERD__EVENTS__TASK_PAUSED__INIT;
	Containerd__Events__TaskResumed resumed = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

	oom.container_id = paused.container_id = resumed.container_id = (char *)info->id;
	shim_events_publish(s->opts.events, event == TASK_EVENT_OOM	 ? &oom.base
					    : event == TASK_EVENT_PAUSED ? &paused.base
									 : &resumed.base);
}

void shim_service_event(void *arg, enum task_event event, const struct task_info *info)
{
	switch (event) {
	case TASK_EVENT_CREATE:
		publish_create(arg, info);
		break;
	case TASK_EVENT_START:
		publish_start(arg, info);
		break;
	case TASK_EVENT_EXIT:
	case TASK_EVENT_DELETE:
		publish_end(arg, event, info);
		break;
	case TASK_EVENT_EXEC_ADDED:
	case TASK_EVENT_EXEC_STARTED:
		publish_exec(arg, event, info);
		break;
	case TASK_EVENT_OOM:
	case TASK_EVENT_PAUSED:
	case TASK_EVENT_RESUMED:
		publish_name(arg, event, info);
		break;
	}
}

/* ---- davit.shim.v1.Logs ---------------------------------------------------------------------------------- */

static void on_reopen(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Davit__Shim__V1__ReopenRequest *req = (const void *)msg;
	struct shim_service *s = arg;
	struct task_proc *proc;
	struct dv_err *e = task_lookup(s->tasks, req->container_id, req->exec_id, &proc);

	if (!e)
		e = task_reopen_logs(proc);
	if (e)
		ttrpc_fail(call, e);
	else
		ttrpc_reply(call, NULL);
}

static const struct ttrpc_method log_methods[] = {
	{ "Reopen", &davit__shim__v1__reopen_request__descriptor, on_reopen, false, false },
};

static const struct ttrpc_service log_service = { "davit.shim.v1.Logs", log_methods,
						  DV_ARRAY_SIZE(log_methods) };

bool shim_service_is_unused(const struct shim_service *s)
{
	return task_set_count(s->tasks) == 0 && !sandbox_is_needed(s->sandbox);
}

void shim_service_end_if_unused(struct shim_service *s)
{
	if (shim_service_is_unused(s))
		s->opts.on_shutdown(s->opts.arg);
}

void shim_service_end_if_left(struct shim_service *s)
{
	if (s->is_leaving)
		shim_service_end_if_unused(s);
}

void shim_service_shutdown(struct shim_service *s, struct ttrpc_call *call)
{
	bool is_end = shim_service_is_unused(s);

	/* Before the answer: who has it may look for a shim at once, and must not find this one. */
	if (is_end)
		s->opts.on_retire(s->opts.arg);
	ttrpc_reply(call, NULL);
	if (is_end)
		s->opts.on_shutdown(s->opts.arg);
}

void shim_service_dump(const struct shim_service *s)
{
	task_set_dump(s->tasks);
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

struct shim_service *shim_service_new(const struct shim_service_opts *opts)
{
	struct shim_service *s = dv_new(struct shim_service);

	s->opts = *opts;
	s->tasks = task_set_new(opts->env, shim_service_event, s);
	s->sandbox = sandbox_new(opts->env, opts->program);
	ttrpc_server_add(opts->server, &shim_service_task_v2, s);
	ttrpc_server_add(opts->server, &shim_service_task_v3, s);
	ttrpc_server_add(opts->server, &shim_service_sandbox, s);
	ttrpc_server_add(opts->server, &log_service, s);
	return s;
}

struct shim_service *shim_service_free(struct shim_service *s)
{
	if (!s)
		return NULL;
	task_set_free(s->tasks);
	sandbox_free(s->sandbox);
	free(s);
	return NULL;
}
