/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as JSON. Which members are left out when they are zero follows runc's Go structs
 * (types/events.go), as programs that decode into other structs may depend on it.
 */

#include "event-format.h"

#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

static void add_nonzero(struct dv_jw *w, const char *key, uint64_t value)
{
	if (value)
		dv_jw_uint(w, key, value);
}

static void add_u64s(struct dv_jw *w, const char *key, const struct host_cgroup_u64s *list)
{
	if (list->n_items == 0)
		return;
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < list->n_items; i++)
		dv_jw_uint(w, NULL, list->items[i]);
	dv_jw_array_end(w);
}

static void add_u16s(struct dv_jw *w, const char *key, const struct host_cgroup_u16s *list)
{
	if (list->n_items == 0)
		return;
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < list->n_items; i++)
		dv_jw_uint(w, NULL, list->items[i]);
	dv_jw_array_end(w);
}

static void add_pressure(struct dv_jw *w, const char *key, const struct host_cgroup_pressure *p)
{
	dv_jw_object_begin(w, key);
	dv_jw_double(w, "avg10", p->avg10);
	dv_jw_double(w, "avg60", p->avg60);
	dv_jw_double(w, "avg300", p->avg300);
	dv_jw_uint(w, "total", p->total);
	dv_jw_object_end(w);
}

static void add_psi(struct dv_jw *w, const struct host_cgroup_psi *psi)
{
	if (!psi->is_set)
		return;
	dv_jw_object_begin(w, "psi");
	add_pressure(w, "some", &psi->some);
	add_pressure(w, "full", &psi->full);
	dv_jw_object_end(w);
}

static void add_cpu_usage(struct dv_jw *w, const struct host_cgroup_stats *s)
{
	dv_jw_object_begin(w, "usage");
	add_nonzero(w, "total", s->cpu.total);
	add_u64s(w, "percpu", &s->cpu.percpu);
	add_u64s(w, "percpu_kernel", &s->cpu.percpu_kernel);
	add_u64s(w, "percpu_user", &s->cpu.percpu_user);
	dv_jw_uint(w, "kernel", s->cpu.kernel);
	dv_jw_uint(w, "user", s->cpu.user);
	dv_jw_object_end(w);
}

static void add_cpu(struct dv_jw *w, const struct host_cgroup_stats *s)
{
	dv_jw_object_begin(w, "cpu");
	if (s->cpu.total || s->cpu.kernel || s->cpu.user || s->cpu.percpu.n_items)
		add_cpu_usage(w, s);
	if (s->cpu.periods || s->cpu.throttled_periods || s->cpu.throttled_time) {
		dv_jw_object_begin(w, "throttling");
		add_nonzero(w, "periods", s->cpu.periods);
		add_nonzero(w, "throttledPeriods", s->cpu.throttled_periods);
		add_nonzero(w, "throttledTime", s->cpu.throttled_time);
		dv_jw_object_end(w);
	}
	add_psi(w, &s->cpu.psi);
	dv_jw_object_end(w);
}

static void add_cpuset(struct dv_jw *w, const struct host_cgroup_stats *s)
{
	dv_jw_object_begin(w, "cpuset");
	add_u16s(w, "cpus", &s->cpuset.cpus);
	dv_jw_uint(w, "cpu_exclusive", s->cpuset.cpu_exclusive);
	add_u16s(w, "mems", &s->cpuset.mems);
	dv_jw_uint(w, "mem_hardwall", s->cpuset.mem_hardwall);
	dv_jw_uint(w, "mem_exclusive", s->cpuset.mem_exclusive);
	dv_jw_uint(w, "memory_migrate", s->cpuset.memory_migrate);
	dv_jw_uint(w, "memory_spread_page", s->cpuset.memory_spread_page);
	dv_jw_uint(w, "memory_spread_slab", s->cpuset.memory_spread_slab);
	dv_jw_uint(w, "memory_pressure", s->cpuset.memory_pressure);
	dv_jw_uint(w, "sched_load_balance", s->cpuset.sched_load_balance);
	dv_jw_int(w, "sched_relax_domain_level", s->cpuset.sched_relax_domain_level);
	dv_jw_object_end(w);
}

static void add_memory_entry(struct dv_jw *w, const char *key,
			     const struct host_cgroup_memory_entry *m)
{
	if (!m->limit && !m->usage && !m->max && !m->failcnt)
		return;
	dv_jw_object_begin(w, key);
	dv_jw_uint(w, "limit", m->limit);
	add_nonzero(w, "usage", m->usage);
	add_nonzero(w, "max", m->max);
	dv_jw_uint(w, "failcnt", m->failcnt);
	dv_jw_object_end(w);
}

static int compare_keys(const void *a, const void *b)
{
	const struct host_cgroup_key *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static void add_memory(struct dv_jw *w, struct host_cgroup_stats *s)
{
	dv_jw_object_begin(w, "memory");
	add_nonzero(w, "cache", s->memory.cache);
	add_memory_entry(w, "usage", &s->memory.usage);
	add_memory_entry(w, "swap", &s->memory.swap);
	add_memory_entry(w, "kernel", &s->memory.kernel);
	add_memory_entry(w, "kernelTCP", &s->memory.kernel_tcp);
	if (s->memory.n_raw > 0) {
		qsort(s->memory.raw, s->memory.n_raw, sizeof(s->memory.raw[0]), compare_keys);
		dv_jw_object_begin(w, "raw");
		for (size_t i = 0; i < s->memory.n_raw; i++)
			dv_jw_uint(w, s->memory.raw[i].key, s->memory.raw[i].value);
		dv_jw_object_end(w);
	}
	add_psi(w, &s->memory.psi);
	dv_jw_object_end(w);
}

static void add_io_list(struct dv_jw *w, const char *key, const struct host_cgroup_io_list *list)
{
	if (list->n_items == 0)
		return;
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < list->n_items; i++) {
		const struct host_cgroup_io_entry *e = &list->items[i];

		dv_jw_object_begin(w, NULL);
		add_nonzero(w, "major", e->major);
		add_nonzero(w, "minor", e->minor);
		if (e->op && *e->op)
			dv_jw_string(w, "op", e->op);
		add_nonzero(w, "value", e->value);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

static void add_blkio(struct dv_jw *w, const struct host_cgroup_stats *s)
{
	static const char *const keys[HOST_CGROUP_IO__N] = {
		[HOST_CGROUP_IO_SERVICE_BYTES] = "ioServiceBytesRecursive",
		[HOST_CGROUP_IO_SERVICED] = "ioServicedRecursive",
		[HOST_CGROUP_IO_QUEUED] = "ioQueueRecursive",
		[HOST_CGROUP_IO_SERVICE_TIME] = "ioServiceTimeRecursive",
		[HOST_CGROUP_IO_WAIT_TIME] = "ioWaitTimeRecursive",
		[HOST_CGROUP_IO_MERGED] = "ioMergedRecursive",
		[HOST_CGROUP_IO_TIME] = "ioTimeRecursive",
		[HOST_CGROUP_IO_SECTORS] = "sectorsRecursive",
	};

	dv_jw_object_begin(w, "blkio");
	for (int i = 0; i < HOST_CGROUP_IO__N; i++)
		add_io_list(w, keys[i], &s->blkio.lists[i]);
	add_psi(w, &s->blkio.psi);
	dv_jw_object_end(w);
}

static void add_hugetlb(struct dv_jw *w, const struct host_cgroup_stats *s)
{
	dv_jw_object_begin(w, "hugetlb");
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		dv_jw_object_begin(w, s->hugetlb[i].page_size);
		add_nonzero(w, "usage", s->hugetlb[i].usage);
		add_nonzero(w, "max", s->hugetlb[i].max);
		dv_jw_uint(w, "failcnt", s->hugetlb[i].failcnt);
		dv_jw_object_end(w);
	}
	dv_jw_object_end(w);
}

static void begin(struct dv_jw *w, struct dv_strbuf *out, const char *type, const char *id)
{
	dv_jw_init(w, out, NULL);
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "type", type);
	dv_jw_string(w, "id", id);
}

void event_format_stats(const char *id, struct host_cgroup_stats *s, struct dv_strbuf *out)
{
	struct dv_jw w;

	begin(&w, out, "stats", id);
	dv_jw_object_begin(&w, "data");
	add_cpu(&w, s);
	add_cpuset(&w, s);
	add_memory(&w, s);
	dv_jw_object_begin(&w, "pids");
	add_nonzero(&w, "current", s->pids.current);
	add_nonzero(&w, "limit", s->pids.limit);
	dv_jw_object_end(&w);
	add_blkio(&w, s);
	add_hugetlb(&w, s);
	/* Not measured: resctrl's monitors, and networks, which no container here has of ours. */
	dv_jw_object_begin(&w, "intel_rdt");
	dv_jw_object_end(&w);
	dv_jw_null(&w, "network_interfaces");
	dv_jw_object_end(&w);
	dv_jw_object_end(&w);
	dv_strbuf_addc(out, '\n');
}

void event_format_oom(const char *id, struct dv_strbuf *out)
{
	struct dv_jw w;

	begin(&w, out, "oom", id);
	dv_jw_object_end(&w);
	dv_strbuf_addc(out, '\n');
}
