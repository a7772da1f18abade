/* SPDX-License-Identifier: Apache-2.0 */
/* The `linux` object: namespaces, device nodes, sysctls, what is hidden. */

#include "generate-private.h"

/* What of the kernel's files tells about the host or could change it; docker's list. */
static const char *const masked_paths[] = {
	"/proc/acpi",	    "/proc/asound",	 "/proc/interrupts",
	"/proc/kcore",	    "/proc/keys",	 "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi",	    "/sys/firmware",	 "/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

void generate_id_mappings(struct dv_jw *w, const char *key, const struct spec_id_mapping *m,
			  size_t n)
{
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++) {
		dv_jw_object_begin(w, NULL);
		dv_jw_uint(w, "containerID", m[i].container_id);
		dv_jw_uint(w, "hostID", m[i].host_id);
		dv_jw_uint(w, "size", m[i].size);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

/* A user namespace needs mappings, a time namespace has no use without offsets. */
static bool has_namespace(const struct spec_container *c, enum spec_ns ns)
{
	if (c->ns[ns].mode == SPEC_NS_HOST)
		return ns == SPEC_NS_MNT;
	if (c->ns[ns].mode == SPEC_NS_JOIN)
		return true;
	if (ns == SPEC_NS_USER)
		return c->n_uid_mappings > 0;
	/* v1 has the whole hierarchy of the host's mounted: docker's default there. */
	return ns != SPEC_NS_TIME && (ns != SPEC_NS_CGROUP || c->has_cgroup2);
}

static void generate_namespaces(struct dv_jw *w, const struct spec_container *c)
{
	dv_jw_array_begin(w, "namespaces");
	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (!has_namespace(c, (enum spec_ns)ns))
			continue;
		dv_jw_object_begin(w, NULL);
		dv_jw_string(w, "type", spec_ns_name((enum spec_ns)ns));
		if (c->ns[ns].mode == SPEC_NS_JOIN)
			dv_jw_string(w, "path", c->ns[ns].path);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

static void generate_device(struct dv_jw *w, const struct spec_device *d)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "path", d->path);
	dv_jw_string(w, "type", d->type == 'b' ? "b" : d->type == 'p' ? "p" : "c");
	dv_jw_int(w, "major", d->major);
	dv_jw_int(w, "minor", d->minor);
	if (d->file_mode.is_set)
		dv_jw_uint(w, "fileMode", d->file_mode.value);
	if (d->uid.is_set)
		dv_jw_uint(w, "uid", d->uid.value);
	if (d->gid.is_set)
		dv_jw_uint(w, "gid", d->gid.value);
	dv_jw_object_end(w);
}

static void generate_nodes(struct dv_jw *w, const struct spec_container *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_devices; i++)
		n += c->devices[i].node.path != NULL;
	if (n == 0)
		return;
	dv_jw_array_begin(w, "devices");
	for (size_t i = 0; i < c->n_devices; i++) {
		if (c->devices[i].node.path)
			generate_device(w, &c->devices[i].node);
	}
	dv_jw_array_end(w);
}

static void generate_seccomp(struct dv_jw *w, const struct spec_container *c)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf profile = DV_STRBUF_INIT;

	if (c->seccomp == SPEC_SECCOMP_UNCONFINED || (c->is_privileged && !c->seccomp_profile))
		return;
	if (c->seccomp == SPEC_SECCOMP_PROFILE) {
		dv_jw_raw(w, "seccomp", c->seccomp_profile);
		return;
	}
	spec_seccomp_default_format(c->caps, &profile);
	dv_jw_raw(w, "seccomp", profile.data);
}

void generate_linux(struct dv_jw *w, const struct spec_container *c)
{
	dv_jw_object_begin(w, "linux");
	if (c->ns[SPEC_NS_USER].mode == SPEC_NS_PRIVATE && c->n_uid_mappings > 0) {
		generate_id_mappings(w, "uidMappings", c->uid_mappings, c->n_uid_mappings);
		generate_id_mappings(w, "gidMappings", c->gid_mappings, c->n_gid_mappings);
	}
	generate_pairs(w, "sysctl", c->sysctl, c->n_sysctl);
	dv_jw_object_begin(w, "resources");
	generate_resources(w, c->resources, c);
	dv_jw_object_end(w);
	dv_jw_string(w, "cgroupsPath", c->cgroups_path);
	generate_namespaces(w, c);
	generate_nodes(w, c);
	generate_seccomp(w, c);
	if (!c->is_privileged && !c->is_unmasked) {
		generate_strings(w, "maskedPaths", masked_paths, DV_ARRAY_SIZE(masked_paths));
		generate_strings(w, "readonlyPaths", readonly_paths, DV_ARRAY_SIZE(readonly_paths));
	}
	if (c->mount_label)
		dv_jw_string(w, "mountLabel", c->mount_label);
	dv_jw_object_end(w);
}
