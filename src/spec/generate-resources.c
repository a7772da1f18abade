/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources: limits and device rules. What is not set is not written. */

#include <stdio.h>

#include "generate-private.h"

static void generate_i64(struct dv_jw *w, const char *key, struct spec_i64 v)
{
	if (v.is_set)
		dv_jw_int(w, key, v.value);
}

static void generate_u64(struct dv_jw *w, const char *key, struct spec_u64 v)
{
	if (v.is_set)
		dv_jw_uint(w, key, v.value);
}

/* ---- devices ------------------------------------------------------------------------ */

static void generate_rule(struct dv_jw *w, const struct spec_device_rule *r)
{
	char access[4];
	size_t n = 0;

	if (r->reads)
		access[n++] = 'r';
	if (r->writes)
		access[n++] = 'w';
	if (r->mknods)
		access[n++] = 'm';
	access[n] = '\0';
	dv_jw_object_begin(w, NULL);
	dv_jw_bool(w, "allow", r->is_allowed);
	if (r->type != 'a')
		dv_jw_string(w, "type", r->type == 'b' ? "b" : "c");
	if (r->major >= 0)
		dv_jw_int(w, "major", r->major);
	if (r->minor >= 0)
		dv_jw_int(w, "minor", r->minor);
	dv_jw_string(w, "access", access);
	dv_jw_object_end(w);
}

/* Nodes may be made of any device; used may be these. */
static void generate_default_rules(struct dv_jw *w)
{
	static const struct spec_device_rule rules[] = {
		{ false, 'a', -1, -1, true, true, true },
		{ true, 'c', -1, -1, false, false, true },
		{ true, 'b', -1, -1, false, false, true },
		{ true, 'c', 1, 3, true, true, true }, /* null */
		{ true, 'c', 1, 5, true, true, true }, /* zero */
		{ true, 'c', 1, 7, true, true, true }, /* full */
		{ true, 'c', 1, 8, true, true, true }, /* random */
		{ true, 'c', 1, 9, true, true, true }, /* urandom */
		{ true, 'c', 5, 0, true, true, true }, /* tty */
		{ true, 'c', 5, 1, true, true, true }, /* console */
		{ true, 'c', 5, 2, true, true, true }, /* ptmx */
		{ true, 'c', 136, -1, true, true, true }, /* pts */
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rules); i++)
		generate_rule(w, &rules[i]);
}

static void generate_grant(struct dv_jw *w, const struct spec_device_grant *g)
{
	struct spec_device_rule rule = {
		.is_allowed = true,
		.type = g->node.type,
		.major = g->node.major,
		.minor = g->node.minor,
		.reads = strchr(g->access, 'r') != NULL,
		.writes = strchr(g->access, 'w') != NULL,
		.mknods = strchr(g->access, 'm') != NULL,
	};

	generate_rule(w, &rule);
}

static void generate_devices(struct dv_jw *w, const struct spec_container *c)
{
	static const struct spec_device_rule all = { true, 'a', -1, -1, true, true, true };

	dv_jw_array_begin(w, "devices");
	if (c->is_privileged) {
		generate_rule(w, &all);
	} else {
		generate_default_rules(w);
		for (size_t i = 0; i < c->n_devices; i++)
			generate_grant(w, &c->devices[i]);
	}
	for (size_t i = 0; i < c->n_device_rules; i++)
		generate_rule(w, &c->device_rules[i]);
	dv_jw_array_end(w);
}

/* ---- limits ------------------------------------------------------------------------- */

static void generate_memory(struct dv_jw *w, const struct spec_resources *r)
{
	bool is_any = r->memory.limit.is_set || r->memory.reservation.is_set ||
		      r->memory.swap.is_set || r->memory.swappiness.is_set ||
		      r->memory.disable_oom_killer.is_set;

	if (!is_any)
		return;
	dv_jw_object_begin(w, "memory");
	generate_i64(w, "limit", r->memory.limit);
	generate_i64(w, "reservation", r->memory.reservation);
	generate_i64(w, "swap", r->memory.swap);
	generate_u64(w, "swappiness", r->memory.swappiness);
	if (r->memory.disable_oom_killer.is_set)
		dv_jw_bool(w, "disableOOMKiller", r->memory.disable_oom_killer.value);
	dv_jw_object_end(w);
}

static void generate_cpu(struct dv_jw *w, const struct spec_resources *r)
{
	bool is_any = r->cpu.shares.is_set || r->cpu.quota.is_set || r->cpu.period.is_set ||
		      r->cpu.burst.is_set || r->cpu.realtime_runtime.is_set ||
		      r->cpu.realtime_period.is_set || r->cpu.cpus || r->cpu.mems ||
		      r->cpu.idle.is_set;

	if (!is_any)
		return;
	dv_jw_object_begin(w, "cpu");
	generate_u64(w, "shares", r->cpu.shares);
	generate_i64(w, "quota", r->cpu.quota);
	generate_u64(w, "burst", r->cpu.burst);
	generate_u64(w, "period", r->cpu.period);
	generate_i64(w, "realtimeRuntime", r->cpu.realtime_runtime);
	generate_u64(w, "realtimePeriod", r->cpu.realtime_period);
	if (r->cpu.cpus)
		dv_jw_string(w, "cpus", r->cpu.cpus);
	if (r->cpu.mems)
		dv_jw_string(w, "mems", r->cpu.mems);
	generate_i64(w, "idle", r->cpu.idle);
	dv_jw_object_end(w);
}

static void generate_throttle(struct dv_jw *w, const char *key, const struct spec_throttle_list *l)
{
	if (l->n_items == 0)
		return;
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < l->n_items; i++) {
		dv_jw_object_begin(w, NULL);
		dv_jw_int(w, "major", l->items[i].major);
		dv_jw_int(w, "minor", l->items[i].minor);
		dv_jw_uint(w, "rate", l->items[i].rate);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

static void generate_block_io(struct dv_jw *w, const struct spec_resources *r)
{
	static const char *const keys[SPEC_THROTTLE__N] = {
		[SPEC_THROTTLE_READ_BPS] = "throttleReadBpsDevice",
		[SPEC_THROTTLE_WRITE_BPS] = "throttleWriteBpsDevice",
		[SPEC_THROTTLE_READ_IOPS] = "throttleReadIOPSDevice",
		[SPEC_THROTTLE_WRITE_IOPS] = "throttleWriteIOPSDevice",
	};
	bool is_any = r->block_io.weight.is_set;

	for (size_t i = 0; i < SPEC_THROTTLE__N; i++)
		is_any = is_any || r->block_io.throttle[i].n_items > 0;
	if (!is_any)
		return;
	dv_jw_object_begin(w, "blockIO");
	generate_u64(w, "weight", r->block_io.weight);
	for (size_t i = 0; i < SPEC_THROTTLE__N; i++)
		generate_throttle(w, keys[i], &r->block_io.throttle[i]);
	dv_jw_object_end(w);
}

static void generate_hugepages(struct dv_jw *w, const struct spec_resources *r)
{
	if (r->n_hugepage_limits == 0)
		return;
	dv_jw_array_begin(w, "hugepageLimits");
	for (size_t i = 0; i < r->n_hugepage_limits; i++) {
		dv_jw_object_begin(w, NULL);
		dv_jw_string(w, "pageSize", r->hugepage_limits[i].page_size);
		dv_jw_uint(w, "limit", r->hugepage_limits[i].limit);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

/* @c: for the device rules; NULL: none. */
void generate_resources(struct dv_jw *w, const struct spec_resources *r,
			const struct spec_container *c)
{
	if (c)
		generate_devices(w, c);
	if (!r)
		return;
	generate_memory(w, r);
	generate_cpu(w, r);
	if (r->pids_limit.is_set) {
		dv_jw_object_begin(w, "pids");
		dv_jw_int(w, "limit", r->pids_limit.value);
		dv_jw_object_end(w);
	}
	generate_block_io(w, r);
	generate_hugepages(w, r);
	generate_pairs(w, "unified", r->unified, r->n_unified);
}

void spec_resources_format(const struct spec_resources *r, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	generate_resources(&w, r, NULL);
	dv_jw_object_end(&w);
}
