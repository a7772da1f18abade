/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.mounts.v1. Mounting may wait for a disk: all of it is slow work. */

#include "mounts.h"

#include <stdlib.h>

#include "api/containerd/mounts.pb-c.h"
#include "convert.h"
#include "service.h"
#include "services.h"

typedef Containerd__Types__ActivationInfo Info;
typedef Containerd__Types__ActiveMount Active;

#define REQ(type, msg) ((const Containerd__Services__Mounts__V1__##type *)(msg))

static Active *active_out(const struct mounts_active *from, struct dv_arena *arena)
{
	struct snapshot_mounts one = { .items = &from->mount, .n_items = 1 };
	Active *to = dv_arena_new(arena, Active);

	containerd__types__active_mount__init(to);
	to->mount = convert_mounts_out(&one, arena)[0];
	to->mount_point = (char *)from->mount_point;
	to->mounted_at = convert_time_out(&from->mounted_at, arena);
	return to;
}

static Info *info_out(const struct mounts_info *from, struct dv_arena *arena)
{
	Info *to = dv_arena_new(arena, Info);

	containerd__types__activation_info__init(to);
	to->name = (char *)from->name;
	to->n_active = from->n_active;
	to->active = dv_arena_new_n(arena, Active *, from->n_active + 1);
	for (size_t i = 0; i < from->n_active; i++)
		to->active[i] = active_out(&from->active[i], arena);
	to->n_system = from->system.n_items;
	to->system = convert_mounts_out(&from->system, arena);
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	return to;
}

static struct dv_err *activate_call(struct daemon_call *c, const ProtobufCMessage *msg,
				    const ProtobufCMessage **ret_reply)
{
	const Containerd__Services__Mounts__V1__ActivateRequest *req = REQ(ActivateRequest, msg);
	struct snapshot_mounts mounts = convert_mounts_in(req->mounts, req->n_mounts, c->arena);
	struct mounts_activation a = {
		.ns = c->ns,
		.lease = c->lease,
		.name = req->name,
		.mounts = &mounts,
		.labels = convert_labels_in(req->labels, req->n_labels, c->arena),
		.is_temporary = req->temporary,
	};
	Containerd__Services__Mounts__V1__ActivateResponse *reply;
	struct mounts_info info;
	struct dv_err *e;

	e = mounts_activate(c->d->mounts, &a, c->arena, &info);
	if (e)
		return e;
	reply = dv_arena_new(c->arena, Containerd__Services__Mounts__V1__ActivateResponse);
	containerd__services__mounts__v1__activate_response__init(reply);
	reply->info = info_out(&info, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *deactivate_call(struct daemon_call *c, const ProtobufCMessage *msg,
				      const ProtobufCMessage **ret_reply)
{
	(void)ret_reply;
	return mounts_deactivate(c->d->mounts, c->ns, REQ(DeactivateRequest, msg)->name);
}

static struct dv_err *info_call(struct daemon_call *c, const ProtobufCMessage *msg,
				const ProtobufCMessage **ret_reply)
{
	Containerd__Services__Mounts__V1__InfoResponse *reply;
	struct mounts_info info;
	struct dv_err *e;

	e = mounts_info(c->d->mounts, c->ns, REQ(InfoRequest, msg)->name, c->arena, &info);
	if (e)
		return e;
	reply = dv_arena_new(c->arena, Containerd__Services__Mounts__V1__InfoResponse);
	containerd__services__mounts__v1__info_response__init(reply);
	reply->info = info_out(&info, c->arena);
	*ret_reply = &reply->base;
	return NULL;
}

static struct dv_err *update_call(struct daemon_call *c, const ProtobufCMessage *msg,
				  const ProtobufCMessage **ret_reply)
{
	(void)c;
	(void)msg;
	(void)ret_reply;
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: an update of mounts");
}

/* ---- List: one message for each ---- */

struct listing {
	struct dv_filter *filter;
	char *after;
};

static void list_end(void *state)
{
	struct listing *l = state;

	dv_filter_free(l->filter);
	free(l->after);
	free(l);
}

static struct dv_err *list_next(struct daemon_call *c, const ProtobufCMessage *msg, void **io_state,
				struct daemon_next *next)
{
	Containerd__Services__Mounts__V1__ListMessage *reply;
	struct meta_list list = { .limit = 1 };
	struct listing *l = *io_state;
	struct mounts_info *infos;
	struct dv_err *e;
	size_t n;

	if (!l) {
		*io_state = l = dv_new(struct listing);
		e = dv_filter_parse((const char *const *)REQ(ListRequest, msg)->filters,
				    REQ(ListRequest, msg)->n_filters, &l->filter);
		if (e)
			return e;
	}
	list.filter = l->filter;
	list.after = l->after;
	e = mounts_list(c->d->mounts, c->ns, &list, next->arena, &infos, &n);
	if (e)
		return e;
	next->is_last = n == 0;
	if (n == 0)
		return NULL;
	reply = dv_arena_new(next->arena, Containerd__Services__Mounts__V1__ListMessage);
	containerd__services__mounts__v1__list_message__init(reply);
	reply->info = info_out(&infos[0], next->arena);
	free(l->after);
	l->after = dv_strdup(infos[0].name);
	next->msg = &reply->base;
	return NULL;
}

#define UNARY(name, type, fn, ...) \
	DAEMON_UNARY(name, containerd__services__mounts__v1__##type, fn, (.lane = DAEMON_SLOW), \
		     __VA_ARGS__)

static const struct grpc_method methods[] = {
	UNARY("Activate", activate_request, activate_call),
	UNARY("Deactivate", deactivate_request, deactivate_call),
	UNARY("Info", info_request, info_call, .is_read_only = true),
	UNARY("Update", update_request, update_call),
	DAEMON_STREAM("List", containerd__services__mounts__v1__list_request, list_next,
		      (.end = list_end, .lane = DAEMON_FAST), .is_read_only = true),
};

const struct grpc_service daemon_mounts_service = {
	.name = "containerd.services.mounts.v1.Mounts",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
