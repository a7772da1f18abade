/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of both kinds of cgroups as the same few numbers. See usage.h. */

#include "usage.h"

#include <strings.h>

#include "api/cgroups/v1.pb-c.h"
#include "api/cgroups/v2.pb-c.h"
#include "api/containerd/tasks.pb-c.h"
#include "base/str.h"
#include "client/services.h"
#include "rpc/pb.h"

typedef Io__Containerd__Cgroups__V1__Metrics metrics_v1;
typedef Io__Containerd__Cgroups__V2__Metrics metrics_v2;

static void take_v1(const metrics_v1 *m, struct usage *u)
{
	if (m->cpu && m->cpu->usage)
		u->cpu_ns = m->cpu->usage->total;
	if (m->memory && m->memory->usage) {
		uint64_t cache = m->memory->total_inactive_file;

		u->memory = m->memory->usage->usage;
		u->memory_limit = m->memory->usage->limit;
		u->memory -= DV_MIN(cache, u->memory);
	}
	if (m->pids)
		u->pids = m->pids->current;
	for (size_t i = 0; m->blkio && i < m->blkio->n_io_service_bytes_recursive; i++) {
		const Io__Containerd__Cgroups__V1__BlkIOEntry *entry =
			m->blkio->io_service_bytes_recursive[i];

		if (strcasecmp(entry->op, "read") == 0)
			u->read += entry->value;
		else if (strcasecmp(entry->op, "write") == 0)
			u->written += entry->value;
	}
}

static void take_v2(const metrics_v2 *m, struct usage *u)
{
	if (m->cpu)
		u->cpu_ns = m->cpu->usage_usec * 1000;
	if (m->memory) {
		uint64_t cache = m->memory->inactive_file;

		u->memory = m->memory->usage;
		u->memory_limit = m->memory->usage_limit;
		u->memory -= DV_MIN(cache, u->memory);
	}
	if (m->pids)
		u->pids = m->pids->current;
	for (size_t i = 0; m->io && i < m->io->n_usage; i++) {
		u->read += m->io->usage[i]->rbytes;
		u->written += m->io->usage[i]->wbytes;
	}
}

static struct dv_err *take(const Containerd__Types__Metric *m, struct dv_arena *arena,
			   struct usage *u)
{
	const ProtobufCMessageDescriptor *v1 = &io__containerd__cgroups__v1__metrics__descriptor;
	const ProtobufCMessageDescriptor *v2 = &io__containerd__cgroups__v2__metrics__descriptor;
	const Google__Protobuf__Any *any = m->data;
	ProtobufCMessage *msg = NULL;
	bool is_v1 = any && pb_any_is(any->type_url, v1);
	struct dv_err *e;

	u->id = m->id;
	if (m->timestamp)
		u->at_ns = m->timestamp->seconds * 1000000000LL + m->timestamp->nanos;
	if (!is_v1 && !(any && pb_any_is(any->type_url, v2)))
		return NULL; /* of a shim that has others, or of none */
	e = pb_unpack(is_v1 ? v1 : v2, any->value.data, any->value.len, arena, 0, &msg);
	if (e)
		return dv_err_wrap(e, "metrics of %s", m->id);
	if (is_v1)
		take_v1((const metrics_v1 *)msg, u);
	else
		take_v2((const metrics_v2 *)msg, u);
	return NULL;
}

struct dv_err *usage_measure(struct client *c, const char *const *ids, size_t n_ids,
			     struct dv_arena *arena, struct usage **ret, size_t *ret_n)
{
	Containerd__Services__Tasks__V1__MetricsRequest r =
		CONTAINERD__SERVICES__TASKS__V1__METRICS_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__MetricsResponse *reply = NULL;
	char **filters = dv_arena_new_n(arena, char *, n_ids);
	struct usage *items;
	struct dv_err *e;

	for (size_t i = 0; i < n_ids; i++)
		filters[i] = dv_arena_printf(arena, "id==\"%s\"", ids[i]);
	r.filters = filters;
	r.n_filters = n_ids;
	e = client_call(c, CLIENT_TASKS("Metrics", &r), arena, &reply);
	if (e)
		return e;
	items = dv_arena_new_n(arena, struct usage, reply->n_metrics);
	for (size_t i = 0; i < reply->n_metrics && !e; i++)
		e = take(reply->metrics[i], arena, &items[i]);
	*ret = items;
	*ret_n = reply->n_metrics;
	return e;
}
