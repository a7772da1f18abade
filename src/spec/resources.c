/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.resources` (config-linux.md, "Control groups"): its tables. Whatever becomes part
 * of a file's name or a line in a cgroup is checked here, for update as well as for create.
 */

#include "spec/runtime.h"

#include <ctype.h>
#include <string.h>

#include "table-private.h"

/* ---- devices ------------------------------------------------------------------------ */

static const struct decode_name device_type_rows[] = {
	{ "a", 'a' },
	{ "b", 'b' },
	{ "c", 'c' },
};
static const struct decode_names device_types =
	DECODE_NAMES("invalid cgroup device type", device_type_rows);

/* Other letters are overlooked: runc does, and its own tests write "rwa". */
static struct dv_err *decode_access(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_device_rule *rule = out;
	const char *text;
	struct dv_err *e;

	e = spec_decode_string(d, v, &text);
	if (e)
		return e;
	if (!strpbrk(text, "rwm"))
		return spec_decode_expected(d, v, "one or more of the letters r, w and m");
	rule->reads = strchr(text, 'r');
	rule->writes = strchr(text, 'w');
	rule->mknods = strchr(text, 'm');
	return NULL;
}

static void init_device_rule(void *out)
{
	struct spec_device_rule *rule = out;

	rule->type = 'a';
	rule->major = -1;
	rule->minor = -1;
}

#define T struct spec_device_rule
static const struct decode_field device_rule_fields[] = {
	{ BOOL("allow", is_allowed) },
	{ ENUM("type", type, device_types) },
	{ INT("major", major, -1, UINT32_MAX) },
	{ INT("minor", minor, -1, UINT32_MAX) },
	{ CUSTOM("access", decode_access), REQUIRED },
};
static const struct decode_object device_rule_object = {
	DECODE_OBJECT_OF(device_rule_fields),
	.init = init_device_rule,
};
#undef T

/* ---- memory, cpu, pids -------------------------------------------------------------- */

#define T struct spec_resources
static const struct decode_field memory_fields[] = {
	{ OPT_INT("limit", memory.limit, -1, INT64_MAX) },
	{ OPT_INT("reservation", memory.reservation, -1, INT64_MAX) },
	{ OPT_INT("swap", memory.swap, -1, INT64_MAX) },
	{ OPT_INT("kernel", memory.kernel, -1, INT64_MAX) },
	{ OPT_INT("kernelTCP", memory.kernel_tcp, -1, INT64_MAX) },
	{ OPT_UINT("swappiness", memory.swappiness, UINT64_MAX) },
	{ OPT_BOOL("disableOOMKiller", memory.disable_oom_killer) },
	{ OPT_BOOL("useHierarchy", memory.use_hierarchy) },
	{ OPT_BOOL("checkBeforeUpdate", memory.check_before_update) },
};
static const struct decode_object memory_object = { DECODE_OBJECT_OF(memory_fields) };

static const struct decode_field cpu_fields[] = {
	{ OPT_UINT("shares", cpu.shares, UINT64_MAX) },
	{ OPT_INT("quota", cpu.quota, INT64_MIN, INT64_MAX) },
	{ OPT_UINT("burst", cpu.burst, UINT64_MAX) },
	{ OPT_UINT("period", cpu.period, UINT64_MAX) },
	{ OPT_INT("realtimeRuntime", cpu.realtime_runtime, -1, INT64_MAX) },
	{ OPT_UINT("realtimePeriod", cpu.realtime_period, UINT64_MAX) },
	{ STRING("cpus", cpu.cpus) },
	{ STRING("mems", cpu.mems) },
	{ OPT_INT("idle", cpu.idle, 0, 1) },
};
static const struct decode_object cpu_object = { DECODE_OBJECT_OF(cpu_fields) };

static const struct decode_field pids_fields[] = {
	{ OPT_INT("limit", pids_limit, -1, INT64_MAX) },
};
static const struct decode_object pids_object = { DECODE_OBJECT_OF(pids_fields) };
#undef T

/* ---- block io ----------------------------------------------------------------------- */

static struct dv_err *finish_weight_device(struct decoder *d, void *out)
{
	const struct spec_weight_device *device = out;

	if (!device->weight.is_set && !device->leaf_weight.is_set)
		return spec_decode_error(d, "neither weight nor leafWeight is given");
	return NULL;
}

#define T struct spec_weight_device
static const struct decode_field weight_device_fields[] = {
	{ INT("major", major, 0, UINT32_MAX), REQUIRED },
	{ INT("minor", minor, 0, UINT32_MAX), REQUIRED },
	{ OPT_UINT("weight", weight, UINT16_MAX) },
	{ OPT_UINT("leafWeight", leaf_weight, UINT16_MAX) },
};
static const struct decode_object weight_device_object = {
	DECODE_OBJECT_OF(weight_device_fields),
	.finish = finish_weight_device,
};
#undef T

#define T struct spec_throttle_device
static const struct decode_field throttle_device_fields[] = {
	{ INT("major", major, 0, UINT32_MAX), REQUIRED },
	{ INT("minor", minor, 0, UINT32_MAX), REQUIRED },
	{ UINT("rate", rate, UINT64_MAX), REQUIRED },
};
static const struct decode_object throttle_device_object = {
	DECODE_OBJECT_OF(throttle_device_fields),
};
#undef T

#define T struct spec_resources
#define THROTTLE(k, i) \
	LIST(k, block_io.throttle[i].items, block_io.throttle[i].n_items, throttle_device_object)
static const struct decode_field block_io_fields[] = {
	{ OPT_UINT("weight", block_io.weight, UINT16_MAX) },
	{ OPT_UINT("leafWeight", block_io.leaf_weight, UINT16_MAX) },
	{ LIST("weightDevice", block_io.weight_devices, block_io.n_weight_devices,
	       weight_device_object) },
	{ THROTTLE("throttleReadBpsDevice", SPEC_THROTTLE_READ_BPS) },
	{ THROTTLE("throttleWriteBpsDevice", SPEC_THROTTLE_WRITE_BPS) },
	{ THROTTLE("throttleReadIOPSDevice", SPEC_THROTTLE_READ_IOPS) },
	{ THROTTLE("throttleWriteIOPSDevice", SPEC_THROTTLE_WRITE_IOPS) },
};
static const struct decode_object block_io_object = { DECODE_OBJECT_OF(block_io_fields) };
#undef THROTTLE
#undef T

/* ---- huge pages, network, rdma, unified --------------------------------------------- */

/* Part of a file's name: hugetlb.<size>.max. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return s[0] != '0' && digits > 0 && s[digits] && strchr("KMGTPE", s[digits]) &&
	       s[digits + 1] == 'B' && !s[digits + 2];
}

static struct dv_err *finish_hugepage(struct decoder *d, void *out)
{
	const struct spec_hugepage_limit *limit = out;

	if (!is_page_size(limit->page_size))
		return spec_decode_error(d, "pageSize: expected a size like 2MB, got \"%s\"",
					 limit->page_size);
	return NULL;
}

#define T struct spec_hugepage_limit
static const struct decode_field hugepage_fields[] = {
	{ STRING("pageSize", page_size), REQUIRED },
	{ UINT("limit", limit, UINT64_MAX), REQUIRED },
};
static const struct decode_object hugepage_object = {
	DECODE_OBJECT_OF(hugepage_fields),
	.finish = finish_hugepage,
};
#undef T

/* Names stand first in a line, before a blank. */
static bool is_word(const char *s)
{
	for (; *s; s++) {
		if (isspace((unsigned char)*s) || iscntrl((unsigned char)*s))
			return false;
	}
	return true;
}

static struct dv_err *finish_priority(struct decoder *d, void *out)
{
	const struct spec_interface_priority *priority = out;

	if (!is_word(priority->name))
		return spec_decode_error(d, "name: not the name of a network device");
	return NULL;
}

#define T struct spec_interface_priority
static const struct decode_field priority_fields[] = {
	{ STRING("name", name), REQUIRED },
	{ UINT("priority", priority, UINT32_MAX), REQUIRED },
};
static const struct decode_object priority_object = {
	DECODE_OBJECT_OF(priority_fields),
	.finish = finish_priority,
};
#undef T

#define T struct spec_resources
static const struct decode_field network_fields[] = {
	{ OPT_UINT("classID", network.class_id, UINT32_MAX) },
	{ LIST("priorities", network.priorities, network.n_priorities, priority_object) },
};
static const struct decode_object network_object = { DECODE_OBJECT_OF(network_fields) };
#undef T

static struct dv_err *finish_rdma(struct decoder *d, void *out)
{
	const struct spec_rdma *rdma = out;

	if (!is_word(rdma->device))
		return spec_decode_error(d, "not the name of a device");
	if (!rdma->hca_handles.is_set && !rdma->hca_objects.is_set)
		return spec_decode_error(d, "neither hcaHandles nor hcaObjects is given");
	return NULL;
}

#define T struct spec_rdma
static const struct decode_field rdma_fields[] = {
	{ OPT_UINT("hcaHandles", hca_handles, UINT32_MAX) },
	{ OPT_UINT("hcaObjects", hca_objects, UINT32_MAX) },
};
static const struct decode_object rdma_object = {
	DECODE_OBJECT_OF(rdma_fields),
	.key_offset = offsetof(T, device),
	.finish = finish_rdma,
};
#undef T

/* Keys are files of the container's cgroup and must not lead out of it. */
static struct dv_err *finish_resources(struct decoder *d, void *out)
{
	const struct spec_resources *r = out;

	for (size_t i = 0; i < r->n_unified; i++) {
		const char *key = r->unified[i].key;

		if (strchr(key, '/') || dv_streq(key, ".") || dv_streq(key, ".."))
			return spec_decode_error(
				d, "unified resource \"%s\" must be a file name (no slashes)", key);
	}
	return NULL;
}

#define T struct spec_resources
static const struct decode_field resources_fields[] = {
	{ LIST("devices", devices, n_devices, device_rule_object), MANY },
	{ GROUP("memory", memory_object) },
	{ GROUP("cpu", cpu_object) },
	{ GROUP("pids", pids_object) },
	{ GROUP("blockIO", block_io_object) },
	{ LIST("hugepageLimits", hugepage_limits, n_hugepage_limits, hugepage_object) },
	{ GROUP("network", network_object) },
	{ MAP("rdma", rdma, n_rdma, rdma_object) },
	{ PAIRS("unified", unified, n_unified) },
};
const struct decode_object spec_resources_object = {
	DECODE_OBJECT_OF(resources_fields),
	.finish = finish_resources,
};
#undef T

struct dv_err *spec_resources_parse(struct dv_arena *arena, const char *text, size_t len,
				    struct spec_resources **ret)
{
	struct spec_resources *r = dv_arena_new(arena, struct spec_resources);
	struct dv_err *e;

	e = spec_decode_document(arena, &spec_resources_object, text, len, r);
	if (e)
		return e;
	*ret = r;
	return NULL;
}
