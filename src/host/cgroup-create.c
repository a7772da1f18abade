/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the directories, and taking them back.
 *
 * The parent usually exists, so the first try is one mkdir. What this process made is
 * remembered per hierarchy as the part of the path that was there before; rollback removes
 * the rest of it, and nothing that somebody else has put something into meanwhile.
 */

#include <errno.h>
#include <fcntl.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

enum { FILLED_MS = 2000 };

/*
 * Makes the directory at @rel below @rootfd with its parents. *ret_made: whether any was
 * missing; *ret_keep: how many bytes of @rel were there before.
 */
static int make_path(int rootfd, const char *rel, bool *ret_made, size_t *ret_keep)
{
	DV_CLEANUP(dv_freep) char *path = NULL;
	const char *slash = strrchr(rel, '/');
	int r;

	*ret_made = false;
	*ret_keep = slash ? (size_t)(slash - rel) : 0;
	r = sys_mkdirat(rootfd, rel, 0755);
	*ret_made = r == 0;
	if (r != -ENOENT)
		return r == -EEXIST ? 0 : r;

	path = dv_strdup(rel);
	for (size_t at = 0; rel[at];) {
		size_t len = at + strcspn(rel + at, "/");

		path[len] = '\0';
		r = sys_mkdirat(rootfd, path, 0755);
		path[len] = rel[len];
		if (r < 0 && r != -EEXIST)
			return r;
		/* There already, perhaps since just now: then those above are not ours either. */
		if (r == -EEXIST || !*ret_made)
			*ret_keep = r == 0 ? at - (at > 0) : len;
		*ret_made = r == 0;
		at = len + (rel[len] == '/');
	}
	return 0;
}

/* Removes what make_path() made, deepest first; stops above where somebody put something in. */
static void rollback_hier(struct host_cgroup *cg, int i)
{
	DV_CLEANUP(dv_freep) char *path = dv_strdup(cgroup_rel(cg, i));
	struct cgroup_hier *h = &cg->hiers[i];
	int r = 0;

	h->dirfd = sys_close(h->dirfd);
	while (h->is_made && strlen(path) > h->keep_len && (r == 0 || r == -ENOENT)) {
		char *slash = strrchr(path, '/');

		r = cg->is_test ? sys_remove_tree(h->rootfd, path)
				: sys_unlinkat(h->rootfd, path, AT_REMOVEDIR);
		/* The container's own: what a hook left behind, or a process that still ends. */
		if (r == -EBUSY && h->is_new)
			r = cgroup_remove_filled(cg, i, cgroup_now_ms() + FILLED_MS);
		h->is_new = false;
		*(slash ? slash : path) = '\0';
	}
	h->dirfd = sys_close(h->dirfd);
	h->is_made = h->is_new = false;
}

void host_cgroup_rollback(struct host_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->hiers[i].is_made)
			rollback_hier(cg, (int)i);
	}
}

/* A directory that was there before must be free: nothing in it, and not frozen. */
static struct dv_err *check_empty(struct host_cgroup *cg, int i)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	size_t n = 0;
	int r;

	r = cgroup_collect_pids(cg->hiers[i].dirfd, &pids, &n);
	if (r < 0 && !(cg->is_test && r == -ENOENT))
		return dv_err_sys(r, "unable to get cgroup PIDs of %s%s", cg->pub[i].mountpoint,
				  cg->pub[i].path);
	if (n > 0)
		return dv_err_new(DV_PRECONDITION,
				  "container's cgroup is not empty: %zu process(es) found", n);
	return NULL;
}

static struct dv_err *check_frozen(struct host_cgroup *cg)
{
	bool is_frozen = false;
	struct dv_err *e;

	e = host_cgroup_is_frozen(cg, &is_frozen);
	if (e)
		return dv_err_wrap(e, "unable to get cgroup freezer state");
	if (is_frozen)
		return dv_err_new(DV_PRECONDITION, "container's cgroup unexpectedly frozen");
	return NULL;
}

static struct dv_err *make_dir(struct host_cgroup *cg, int i)
{
	struct cgroup_hier *h = &cg->hiers[i];
	int r;

	r = cgroup_root(cg, i);
	if (r < 0)
		return dv_err_sys(r, "open %s", cg->pub[i].mountpoint);
	r = make_path(h->rootfd, cgroup_rel(cg, i), &h->is_made, &h->keep_len);
	h->is_new = h->is_made && r == 0;
	/* A new v1 directory is opened when a limit is written to it: in most there is none. */
	if (r == 0 && (!h->is_new || cg->pub[i].is_v2))
		r = cgroup_dir(cg, i);
	if (r < 0)
		return dv_err_sys(r, "mkdir %s%s", cg->pub[i].mountpoint, cg->pub[i].path);
	return NULL;
}

static struct dv_err *create_hier(struct host_cgroup *cg, int i, const struct spec_resources *res)
{
	struct cgroup_hier *h = &cg->hiers[i];
	uint32_t wanted = cgroup_wanted(res), v1 = CGROUP_V1_ONLY;
	struct dv_err *e;

	e = make_dir(cg, i);
	if (!e && !h->is_new)
		e = check_empty(cg, i);
	if (e)
		return e;
	if (cg->mode == HOST_CGROUP_V2)
		return cgroup_enable(cg, i, wanted, true);
	if (h->ctls & CGROUP_BIT(CGROUP_CPUSET))
		return cgroup_fill_cpuset(cg, i, res);
	for (size_t j = 0; j < cg->n; j++)
		v1 |= cg->hiers[j].ctls;
	if (cg->pub[i].is_v2 && wanted & ~v1)
		return cgroup_enable(cg, i, wanted & ~v1, false);
	return NULL;
}

/* True when the host could satisfy some of what @res asks for, had we the permission. */
static bool needs_v2(struct host_cgroup *cg, int i, const struct spec_resources *res)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf have = DV_STRBUF_INIT;
	uint32_t wanted = cgroup_wanted(res);

	if (res->n_unified > 0)
		return true;
	if (cgroup_root(cg, i) < 0 ||
	    cgroup_read_text(cg->hiers[i].rootfd, "cgroup.controllers", &have) < 0)
		return false;
	for (int ctl = 0; ctl < CGROUP_CTL__N; ctl++) {
		if (wanted & CGROUP_BIT(ctl) &&
		    cgroup_has_word(have.data, cgroup_ctl_v2_name((enum cgroup_ctl)ctl)))
			return true;
	}
	return false;
}

/* The container stays where the runtime is; on v1 that is the parent of what was planned. */
static void leave_out(struct host_cgroup *cg, int i)
{
	struct host_cgroup_hier *h = &cg->pub[i];
	size_t len = (size_t)(strrchr(h->path, '/') - h->path);

	h->is_usable = false;
	if (!h->is_v2)
		h->path = len ? dv_arena_strndup(&cg->arena, h->path, len) : "/";
}

/*
 * Rootless without a path of its own choosing: a hierarchy that we may not write is left
 * out. Limits that then have no place fail later, in host_cgroup_set(), except on v2, where
 * there is only this one. Returns what remains of @take.
 */
static struct dv_err *forgive(struct host_cgroup *cg, int i, const struct spec_resources *res,
			      struct dv_err *take)
{
	if (!cg->is_rootless || cg->has_path || !cgroup_is_permission(-dv_err_errno(take)))
		return take;
	if (cg->mode == HOST_CGROUP_V2 && needs_v2(cg, i, res))
		return dv_err_wrap(take, "rootless needs no limits + no cgrouppath when no "
					 "permission is granted for cgroups");
	dv_err_free(take);
	rollback_hier(cg, i);
	leave_out(cg, i);
	return NULL;
}

static bool is_part(const struct host_cgroup *cg, size_t i, enum host_cgroup_part part)
{
	return part == HOST_CGROUP_ALL || cg->pub[i].is_v2 == (part == HOST_CGROUP_V2_PART);
}

struct dv_err *host_cgroup_create(struct host_cgroup *cg, enum host_cgroup_part part,
				  const struct spec_resources *res)
{
	struct dv_err *e = NULL;
	bool is_old = false;

	for (size_t i = 0; i < cg->n && !e; i++) {
		if (!is_part(cg, i, part))
			continue;
		e = create_hier(cg, (int)i, res);
		if (e)
			e = forgive(cg, (int)i, res, e);
		is_old = is_old || (cg->pub[i].is_usable && !cg->hiers[i].is_new);
	}
	if (!e && is_old)
		e = check_frozen(cg);
	if (!e)
		return NULL;
	/* Only what this call made: a process may be in the other part already. */
	for (size_t i = 0; i < cg->n; i++) {
		if (is_part(cg, i, part))
			rollback_hier(cg, (int)i);
	}
	if (dv_err_code(e) == DV_PRECONDITION)
		return e;
	return dv_err_wrap(e, "unable to apply cgroup configuration");
}
