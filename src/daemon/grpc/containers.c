/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.containers.v1: records of containers. */

#include "api/containerd/containers.pb-c.h"
#include "api/containerd/events-store.pb-c.h"
#include "container-data.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"
#include "store/meta-container.h"

#define TYPE(name) Containerd__Services__Containers__V1__##name

typedef TYPE(Container) Container;

enum { PAGE = 100 }; /* of ListStream: read at a time */

static void extensions_out(const struct meta_container *from, Container *to, struct dv_arena *arena)
{
	to->extensions =
		dv_arena_new_n(arena, TYPE(Container__ExtensionsEntry) *, from->n_extensions);
	to->n_extensions = from->n_extensions;
	for (size_t i = 0; i < from->n_extensions; i++) {
		TYPE(Container__ExtensionsEntry) *entry =
			dv_arena_new(arena, TYPE(Container__ExtensionsEntry));

		containerd__services__containers__v1__container__extensions_entry__init(entry);
		entry->key = (char *)from->extensions[i].key;
		entry->value = convert_any_out(&from->extensions[i].any, arena);
		to->extensions[i] = entry;
	}
}

static Container *container_out(const struct meta_container *from, struct dv_arena *arena)
{
	Container *to = dv_arena_new(arena, Container);

	containerd__services__containers__v1__container__init(to);
	to->id = (char *)from->id;
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	to->image = (char *)from->image;
	to->runtime = dv_arena_new(arena, TYPE(Container__Runtime));
	containerd__services__containers__v1__container__runtime__init(to->runtime);
	to->runtime->name = (char *)from->runtime_name;
	to->runtime->options = convert_any_out(&from->runtime_options, arena);
	to->spec = convert_any_out(&from->spec, arena);
	to->snapshotter = (char *)from->snapshotter;
	to->snapshot_key = (char *)from->snapshot_key;
	to->created_at = convert_time_out(&from->created_at, arena);
	to->updated_at = convert_time_out(&from->updated_at, arena);
	to->sandbox = (char *)from->sandbox;
	extensions_out(from, to, arena);
	return to;
}

static struct dv_err *container_in(const Container *from, struct dv_arena *arena,
				   struct meta_container *ret)
{
	struct meta_extension *extensions;

	*ret = (struct meta_container){};
	if (!from)
		return dv_err_new(DV_INVALID, "no container given");
	extensions = dv_arena_new_n(arena, struct meta_extension, from->n_extensions);
	for (size_t i = 0; i < from->n_extensions; i++)
		extensions[i] =
			(struct meta_extension){ from->extensions[i]->key,
						 convert_any_in(from->extensions[i]->value) };
	ret->id = from->id;
	ret->labels = convert_labels_in(from->labels, from->n_labels, arena);
	ret->image = from->image;
	ret->runtime_name = from->runtime ? from->runtime->name : "";
	if (from->runtime)
		ret->runtime_options = convert_any_in(from->runtime->options);
	ret->spec = convert_any_in(from->spec);
	ret->snapshotter = from->snapshotter;
	ret->snapshot_key = from->snapshot_key;
	ret->sandbox = from->sandbox;
	ret->extensions = extensions;
	ret->n_extensions = from->n_extensions;
	return NULL;
}

static struct dv_err *get(struct daemon_call *c, const ProtobufCMessage *msg,
			  const ProtobufCMessage **ret)
{
	const TYPE(GetContainerRequest) *req = (const TYPE(GetContainerRequest) *)msg;
	TYPE(GetContainerResponse) *reply = dv_arena_new(c->arena, TYPE(GetContainerResponse));
	struct meta_container container;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_container_get(tx, c->ns, req->id, c->arena, &container));
	if (e)
		return e;
	containerd__services__containers__v1__get_container_response__init(reply);
	reply->container = container_out(&container, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *list(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	const TYPE(ListContainersRequest) *req = (const TYPE(ListContainersRequest) *)msg;
	TYPE(ListContainersResponse) *reply = dv_arena_new(c->arena, TYPE(ListContainersResponse));
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	struct meta_list how = {};
	struct meta_container *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (!e)
		e = store_begin(c, META_READ, &tx);
	how.filter = filter;
	if (!e)
		e = store_end(tx, meta_container_list(tx, c->ns, &how, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__containers__v1__list_containers_response__init(reply);
	reply->containers = dv_arena_new_n(c->arena, Container *, n);
	for (size_t i = 0; i < n; i++)
		reply->containers[i] = container_out(&items[i], c->arena);
	reply->n_containers = n;
	*ret = &reply->base;
	return NULL;
}

/* ---- ListStream: one container a message ---- */

struct page {
	struct dv_filter *filter;
	struct dv_arena arena; /* of the items */
	struct meta_container *items;
	size_t n, at;
	bool is_last;
};

static void page_end(void *state)
{
	struct page *page = state;

	dv_filter_free(page->filter);
	dv_arena_fini(&page->arena);
}

static struct dv_err *page_load(struct daemon_call *c, struct page *page)
{
	struct meta_list how = { .filter = page->filter, .limit = PAGE };
	struct dv_arena before = page->arena;
	struct meta_tx *tx;
	struct dv_err *e;

	if (page->n > 0)
		how.after = page->items[page->n - 1].id;
	dv_arena_init(&page->arena);
	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_container_list(tx, c->ns, &how, &page->arena, &page->items,
						      &page->n));
	dv_arena_fini(&before);
	page->at = 0;
	page->is_last = e || page->n < PAGE;
	return e;
}

static struct dv_err *list_next(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
				struct daemon_next *next)
{
	const TYPE(ListContainersRequest) *req = (const TYPE(ListContainersRequest) *)msg;
	TYPE(ListContainerMessage) *reply = dv_arena_new(next->arena, TYPE(ListContainerMessage));
	struct page *page = *io_state;
	struct dv_err *e;

	if (!page) {
		page = dv_arena_new(c->arena, struct page);
		dv_arena_init(&page->arena);
		*io_state = page;
		e = dv_filter_parse((const char *const *)req->filters, req->n_filters,
				    &page->filter);
		if (e)
			return e;
	}
	if (page->at == page->n && !page->is_last) {
		e = page_load(c, page);
		if (e)
			return e;
	}
	if (page->at < page->n) {
		containerd__services__containers__v1__list_container_message__init(reply);
		reply->container = container_out(&page->items[page->at++], next->arena);
		next->msg = &reply->base;
	}
	next->is_last = page->is_last && page->at == page->n;
	return NULL;
}

/* ---- changes ---- */

static struct dv_err *create(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(CreateContainerRequest) *req = (const TYPE(CreateContainerRequest) *)msg;
	TYPE(CreateContainerResponse) *reply =
		dv_arena_new(c->arena, TYPE(CreateContainerResponse));
	Containerd__Events__ContainerCreate event = CONTAINERD__EVENTS__CONTAINER_CREATE__INIT;
	Containerd__Events__ContainerCreate__Runtime runtime =
		CONTAINERD__EVENTS__CONTAINER_CREATE__RUNTIME__INIT;
	struct meta_container container, created;
	struct meta_tx *tx;
	struct dv_err *e;

	e = container_in(req->container, c->arena, &container);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_container_create(tx, c->ns, &container, c->arena, &created));
	if (e)
		return e;
	event.id = (char *)created.id;
	event.image = (char *)created.image;
	event.runtime = &runtime;
	runtime.name = (char *)created.runtime_name;
	runtime.options = convert_any_out(&created.runtime_options, c->arena);
	daemon_publish(c->d, c->ns, "/containers/create", &event.base);
	containerd__services__containers__v1__create_container_response__init(reply);
	reply->container = container_out(&created, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *update(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(UpdateContainerRequest) *req = (const TYPE(UpdateContainerRequest) *)msg;
	TYPE(UpdateContainerResponse) *reply =
		dv_arena_new(c->arena, TYPE(UpdateContainerResponse));
	Containerd__Events__ContainerUpdate event = CONTAINERD__EVENTS__CONTAINER_UPDATE__INIT;
	struct dv_mask mask = convert_mask_in(req->update_mask);
	struct meta_container container, updated;
	struct meta_tx *tx;
	struct dv_err *e;

	e = container_in(req->container, c->arena, &container);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_container_update(tx, c->ns, &container, &mask, c->arena,
							&updated));
	if (e)
		return e;
	event.id = (char *)updated.id;
	event.image = (char *)updated.image;
	CONVERT_LABELS_OUT(&event, labels, &updated.labels, c->arena);
	event.snapshot_key = (char *)updated.snapshot_key;
	daemon_publish(c->d, c->ns, "/containers/update", &event.base);
	containerd__services__containers__v1__update_container_response__init(reply);
	reply->container = container_out(&updated, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *remove_container(struct daemon_call *c, const ProtobufCMessage *msg,
				       const ProtobufCMessage **ret)
{
	const TYPE(DeleteContainerRequest) *req = (const TYPE(DeleteContainerRequest) *)msg;
	Containerd__Events__ContainerDelete event = CONTAINERD__EVENTS__CONTAINER_DELETE__INIT;
	struct meta_tx *tx;
	struct dv_err *e;

	(void)ret;
	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_container_delete(tx, c->ns, req->id));
	if (e)
		return e;
	event.id = req->id;
	daemon_publish(c->d, c->ns, "/containers/delete", &event.base);
	container_data_remove(c->d, c->ns, req->id);
	daemon_gc_kick(c->d);
	return NULL;
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Get", containerd__services__containers__v1__get_container_request, get,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("List", containerd__services__containers__v1__list_containers_request, list,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_STREAM("ListStream", containerd__services__containers__v1__list_containers_request,
		      list_next, (.lane = DAEMON_FAST, .end = page_end), .is_read_only = true),
	DAEMON_UNARY("Create", containerd__services__containers__v1__create_container_request,
		     create, (.lane = DAEMON_FAST)),
	DAEMON_UNARY("Update", containerd__services__containers__v1__update_container_request,
		     update, (.lane = DAEMON_FAST)),
	DAEMON_UNARY("Delete", containerd__services__containers__v1__delete_container_request,
		     remove_container, (.lane = DAEMON_FAST)),
};

const struct grpc_service daemon_containers_service = {
	.name = "containerd.services.containers.v1.Containers",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
