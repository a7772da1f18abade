/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.runtime.sandbox.v1.Sandbox. */

#include <string.h>

#include "api/containerd/sandbox.pb-c.h"
#include "api/cri/sandbox-config.pb-c.h"
#include "sandbox.h"
#include "service-private.h"

/* Go's runtime.GOARCH of the one machine that we build for. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#error "the name of this architecture is missing"
#endif

static void reply(struct ttrpc_call *call, struct dv_err *take_e)
{
	if (take_e)
		ttrpc_fail(call, take_e);
	else
		ttrpc_reply(call, NULL);
}

/* ---- create ----------------------------------------------------------------------------------------- */

typedef Runtime__V1__PodSandboxConfig PodSandboxConfig;

static struct dv_err *take_namespaces(const Runtime__V1__LinuxPodSandboxConfig *linux_config,
				      struct sandbox_pod *pod)
{
	const Runtime__V1__NamespaceOption *ns =
		linux_config && linux_config->security_context
			? linux_config->security_context->namespace_options
			: NULL;

	pod->has_own_pids = !ns || ns->pid == RUNTIME__V1__NAMESPACE_MODE__POD;
	if (!ns)
		return NULL;
	pod->has_host_net = ns->network == RUNTIME__V1__NAMESPACE_MODE__NODE;
	pod->has_host_ipc = ns->ipc == RUNTIME__V1__NAMESPACE_MODE__NODE;
	if (ns->userns_options && ns->userns_options->mode == RUNTIME__V1__NAMESPACE_MODE__POD)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: a user namespace of the sandbox");
	return NULL;
}

static void take_linux(const Runtime__V1__LinuxPodSandboxConfig *from, struct dv_arena *arena,
		       struct sandbox_pod *pod)
{
	struct sandbox_sysctl *sysctls =
		dv_arena_new_n(arena, struct sandbox_sysctl, from->n_sysctls + 1);

	for (size_t i = 0; i < from->n_sysctls; i++)
		sysctls[i] =
			(struct sandbox_sysctl){ from->sysctls[i]->key, from->sysctls[i]->value };
	pod->sysctls = sysctls;
	pod->n_sysctls = from->n_sysctls;
	pod->cgroup_parent = from->cgroup_parent;
}

/* *ret is NULL when the options are of another kind, which is no error: each runtime has its own. */
static struct dv_err *take_options(struct shim_service *s, const Google__Protobuf__Any *any,
				   struct dv_arena *arena, struct sandbox_pod **ret)
{
	const PodSandboxConfig *config;
	struct sandbox_pod *pod;
	ProtobufCMessage *msg;
	struct dv_err *e;

	*ret = NULL;
	if (!any || !*any->type_url)
		return NULL;
	if (!pb_any_is(any->type_url, &runtime__v1__pod_sandbox_config__descriptor)) {
		dv_log(s->opts.env->log, DV_WARN,
		       "sandbox options of type \"%.100s\" are ignored: expected %s", any->type_url,
		       runtime__v1__pod_sandbox_config__descriptor.name);
		return NULL;
	}
	e = pb_unpack(&runtime__v1__pod_sandbox_config__descriptor, any->value.data, any->value.len,
		      arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "sandbox options");
	config = (const PodSandboxConfig *)msg;
	pod = dv_arena_new(arena, struct sandbox_pod);
	*pod = (struct sandbox_pod){ .hostname = config->hostname, .cgroup_parent = "" };
	if (config->linux_)
		take_linux(config->linux_, arena, pod);
	*ret = pod;
	return take_namespaces(config->linux_, pod);
}

static void on_create(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req = (const void *)msg;
	struct shim_service *s = arg;
	struct sandbox_pod *pod;
	struct dv_err *e = take_options(s, req->options, ttrpc_call_arena(call), &pod);

	if (e) {
		ttrpc_fail(call, dv_err_wrap(e, "sandbox %s", req->sandbox_id));
		return;
	}
	reply(call,
	      sandbox_create(s->sandbox,
			     &(struct sandbox_create){
				     .id = req->sandbox_id,
				     .bundle = req->bundle_path,
				     .netns = req->netns_path,
				     .pod = pod,
				     .mounts = shim_service_mounts(ttrpc_call_arena(call),
								   req->rootfs, req->n_rootfs),
				     .n_mounts = req->n_rootfs,
			     }));
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__StartSandboxRequest *req = (const void *)msg;
	Containerd__Runtime__Sandbox__V1__StartSandboxResponse resp =
		CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
	struct shim_service *s = arg;
	struct sandbox_info info;
	struct dv_err *e;

	e = sandbox_start(s->sandbox, req->sandbox_id);
	if (!e)
		e = sandbox_lookup(s->sandbox, req->sandbox_id, &info);
	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	resp.pid = (uint32_t)info.pid;
	resp.created_at = shim_service_timestamp(ttrpc_call_arena(call), &info.created_at);
	ttrpc_reply(call, &resp.base);
}

static void on_platform(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	Containerd__Runtime__Sandbox__V1__PlatformResponse resp =
		CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
	Containerd__Types__Platform platform = CONTAINERD__TYPES__PLATFORM__INIT;

	(void)msg;
	(void)arg;
	platform.os = (char *)"linux";
	platform.architecture = (char *)ARCHITECTURE;
	resp.platform = &platform;
	ttrpc_reply(call, &resp.base);
}

/* ---- stop and wait ------------------------------------------------------------------------------------ */

struct waiting {
	struct shim_service *service;
	struct ttrpc_call *call;
	struct sandbox_wait *wait;
};

static void wait_cancelled(void *arg)
{
	struct waiting *w = arg;

	sandbox_wait_cancel(w->service->sandbox, w->wait);
	ttrpc_fail(w->call, dv_err_new(DV_CANCELLED, "nobody waits any more"));
}

static void answer_stop(void *arg, const struct sandbox_info *info)
{
	struct ttrpc_call *call = arg;

	(void)info;
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_reply(call, NULL);
}

static void answer_wait(void *arg, const struct sandbox_info *info)
{
	Containerd__Runtime__Sandbox__V1__WaitSandboxResponse resp =
		CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
	struct ttrpc_call *call = arg;

	ttrpc_call_on_cancel(call, NULL, NULL);
	resp.exit_status = info->exit_status;
	resp.exited_at = shim_service_timestamp(ttrpc_call_arena(call), &info->exited_at);
	ttrpc_reply(call, &resp.base);
}

/* Answers now if it is stopped, later if not. */
static void wait_for(struct shim_service *s, struct ttrpc_call *call, const char *id, sandbox_fn fn)
{
	struct sandbox_info info;
	struct dv_err *e = sandbox_lookup(s->sandbox, id, &info);
	struct waiting *w;

	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	if (info.state == SANDBOX_STOPPED) {
		fn(call, &info);
		return;
	}
	w = dv_arena_new(ttrpc_call_arena(call), struct waiting);
	*w = (struct waiting){ s, call, sandbox_wait(s->sandbox, fn, call) };
	ttrpc_call_on_cancel(call, wait_cancelled, w);
}

static void on_stop(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *req = (const void *)msg;
	struct shim_service *s = arg;
	struct dv_err *e = sandbox_stop(s->sandbox, req->sandbox_id, req->timeout_secs);

	/* A pod ends with its sandbox: who wanted its containers to end in peace has seen to it. */
	if (!e)
		task_set_kill(s->tasks);

	if (e)
		ttrpc_fail(call, e);
	else
		wait_for(s, call, req->sandbox_id, answer_stop);
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__WaitSandboxRequest *req = (const void *)msg;

	wait_for(arg, call, req->sandbox_id, answer_wait);
}

/* ---- what can be asked ---------------------------------------------------------------------------------- */

static void on_status(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *req = (const void *)msg;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse resp =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
	struct dv_arena *arena = ttrpc_call_arena(call);
	struct shim_service *s = arg;
	struct sandbox_info info;
	struct dv_err *e = sandbox_lookup(s->sandbox, req->sandbox_id, &info);

	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	resp.sandbox_id = (char *)info.id;
	resp.pid = (uint32_t)info.pid;
	/* The words of CRI, which daemons compare. */
	resp.state = (char *)(info.state == SANDBOX_READY ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	resp.created_at = shim_service_timestamp(arena, &info.created_at);
	resp.exited_at = shim_service_timestamp(arena, &info.exited_at);
	ttrpc_reply(call, &resp.base);
}

static void on_ping(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__PingRequest *req = (const void *)msg;
	struct shim_service *s = arg;
	struct sandbox_info info;

	reply(call, sandbox_lookup(s->sandbox, req->sandbox_id, &info));
}

static void on_metrics(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__SandboxMetricsRequest *req = (const void *)msg;
	Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse resp =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_RESPONSE__INIT;
	Containerd__Types__Metric metric = CONTAINERD__TYPES__METRIC__INIT;
	Google__Protobuf__Any data = GOOGLE__PROTOBUF__ANY__INIT;
	struct shim_service *s = arg;
	struct sandbox_info info;
	struct timespec now;
	struct dv_err *e;

	e = sandbox_lookup(s->sandbox, req->sandbox_id, &info);
	if (!e && info.state != SANDBOX_READY)
		e = dv_err_new(DV_PRECONDITION, "sandbox %s is not running", req->sandbox_id);
	if (!e)
		e = shim_service_stats(info.pid, s->opts.env->log, ttrpc_call_arena(call), &data);
	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	metric.id = (char *)info.id;
	metric.timestamp = shim_service_timestamp(ttrpc_call_arena(call), &now);
	metric.data = &data;
	resp.metrics = &metric;
	ttrpc_reply(call, &resp.base);
}

static void on_shutdown(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest *req = (const void *)msg;
	struct shim_service *s = arg;
	struct dv_err *e = sandbox_remove(s->sandbox, req->sandbox_id);

	/* A daemon that repeats itself, or cleans up what it never made, is not to be stopped. */
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	s->is_leaving = true;
	shim_service_shutdown(s, call);
}

#define ROW(name, request, fn) \
	{ \
		name, &containerd__runtime__sandbox__v1__##request##__descriptor, fn, false, false \
	}

static const struct ttrpc_method methods[] = {
	ROW("CreateSandbox", create_sandbox_request, on_create),
	ROW("StartSandbox", start_sandbox_request, on_start),
	ROW("Platform", platform_request, on_platform),
	ROW("StopSandbox", stop_sandbox_request, on_stop),
	ROW("WaitSandbox", wait_sandbox_request, on_wait),
	ROW("SandboxStatus", sandbox_status_request, on_status),
	ROW("PingSandbox", ping_request, on_ping),
	ROW("ShutdownSandbox", shutdown_sandbox_request, on_shutdown),
	ROW("SandboxMetrics", sandbox_metrics_request, on_metrics),
};

const struct ttrpc_service shim_service_sandbox = { "containerd.runtime.sandbox.v1.Sandbox",
						    methods, DV_ARRAY_SIZE(methods) };
