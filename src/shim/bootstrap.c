/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the two messages apart: an Any has fields 1 and 2 only, which in BootstrapParams are
 * id and namespace; so bytes of an Any may well pass as parameters. They are parameters when the id is
 * the one on the command line, or when there is anything that an Any cannot have.
 */

#include "bootstrap.h"

#include <string.h>

#include "api/containerd/bootstrap.pb-c.h"
#include "api/containerd/runc-options.pb-c.h"
#include "codec/json.h"
#include "rpc/pb.h"

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams Params;

enum { NAME_MAX_LENGTH = 255 };

static const char *text(const char *s)
{
	return s ? s : "";
}

static const char *first_of(const char *a, const char *b)
{
	return a && *a ? a : text(b);
}

/* ---- standard input ------------------------------------------------------------------------- */

static bool are_params(const Params *p, const char *id)
{
	return dv_streq(p->instance_id, id) || *p->containerd_version ||
	       *p->containerd_grpc_address || *p->containerd_ttrpc_address ||
	       *p->containerd_binary || *p->socket_dir || p->n_extensions > 0 || p->log_level != 0;
}

/* NULL when the bytes are something else. */
static const Params *read_params(const void *input, size_t n, const char *id,
				 struct dv_arena *arena)
{
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	e = pb_unpack(&containerd__runtime__bootstrap__v1__bootstrap_params__descriptor, input, n,
		      arena, 0, &msg);
	if (e) {
		dv_err_free(e);
		return NULL;
	}
	return are_params((const Params *)msg, id) ? (const Params *)msg : NULL;
}

static struct dv_err *read_any(const void *input, size_t n, struct dv_arena *arena,
			       const Google__Protobuf__Any **ret)
{
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	e = pb_unpack(&google__protobuf__any__descriptor, input, n, arena, 0, &msg);
	if (!e && !*((Google__Protobuf__Any *)msg)->type_url)
		e = dv_err_new(DV_INVALID, "no type");
	if (e)
		return dv_err_wrap(e, "standard input: neither bootstrap parameters nor options");
	*ret = (const Google__Protobuf__Any *)msg;
	return NULL;
}

/* The first extension is as good as any, unless one is of the type that we know. */
static const Google__Protobuf__Any *options_of(const Params *p)
{
	const Google__Protobuf__Any *found = NULL;

	for (size_t i = 0; i < p->n_extensions; i++) {
		const Google__Protobuf__Any *any = p->extensions[i]->value;

		if (!any)
			continue;
		if (pb_any_is(any->type_url, &containerd__runc__v1__options__descriptor))
			return any;
		if (!found)
			found = any;
	}
	return found;
}

static void take_params(const Params *p, struct shim_bootstrap *b)
{
	b->daemon = SHIM_DAEMON_PROTOBUF;
	b->id = first_of(p->instance_id, b->id);
	b->ns = first_of(p->namespace_, b->ns);
	b->grpc_address = first_of(p->containerd_grpc_address, b->grpc_address);
	b->ttrpc_address = first_of(p->containerd_ttrpc_address, b->ttrpc_address);
	b->publish_binary = first_of(p->containerd_binary, b->publish_binary);
	b->socket_dir = p->socket_dir;
	b->is_debug = b->is_debug ||
		      (int)p->log_level <=
			      (int)CONTAINERD__RUNTIME__BOOTSTRAP__V1__LOG_LEVEL__LOG_LEVEL_DEBUG;
	b->options = options_of(p);
}

/* Ids and namespaces become parts of paths: of the socket, the runtime's state, the bundle. */
static struct dv_err *check_name(const char *what, const char *name)
{
	if (!*name)
		return dv_err_new(DV_INVALID, "shim %s cannot be empty", what);
	if (strlen(name) > NAME_MAX_LENGTH)
		return dv_err_new(DV_INVALID, "shim %s: longer than %d bytes", what,
				  NAME_MAX_LENGTH);
	if (strchr(name, '/') || dv_streq(name, ".") || dv_streq(name, ".."))
		return dv_err_new(DV_INVALID, "shim %s \"%s\": cannot be part of a path", what,
				  name);
	return NULL;
}

struct dv_err *shim_bootstrap_parse(const struct shim_bootstrap_args *args, const void *input,
				    size_t n, struct dv_arena *arena, struct shim_bootstrap *ret)
{
	struct shim_bootstrap b = {
		.daemon = args->max_version && *args->max_version ? SHIM_DAEMON_JSON
								  : SHIM_DAEMON_PLAIN,
		.id = text(args->id),
		.ns = text(args->ns),
		.grpc_address = text(args->address),
		.ttrpc_address = text(args->ttrpc_address),
		.publish_binary = text(args->publish_binary),
		.socket_dir = "",
		.is_debug = args->is_debug,
	};
	const Params *params = NULL;
	struct dv_err *e = NULL;

	if (n > SHIM_BOOTSTRAP_MAX)
		return dv_err_new(DV_EXHAUSTED, "standard input: more than %zu bytes",
				  SHIM_BOOTSTRAP_MAX);
	if (n > 0)
		params = read_params(input, n, b.id, arena);
	if (params)
		take_params(params, &b);
	else if (n > 0)
		e = read_any(input, n, arena, &b.options);
	if (!e)
		e = check_name("namespace", b.ns);
	if (!e)
		e = check_name("id", b.id);
	if (!e && *b.socket_dir && *b.socket_dir != '/')
		e = dv_err_new(DV_INVALID, "socket directory \"%s\": not an absolute path",
			       b.socket_dir);
	if (e)
		return e;
	*ret = b;
	return NULL;
}

struct dv_err *shim_bootstrap_cgroup(const struct shim_bootstrap *b, struct dv_arena *arena,
				     const char **ret)
{
	const ProtobufCMessageDescriptor *type = &containerd__runc__v1__options__descriptor;
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	*ret = "";
	if (!b->options || !pb_any_is(b->options->type_url, type))
		return NULL;
	e = pb_unpack(type, b->options->value.data, b->options->value.len, arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "options");
	*ret = ((const Containerd__Runc__V1__Options *)msg)->shim_cgroup;
	return NULL;
}

/* ---- standard output ------------------------------------------------------------------------ */

static void add_json(const char *address, int version, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_int(&w, "version", version);
	dv_jw_string(&w, "address", address);
	dv_jw_string(&w, "protocol", "ttrpc");
	dv_jw_object_end(&w);
}

static void add_protobuf(const char *address, struct dv_strbuf *out)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapResult r =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_RESULT__INIT;

	r.version = 3;
	r.address = (char *)address;
	r.protocol = (char *)"ttrpc";
	pb_pack(&r.base, out);
}

void shim_bootstrap_answer(enum shim_daemon daemon, const char *address, bool is_sandbox,
			   struct dv_strbuf *out)
{
	switch (daemon) {
	case SHIM_DAEMON_PLAIN:
		dv_strbuf_add(out, address);
		break;
	case SHIM_DAEMON_JSON:
		add_json(address, is_sandbox ? 3 : 2, out);
		break;
	case SHIM_DAEMON_PROTOBUF:
		add_protobuf(address, out);
		break;
	}
}
