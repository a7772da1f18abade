/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object: construction, the lines of the state file, and what can be told without
 * asking the kernel.
 *
 * The state file's lines have fields separated by tabs, which paths may not contain:
 *	cgroup-mode	v1|hybrid|v2
 *	cgroup-flags	[rootless] [path] [test]
 *	cgroup-hier	v1|v2	yes|no	NAME	CONTROLLERS	MOUNTPOINT	PATH
 */

#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

static const struct {
	const char *name, *v2_name;
} ctl_names[CGROUP_CTL__N] = {
	[CGROUP_CPUSET] = { "cpuset", "cpuset" },
	[CGROUP_DEVICES] = { "devices", "devices" },
	[CGROUP_MEMORY] = { "memory", "memory" },
	[CGROUP_CPU] = { "cpu", "cpu" },
	[CGROUP_CPUACCT] = { "cpuacct", "cpu" },
	[CGROUP_PIDS] = { "pids", "pids" },
	[CGROUP_BLKIO] = { "blkio", "io" },
	[CGROUP_HUGETLB] = { "hugetlb", "hugetlb" },
	[CGROUP_NET_CLS] = { "net_cls", "net_cls" },
	[CGROUP_NET_PRIO] = { "net_prio", "net_prio" },
	[CGROUP_PERF_EVENT] = { "perf_event", "perf_event" },
	[CGROUP_FREEZER] = { "freezer", "freezer" },
	[CGROUP_RDMA] = { "rdma", "rdma" },
	[CGROUP_MISC] = { "misc", "misc" },
	[CGROUP_SYSTEMD] = { "name=systemd", "name=systemd" },
};

static const char *const mode_names[] = {
	[HOST_CGROUP_V1] = "v1",
	[HOST_CGROUP_HYBRID] = "hybrid",
	[HOST_CGROUP_V2] = "v2",
};

const char *cgroup_ctl_name(enum cgroup_ctl ctl)
{
	return ctl_names[ctl].name;
}

const char *cgroup_ctl_v2_name(enum cgroup_ctl ctl)
{
	return ctl_names[ctl].v2_name;
}

uint32_t cgroup_ctl_parse(const char *list, size_t len)
{
	const char *end = list + len;
	uint32_t bits = 0;

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		size_t n = (size_t)((comma ? comma : end) - list);

		for (int i = 0; i < CGROUP_CTL__N; i++) {
			const char *name = ctl_names[i].name;

			if (strlen(name) == n && memcmp(name, list, n) == 0)
				bits |= CGROUP_BIT(i);
		}
		list += n + 1;
	}
	return bits;
}

struct host_cgroup *cgroup_alloc(const struct dv_log *log)
{
	struct host_cgroup *cg = dv_new(struct host_cgroup);

	cg->log = log;
	dv_arena_init(&cg->arena);
	for (size_t i = 0; i < HOST_CGROUP_MAX; i++)
		cg->hiers[i].rootfd = cg->hiers[i].dirfd = -1;
	return cg;
}

/*
 * The names under which programs look for controllers that share a directory:
 * "cpu,cpuacct" is found as "cpu" and as "cpuacct" too.
 */
static void add_links(struct host_cgroup *cg, struct host_cgroup_hier *h, uint32_t ctls)
{
	const char **links;
	size_t n = 0;

	if (h->is_v2 || !strchr(h->controllers, ','))
		return;
	links = dv_arena_new_n(&cg->arena, const char *, CGROUP_CTL__N);
	for (int i = 0; i < CGROUP_CTL__N; i++) {
		if (ctls & CGROUP_BIT(i) && i != CGROUP_SYSTEMD &&
		    !dv_streq(ctl_names[i].name, h->name))
			links[n++] = ctl_names[i].name;
	}
	h->links = links;
	h->n_links = n;
}

void cgroup_add(struct host_cgroup *cg, const struct host_cgroup_hier *h, int rootfd)
{
	struct host_cgroup_hier *pub = &cg->pub[cg->n];
	struct cgroup_hier *priv = &cg->hiers[cg->n];

	dv_assert(cg->n < HOST_CGROUP_MAX);
	cg->n++;
	*pub = (struct host_cgroup_hier){
		.name = dv_arena_strdup(&cg->arena, h->name),
		.controllers = dv_arena_strdup(&cg->arena, h->controllers),
		.mountpoint = dv_arena_strdup(&cg->arena, h->mountpoint),
		.path = dv_arena_strdup(&cg->arena, h->path),
		.is_v2 = h->is_v2,
		.is_usable = h->is_usable,
	};
	priv->rootfd = rootfd;
	priv->ctls = h->is_v2 ? 0 : cgroup_ctl_parse(h->controllers, strlen(h->controllers));
	add_links(cg, pub, priv->ctls);
}

struct dv_err *host_cgroup_new(const struct host_cgroup_opts *opts, struct host_cgroup **ret)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = cgroup_alloc(opts->log);
	struct dv_err *e;

	cg->is_rootless = opts->is_rootless;
	cg->has_path = opts->cgroups_path && *opts->cgroups_path;
	cg->is_test = opts->test_root != NULL;
	e = cgroup_detect(cg, opts);
	if (e)
		return e;
	*ret = dv_steal(&cg);
	return NULL;
}

struct host_cgroup *host_cgroup_free(struct host_cgroup *cg)
{
	if (!cg)
		return NULL;
	for (size_t i = 0; i < cg->n; i++) {
		sys_close(cg->hiers[i].rootfd);
		sys_close(cg->hiers[i].dirfd);
	}
	dv_arena_fini(&cg->arena);
	free(cg);
	return NULL;
}

/* ---- state file ----------------------------------------------------------------------- */

void host_cgroup_format(const struct host_cgroup *cg, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "cgroup-mode\t%s\n", mode_names[cg->mode]);
	dv_strbuf_addf(out, "cgroup-flags\t%s%s%s\n", cg->is_rootless ? "rootless " : "",
		       cg->has_path ? "path " : "", cg->is_test ? "test " : "");
	for (size_t i = 0; i < cg->n; i++) {
		const struct host_cgroup_hier *h = &cg->pub[i];

		dv_strbuf_addf(out, "cgroup-hier\t%s\t%s\t%s\t%s\t%s\t%s\n", h->is_v2 ? "v2" : "v1",
			       h->is_usable ? "yes" : "no", h->name, h->controllers, h->mountpoint,
			       h->path);
	}
}

static bool parse_mode(struct host_cgroup *cg, const char *value)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(mode_names); i++) {
		if (dv_streq(value, mode_names[i])) {
			cg->mode = (enum host_cgroup_mode)i;
			return true;
		}
	}
	return false;
}

static bool parse_hier(struct host_cgroup *cg, char *value)
{
	struct host_cgroup_hier h = { 0 };
	char *fields[6];

	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++) {
		fields[i] = strsep(&value, "\t");
		if (!fields[i])
			return false;
	}
	h.is_v2 = dv_streq(fields[0], "v2");
	h.is_usable = dv_streq(fields[1], "yes");
	h.name = fields[2];
	h.controllers = fields[3];
	h.mountpoint = fields[4];
	h.path = fields[5];
	if (value || cg->n == HOST_CGROUP_MAX || h.mountpoint[0] != '/' || h.path[0] != '/' ||
	    dv_path_has_dotdot(h.path))
		return false;
	cgroup_add(cg, &h, -1);
	return true;
}

static bool parse_line(struct host_cgroup *cg, char *line)
{
	char *value = strchr(line, '\t');

	if (!value)
		return false;
	*value++ = '\0';
	if (dv_streq(line, "cgroup-mode"))
		return parse_mode(cg, value);
	if (dv_streq(line, "cgroup-hier"))
		return parse_hier(cg, value);
	if (!dv_streq(line, "cgroup-flags"))
		return false;
	cg->is_rootless = strstr(value, "rootless ") != NULL;
	cg->has_path = strstr(value, "path ") != NULL;
	cg->is_test = strstr(value, "test ") != NULL;
	return true;
}

struct dv_err *host_cgroup_parse(const char *text, const struct dv_log *log,
				 struct host_cgroup **ret)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = cgroup_alloc(log);
	bool has_mode = false;

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (dv_starts_with(text, "cgroup-")) {
			DV_CLEANUP(dv_freep) char *line = dv_strndup(text, n);

			if (!parse_line(cg, line))
				return dv_err_new(DV_DATA_LOSS, "malformed line \"%.*s\"", (int)n,
						  text);
			has_mode = has_mode || dv_starts_with(text, "cgroup-mode");
		}
		text += n + (text[n] == '\n');
	}
	if (!has_mode)
		return dv_err_new(DV_DATA_LOSS, "no cgroup recorded");
	*ret = dv_steal(&cg);
	return NULL;
}

/* ---- finding -------------------------------------------------------------------------- */

enum host_cgroup_mode host_cgroup_mode(const struct host_cgroup *cg)
{
	return cg->mode;
}

const struct host_cgroup_hier *host_cgroup_hiers(const struct host_cgroup *cg, size_t *ret_n)
{
	*ret_n = cg->n;
	return cg->pub;
}

bool host_cgroup_is_partial(const struct host_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (!cg->pub[i].is_usable)
			return true;
	}
	return cg->n == 0;
}

int cgroup_find(const struct host_cgroup *cg, enum cgroup_ctl ctl)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->hiers[i].ctls & CGROUP_BIT(ctl))
			return cg->pub[i].is_usable ? (int)i : -1;
	}
	return -1;
}

int cgroup_find_v2(const struct host_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->pub[i].is_v2)
			return cg->pub[i].is_usable ? (int)i : -1;
	}
	return -1;
}

int cgroup_main(const struct host_cgroup *cg)
{
	/* The freezer first: what is listed in it is what freezing stops. */
	static const enum cgroup_ctl order[] = { CGROUP_FREEZER, CGROUP_DEVICES, CGROUP_PIDS,
						 CGROUP_MEMORY };

	if (cg->mode == HOST_CGROUP_V2)
		return cgroup_find_v2(cg);
	for (size_t i = 0; i < DV_ARRAY_SIZE(order); i++) {
		int at = cgroup_find(cg, order[i]);

		if (at >= 0)
			return at;
	}
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->pub[i].is_usable)
			return (int)i;
	}
	return -1;
}

const char *cgroup_rel(const struct host_cgroup *cg, int i)
{
	const char *path = cg->pub[i].path + 1;

	return *path ? path : ".";
}

bool cgroup_is_root(const struct host_cgroup *cg, int i)
{
	return dv_streq(cg->pub[i].path, "/");
}

bool cgroup_is_permission(int neg_errno)
{
	return neg_errno == -EPERM || neg_errno == -EACCES || neg_errno == -EROFS;
}

bool host_cgroup_exists(struct host_cgroup *cg)
{
	int i = cgroup_main(cg);
	struct stat st;

	if (i < 0 || cgroup_root(cg, i) < 0)
		return false;
	return sys_fstatat(cg->hiers[i].rootfd, cgroup_rel(cg, i), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int host_cgroup_v2_dirfd(struct host_cgroup *cg)
{
	int i = cgroup_find_v2(cg);

	return i < 0 || cgroup_dir(cg, i) < 0 ? -1 : cg->hiers[i].dirfd;
}
