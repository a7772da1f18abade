/* SPDX-License-Identifier: Apache-2.0 */
/* See info.h. A runtime that does not know the command "features" has none. */

#include "info.h"

#include <stdlib.h>

#include "api/containerd/runc-options.pb-c.h"
#include "api/containerd/types.pb-c.h"
#include "base/mem.h"
#include "bootstrap.h"
#include "codec/json.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "oci.h"
#include "options.h"
#include "rpc/pb.h"
#include "sys/file.h"

#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
#define FEATURES_NS   (UINT64_C(5) * 1000 * 1000 * 1000)

enum { FEATURES_MAX = 1024 * 1024 };

/* ---- the question ----------------------------------------------------------------------------- */

static struct dv_err *read_input(int fd, struct dv_strbuf *out)
{
	char buf[16384];
	ssize_t n;

	while ((n = sys_read(fd, buf, sizeof(buf))) > 0) {
		dv_strbuf_add_n(out, buf, (size_t)n);
		if (out->len > SHIM_BOOTSTRAP_MAX)
			return dv_err_new(DV_EXHAUSTED, "standard input: more than %zu bytes",
					  SHIM_BOOTSTRAP_MAX);
	}
	return n < 0 ? dv_err_sys((int)n, "read standard input") : NULL;
}

/* *ret_binary: "" when the options do not say. */
static struct dv_err *read_options(const struct dv_strbuf *input, struct dv_arena *arena,
				   Google__Protobuf__Any **ret, const char **ret_binary)
{
	const ProtobufCMessageDescriptor *type = &containerd__runc__v1__options__descriptor;
	ProtobufCMessage *msg = NULL;
	Google__Protobuf__Any *any;
	struct dv_err *e;

	*ret_binary = "";
	*ret = NULL;
	if (input->len == 0)
		return NULL;
	e = pb_unpack(&google__protobuf__any__descriptor, input->data, input->len, arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "standard input: not options");
	any = (Google__Protobuf__Any *)msg;
	if (!*any->type_url)
		return NULL;
	*ret = any;
	if (!pb_any_is(any->type_url, type))
		return NULL;
	e = pb_unpack(type, any->value.data, any->value.len, arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "standard input: options");
	*ret_binary = ((Containerd__Runc__V1__Options *)msg)->binary_name;
	return NULL;
}

/* ---- the runtime's features ------------------------------------------------------------------ */

struct call {
	bool is_done;
	struct dv_arena *arena;
	const char *text; /* NULL: none */
	size_t n;
};

static bool is_object(const char *text, size_t n)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;

	dv_err_free(dv_json_parse(text, n, &doc));
	return doc && dv_json_type(doc) == DV_JSON_OBJECT;
}

static void on_features(void *arg, const struct io_child_result *result)
{
	struct call *call = arg;

	call->is_done = true;
	if (result->is_timed_out || io_exit_status(&result->si) != 0 ||
	    !is_object(result->out, result->n_out))
		return;
	call->text = dv_arena_strndup(call->arena, result->out, result->n_out);
	call->n = result->n_out;
}

static void ask_features(const struct shim_info_opts *opts, const char *binary, struct call *call)
{
	const char *const argv[] = { binary, "features", NULL };
	const struct io_child_opts child = {
		.path = binary,
		.argv = argv,
		.envp = opts->env->envp,
		.stdio = { -1, IO_CHILD_CAPTURE, -1 },
		.timeout_ns = FEATURES_NS,
		.capture_max = FEATURES_MAX,
		.has_new_group = true,
	};
	struct dv_err *e = io_child_run(opts->env->loop, &child, on_features, call, NULL);

	if (e) {
		dv_err_free(e);
		return;
	}
	while (!call->is_done)
		(void)uv_run(opts->env->loop, UV_RUN_ONCE);
}

/* ---- the answer ------------------------------------------------------------------------------- */

static struct dv_err *find_binary(const struct shim_info_opts *opts, const char *name, char **ret)
{
	struct shim_options options = { .binary_name = *name ? (char *)name : NULL };
	struct oci oci = { 0 };
	struct dv_err *e;

	e = oci_init(&oci, opts->env, &options, ".");
	if (e)
		return e;
	*ret = dv_steal(&oci.binary);
	oci_fini(&oci);
	return NULL;
}

static struct dv_err *make(const struct shim_info_opts *opts, const struct dv_strbuf *input,
			   struct dv_arena *arena, struct dv_strbuf *out)
{
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Google__Protobuf__Any features = GOOGLE__PROTOBUF__ANY__INIT;
	DV_CLEANUP(dv_freep) char *binary = NULL;
	struct call call = { .arena = arena };
	const char *name = "";
	struct dv_err *e;

	e = read_options(input, arena, &info.options, &name);
	if (!e)
		e = find_binary(opts, name, &binary);
	if (e)
		return e;
	ask_features(opts, binary, &call);
	info.name = (char *)opts->name;
	version.version = (char *)opts->version;
	version.revision = (char *)(opts->revision ? opts->revision : "");
	info.version = &version;
	if (call.text) {
		features.type_url = (char *)FEATURES_TYPE;
		features.value.data = (uint8_t *)call.text;
		features.value.len = call.n;
		info.features = &features;
	}
	pb_pack(&info.base, out);
	return NULL;
}

struct dv_err *shim_info(const struct shim_info_opts *opts, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf input = DV_STRBUF_INIT;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = read_input(opts->in, &input);
	if (!e)
		e = make(opts, &input, &arena, out);
	dv_arena_fini(&arena);
	return e;
}
