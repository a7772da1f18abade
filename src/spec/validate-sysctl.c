/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sysctls: only those that a namespace of the container has to itself, because everything
 * else below /proc/sys belongs to the whole machine.
 */

#include "validate-private.h"

/* Those of ipc_namespaces(7) that have no prefix in common. */
static const char *const ipc_names[] = {
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
	"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

/*
 * "net/ipv4/conf/eno2.100/x" is "net.ipv4.conf.eno2/100.x": sysctl(8) swaps the two
 * characters when the first of them is a slash. Heap.
 */
static char *dotted(const char *key)
{
	char *name = dv_strdup(key);

	if (name[strcspn(name, "./")] != '/')
		return name;
	for (char *p = name; *p; p++) {
		if (*p == '/')
			*p = '.';
		else if (*p == '.')
			*p = '/';
	}
	return name;
}

/* No empty component, and none that is "." or ".." in the file's path. */
static bool is_name(const char *name)
{
	for (const char *p = name;; p++) {
		size_t n = strcspn(p, ".");

		if (n == 0 || strspn(p, "/") >= n)
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static bool is_ipc(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(ipc_names); i++) {
		if (dv_streq(name, ipc_names[i]))
			return true;
	}
	return dv_starts_with(name, "fs.mqueue.");
}

static bool is_net(const char *name)
{
	return dv_starts_with(name, "net.");
}

static struct dv_err *check_name(const struct spec_runtime *spec, const char *name)
{
	if (!is_name(name))
		return dv_err_new(DV_INVALID, "sysctl \"%s\" is not a valid name", name);
	if (is_ipc(name)) {
		if (spec_has_ns(spec, SPEC_NS_IPC))
			return NULL;
		return dv_err_new(DV_INVALID,
				  "sysctl \"%s\" is not allowed in the hosts ipc namespace", name);
	}
	if (is_net(name)) {
		if (spec_has_ns(spec, SPEC_NS_NET))
			return NULL;
		return dv_err_new(DV_INVALID, "sysctl \"%s\" not allowed in host network namespace",
				  name);
	}
	if (spec_has_ns(spec, SPEC_NS_UTS) && dv_streq(name, "kernel.domainname"))
		return NULL;
	if (spec_has_ns(spec, SPEC_NS_UTS) && dv_streq(name, "kernel.hostname"))
		return dv_err_new(DV_INVALID,
				  "sysctl \"%s\" is not allowed as it conflicts with the OCI "
				  "\"hostname\" field",
				  name);
	if (dv_starts_with(name, "user.")) {
		if (spec_has_ns(spec, SPEC_NS_USER))
			return NULL;
		return dv_err_new(DV_INVALID,
				  "setting ucounts without a user namespace not allowed: %s", name);
	}
	return dv_err_new(DV_INVALID, "sysctl \"%s\" is not in a separate kernel namespace", name);
}

struct dv_err *spec_validate_sysctl(const struct validation *v)
{
	const struct spec_linux *x = &v->spec->linux;

	for (size_t i = 0; i < x->n_sysctl; i++) {
		DV_CLEANUP(dv_freep) char *name = dotted(x->sysctl[i].key);
		struct dv_err *e = check_name(v->spec, name);

		if (e)
			return e;
	}
	return NULL;
}

const char *spec_runtime_net_sysctl(const struct spec_runtime *spec)
{
	for (size_t i = 0; i < spec->linux.n_sysctl; i++) {
		DV_CLEANUP(dv_freep) char *name = dotted(spec->linux.sysctl[i].key);

		if (is_net(name))
			return spec->linux.sysctl[i].key;
	}
	return NULL;
}
