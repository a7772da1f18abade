/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for mounts that can be told without interpreting their options, which is
 * host/mount-plan's business.
 */

#include "validate-private.h"

static bool has_option(const struct spec_mount *m, const char *option)
{
	for (size_t i = 0; i < m->n_options; i++) {
		if (dv_streq(m->options[i], option))
			return true;
	}
	return false;
}

static bool is_bind(const struct spec_mount *m)
{
	return has_option(m, "bind") || has_option(m, "rbind") ||
	       (m->type && dv_streq(m->type, "bind"));
}

static struct dv_err *check_destination(const struct validation *v, const struct spec_mount *m)
{
	DV_CLEANUP(dv_freep) char *rooted = dv_printf("/%s", m->destination);
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(rooted);

	/* It would cover what the runtime has opened and checked (CVE-2025-52881). */
	if (dv_streq(clean, "/"))
		return dv_err_new(DV_INVALID, "mountpoint \"%s\" is on the top of rootfs",
				  m->destination);
	if (m->destination[0] != '/')
		dv_log(v->log, DV_WARN,
		       "mount destination %s is not absolute. Support for non-absolute mount "
		       "destinations will be removed in a future release.",
		       m->destination);
	return NULL;
}

static struct dv_err *check_idmap(const struct validation *v, const struct spec_mount *m)
{
	bool has_mappings = m->n_uid_mappings > 0 || m->n_gid_mappings > 0;

	if (!has_mappings && !has_option(m, "idmap") && !has_option(m, "ridmap"))
		return NULL;
	if (!is_bind(m))
		return dv_err_new(DV_INVALID,
				  "id-mapped mounts are only supported for bind-mounts");
	if (v->env->is_rootless)
		return dv_err_new(DV_INVALID,
				  "id-mapped mounts are not supported for rootless containers");
	/* Without mappings of its own it takes the container's. */
	if (has_mappings ? m->n_uid_mappings == 0 || m->n_gid_mappings == 0
			 : !spec_has_ns(v->spec, SPEC_NS_USER))
		return dv_err_new(DV_INVALID, "id-mapped mounts must have both uid and gid "
					      "mappings specified");
	return NULL;
}

/* Owners that do not exist in the container's user namespace: mount(2) says only EINVAL. */
static struct dv_err *check_owner(const char *option, const char *prefix,
				  const struct spec_id_mapping *maps, size_t n_maps)
{
	uint32_t id;

	if (!dv_starts_with(option, prefix) || !dv_parse_u32(option + strlen(prefix), &id) ||
	    spec_is_mapped(maps, n_maps, id))
		return NULL;
	return dv_err_new(DV_INVALID,
			  "cannot specify %s mount option for rootless container: user namespaces "
			  "enabled, but no mapping found for %.3s %u",
			  option, prefix, id);
}

/* One option string may hold several, as in fstab. */
static struct dv_err *check_owners(const struct spec_linux *x, const struct spec_mount *m)
{
	struct dv_err *e;

	for (size_t i = 0; i < m->n_options; i++) {
		DV_CLEANUP(dv_freep) char *copy = NULL;
		char *rest, *option;

		if (!strstr(m->options[i], "id="))
			continue;
		copy = dv_strdup(m->options[i]);
		rest = copy;
		while ((option = strsep(&rest, ","))) {
			e = check_owner(option, "uid=", x->uid_mappings, x->n_uid_mappings);
			if (!e)
				e = check_owner(option, "gid=", x->gid_mappings, x->n_gid_mappings);
			if (e)
				return e;
		}
	}
	return NULL;
}

static struct dv_err *check_mount(const struct validation *v, const struct spec_mount *m)
{
	struct dv_err *e;

	e = check_destination(v, m);
	if (!e)
		e = check_idmap(v, m);
	/* The mappings of a namespace that is joined are not in the document. */
	if (!e && v->env->is_rootless && spec_has_new_ns(v->spec, SPEC_NS_USER))
		e = check_owners(&v->spec->linux, m);
	return e;
}

struct dv_err *spec_validate_mounts(const struct validation *v)
{
	for (size_t i = 0; i < v->spec->n_mounts; i++) {
		struct dv_err *e = check_mount(v, &v->spec->mounts[i]);

		if (e)
			return dv_err_wrap(e, "invalid mount mounts[%zu] (%s)", i,
					   v->spec->mounts[i].destination);
	}
	return NULL;
}
