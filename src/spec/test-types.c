/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every property with every wrong kind of value. A row is a property's path and kind; the
 * document around it is made from the path, and the message must begin with it.
 */

#include "test-private.h"

#include <inttypes.h>
#include <stdio.h>

enum kind { BOOL, INT, UINT, STRING, ENUM, STRINGS, FLAGS, U32S, OBJECT, LIST, MAP, PAIRS };

#define U16 .umax = UINT16_MAX
#define U32 .umax = UINT32_MAX
#define U64 .umax = UINT64_MAX
#define I64 .min = INT64_MIN, .max = INT64_MAX
#define POS .min = -1, .max = INT64_MAX

static const struct row {
	const char *path;
	enum kind kind;
	int64_t min, max;
	uint64_t umax;
	const char *complaint;
} rows[] = {
	{ "ociVersion", STRING },
	{ "hostname", STRING },
	{ "domainname", STRING },
	{ "root", OBJECT },
	{ "root.path", STRING },
	{ "root.readonly", BOOL },
	{ "annotations", PAIRS },
	{ "mounts", LIST },
	{ "mounts[0].destination", STRING },
	{ "mounts[0].type", STRING },
	{ "mounts[0].source", STRING },
	{ "mounts[0].options", STRINGS },
	{ "mounts[0].uidMappings", LIST },
	{ "mounts[0].gidMappings", LIST },
	{ "mounts[0].uidMappings[0].containerID", UINT, U32 },
	{ "mounts[0].uidMappings[0].hostID", UINT, U32 },
	{ "mounts[0].uidMappings[0].size", UINT, U32 },
	{ "hooks", OBJECT },
	{ "hooks.prestart", LIST },
	{ "hooks.createRuntime", LIST },
	{ "hooks.createContainer", LIST },
	{ "hooks.startContainer", LIST },
	{ "hooks.poststart", LIST },
	{ "hooks.poststop", LIST },
	{ "hooks.poststop[0].path", STRING },
	{ "hooks.poststop[0].args", STRINGS },
	{ "hooks.poststop[0].env", STRINGS },
	{ "hooks.poststop[0].timeout", INT, 1, INT32_MAX },

	{ "process", OBJECT },
	{ "process.terminal", BOOL },
	{ "process.consoleSize", OBJECT },
	{ "process.consoleSize.height", UINT, U16 },
	{ "process.consoleSize.width", UINT, U16 },
	{ "process.user", OBJECT },
	{ "process.user.uid", UINT, U32 },
	{ "process.user.gid", UINT, U32 },
	{ "process.user.umask", UINT, .umax = 0777 },
	{ "process.user.additionalGids", U32S },
	{ "process.args", STRINGS },
	{ "process.env", STRINGS },
	{ "process.cwd", STRING },
	{ "process.capabilities", OBJECT },
	{ "process.capabilities.bounding", STRINGS },
	{ "process.capabilities.effective", STRINGS },
	{ "process.capabilities.inheritable", STRINGS },
	{ "process.capabilities.permitted", STRINGS },
	{ "process.capabilities.ambient", STRINGS },
	{ "process.rlimits", LIST },
	{ "process.rlimits[0].type", ENUM, .complaint = "unknown rlimit" },
	{ "process.rlimits[0].soft", UINT, U64 },
	{ "process.rlimits[0].hard", UINT, U64 },
	{ "process.noNewPrivileges", BOOL },
	{ "process.apparmorProfile", STRING },
	{ "process.selinuxLabel", STRING },
	{ "process.oomScoreAdj", INT, -1000, 1000 },
	{ "process.scheduler", OBJECT },
	{ "process.scheduler.policy", ENUM, .complaint = "invalid scheduler policy" },
	{ "process.scheduler.nice", INT, INT32_MIN, INT32_MAX },
	{ "process.scheduler.priority", INT, INT32_MIN, INT32_MAX },
	{ "process.scheduler.flags", FLAGS, .complaint = "invalid scheduler flag" },
	{ "process.scheduler.runtime", UINT, U64 },
	{ "process.scheduler.deadline", UINT, U64 },
	{ "process.scheduler.period", UINT, U64 },
	{ "process.ioPriority", OBJECT },
	{ "process.ioPriority.class", ENUM, .complaint = "invalid ioPriority.class" },
	{ "process.ioPriority.priority", INT, 0, 7 },
	{ "process.execCPUAffinity", OBJECT },
	{ "process.execCPUAffinity.initial", STRING },
	{ "process.execCPUAffinity.final", STRING },

	{ "linux", OBJECT },
	{ "linux.namespaces", LIST },
	{ "linux.namespaces[0].type", ENUM, .complaint = "unknown namespace" },
	{ "linux.namespaces[0].path", STRING },
	{ "linux.uidMappings", LIST },
	{ "linux.gidMappings", LIST },
	{ "linux.timeOffsets", OBJECT },
	{ "linux.timeOffsets.monotonic", OBJECT },
	{ "linux.timeOffsets.boottime", OBJECT },
	{ "linux.timeOffsets.boottime.secs", INT, I64 },
	{ "linux.timeOffsets.boottime.nanosecs", UINT, .umax = 999999999 },
	{ "linux.devices", LIST },
	{ "linux.devices[0].path", STRING },
	{ "linux.devices[0].type", ENUM, .complaint = "invalid device type" },
	{ "linux.devices[0].major", INT, 0, 4095 },
	{ "linux.devices[0].minor", INT, 0, 1048575 },
	{ "linux.devices[0].fileMode", UINT, U32 },
	{ "linux.devices[0].uid", UINT, U32 },
	{ "linux.devices[0].gid", UINT, U32 },
	{ "linux.netDevices", MAP },
	{ "linux.netDevices.eth0.name", STRING },
	{ "linux.cgroupsPath", STRING },
	{ "linux.rootfsPropagation", ENUM, .complaint = "unsupported propagation" },
	{ "linux.sysctl", PAIRS },
	{ "linux.maskedPaths", STRINGS },
	{ "linux.readonlyPaths", STRINGS },
	{ "linux.mountLabel", STRING },
	{ "linux.intelRdt", OBJECT },
	{ "linux.intelRdt.closID", STRING },
	{ "linux.intelRdt.schemata", STRINGS },
	{ "linux.intelRdt.l3CacheSchema", STRING },
	{ "linux.intelRdt.memBwSchema", STRING },
	{ "linux.intelRdt.enableMonitoring", BOOL },
	{ "linux.memoryPolicy", OBJECT },
	{ "linux.memoryPolicy.mode", ENUM, .complaint = "invalid memory policy mode" },
	{ "linux.memoryPolicy.nodes", STRING },
	{ "linux.memoryPolicy.flags", FLAGS, .complaint = "invalid memory policy flag" },
	{ "linux.personality", OBJECT },
	{ "linux.personality.domain", ENUM, .complaint = "invalid personality domain" },
	{ "linux.personality.flags", STRINGS },

	{ "linux.seccomp", OBJECT },
	{ "linux.seccomp.defaultAction", ENUM, .complaint = "unknown action" },
	{ "linux.seccomp.defaultErrnoRet", UINT, U16 },
	{ "linux.seccomp.architectures", FLAGS, .complaint = "unknown architecture" },
	{ "linux.seccomp.flags", FLAGS, .complaint = "unknown seccomp flag" },
	{ "linux.seccomp.listenerPath", STRING },
	{ "linux.seccomp.listenerMetadata", STRING },
	{ "linux.seccomp.syscalls", LIST },
	{ "linux.seccomp.syscalls[0].names", STRINGS },
	{ "linux.seccomp.syscalls[0].action", ENUM, .complaint = "unknown action" },
	{ "linux.seccomp.syscalls[0].errnoRet", UINT, U16 },
	{ "linux.seccomp.syscalls[0].args", LIST },
	{ "linux.seccomp.syscalls[0].args[0].index", UINT, .umax = 5 },
	{ "linux.seccomp.syscalls[0].args[0].value", UINT, U64 },
	{ "linux.seccomp.syscalls[0].args[0].valueTwo", UINT, U64 },
	{ "linux.seccomp.syscalls[0].args[0].op", ENUM, .complaint = "unknown operator" },

	{ "linux.resources", OBJECT },
	{ "linux.resources.devices", LIST },
	{ "linux.resources.devices[0].allow", BOOL },
	{ "linux.resources.devices[0].type", ENUM, .complaint = "invalid cgroup device type" },
	{ "linux.resources.devices[0].major", INT, -1, UINT32_MAX },
	{ "linux.resources.devices[0].minor", INT, -1, UINT32_MAX },
	{ "linux.resources.devices[0].access", STRING },
	{ "linux.resources.memory", OBJECT },
	{ "linux.resources.memory.limit", INT, POS },
	{ "linux.resources.memory.reservation", INT, POS },
	{ "linux.resources.memory.swap", INT, POS },
	{ "linux.resources.memory.kernel", INT, POS },
	{ "linux.resources.memory.kernelTCP", INT, POS },
	{ "linux.resources.memory.swappiness", UINT, U64 },
	{ "linux.resources.memory.disableOOMKiller", BOOL },
	{ "linux.resources.memory.useHierarchy", BOOL },
	{ "linux.resources.memory.checkBeforeUpdate", BOOL },
	{ "linux.resources.cpu", OBJECT },
	{ "linux.resources.cpu.shares", UINT, U64 },
	{ "linux.resources.cpu.quota", INT, I64 },
	{ "linux.resources.cpu.burst", UINT, U64 },
	{ "linux.resources.cpu.period", UINT, U64 },
	{ "linux.resources.cpu.realtimeRuntime", INT, POS },
	{ "linux.resources.cpu.realtimePeriod", UINT, U64 },
	{ "linux.resources.cpu.cpus", STRING },
	{ "linux.resources.cpu.mems", STRING },
	{ "linux.resources.cpu.idle", INT, 0, 1 },
	{ "linux.resources.pids", OBJECT },
	{ "linux.resources.pids.limit", INT, POS },
	{ "linux.resources.blockIO", OBJECT },
	{ "linux.resources.blockIO.weight", UINT, U16 },
	{ "linux.resources.blockIO.leafWeight", UINT, U16 },
	{ "linux.resources.blockIO.weightDevice", LIST },
	{ "linux.resources.blockIO.weightDevice[0].major", INT, 0, UINT32_MAX },
	{ "linux.resources.blockIO.weightDevice[0].minor", INT, 0, UINT32_MAX },
	{ "linux.resources.blockIO.weightDevice[0].weight", UINT, U16 },
	{ "linux.resources.blockIO.weightDevice[0].leafWeight", UINT, U16 },
	{ "linux.resources.blockIO.throttleReadBpsDevice", LIST },
	{ "linux.resources.blockIO.throttleWriteBpsDevice", LIST },
	{ "linux.resources.blockIO.throttleReadIOPSDevice", LIST },
	{ "linux.resources.blockIO.throttleWriteIOPSDevice", LIST },
	{ "linux.resources.blockIO.throttleReadIOPSDevice[0].major", INT, 0, UINT32_MAX },
	{ "linux.resources.blockIO.throttleReadIOPSDevice[0].minor", INT, 0, UINT32_MAX },
	{ "linux.resources.blockIO.throttleReadIOPSDevice[0].rate", UINT, U64 },
	{ "linux.resources.hugepageLimits", LIST },
	{ "linux.resources.hugepageLimits[0].pageSize", STRING },
	{ "linux.resources.hugepageLimits[0].limit", UINT, U64 },
	{ "linux.resources.network", OBJECT },
	{ "linux.resources.network.classID", UINT, U32 },
	{ "linux.resources.network.priorities", LIST },
	{ "linux.resources.network.priorities[0].name", STRING },
	{ "linux.resources.network.priorities[0].priority", UINT, U32 },
	{ "linux.resources.rdma", MAP },
	{ "linux.resources.rdma.mlx5_1.hcaHandles", UINT, U32 },
	{ "linux.resources.rdma.mlx5_1.hcaObjects", UINT, U32 },
	{ "linux.resources.unified", PAIRS },
};

/* {"a":{"b":[VALUE]}} for "a.b[0]". */
static char *wrap(const char *path, const char *value)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf tail = DV_STRBUF_INIT;
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (const char *p = path; *p;) {
		size_t n = strcspn(p, ".[");

		if (*p == '[') {
			dv_strbuf_addc(&b, '[');
			dv_strbuf_addc(&tail, ']');
			p += strlen("[0]");
		} else {
			dv_strbuf_addf(&b, "{'%.*s':", (int)n, p);
			dv_strbuf_addc(&tail, '}');
			p += n;
		}
		p += *p == '.';
	}
	dv_strbuf_add(&b, value);
	while (tail.len > 0)
		dv_strbuf_addc(&b, tail.data[--tail.len]);
	return dv_strbuf_steal(&b);
}

static void bad(const char *path, const char *value, const char *step, const char *text)
{
	DV_CLEANUP(dv_freep) char *doc = wrap(path, value);
	DV_CLEANUP(dv_freep) char *message = dv_printf("%s%s: %s", path, step, text);

	t_refused(doc, message);
}

/* Values of the wrong type, but for the ones in @except (a letter each). */
static void bad_types(const char *path, const char *step, const char *before, const char *after,
		      const char *expected, const char *except)
{
	static const struct {
		char letter;
		const char *value;
	} values[] = { { 'b', "true" }, { 'n', "7" },  { 'f', "1.5" },
		       { 's', "'x'" },	{ 'a', "[]" }, { 'o', "{}" } };

	for (size_t i = 0; i < DV_ARRAY_SIZE(values); i++) {
		DV_CLEANUP(dv_freep) char *value = NULL;
		DV_CLEANUP(dv_freep) char *text = NULL;

		if (strchr(except, values[i].letter))
			continue;
		value = dv_printf("%s%s%s", before, values[i].value, after);
		text = dv_printf("%s, got %s", expected, values[i].value);
		bad(path, value, step, text);
	}
}

static void bad_ints(const struct row *r)
{
	DV_CLEANUP(dv_freep)
	char *range = dv_printf("expected an integer from %" PRId64 " to %" PRId64, r->min, r->max);
	int64_t values[2] = { r->min - (r->min > INT64_MIN), r->max + (r->max < INT64_MAX) };

	bad_types(r->path, "", "", "", "expected an integer", "n");
	for (size_t i = 0; i < 2; i++) {
		DV_CLEANUP(dv_freep) char *value = dv_printf("%" PRId64, values[i]);
		DV_CLEANUP(dv_freep) char *text = dv_printf("%s, got %s", range, value);

		if (values[i] < r->min || values[i] > r->max)
			bad(r->path, value, "", text);
	}
	if (r->max == INT64_MAX) {
		DV_CLEANUP(dv_freep) char *text = dv_printf("%s, got 9223372036854775808", range);

		bad(r->path, "9223372036854775808", "", text);
	}
}

static void bad_uints(const char *path, const char *step, const char *before, const char *after,
		      uint64_t max)
{
	DV_CLEANUP(dv_freep) char *range = dv_printf("expected an integer from 0 to %" PRIu64, max);
	DV_CLEANUP(dv_freep) char *negative = dv_printf("%s-1%s", before, after);
	DV_CLEANUP(dv_freep) char *text = dv_printf("%s, got -1", range);

	bad_types(path, step, before, after, "expected an integer", "n");
	bad(path, negative, step, text);
	if (max < UINT64_MAX) {
		DV_CLEANUP(dv_freep)
		char *big = dv_printf("%s%" PRIu64 "%s", before, max + 1, after);
		DV_CLEANUP(dv_freep) char *got = dv_printf("%s, got %" PRIu64, range, max + 1);

		bad(path, big, step, got);
	}
}

static void bad_strings(const char *path, const char *step, const char *before, const char *after)
{
	DV_CLEANUP(dv_freep) char *nul = dv_printf("%s'a\\u0000b'%s", before, after);

	bad_types(path, step, before, after, "expected a string", "s");
	bad(path, nul, step, "expected a string without \\u0000, got 'a\\u0000b'");
}

/* The list of what is expected, if there is one, is not compared. */
static void bad_names(const struct row *r, const char *step, const char *value)
{
	DV_CLEANUP(dv_freep) char *doc = wrap(r->path, value);
	DV_CLEANUP(dv_freep)
	char *raw = dv_printf("%s%s: %s 'nonsense'", r->path, step, r->complaint);
	DV_CLEANUP(dv_freep) char *message = t_json(raw);
	struct spec_runtime *spec = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = t_try(doc, &spec);

	cr_assert_not_null(e, "%s", doc);
	cr_assert(dv_starts_with(dv_err_message(e), message), "%s: %s", message, dv_err_message(e));
}

static void bad_row(const struct row *r)
{
	switch (r->kind) {
	case BOOL:
		bad_types(r->path, "", "", "", "expected true or false", "b");
		break;
	case INT:
		bad_ints(r);
		break;
	case UINT:
		bad_uints(r->path, "", "", "", r->umax);
		break;
	case STRING:
		bad_strings(r->path, "", "", "");
		break;
	case ENUM:
		bad_strings(r->path, "", "", "");
		bad_names(r, "", "'nonsense'");
		break;
	case STRINGS:
		bad_types(r->path, "", "", "", "expected an array", "a");
		bad_strings(r->path, "[0]", "[", "]");
		bad(r->path, "[null]", "[0]", "expected a string, got null");
		break;
	case FLAGS:
		bad_types(r->path, "", "", "", "expected an array", "a");
		bad_strings(r->path, "[0]", "[", "]");
		bad_names(r, "[0]", "['nonsense']");
		break;
	case U32S:
		bad_types(r->path, "", "", "", "expected an array", "a");
		bad_uints(r->path, "[1]", "[1,", "]", UINT32_MAX);
		break;
	case OBJECT:
		bad_types(r->path, "", "", "", "expected an object", "o");
		break;
	case LIST:
		bad_types(r->path, "", "", "", "expected an array", "a");
		bad_types(r->path, "[0]", "[", "]", "expected an object", "o");
		bad(r->path, "[null]", "[0]", "expected an object, got null");
		break;
	case MAP:
		bad_types(r->path, "", "", "", "expected an object", "o");
		bad_types(r->path, ".k", "{'k':", "}", "expected an object", "o");
		bad(r->path, "{'':{}}", "['']", "a key must not be empty");
		break;
	case PAIRS:
		bad_types(r->path, "", "", "", "expected an object", "o");
		bad_strings(r->path, "['a.b']", "{'a.b':", "}");
		bad(r->path, "{'':'v'}", "['']", "a key must not be empty");
		break;
	}
}

Test(types, wrong, .fini = t_fini)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++)
		bad_row(&rows[i]);
}

/* null is as good as absent, wherever it stands. */
Test(types, null, .fini = t_fini)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		DV_CLEANUP(dv_freep) char *doc = wrap(rows[i].path, "null");
		struct spec_runtime *spec;
		DV_CLEANUP(dv_err_freep) struct dv_err *e = t_try(doc, &spec);

		cr_assert_not_null(e); /* at least ociVersion is missing */
		cr_assert(!strstr(dv_err_message(e), "expected"), "%s", dv_err_message(e));
	}
}

/* Unknown properties are ignored, whatever they hold, at every level. */
Test(types, unknown_properties, .fini = t_fini)
{
	static const char *const paths[] = {
		"root.x",
		"process.x",
		"process.user.x",
		"mounts[0].x",
		"hooks.x",
		"hooks.prestart[0].x",
		"linux.x",
		"windows",
		"solaris",
		"vm",
		"zos",
		"freebsd",
		"linux.resources.x",
		"linux.seccomp.x",
		"linux.netDevices.eth0.x",
		"linux.resources.cpu.x",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(paths); i++) {
		DV_CLEANUP(dv_freep) char *doc = wrap(paths[i], "[{'a':[1,'b']}]");
		struct spec_runtime *spec;
		DV_CLEANUP(dv_err_freep) struct dv_err *e = t_try(doc, &spec);

		cr_assert_not_null(e);
		cr_assert(dv_ends_with(dv_err_message(e), "required property is missing"), "%s: %s",
			  paths[i], dv_err_message(e));
	}
}

static void too_many(const char *path, const char *element, size_t limit)
{
	struct dv_strbuf list = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *text = NULL;

	dv_strbuf_addc(&list, '[');
	for (size_t i = 0; i <= limit; i++)
		dv_strbuf_addf(&list, "%s%s", i ? "," : "", element);
	dv_strbuf_addc(&list, ']');
	text = dv_printf("%zu entries are more than the limit of %zu", limit + 1, limit);
	bad(path, list.data, "", text);
	dv_strbuf_fini(&list);
}

Test(types, counts_are_limited, .fini = t_fini)
{
	struct dv_strbuf map = DV_STRBUF_INIT;

	too_many("mounts", "{}", 4096);
	too_many("mounts[0].options", "'ro'", 4096);
	too_many("process.args", "'a'", 65536);
	too_many("process.env", "'a=b'", 65536);
	too_many("process.user.additionalGids", "1", 65536);
	too_many("process.capabilities.bounding", "'CAP_KILL'", 4096);
	too_many("linux.devices", "{}", 65536);
	too_many("linux.resources.devices", "{}", 65536);
	too_many("linux.seccomp.architectures", "'SCMP_ARCH_X86'", 4096);
	too_many("linux.seccomp.flags", "'SECCOMP_FILTER_FLAG_LOG'", 4096);

	dv_strbuf_addc(&map, '{');
	for (int i = 0; i <= 4096; i++)
		dv_strbuf_addf(&map, "%s'k%d':'v'", i ? "," : "", i);
	dv_strbuf_addc(&map, '}');
	bad("linux.sysctl", map.data, "", "4097 entries are more than the limit of 4096");
	dv_strbuf_fini(&map);
}
