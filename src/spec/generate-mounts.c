/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a container: docker's default ones, changed by what it shares with the host, and
 * then its own. A mount of the container's at a default's place replaces that.
 */

#include <stdio.h>

#include "generate-private.h"

enum { MAX_OPTIONS = 8 };

struct default_mount {
	const char *destination, *type, *source;
	const char *options[MAX_OPTIONS]; /* ends with NULL */
};

static const struct default_mount proc = {
	"/proc", "proc", "proc", { "nosuid", "noexec", "nodev" }
};
static const struct default_mount dev = {
	"/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" }
};
static const struct default_mount devpts = {
	"/dev/pts",
	"devpts",
	"devpts",
	{ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" },
};
static const struct default_mount sysfs = {
	"/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" }
};
static const struct default_mount sysfs_writable = {
	"/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev" }
};
static const struct default_mount cgroup = {
	"/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "ro" }
};
static const struct default_mount cgroup_writable = {
	"/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev" }
};
static const struct default_mount mqueue = {
	"/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" }
};
static const struct default_mount host_mqueue = {
	"/dev/mqueue", "bind", "/dev/mqueue", { "rbind", "nosuid", "noexec", "nodev" }
};
static const struct default_mount host_shm = {
	"/dev/shm", "bind", "/dev/shm", { "rbind", "nosuid", "noexec", "nodev" }
};
/* Who has neither a user nor a network namespace of its own may not mount either of them. */
static const struct default_mount host_proc = { "/proc", "bind", "/proc", { "rbind" } };
static const struct default_mount host_sys = {
	"/sys", "bind", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" }
};

static void generate_mount(struct dv_jw *w, const struct spec_mount *m)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "destination", m->destination);
	if (m->type)
		dv_jw_string(w, "type", m->type);
	if (m->source)
		dv_jw_string(w, "source", m->source);
	if (m->n_options > 0)
		generate_strings(w, "options", (const char *const *)m->options, m->n_options);
	if (m->n_uid_mappings > 0) {
		generate_id_mappings(w, "uidMappings", m->uid_mappings, m->n_uid_mappings);
		generate_id_mappings(w, "gidMappings", m->gid_mappings, m->n_gid_mappings);
	}
	dv_jw_object_end(w);
}

static bool is_replaced(const struct spec_container *c, const char *destination)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		if (dv_streq(c->mounts[i].destination, destination))
			return true;
	}
	return false;
}

static void generate_default(struct dv_jw *w, const struct spec_container *c,
			     const struct default_mount *m)
{
	if (is_replaced(c, m->destination))
		return;
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "destination", m->destination);
	dv_jw_string(w, "type", m->type);
	dv_jw_string(w, "source", m->source);
	dv_jw_array_begin(w, "options");
	for (size_t i = 0; i < MAX_OPTIONS && m->options[i]; i++)
		dv_jw_string(w, NULL, m->options[i]);
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

static void generate_shm(struct dv_jw *w, const struct spec_container *c)
{
	enum { DEFAULT_SIZE = 64 * 1024 * 1024 };
	struct default_mount m = {
		"/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777" }
	};
	char size[32];

	snprintf(size, sizeof(size), "size=%lld",
		 (long long)(c->shm_size > 0 ? c->shm_size : DEFAULT_SIZE));
	m.options[4] = size;
	generate_default(w, c, &m);
}

static bool is_private(const struct spec_container *c, enum spec_ns ns)
{
	return c->ns[ns].mode == SPEC_NS_PRIVATE;
}

static bool is_host(const struct spec_container *c, enum spec_ns ns)
{
	return c->ns[ns].mode == SPEC_NS_HOST;
}

/* The kernel lets a user namespace mount proc and sysfs only of namespaces that are its own. */
static bool is_bound(const struct spec_container *c, enum spec_ns ns)
{
	return is_private(c, SPEC_NS_USER) && c->n_uid_mappings > 0 && is_host(c, ns);
}

static void generate_defaults(struct dv_jw *w, const struct spec_container *c)
{
	const struct default_mount *sys = c->is_privileged ? &sysfs_writable : &sysfs;
	bool is_host_ipc = is_host(c, SPEC_NS_IPC);

	generate_default(w, c, is_bound(c, SPEC_NS_PID) ? &host_proc : &proc);
	generate_default(w, c, &dev);
	generate_default(w, c, &devpts);
	generate_default(w, c, is_bound(c, SPEC_NS_NET) ? &host_sys : sys);
	generate_default(w, c, c->is_privileged ? &cgroup_writable : &cgroup);
	generate_default(w, c, is_host_ipc ? &host_mqueue : &mqueue);
	if (is_host_ipc)
		generate_default(w, c, &host_shm);
	else
		generate_shm(w, c);
}

void generate_mounts(struct dv_jw *w, const struct spec_container *c)
{
	dv_jw_array_begin(w, "mounts");
	generate_defaults(w, c);
	for (size_t i = 0; i < c->n_mounts; i++)
		generate_mount(w, &c->mounts[i]);
	dv_jw_array_end(w);
}
