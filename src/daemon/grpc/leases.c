/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.leases.v1 */

#include "store/meta-lease.h"

#include "api/containerd/leases.pb-c.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"

#define TYPE(name) Containerd__Services__Leases__V1__##name

typedef TYPE(Lease) Lease;

static Lease *lease_out(const struct meta_lease *from, struct dv_arena *arena)
{
	Lease *to = dv_arena_new(arena, Lease);

	containerd__services__leases__v1__lease__init(to);
	to->id = (char *)from->id;
	to->created_at = convert_time_out(&from->created_at, arena);
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	return to;
}

static struct dv_err *create(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(CreateRequest) *req = (const TYPE(CreateRequest) *)msg;
	TYPE(CreateResponse) *reply = dv_arena_new(c->arena, TYPE(CreateResponse));
	struct meta_lease lease = {
		.id = req->id, .labels = convert_labels_in(req->labels, req->n_labels, c->arena)
	};
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_lease_create(tx, c->ns, &lease));
	if (e)
		return e;
	containerd__services__leases__v1__create_response__init(reply);
	reply->lease = lease_out(&lease, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *remove_lease(struct daemon_call *c, const ProtobufCMessage *msg,
				   const ProtobufCMessage **ret)
{
	const TYPE(DeleteRequest) *req = (const TYPE(DeleteRequest) *)msg;
	struct meta_tx *tx;
	struct dv_err *e;

	(void)ret;
	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_lease_delete(tx, c->ns, req->id));
	if (e)
		return e;
	if (req->sync)
		return daemon_gc_sync(c->d);
	daemon_gc_kick(c->d);
	return NULL;
}

static struct dv_err *list(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	const TYPE(ListRequest) *req = (const TYPE(ListRequest) *)msg;
	TYPE(ListResponse) *reply = dv_arena_new(c->arena, TYPE(ListResponse));
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	struct meta_list how = {};
	struct meta_lease *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (!e)
		e = store_begin(c, META_READ, &tx);
	how.filter = filter;
	if (!e)
		e = store_end(tx, meta_lease_list(tx, c->ns, &how, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__leases__v1__list_response__init(reply);
	reply->leases = dv_arena_new_n(c->arena, Lease *, n);
	for (size_t i = 0; i < n; i++)
		reply->leases[i] = lease_out(&items[i], c->arena);
	reply->n_leases = n;
	*ret = &reply->base;
	return NULL;
}

typedef struct dv_err *(*resource_fn)(struct meta_tx *tx, const char *ns, const char *id,
				      const struct meta_resource *resource);

static struct dv_err *change(struct daemon_call *c, const char *id, const TYPE(Resource) * from,
			     resource_fn fn)
{
	struct meta_resource resource;
	struct meta_tx *tx;
	struct dv_err *e;

	if (!from)
		return dv_err_new(DV_INVALID, "lease %s: no resource given", id);
	resource = (struct meta_resource){ from->id, from->type };
	e = store_begin(c, META_WRITE, &tx);
	return e ? e : store_end(tx, fn(tx, c->ns, id, &resource));
}

static struct dv_err *add(struct daemon_call *c, const ProtobufCMessage *msg,
			  const ProtobufCMessage **ret)
{
	const TYPE(AddResourceRequest) *req = (const TYPE(AddResourceRequest) *)msg;

	(void)ret;
	return change(c, req->id, req->resource, meta_lease_add);
}

static struct dv_err *take_off(struct daemon_call *c, const ProtobufCMessage *msg,
			       const ProtobufCMessage **ret)
{
	const TYPE(DeleteResourceRequest) *req = (const TYPE(DeleteResourceRequest) *)msg;
	struct dv_err *e = change(c, req->id, req->resource, meta_lease_remove);

	(void)ret;
	if (!e)
		daemon_gc_kick(c->d);
	return e;
}

static struct dv_err *resources(struct daemon_call *c, const ProtobufCMessage *msg,
				const ProtobufCMessage **ret)
{
	const TYPE(ListResourcesRequest) *req = (const TYPE(ListResourcesRequest) *)msg;
	TYPE(ListResourcesResponse) *reply = dv_arena_new(c->arena, TYPE(ListResourcesResponse));
	struct meta_resource *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_lease_resources(tx, c->ns, req->id, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__leases__v1__list_resources_response__init(reply);
	reply->resources = dv_arena_new_n(c->arena, TYPE(Resource) *, n);
	for (size_t i = 0; i < n; i++) {
		reply->resources[i] = dv_arena_new(c->arena, TYPE(Resource));
		containerd__services__leases__v1__resource__init(reply->resources[i]);
		reply->resources[i]->id = (char *)items[i].id;
		reply->resources[i]->type = (char *)items[i].type;
	}
	reply->n_resources = n;
	*ret = &reply->base;
	return NULL;
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Create", containerd__services__leases__v1__create_request, create,
		     (.lane = DAEMON_FAST)),
	/* A synchronous one waits for the collector. */
	DAEMON_UNARY("Delete", containerd__services__leases__v1__delete_request, remove_lease,
		     (.lane = DAEMON_SLOW)),
	DAEMON_UNARY("List", containerd__services__leases__v1__list_request, list,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("AddResource", containerd__services__leases__v1__add_resource_request, add,
		     (.lane = DAEMON_FAST)),
	DAEMON_UNARY("DeleteResource", containerd__services__leases__v1__delete_resource_request,
		     take_off, (.lane = DAEMON_FAST)),
	DAEMON_UNARY("ListResources", containerd__services__leases__v1__list_resources_request,
		     resources, (.lane = DAEMON_FAST), .is_read_only = true),
};

const struct grpc_service daemon_leases_service = {
	.name = "containerd.services.leases.v1.Leases",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
