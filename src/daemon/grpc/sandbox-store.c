/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.sandbox.v1.Store: records of sandboxes; nothing runs by them. */

#include "api/containerd/sandboxes.pb-c.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"
#include "store/meta-sandbox.h"

#define TYPE(name) Containerd__Services__Sandbox__V1__##name

typedef Containerd__Types__Sandbox Sandbox;

static Sandbox *sandbox_out(const struct meta_sandbox *from, struct dv_arena *arena)
{
	Sandbox *to = dv_arena_new(arena, Sandbox);

	containerd__types__sandbox__init(to);
	to->sandbox_id = (char *)from->id;
	to->runtime = dv_arena_new(arena, Containerd__Types__Sandbox__Runtime);
	containerd__types__sandbox__runtime__init(to->runtime);
	to->runtime->name = (char *)from->runtime_name;
	to->runtime->options = convert_any_out(&from->runtime_options, arena);
	to->spec = convert_any_out(&from->spec, arena);
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	to->created_at = convert_time_out(&from->created_at, arena);
	to->updated_at = convert_time_out(&from->updated_at, arena);
	to->sandboxer = (char *)from->sandboxer;
	to->n_extensions = from->n_extensions;
	to->extensions = dv_arena_new_n(arena, Containerd__Types__Sandbox__ExtensionsEntry *,
					from->n_extensions + 1);
	for (size_t i = 0; i < from->n_extensions; i++) {
		Containerd__Types__Sandbox__ExtensionsEntry *entry =
			dv_arena_new(arena, Containerd__Types__Sandbox__ExtensionsEntry);

		containerd__types__sandbox__extensions_entry__init(entry);
		entry->key = (char *)from->extensions[i].key;
		entry->value = convert_any_out(&from->extensions[i].any, arena);
		to->extensions[i] = entry;
	}
	return to;
}

static struct dv_err *sandbox_in(const Sandbox *from, struct dv_arena *arena,
				 struct meta_sandbox *ret)
{
	struct meta_extension *extensions;

	if (!from)
		return dv_err_new(DV_INVALID, "no sandbox given: invalid argument");
	extensions = dv_arena_new_n(arena, struct meta_extension, from->n_extensions + 1);
	for (size_t i = 0; i < from->n_extensions; i++)
		extensions[i] =
			(struct meta_extension){ from->extensions[i]->key,
						 convert_any_in(from->extensions[i]->value) };
	*ret = (struct meta_sandbox){
		.id = from->sandbox_id,
		.labels = convert_labels_in(from->labels, from->n_labels, arena),
		.sandboxer = from->sandboxer,
		.runtime_name = from->runtime ? from->runtime->name : "",
		.spec = convert_any_in(from->spec),
		.extensions = extensions,
		.n_extensions = from->n_extensions,
	};
	if (from->runtime)
		ret->runtime_options = convert_any_in(from->runtime->options);
	return NULL;
}

static struct dv_err *create(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(StoreCreateRequest) *req = (const TYPE(StoreCreateRequest) *)msg;
	TYPE(StoreCreateResponse) *reply = dv_arena_new(c->arena, TYPE(StoreCreateResponse));
	struct meta_sandbox given, made;
	struct meta_tx *tx;
	struct dv_err *e;

	e = sandbox_in(req->sandbox, c->arena, &given);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_sandbox_create(tx, c->ns, &given, c->arena, &made));
	if (e)
		return e;
	containerd__services__sandbox__v1__store_create_response__init(reply);
	reply->sandbox = sandbox_out(&made, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *update(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(StoreUpdateRequest) *req = (const TYPE(StoreUpdateRequest) *)msg;
	TYPE(StoreUpdateResponse) *reply = dv_arena_new(c->arena, TYPE(StoreUpdateResponse));
	struct dv_mask mask = { (const char *const *)req->fields, req->n_fields };
	struct meta_sandbox given, made;
	struct meta_tx *tx;
	struct dv_err *e;

	e = sandbox_in(req->sandbox, c->arena, &given);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_sandbox_update(tx, c->ns, &given, &mask, c->arena, &made));
	if (e)
		return e;
	containerd__services__sandbox__v1__store_update_response__init(reply);
	reply->sandbox = sandbox_out(&made, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *delete_(struct daemon_call *c, const ProtobufCMessage *msg,
			      const ProtobufCMessage **ret)
{
	const TYPE(StoreDeleteRequest) *req = (const TYPE(StoreDeleteRequest) *)msg;
	TYPE(StoreDeleteResponse) *reply = dv_arena_new(c->arena, TYPE(StoreDeleteResponse));
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_sandbox_delete(tx, c->ns, req->sandbox_id));
	if (e)
		return e;
	daemon_gc_kick(c->d);
	containerd__services__sandbox__v1__store_delete_response__init(reply);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *list(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	const TYPE(StoreListRequest) *req = (const TYPE(StoreListRequest) *)msg;
	TYPE(StoreListResponse) *reply = dv_arena_new(c->arena, TYPE(StoreListResponse));
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	struct meta_list how = { 0 };
	struct meta_sandbox *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (!e)
		e = store_begin(c, META_READ, &tx);
	how.filter = filter;
	if (!e)
		e = store_end(tx, meta_sandbox_list(tx, c->ns, &how, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__sandbox__v1__store_list_response__init(reply);
	reply->n_list = n;
	reply->list = dv_arena_new_n(c->arena, Sandbox *, n + 1);
	for (size_t i = 0; i < n; i++)
		reply->list[i] = sandbox_out(&items[i], c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *get(struct daemon_call *c, const ProtobufCMessage *msg,
			  const ProtobufCMessage **ret)
{
	const TYPE(StoreGetRequest) *req = (const TYPE(StoreGetRequest) *)msg;
	TYPE(StoreGetResponse) *reply = dv_arena_new(c->arena, TYPE(StoreGetResponse));
	struct meta_sandbox found;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_sandbox_get(tx, c->ns, req->sandbox_id, c->arena, &found));
	if (e)
		return e;
	containerd__services__sandbox__v1__store_get_response__init(reply);
	reply->sandbox = sandbox_out(&found, c->arena);
	*ret = &reply->base;
	return NULL;
}

#define UNARY(name, type, fn, ...) \
	DAEMON_UNARY(name, containerd__services__sandbox__v1__##type, fn, (.lane = DAEMON_FAST), \
		     __VA_ARGS__)

static const struct grpc_method methods[] = {
	UNARY("Create", store_create_request, create),
	UNARY("Update", store_update_request, update),
	UNARY("Delete", store_delete_request, delete_),
	UNARY("List", store_list_request, list, .is_read_only = true),
	UNARY("Get", store_get_request, get, .is_read_only = true),
};

const struct grpc_service daemon_sandbox_store_service = {
	.name = "containerd.services.sandbox.v1.Store",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
