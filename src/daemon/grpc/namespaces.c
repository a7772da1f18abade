/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.namespaces.v1 */

#include "store/meta-namespace.h"

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/namespaces.pb-c.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"

#define TYPE(name) Containerd__Services__Namespaces__V1__##name

typedef TYPE(Namespace) Namespace;

static Namespace *namespace_out(const struct meta_namespace *from, struct dv_arena *arena)
{
	Namespace *to = dv_arena_new(arena, Namespace);

	containerd__services__namespaces__v1__namespace__init(to);
	to->name = (char *)from->name;
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	return to;
}

static struct dv_err *namespace_in(const Namespace *from, struct dv_arena *arena,
				   struct meta_namespace *ret)
{
	if (!from)
		return dv_err_new(DV_INVALID, "no namespace given");
	ret->name = from->name;
	ret->labels = convert_labels_in(from->labels, from->n_labels, arena);
	return NULL;
}

static struct dv_err *get(struct daemon_call *c, const ProtobufCMessage *msg,
			  const ProtobufCMessage **ret)
{
	const TYPE(GetNamespaceRequest) *req = (const TYPE(GetNamespaceRequest) *)msg;
	TYPE(GetNamespaceResponse) *reply = dv_arena_new(c->arena, TYPE(GetNamespaceResponse));
	struct meta_namespace ns;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_namespace_get(tx, req->name, c->arena, &ns));
	if (e)
		return e;
	containerd__services__namespaces__v1__get_namespace_response__init(reply);
	reply->namespace_ = namespace_out(&ns, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *list(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	TYPE(ListNamespacesResponse) *reply = dv_arena_new(c->arena, TYPE(ListNamespacesResponse));
	struct meta_namespace *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	(void)msg; /* the filter is not looked at, as in containerd */
	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_namespace_list(tx, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__namespaces__v1__list_namespaces_response__init(reply);
	reply->namespaces = dv_arena_new_n(c->arena, Namespace *, n);
	for (size_t i = 0; i < n; i++)
		reply->namespaces[i] = namespace_out(&items[i], c->arena);
	reply->n_namespaces = n;
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *create(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(CreateNamespaceRequest) *req = (const TYPE(CreateNamespaceRequest) *)msg;
	TYPE(CreateNamespaceResponse) *reply =
		dv_arena_new(c->arena, TYPE(CreateNamespaceResponse));
	Containerd__Events__NamespaceCreate event = CONTAINERD__EVENTS__NAMESPACE_CREATE__INIT;
	struct meta_namespace ns;
	struct meta_tx *tx;
	struct dv_err *e;

	e = namespace_in(req->namespace_, c->arena, &ns);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_namespace_create(tx, &ns));
	if (e)
		return e;
	event.name = (char *)ns.name;
	CONVERT_LABELS_OUT(&event, labels, &ns.labels, c->arena);
	daemon_publish(c->d, ns.name, "/namespaces/create", &event.base);
	containerd__services__namespaces__v1__create_namespace_response__init(reply);
	reply->namespace_ = namespace_out(&ns, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *update(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(UpdateNamespaceRequest) *req = (const TYPE(UpdateNamespaceRequest) *)msg;
	TYPE(UpdateNamespaceResponse) *reply =
		dv_arena_new(c->arena, TYPE(UpdateNamespaceResponse));
	Containerd__Events__NamespaceUpdate event = CONTAINERD__EVENTS__NAMESPACE_UPDATE__INIT;
	struct dv_mask mask = convert_mask_in(req->update_mask);
	struct meta_namespace ns, updated;
	struct meta_tx *tx;
	struct dv_err *e;

	e = namespace_in(req->namespace_, c->arena, &ns);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_namespace_update(tx, &ns, &mask, c->arena, &updated));
	if (e)
		return e;
	event.name = (char *)updated.name;
	CONVERT_LABELS_OUT(&event, labels, &updated.labels, c->arena);
	daemon_publish(c->d, updated.name, "/namespaces/update", &event.base);
	containerd__services__namespaces__v1__update_namespace_response__init(reply);
	reply->namespace_ = namespace_out(&updated, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *remove_namespace(struct daemon_call *c, const ProtobufCMessage *msg,
				       const ProtobufCMessage **ret)
{
	const TYPE(DeleteNamespaceRequest) *req = (const TYPE(DeleteNamespaceRequest) *)msg;
	Containerd__Events__NamespaceDelete event = CONTAINERD__EVENTS__NAMESPACE_DELETE__INIT;
	struct meta_tx *tx;
	struct dv_err *e;

	(void)ret;
	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_namespace_delete(tx, req->name));
	if (e)
		return e;
	event.name = req->name;
	daemon_publish(c->d, req->name, "/namespaces/delete", &event.base);
	return NULL;
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Get", containerd__services__namespaces__v1__get_namespace_request, get,
		     (.needs_no_ns = true), .is_read_only = true),
	DAEMON_UNARY("List", containerd__services__namespaces__v1__list_namespaces_request, list,
		     (.needs_no_ns = true), .is_read_only = true),
	DAEMON_UNARY("Create", containerd__services__namespaces__v1__create_namespace_request,
		     create, (.needs_no_ns = true)),
	DAEMON_UNARY("Update", containerd__services__namespaces__v1__update_namespace_request,
		     update, (.needs_no_ns = true)),
	DAEMON_UNARY("Delete", containerd__services__namespaces__v1__delete_namespace_request,
		     remove_namespace, (.needs_no_ns = true)),
};

const struct grpc_service daemon_namespaces_service = {
	.name = "containerd.services.namespaces.v1.Namespaces",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
