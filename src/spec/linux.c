/* SPDX-License-Identifier: Apache-2.0 */
/* The `linux` object (config-linux.md) but for resources and seccomp: its tables. */

#include "spec/runtime.h"

#include <sys/personality.h>

#include "table-private.h"

/* ---- namespaces --------------------------------------------------------------------- */

static const struct decode_name ns_rows[] = {
	{ "pid", SPEC_NS_PID },	      { "network", SPEC_NS_NET }, { "mount", SPEC_NS_MNT },
	{ "ipc", SPEC_NS_IPC },	      { "uts", SPEC_NS_UTS },	  { "user", SPEC_NS_USER },
	{ "cgroup", SPEC_NS_CGROUP }, { "time", SPEC_NS_TIME },
};
static const struct decode_names ns_names = DECODE_NAMES("unknown namespace", ns_rows);
_Static_assert(DV_ARRAY_SIZE(ns_rows) == SPEC_NS__N, "a namespace without a name");

const char *spec_ns_name(enum spec_ns ns)
{
	return spec_names_of(&ns_names, ns);
}

struct ns_entry {
	enum spec_ns type;
	const char *path;
};

#define T struct ns_entry
static const struct decode_field ns_fields[] = {
	{ ENUM("type", type, ns_names), REQUIRED },
	{ STRING("path", path) },
};
static const struct decode_object ns_object = { DECODE_OBJECT_OF(ns_fields) };
#undef T

static struct dv_err *decode_namespace(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_linux *linux_spec = out;
	struct ns_entry entry = { 0 };
	struct dv_err *e;

	e = spec_decode_object(d, &ns_object, v, &entry);
	if (e)
		return e;
	if (linux_spec->namespaces[entry.type].is_listed)
		return spec_decode_error(d, "duplicated namespace \"%s\"",
					 spec_ns_name(entry.type));
	if (entry.path && entry.path[0] != '/')
		return spec_decode_error(d, "path \"%s\" is not absolute", entry.path);
	linux_spec->namespaces[entry.type] = (struct spec_namespace){
		.is_listed = true,
		.path = entry.path,
	};
	return NULL;
}

static struct dv_err *decode_namespaces(struct decoder *d, const struct dv_json *v, void *out)
{
	return spec_decode_each(d, v, DECODE_MAX_ITEMS, decode_namespace, out);
}

static struct dv_err *finish_time_offset(struct decoder *d, void *out)
{
	struct spec_time_offset *offset = out;

	(void)d;
	offset->is_set = true;
	return NULL;
}

#define T struct spec_time_offset
static const struct decode_field time_offset_fields[] = {
	{ INT("secs", secs, INT64_MIN, INT64_MAX) },
	{ UINT("nanosecs", nanosecs, 999999999) },
};
static const struct decode_object time_offset_object = {
	DECODE_OBJECT_OF(time_offset_fields),
	.finish = finish_time_offset,
};
#undef T

#define T struct spec_linux
static const struct decode_field time_offsets_fields[] = {
	{ OBJECT("monotonic", offset_monotonic, time_offset_object) },
	{ OBJECT("boottime", offset_boottime, time_offset_object) },
};
static const struct decode_object time_offsets_object = {
	DECODE_OBJECT_OF(time_offsets_fields),
	.unknown_key = "unknown clock: expected monotonic or boottime",
};
#undef T

/* ---- devices ------------------------------------------------------------------------ */

static const struct decode_name device_type_rows[] = {
	{ "c", 'c' },
	{ "b", 'b' },
	{ "u", 'c' },
	{ "p", 'p' },
};
static const struct decode_names device_types =
	DECODE_NAMES("invalid device type", device_type_rows);

static void init_device(void *out)
{
	struct spec_device *device = out;

	device->major = -1;
	device->minor = -1;
}

/* Numbers are required, except of a fifo, which has none. */
static struct dv_err *finish_device(struct decoder *d, void *out)
{
	struct spec_device *device = out;

	if (device->type == 'p') {
		device->major = 0;
		device->minor = 0;
	}
	if (device->major < 0)
		return spec_decode_missing(d, "major");
	if (device->minor < 0)
		return spec_decode_missing(d, "minor");
	/* Go's callers leave the type of the file in the mode. */
	device->file_mode.value &= 07777;
	return NULL;
}

#define T struct spec_device
static const struct decode_field device_fields[] = {
	{ STRING("path", path), REQUIRED },
	{ ENUM("type", type, device_types), REQUIRED },
	{ INT("major", major, 0, 4095) }, /* dev_t has 12 bits for it in the kernel */
	{ INT("minor", minor, 0, 1048575) }, /* and 20 for this */
	{ OPT_UINT("fileMode", file_mode, UINT32_MAX) },
	{ OPT_UINT("uid", uid, UINT32_MAX) },
	{ OPT_UINT("gid", gid, UINT32_MAX) },
};
static const struct decode_object device_object = {
	DECODE_OBJECT_OF(device_fields),
	.init = init_device,
	.finish = finish_device,
};
#undef T

static struct dv_err *finish_net_device(struct decoder *d, void *out)
{
	struct spec_net_device *device = out;

	(void)d;
	if (!device->name)
		device->name = device->host_name;
	return NULL;
}

#define T struct spec_net_device
static const struct decode_field net_device_fields[] = {
	{ STRING("name", name) },
};
static const struct decode_object net_device_object = {
	DECODE_OBJECT_OF(net_device_fields),
	.key_offset = offsetof(T, host_name),
	.finish = finish_net_device,
};
#undef T

/* ---- the rest ----------------------------------------------------------------------- */

#define T struct spec_intel_rdt
static const struct decode_field intel_rdt_fields[] = {
	{ STRING("closID", clos_id) },
	{ STRINGS("schemata", schemata, n_schemata) },
	{ STRING("l3CacheSchema", l3_cache_schema) },
	{ STRING("memBwSchema", mem_bw_schema) },
	{ BOOL("enableMonitoring", enable_monitoring) },
};
static const struct decode_object intel_rdt_object = { DECODE_OBJECT_OF(intel_rdt_fields) };
#undef T

static const struct decode_name domain_rows[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
};
static const struct decode_names domain_names =
	DECODE_NAMES("invalid personality domain", domain_rows);

static struct dv_err *decode_personality_flag(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_linux *linux_spec = out;
	const char *flag;

	linux_spec->has_personality_flags = true;
	return spec_decode_string(d, v, &flag);
}

static struct dv_err *decode_personality_flags(struct decoder *d, const struct dv_json *v,
					       void *out)
{
	return spec_decode_each(d, v, DECODE_MAX_ITEMS, decode_personality_flag, out);
}

/* Kept as the document's word; the values are not used. */
static const struct decode_name propagation_rows[] = {
	{ "private", 0 }, { "rprivate", 0 }, { "slave", 0 },	  { "rslave", 0 },
	{ "shared", 0 },  { "rshared", 0 },  { "unbindable", 0 }, { "runbindable", 0 },
};
static const struct decode_names propagation_names =
	DECODE_NAMES("unsupported propagation", propagation_rows);

static struct dv_err *decode_propagation(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_linux *linux_spec = out;
	const struct decode_name *row = NULL;
	struct dv_err *e;

	e = spec_decode_name(d, v, &propagation_names, false, &row);
	if (row)
		linux_spec->rootfs_propagation = row->name;
	return e;
}

#define T struct spec_linux
static const struct decode_field personality_fields[] = {
	{ ENUM("domain", personality, domain_names), REQUIRED },
	{ CUSTOM("flags", decode_personality_flags) },
};
static const struct decode_object personality_object = { DECODE_OBJECT_OF(personality_fields) };

static struct dv_err *finish_linux(struct decoder *d, void *out)
{
	struct spec_linux *linux_spec = out;

	(void)d;
	/* runc takes a profile that says nothing for none at all. */
	if (linux_spec->seccomp && linux_spec->seccomp->default_action == SPEC_ACT__N)
		linux_spec->seccomp = NULL;
	return NULL;
}

static const struct decode_field linux_fields[] = {
	{ LIST("uidMappings", uid_mappings, n_uid_mappings, spec_id_mapping_object) },
	{ LIST("gidMappings", gid_mappings, n_gid_mappings, spec_id_mapping_object) },
	{ PAIRS("sysctl", sysctl, n_sysctl) },
	{ OBJECT_NEW("resources", resources, spec_resources_object), FLAGGED(has_resources) },
	{ STRING("cgroupsPath", cgroups_path) },
	{ CUSTOM("namespaces", decode_namespaces) },
	{ LIST("devices", devices, n_devices, device_object), MANY },
	{ MAP("netDevices", net_devices, n_net_devices, net_device_object) },
	{ OBJECT_NEW("seccomp", seccomp, spec_seccomp_object) },
	{ CUSTOM("rootfsPropagation", decode_propagation) },
	{ STRINGS("maskedPaths", masked_paths, n_masked_paths) },
	{ STRINGS("readonlyPaths", readonly_paths, n_readonly_paths) },
	{ STRING("mountLabel", mount_label) },
	{ OBJECT_NEW("intelRdt", intel_rdt, intel_rdt_object) },
	{ OBJECT_NEW("memoryPolicy", memory_policy, spec_memory_policy_object) },
	{ GROUP("personality", personality_object), FLAGGED(has_personality) },
	{ GROUP("timeOffsets", time_offsets_object) },
};
const struct decode_object spec_linux_object = {
	DECODE_OBJECT_OF(linux_fields),
	.finish = finish_linux,
};
#undef T
