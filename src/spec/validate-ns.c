/* SPDX-License-Identifier: Apache-2.0 */
/* What needs which namespace, and the mappings of a user namespace. */

#include "validate-private.h"

bool spec_is_mapped(const struct spec_id_mapping *maps, size_t n_maps, uint32_t id)
{
	for (size_t i = 0; i < n_maps; i++) {
		if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
			return true;
	}
	return false;
}

static struct dv_err *check_uts(const struct spec_runtime *spec)
{
	enum { MAX_NAME = 64 }; /* __NEW_UTS_LEN */

	if (spec->hostname && !spec_has_ns(spec, SPEC_NS_UTS))
		return dv_err_new(DV_INVALID,
				  "unable to set hostname without a private UTS namespace");
	if (spec->domainname && !spec_has_ns(spec, SPEC_NS_UTS))
		return dv_err_new(DV_INVALID,
				  "unable to set domainname without a private UTS namespace");
	if (spec->hostname && strlen(spec->hostname) > MAX_NAME)
		return dv_err_new(DV_INVALID, "hostname is longer than %d bytes", MAX_NAME);
	if (spec->domainname && strlen(spec->domainname) > MAX_NAME)
		return dv_err_new(DV_INVALID, "domainname is longer than %d bytes", MAX_NAME);
	return NULL;
}

static struct dv_err *check_mnt(const struct spec_runtime *spec)
{
	if ((spec->linux.n_masked_paths > 0 || spec->linux.n_readonly_paths > 0) &&
	    !spec_has_ns(spec, SPEC_NS_MNT))
		return dv_err_new(DV_INVALID,
				  "unable to restrict sys entries without a private MNT namespace");
	return NULL;
}

static struct dv_err *check_time(const struct spec_runtime *spec)
{
	if (!spec->linux.offset_monotonic.is_set && !spec->linux.offset_boottime.is_set)
		return NULL;
	if (!spec_has_ns(spec, SPEC_NS_TIME))
		return dv_err_new(DV_INVALID, "time namespace offsets specified, but time "
					      "namespace isn't enabled in the config");
	if (spec->linux.namespaces[SPEC_NS_TIME].path)
		return dv_err_new(DV_INVALID,
				  "time namespace enabled, but both namespace path and time "
				  "offsets specified -- you may only provide one");
	return NULL;
}

/* dev_valid_name() of the kernel; and no pattern ("eth%d"), which it would fill in. */
static bool is_device_name(const char *name)
{
	enum { MAX_NAME = 15 }; /* IFNAMSIZ with its NUL */

	return *name && strlen(name) <= MAX_NAME && !dv_streq(name, ".") && !dv_streq(name, "..") &&
	       !name[strcspn(name, "/:% \t\n\v\f\r")];
}

static struct dv_err *check_net(const struct validation *v)
{
	const struct spec_linux *x = &v->spec->linux;

	if (x->n_net_devices == 0)
		return NULL;
	if (!spec_has_ns(v->spec, SPEC_NS_NET))
		return dv_err_new(DV_INVALID,
				  "unable to move network devices without a NET namespace");
	if (v->env->is_rootless)
		return dv_err_new(DV_INVALID,
				  "network devices are not supported for rootless containers");
	for (size_t i = 0; i < x->n_net_devices; i++) {
		if (!is_device_name(x->net_devices[i].host_name))
			return dv_err_new(DV_INVALID, "invalid network device name \"%s\"",
					  x->net_devices[i].host_name);
		if (!is_device_name(x->net_devices[i].name))
			return dv_err_new(DV_INVALID, "invalid network device name \"%s\"",
					  x->net_devices[i].name);
	}
	return NULL;
}

struct dv_err *spec_validate_namespaces(const struct validation *v)
{
	struct dv_err *e;

	e = check_uts(v->spec);
	if (!e)
		e = check_mnt(v->spec);
	if (!e)
		e = check_time(v->spec);
	if (!e)
		e = check_net(v);
	return e;
}

/* ---- user namespace ----------------------------------------------------------------- */

/* Root of the container owns what the runtime makes for it, so it must exist outside. */
static struct dv_err *check_new_user_ns(const struct spec_linux *x)
{
	if (x->n_uid_mappings == 0 && x->n_gid_mappings == 0)
		return dv_err_new(DV_INVALID, "user namespaces enabled, but no namespace path to "
					      "join nor mappings to apply specified");
	if (x->n_uid_mappings == 0)
		return dv_err_new(DV_INVALID, "user namespaces enabled, but no uid mappings found");
	if (x->n_gid_mappings == 0)
		return dv_err_new(DV_INVALID, "user namespaces enabled, but no gid mappings found");
	if (!spec_is_mapped(x->uid_mappings, x->n_uid_mappings, 0))
		return dv_err_new(DV_INVALID,
				  "user namespaces enabled, but no mapping found for uid 0");
	if (!spec_is_mapped(x->gid_mappings, x->n_gid_mappings, 0))
		return dv_err_new(DV_INVALID,
				  "user namespaces enabled, but no mapping found for gid 0");
	return NULL;
}

static struct dv_err *check_rootless_user(const struct spec_runtime *spec)
{
	if (!spec_has_ns(spec, SPEC_NS_USER))
		return dv_err_new(DV_INVALID, "rootless container requires user namespaces");
	if (!spec_has_new_ns(spec, SPEC_NS_USER))
		return NULL;
	if (spec->linux.n_uid_mappings == 0)
		return dv_err_new(DV_INVALID,
				  "rootless containers requires at least one UID mapping");
	if (spec->linux.n_gid_mappings == 0)
		return dv_err_new(DV_INVALID,
				  "rootless containers requires at least one GID mapping");
	return NULL;
}

/* Found out here rather than by the last setuid(2) of a container that is all set up. */
static struct dv_err *check_mapped_process(const struct spec_runtime *spec)
{
	const struct spec_linux *x = &spec->linux;
	const struct spec_process *p = spec->process;

	if (!p)
		return NULL;
	if (!spec_is_mapped(x->uid_mappings, x->n_uid_mappings, p->user.uid))
		return dv_err_new(
			DV_INVALID,
			"process.user.uid: cannot setuid to unmapped uid %u in user namespace",
			p->user.uid);
	if (!spec_is_mapped(x->gid_mappings, x->n_gid_mappings, p->user.gid))
		return dv_err_new(
			DV_INVALID,
			"process.user.gid: cannot setgid to unmapped gid %u in user namespace",
			p->user.gid);
	return NULL;
}

struct dv_err *spec_validate_user(const struct validation *v)
{
	const struct spec_linux *x = &v->spec->linux;
	struct dv_err *e = NULL;

	if (v->env->is_rootless)
		e = check_rootless_user(v->spec);
	if (e)
		return e;
	if (!spec_has_ns(v->spec, SPEC_NS_USER)) {
		if (x->n_uid_mappings > 0 || x->n_gid_mappings > 0)
			return dv_err_new(DV_INVALID,
					  "user namespace mappings specified, but user namespace "
					  "isn't enabled in the config");
		return NULL;
	}
	/* Mappings beside a path must be those of the namespace: only the runtime can tell. */
	if (!spec_has_new_ns(v->spec, SPEC_NS_USER))
		return NULL;
	e = check_new_user_ns(x);
	return e ? e : check_mapped_process(v->spec);
}
