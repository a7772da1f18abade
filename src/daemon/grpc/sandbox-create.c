/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller.Create:
 *
 *	worker	the sandbox's record (unless it comes with the call), the shim's program, the bundle
 *	loop	`start` of the shim
 *	worker	bootstrap.json: from here on a daemon that is started anew finds the shim
 *	loop	CreateSandbox of the shim
 *
 * As with tasks nothing of it waits for the client: one that tries again finds either nothing, or a
 * sandbox that is complete.
 */

#include <stdlib.h>

#include "api/containerd/events.pb-c.h"
#include "api/containerd/sandboxes.pb-c.h"
#include "base/fault.h"
#include "codec/json.h"
#include "convert.h"
#include "rpc/pb.h"
#include "sandbox-controller-private.h"
#include "store/meta-sandbox.h"

typedef Containerd__Services__Sandbox__V1__ControllerCreateRequest CreateRequest;

/* In the call's arena: each piece of work has it for itself. */
struct making {
	struct daemon_call c;
	const CreateRequest *req;
	struct sandbox *s;
	struct dv_err *e;
	/* Found by the worker. */
	char *binary, *bundle; /* heap */
	const char *runtime;
	ProtobufCBinaryData options; /* an encoded Any */
};

/* ---- the workers' part ------------------------------------------------------------------------- */

static struct dv_err *load_record(struct making *m, struct meta_sandbox *ret)
{
	const Containerd__Types__Sandbox *given = m->req->sandbox;
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;

	if (given && given->runtime && *given->runtime->name) {
		*ret = (struct meta_sandbox){
			.runtime_name = given->runtime->name,
			.runtime_options = convert_any_in(given->runtime->options),
			.spec = convert_any_in(given->spec),
		};
		return NULL;
	}
	e = meta_begin(m->c.d->meta, META_READ, &tx);
	if (!e)
		e = meta_sandbox_get(tx, m->c.ns, m->s->id, m->c.arena, ret);
	return e;
}

/*
 * What shims look for in config.json, of a sandbox that has none: the group that its containers
 * belong to, too.
 */
static struct meta_any default_spec(const char *id, struct dv_arena *arena)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct meta_any any = {};
	struct dv_jw w;

	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", "1.0.2");
	dv_jw_object_begin(&w, "annotations");
	dv_jw_string(&w, "io.kubernetes.cri.container-type", "sandbox");
	dv_jw_string(&w, "io.kubernetes.cri.sandbox-id", id);
	dv_jw_object_end(&w);
	dv_jw_object_end(&w);
	any.n_value = text.len;
	any.value = (const uint8_t *)dv_arena_strndup(arena, text.data, text.len);
	return any;
}

static struct dv_err *prepare(struct making *m)
{
	struct bundle_opts bundle = { .dir = m->s->ss->dir, .ns = m->c.ns, .id = m->s->id };
	struct daemon *d = m->c.d;
	struct meta_sandbox record;
	struct dv_err *e;

	e = load_record(m, &record);
	if (e)
		return e;
	if (!record.runtime_name || !*record.runtime_name)
		return dv_err_new(DV_INVALID, "no runtime given");
	m->runtime = record.runtime_name;
	e = shim_find(record.runtime_name, d->program_dir, d->envp, &m->binary);
	if (e)
		return e;
	if (record.runtime_options.type_url && *record.runtime_options.type_url)
		m->options = pb_pack_arena(
			&convert_any_out(&record.runtime_options, m->c.arena)->base, m->c.arena);
	if (record.spec.n_value == 0)
		record.spec = default_spec(m->s->id, m->c.arena);
	bundle.config = record.spec.value;
	bundle.n_config = record.spec.n_value;
	bundle.binary = m->binary;
	return bundle_new(&bundle, &m->bundle);
}

static void prepare_run(void *arg)
{
	struct making *m = arg;

	m->e = prepare(m);
}

static void save_run(void *arg)
{
	struct making *m = arg;
	const struct sandbox *s = m->s;
	struct bundle_info info = { .address = s->address, .version = s->version };

	m->e = bundle_save(s->bundle, &info);
}

/* ---- the end ------------------------------------------------------------------------------------- */

static void fail(void *arg)
{
	struct making *m = arg;
	struct sandbox *s = dv_steal(&m->s);

	grpc_fail(m->c.grpc, dv_err_wrap(m->e, "create sandbox %s", s->id));
	sandbox_unref(s);
}

static void undo(struct making *m, struct dv_err *take_e)
{
	m->e = take_e;
	sandbox_end(m->s, &(struct sandbox_end){ .needs_delete = true, .done = fail, .arg = m });
}

/* The sandbox is there, and nobody wants it. */
static void on_undo_shut_down(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	(void)reply;
	dv_err_free(take_e);
	undo(arg, dv_err_new(DV_CANCELLED, "the client has gone"));
}

static void undo_created(struct making *m)
{
	Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest req =
		CONTAINERD__RUNTIME__SANDBOX__V1__SHUTDOWN_SANDBOX_REQUEST__INIT;
	struct sandbox_call call = { .method = "ShutdownSandbox",
				     .msg = &req.base,
				     .timeout_ns = m->c.d->config->shim_shutdown_ns };

	req.sandbox_id = m->s->id;
	sandbox_call(m->s, &call, on_undo_shut_down, m);
}

/* ---- the loop's part ------------------------------------------------------------------------------ */

static void publish(struct sandbox *s)
{
	Containerd__Events__SandboxCreate ev = CONTAINERD__EVENTS__SANDBOX_CREATE__INIT;

	ev.sandbox_id = s->id;
	daemon_publish(s->ss->d, s->ns, "/sandboxes/create", &ev.base);
}

static void on_created(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	Containerd__Services__Sandbox__V1__ControllerCreateResponse reply =
		CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_CREATE_RESPONSE__INIT;
	struct making *m = arg;
	struct sandbox *s = m->s;

	(void)msg;
	DV_FAULT("sandbox.create.created");
	if (take_e && dv_err_code(take_e) == DV_UNIMPLEMENTED)
		take_e = dv_err_wrap(take_e, "the shim of runtime %s", m->runtime);
	if (take_e) {
		undo(m, take_e);
		return;
	}
	if (grpc_call_is_cancelled(m->c.grpc)) {
		undo_created(m);
		return;
	}
	sandbox_state_set(s, SANDBOX_CREATED);
	publish(s);
	reply.sandbox_id = s->id;
	grpc_reply(m->c.grpc, &reply.base);
	sandbox_unref(s);
}

static void create(struct making *m)
{
	Containerd__Runtime__Sandbox__V1__CreateSandboxRequest req =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	const CreateRequest *from = m->req;
	struct sandbox_call call = { .method = "CreateSandbox",
				     .msg = &req.base,
				     .timeout_ns = m->c.d->config->shim_start_ns };

	req.sandbox_id = m->s->id;
	req.bundle_path = m->s->bundle;
	req.n_rootfs = from->n_rootfs;
	req.rootfs = from->rootfs;
	req.options = from->options;
	req.netns_path = from->netns_path;
	/* The entries of both are the same but for their types' names. */
	req.annotations = (void *)from->annotations;
	req.n_annotations = from->n_annotations;
	sandbox_call(m->s, &call, on_created, m);
}

static void save_done(void *arg)
{
	struct making *m = arg;

	DV_FAULT("sandbox.create.address-saved");
	if (m->e) {
		undo(m, m->e);
		return;
	}
	sandbox_connect(m->s);
	create(m);
}

static void on_started(void *arg, struct dv_err *take_e, const struct shim_answer *answer)
{
	struct making *m = arg;

	DV_FAULT("sandbox.create.shim-started");
	if (take_e) {
		undo(m, take_e);
		return;
	}
	m->s->address = dv_strdup(answer->address);
	m->s->version = answer->version;
	io_work_submit(m->c.d->fast, save_run, save_done, m);
}

static void prepare_done(void *arg)
{
	struct making *m = arg;
	struct sandbox *s = m->s;
	struct shim_at at;
	struct dv_err *e;

	free(m->bundle);
	s->binary = m->binary;
	if (m->e) {
		sandbox_remove(s);
		fail(m);
		return;
	}
	at = sandbox_shim(s);
	s->log = shim_log_open(&at);
	e = shim_start(&at, &(struct shim_start){ m->options.data, m->options.len, on_started, m });
	if (e)
		undo(m, e);
}

void sandbox_create(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct making *m = dv_arena_new(grpc_call_arena(call), struct making);
	const CreateRequest *req = (const CreateRequest *)msg;
	const char *id = req->sandbox_id;
	struct daemon *d = arg;
	struct dv_err *e;

	if (!*id && req->sandbox)
		id = req->sandbox->sandbox_id;
	m->req = req;
	e = daemon_call_begin(call, d, true, &m->c);
	if (!e)
		e = sandbox_check_sandboxer(*req->sandboxer || !req->sandbox
						    ? req->sandboxer
						    : req->sandbox->sandboxer);
	if (!e)
		e = meta_id_check("sandbox id", id);
	if (!e)
		e = sandbox_add(d->sandboxes, m->c.ns, id, SANDBOX_MAKING, &m->s);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	io_work_submit(d->fast, prepare_run, prepare_done, m);
}
