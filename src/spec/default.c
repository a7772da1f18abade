/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration that `spec` writes: runc's, byte for byte but for the version, because
 * people's scripts edit it by position as well as by key.
 */

#include "spec/runtime.h"

#include "codec/json.h"

struct mount {
	const char *destination, *type, *source;
	const char *options[8]; /* ends with NULL */
	const char *rootless_type; /* of the mount that replaces it for a user; or NULL */
	const char *rootless_source;
	const char *rootless_options[8];
};

/* A user may not mount sysfs of a network namespace that is the host's: /sys is bound. */
static const struct mount mounts[] = {
	{ "/proc", "proc", "proc" },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" },
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys",
	  "sysfs",
	  "sysfs",
	  { "nosuid", "noexec", "nodev", "ro" },
	  "none",
	  "/sys",
	  { "rbind", "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
	NULL,
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL
};
static const char *const args[] = { "sh", NULL };
static const char *const caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL };

static void format_strings(struct dv_jw *w, const char *key, const char *const *items)
{
	dv_jw_array_begin(w, key);
	for (; *items; items++)
		dv_jw_string(w, NULL, *items);
	dv_jw_array_end(w);
}

static void format_process(struct dv_jw *w)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	dv_jw_object_begin(w, "process");
	dv_jw_bool(w, "terminal", true);
	dv_jw_object_begin(w, "user");
	dv_jw_uint(w, "uid", 0);
	dv_jw_uint(w, "gid", 0);
	dv_jw_object_end(w);
	format_strings(w, "args", args);
	format_strings(w, "env", env);
	dv_jw_string(w, "cwd", "/");
	dv_jw_object_begin(w, "capabilities");
	for (size_t i = 0; i < DV_ARRAY_SIZE(sets); i++)
		format_strings(w, sets[i], caps);
	dv_jw_object_end(w);
	dv_jw_array_begin(w, "rlimits");
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "type", "RLIMIT_NOFILE");
	dv_jw_uint(w, "hard", 1024);
	dv_jw_uint(w, "soft", 1024);
	dv_jw_object_end(w);
	dv_jw_array_end(w);
	dv_jw_bool(w, "noNewPrivileges", true);
	dv_jw_object_end(w);
}

static void format_mount(struct dv_jw *w, const struct mount *m, bool is_rootless)
{
	bool is_replaced = is_rootless && m->rootless_type;
	const char *const *options = is_replaced ? m->rootless_options : m->options;

	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "destination", m->destination);
	dv_jw_string(w, "type", is_replaced ? m->rootless_type : m->type);
	dv_jw_string(w, "source", is_replaced ? m->rootless_source : m->source);
	if (options[0])
		format_strings(w, "options", options);
	dv_jw_object_end(w);
}

static void format_id_mapping(struct dv_jw *w, const char *key, uint32_t host_id)
{
	dv_jw_array_begin(w, key);
	dv_jw_object_begin(w, NULL);
	dv_jw_uint(w, "containerID", 0);
	dv_jw_uint(w, "hostID", host_id);
	dv_jw_uint(w, "size", 1);
	dv_jw_object_end(w);
	dv_jw_array_end(w);
}

static void format_resources(struct dv_jw *w)
{
	dv_jw_object_begin(w, "resources");
	dv_jw_array_begin(w, "devices");
	dv_jw_object_begin(w, NULL);
	dv_jw_bool(w, "allow", false);
	dv_jw_string(w, "access", "rwm");
	dv_jw_object_end(w);
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

static void format_namespace(struct dv_jw *w, const char *type)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "type", type);
	dv_jw_object_end(w);
}

static void format_namespaces(struct dv_jw *w, const struct spec_default *what)
{
	dv_jw_array_begin(w, "namespaces");
	format_namespace(w, "pid");
	if (!what->is_rootless)
		format_namespace(w, "network");
	format_namespace(w, "ipc");
	format_namespace(w, "uts");
	format_namespace(w, "mount");
	if (what->has_cgroup2)
		format_namespace(w, "cgroup");
	if (what->is_rootless)
		format_namespace(w, "user");
	dv_jw_array_end(w);
}

static void format_linux(struct dv_jw *w, const struct spec_default *what)
{
	dv_jw_object_begin(w, "linux");
	if (what->is_rootless) {
		format_id_mapping(w, "uidMappings", what->uid);
		format_id_mapping(w, "gidMappings", what->gid);
	} else {
		format_resources(w);
	}
	format_namespaces(w, what);
	format_strings(w, "maskedPaths", masked_paths);
	format_strings(w, "readonlyPaths", readonly_paths);
	dv_jw_object_end(w);
}

void spec_default_format_for(const struct spec_default *what, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, "\t");
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", SPEC_VERSION);
	format_process(&w);
	dv_jw_object_begin(&w, "root");
	dv_jw_string(&w, "path", "rootfs");
	dv_jw_bool(&w, "readonly", true);
	dv_jw_object_end(&w);
	dv_jw_string(&w, "hostname", "runc");
	dv_jw_array_begin(&w, "mounts");
	for (size_t i = 0; i < DV_ARRAY_SIZE(mounts); i++)
		format_mount(&w, &mounts[i], what->is_rootless);
	dv_jw_array_end(&w);
	format_linux(&w, what);
	dv_jw_object_end(&w);
}

void spec_default_format(bool is_rootless, uint32_t uid, uint32_t gid, struct dv_strbuf *out)
{
	const struct spec_default what = {
		.is_rootless = is_rootless,
		.uid = uid,
		.gid = gid,
		.has_cgroup2 = true,
	};

	spec_default_format_for(&what, out);
}
