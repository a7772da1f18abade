/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup's counters as containerd's messages have them: one message for v1 and hybrid hosts,
 * another one for v2. Counters that the kernel prints as "name value" are put into the field
 * of that name, by the description of the message; the tables below name those that differ.
 */

#include <string.h>

#include "api/cgroups/v1.pb-c.h"
#include "api/cgroups/v2.pb-c.h"
#include "host/cgroup-stats.h"
#include "service-private.h"

#define V1(type) Io__Containerd__Cgroups__V1__##type
#define V2(type) Io__Containerd__Cgroups__V2__##type

/* A new message in @arena. */
#define NEW(arena, type, init) \
	__extension__({ \
		type *new_ = dv_arena_new(arena, type); \
		init(new_); \
		new_; \
	})

struct alias {
	const char *key, *field;
};

static const struct alias v1_aliases[] = {
	{ "pgpgin", "pg_pg_in" },
	{ "pgpgout", "pg_pg_out" },
	{ "pgfault", "pg_fault" },
	{ "pgmajfault", "pg_maj_fault" },
	{ "hierarchical_memsw_limit", "hierarchical_swap_limit" },
	{ "total_pgpgin", "total_pg_pg_in" },
	{ "total_pgpgout", "total_pg_pg_out" },
	{ "total_pgfault", "total_pg_fault" },
	{ "total_pgmajfault", "total_pg_maj_fault" },
	{ NULL, NULL },
};

static const struct alias no_aliases[] = { { NULL, NULL } };

static void set_by_name(ProtobufCMessage *msg, const struct host_cgroup_key *keys, size_t n,
			const struct alias *aliases)
{
	for (size_t i = 0; i < n; i++) {
		const ProtobufCFieldDescriptor *field;
		const char *name = keys[i].key;

		for (const struct alias *a = aliases; a->key; a++) {
			if (dv_streq(a->key, name))
				name = a->field;
		}
		field = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
		if (field && field->type == PROTOBUF_C_TYPE_UINT64 &&
		    field->label != PROTOBUF_C_LABEL_REPEATED)
			*(uint64_t *)((char *)msg + field->offset) = keys[i].value;
	}
}

/* ---- v1 --------------------------------------------------------------------------------------------- */

static V1(MemoryEntry) * v1_entry(struct dv_arena *a, const struct host_cgroup_memory_entry *in)
{
	V1(MemoryEntry) *out =
		NEW(a, V1(MemoryEntry), io__containerd__cgroups__v1__memory_entry__init);

	out->limit = in->limit;
	out->usage = in->usage;
	out->max = in->max;
	out->failcnt = in->failcnt;
	return out;
}

static void v1_memory(struct dv_arena *a, const struct host_cgroup_stats *st, V1(Metrics) * m)
{
	if (st->memory.n_raw == 0)
		return;
	m->memory = NEW(a, V1(MemoryStat), io__containerd__cgroups__v1__memory_stat__init);
	set_by_name(&m->memory->base, st->memory.raw, st->memory.n_raw, v1_aliases);
	m->memory->usage = v1_entry(a, &st->memory.usage);
	m->memory->swap = v1_entry(a, &st->memory.swap);
	m->memory->kernel = v1_entry(a, &st->memory.kernel);
	m->memory->kernel_tcp = v1_entry(a, &st->memory.kernel_tcp);
	m->memory_oom_control =
		NEW(a, V1(MemoryOomControl), io__containerd__cgroups__v1__memory_oom_control__init);
	set_by_name(&m->memory_oom_control->base, st->memory.events, st->memory.n_events,
		    no_aliases);
}

static void v1_cpu(struct dv_arena *a, const struct host_cgroup_stats *st, V1(Metrics) * m)
{
	V1(CPUUsage) *usage = NEW(a, V1(CPUUsage), io__containerd__cgroups__v1__cpuusage__init);
	V1(Throttle) *throttle = NEW(a, V1(Throttle), io__containerd__cgroups__v1__throttle__init);

	usage->total = st->cpu.total;
	usage->kernel = st->cpu.kernel;
	usage->user = st->cpu.user;
	usage->per_cpu = st->cpu.percpu.items;
	usage->n_per_cpu = st->cpu.percpu.n_items;
	throttle->periods = st->cpu.periods;
	throttle->throttled_periods = st->cpu.throttled_periods;
	throttle->throttled_time = st->cpu.throttled_time;
	m->cpu = NEW(a, V1(CPUStat), io__containerd__cgroups__v1__cpustat__init);
	m->cpu->usage = usage;
	m->cpu->throttling = throttle;
}

static V1(BlkIOEntry) *
	*v1_io(struct dv_arena *a, const struct host_cgroup_io_list *list, size_t *ret_n)
{
	V1(BlkIOEntry) **out = dv_arena_new_n(a, V1(BlkIOEntry) *, list->n_items + 1);

	for (size_t i = 0; i < list->n_items; i++) {
		out[i] = NEW(a, V1(BlkIOEntry), io__containerd__cgroups__v1__blk_ioentry__init);
		out[i]->op = (char *)list->items[i].op;
		out[i]->major = list->items[i].major;
		out[i]->minor = list->items[i].minor;
		out[i]->value = list->items[i].value;
	}
	*ret_n = list->n_items;
	return out;
}

static void v1_blkio(struct dv_arena *a, const struct host_cgroup_stats *st, V1(Metrics) * m)
{
	const struct host_cgroup_io_list *l = st->blkio.lists;
	V1(BlkIOStat) *out = NEW(a, V1(BlkIOStat), io__containerd__cgroups__v1__blk_iostat__init);

#define LIST(field, which) \
	(out->field##_recursive = v1_io(a, &l[HOST_CGROUP_IO_##which], &out->n_##field##_recursive))
	LIST(io_service_bytes, SERVICE_BYTES);
	LIST(io_serviced, SERVICED);
	LIST(io_queued, QUEUED);
	LIST(io_service_time, SERVICE_TIME);
	LIST(io_wait_time, WAIT_TIME);
	LIST(io_merged, MERGED);
	LIST(io_time, TIME);
	LIST(sectors, SECTORS);
#undef LIST
	m->blkio = out;
}

static void v1_hugetlb(struct dv_arena *a, const struct host_cgroup_stats *st, V1(Metrics) * m)
{
	m->hugetlb = dv_arena_new_n(a, V1(HugetlbStat) *, st->n_hugetlb + 1);
	m->n_hugetlb = st->n_hugetlb;
	for (size_t i = 0; i < st->n_hugetlb; i++) {
		V1(HugetlbStat) *out =
			NEW(a, V1(HugetlbStat), io__containerd__cgroups__v1__hugetlb_stat__init);

		out->pagesize = (char *)st->hugetlb[i].page_size;
		out->usage = st->hugetlb[i].usage;
		out->max = st->hugetlb[i].max;
		out->failcnt = st->hugetlb[i].failcnt;
		m->hugetlb[i] = out;
	}
}

static V1(RdmaEntry) * *v1_rdma(struct dv_arena *a, const struct host_cgroup_rdma_list *list)
{
	V1(RdmaEntry) **out = dv_arena_new_n(a, V1(RdmaEntry) *, list->n_items + 1);

	for (size_t i = 0; i < list->n_items; i++) {
		out[i] = NEW(a, V1(RdmaEntry), io__containerd__cgroups__v1__rdma_entry__init);
		out[i]->device = (char *)list->items[i].device;
		out[i]->hca_handles = list->items[i].hca_handles;
		out[i]->hca_objects = list->items[i].hca_objects;
	}
	return out;
}

static ProtobufCMessage *v1_metrics(struct dv_arena *a, const struct host_cgroup_stats *st)
{
	V1(Metrics) *m = NEW(a, V1(Metrics), io__containerd__cgroups__v1__metrics__init);

	v1_memory(a, st, m);
	v1_cpu(a, st, m);
	v1_blkio(a, st, m);
	v1_hugetlb(a, st, m);
	m->pids = NEW(a, V1(PidsStat), io__containerd__cgroups__v1__pids_stat__init);
	m->pids->current = st->pids.current;
	m->pids->limit = st->pids.limit;
	m->rdma = NEW(a, V1(RdmaStat), io__containerd__cgroups__v1__rdma_stat__init);
	m->rdma->current = v1_rdma(a, &st->rdma_current);
	m->rdma->n_current = st->rdma_current.n_items;
	m->rdma->limit = v1_rdma(a, &st->rdma_limit);
	m->rdma->n_limit = st->rdma_limit.n_items;
	return &m->base;
}

/* ---- v2 --------------------------------------------------------------------------------------------- */

static V2(PSIData) * v2_pressure(struct dv_arena *a, const struct host_cgroup_pressure *in)
{
	V2(PSIData) *out = NEW(a, V2(PSIData), io__containerd__cgroups__v2__psidata__init);

	out->avg10 = in->avg10;
	out->avg60 = in->avg60;
	out->avg300 = in->avg300;
	out->total = in->total;
	return out;
}

static V2(PSIStats) * v2_psi(struct dv_arena *a, const struct host_cgroup_psi *in)
{
	V2(PSIStats) * out;

	if (!in->is_set)
		return NULL;
	out = NEW(a, V2(PSIStats), io__containerd__cgroups__v2__psistats__init);
	out->some = v2_pressure(a, &in->some);
	out->full = v2_pressure(a, &in->full);
	return out;
}

/* Our numbers are v1's, where swap includes memory. */
static uint64_t less(uint64_t both, uint64_t memory)
{
	if (both == UINT64_MAX)
		return both;
	return both > memory ? both - memory : 0;
}

static void v2_memory(struct dv_arena *a, const struct host_cgroup_stats *st, V2(Metrics) * m)
{
	V2(MemoryStat) * out;

	if (st->memory.n_raw == 0)
		return;
	out = NEW(a, V2(MemoryStat), io__containerd__cgroups__v2__memory_stat__init);
	set_by_name(&out->base, st->memory.raw, st->memory.n_raw, no_aliases);
	out->usage = st->memory.usage.usage;
	out->usage_limit = st->memory.usage.limit;
	out->max_usage = st->memory.usage.max;
	out->swap_usage = less(st->memory.swap.usage, st->memory.usage.usage);
	out->swap_limit = less(st->memory.swap.limit, st->memory.usage.limit);
	out->psi = v2_psi(a, &st->memory.psi);
	m->memory = out;
	m->memory_events =
		NEW(a, V2(MemoryEvents), io__containerd__cgroups__v2__memory_events__init);
	set_by_name(&m->memory_events->base, st->memory.events, st->memory.n_events, no_aliases);
}

static void v2_cpu(struct dv_arena *a, const struct host_cgroup_stats *st, V2(Metrics) * m)
{
	V2(CPUStat) *out = NEW(a, V2(CPUStat), io__containerd__cgroups__v2__cpustat__init);

	out->usage_usec = st->cpu.total / 1000;
	out->user_usec = st->cpu.user / 1000;
	out->system_usec = st->cpu.kernel / 1000;
	out->nr_periods = st->cpu.periods;
	out->nr_throttled = st->cpu.throttled_periods;
	out->throttled_usec = st->cpu.throttled_time / 1000;
	out->nr_bursts = st->cpu.bursts;
	out->burst_usec = st->cpu.burst_time / 1000;
	out->psi = v2_psi(a, &st->cpu.psi);
	m->cpu = out;
}

/* The entry of a device, made when it is its first line. */
static V2(IOEntry) * v2_device(struct dv_arena *a, V2(IOStat) * io, uint64_t major, uint64_t minor)
{
	V2(IOEntry) * out;

	for (size_t i = 0; i < io->n_usage; i++) {
		if (io->usage[i]->major == major && io->usage[i]->minor == minor)
			return io->usage[i];
	}
	out = NEW(a, V2(IOEntry), io__containerd__cgroups__v2__ioentry__init);
	out->major = major;
	out->minor = minor;
	io->usage[io->n_usage++] = out;
	return out;
}

static void v2_io(struct dv_arena *a, const struct host_cgroup_stats *st, V2(Metrics) * m)
{
	const struct host_cgroup_io_list *bytes = &st->blkio.lists[HOST_CGROUP_IO_SERVICE_BYTES];
	const struct host_cgroup_io_list *ops = &st->blkio.lists[HOST_CGROUP_IO_SERVICED];
	V2(IOStat) *io = NEW(a, V2(IOStat), io__containerd__cgroups__v2__iostat__init);

	io->usage = dv_arena_new_n(a, V2(IOEntry) *, bytes->n_items + ops->n_items + 1);
	io->psi = v2_psi(a, &st->blkio.psi);
	for (size_t i = 0; i < bytes->n_items; i++) {
		const struct host_cgroup_io_entry *in = &bytes->items[i];
		V2(IOEntry) *out = v2_device(a, io, in->major, in->minor);

		if (dv_streq(in->op, "Read"))
			out->rbytes = in->value;
		else if (dv_streq(in->op, "Write"))
			out->wbytes = in->value;
	}
	for (size_t i = 0; i < ops->n_items; i++) {
		const struct host_cgroup_io_entry *in = &ops->items[i];
		V2(IOEntry) *out = v2_device(a, io, in->major, in->minor);

		if (dv_streq(in->op, "Read"))
			out->rios = in->value;
		else if (dv_streq(in->op, "Write"))
			out->wios = in->value;
	}
	m->io = io;
}

static void v2_hugetlb(struct dv_arena *a, const struct host_cgroup_stats *st, V2(Metrics) * m)
{
	m->hugetlb = dv_arena_new_n(a, V2(HugeTlbStat) *, st->n_hugetlb + 1);
	m->n_hugetlb = st->n_hugetlb;
	for (size_t i = 0; i < st->n_hugetlb; i++) {
		V2(HugeTlbStat) *out =
			NEW(a, V2(HugeTlbStat), io__containerd__cgroups__v2__huge_tlb_stat__init);

		out->pagesize = (char *)st->hugetlb[i].page_size;
		out->current = st->hugetlb[i].usage;
		out->max = st->hugetlb[i].max;
		out->failcnt = st->hugetlb[i].failcnt;
		m->hugetlb[i] = out;
	}
}

static V2(RdmaEntry) * *v2_rdma(struct dv_arena *a, const struct host_cgroup_rdma_list *list)
{
	V2(RdmaEntry) **out = dv_arena_new_n(a, V2(RdmaEntry) *, list->n_items + 1);

	for (size_t i = 0; i < list->n_items; i++) {
		out[i] = NEW(a, V2(RdmaEntry), io__containerd__cgroups__v2__rdma_entry__init);
		out[i]->device = (char *)list->items[i].device;
		out[i]->hca_handles = list->items[i].hca_handles;
		out[i]->hca_objects = list->items[i].hca_objects;
	}
	return out;
}

static ProtobufCMessage *v2_metrics(struct dv_arena *a, const struct host_cgroup_stats *st)
{
	V2(Metrics) *m = NEW(a, V2(Metrics), io__containerd__cgroups__v2__metrics__init);

	v2_memory(a, st, m);
	v2_cpu(a, st, m);
	v2_io(a, st, m);
	v2_hugetlb(a, st, m);
	m->pids = NEW(a, V2(PidsStat), io__containerd__cgroups__v2__pids_stat__init);
	m->pids->current = st->pids.current;
	/* "max" is the greatest number in this message, and 0 in our struct. */
	m->pids->limit = st->pids.limit ? st->pids.limit : UINT64_MAX;
	m->rdma = NEW(a, V2(RdmaStat), io__containerd__cgroups__v2__rdma_stat__init);
	m->rdma->current = v2_rdma(a, &st->rdma_current);
	m->rdma->n_current = st->rdma_current.n_items;
	m->rdma->limit = v2_rdma(a, &st->rdma_limit);
	m->rdma->n_limit = st->rdma_limit.n_items;
	return &m->base;
}

struct dv_err *shim_service_stats(pid_t pid, const struct dv_log *log, struct dv_arena *arena,
				  Google__Protobuf__Any *ret)
{
	struct host_cgroup_opts opts = { .of_pid = pid, .log = log };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct host_cgroup_stats st = { 0 };
	const ProtobufCMessage *msg;
	struct dv_err *e;

	e = host_cgroup_new(&opts, &cg);
	if (!e)
		e = host_cgroup_stats_read(cg, arena, &st);
	if (e)
		return dv_err_wrap(e, "statistics");
	msg = host_cgroup_mode(cg) == HOST_CGROUP_V2 ? v2_metrics(arena, &st)
						     : v1_metrics(arena, &st);
	ret->type_url = (char *)pb_any_url(msg);
	ret->value = pb_pack_arena(msg, arena);
	return NULL;
}
