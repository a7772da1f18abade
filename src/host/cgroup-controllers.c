/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fresh cgroup needs before it can hold processes or limits: on v2 controllers that
 * every ancestor hands on (cgroup.subtree_control), on v1 a cpuset with cpus and mems; and
 * delegation to another owner.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

/* ---- v2: cgroup.subtree_control ------------------------------------------------------- */

/* The next word of *text, which is moved behind it; its length, 0 at the end. */
static size_t next_word(const char **text, const char **word)
{
	size_t n;

	*text += strspn(*text, " \n");
	*word = *text;
	n = strcspn(*text, " \n");
	*text += n;
	return n;
}

static bool has_word(const char *list, const char *word, size_t n)
{
	const char *w;
	size_t len;

	while ((len = next_word(&list, &w)) > 0) {
		if (len == n && memcmp(w, word, n) == 0)
			return true;
	}
	return false;
}

bool cgroup_has_word(const char *list, const char *word)
{
	return has_word(list, word, strlen(word));
}

/* Adds " +a +b" for each word of @want that @have lacks. */
static void missing(const char *want, const char *have, struct dv_strbuf *out)
{
	const char *w;
	size_t n;

	while ((n = next_word(&want, &w)) > 0) {
		if (has_word(have, w, n))
			continue;
		dv_strbuf_add(out, out->len ? " +" : "+");
		dv_strbuf_add_n(out, w, n);
	}
}

/* Some may be refused (threaded parents, unprivileged): then each gets a try of its own. */
static void hand_on(struct host_cgroup *cg, int dirfd, const char *want)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf have = DV_STRBUF_INIT, add = DV_STRBUF_INIT;
	const char *text, *w;
	size_t n;

	(void)cgroup_read_text(dirfd, "cgroup.subtree_control", &have);
	missing(want, have.data, &add);
	if (!add.len || cgroup_write(cg, dirfd, "cgroup.subtree_control", add.data) == 0)
		return;
	text = add.data;
	while ((n = next_word(&text, &w)) > 0) {
		DV_CLEANUP(dv_freep) char *one = dv_strndup(w, n);

		(void)cgroup_write(cg, dirfd, "cgroup.subtree_control", one);
	}
}

/*
 * A cgroup below threaded ones, or below one with processes, takes no domain controllers;
 * without them it can at least be made threaded.
 */
static struct dv_err *check_type(struct host_cgroup *cg, int dirfd, const char *path,
				 uint32_t wanted)
{
	const uint32_t domain =
		CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_BLKIO) | CGROUP_BIT(CGROUP_HUGETLB);
	char type[64];
	ssize_t n;

	n = cgroup_read(dirfd, "cgroup.type", type, sizeof(type));
	if (n < 0)
		return NULL; /* the root has none */
	type[strcspn(type, "\n")] = '\0';
	if (dv_streq(type, "domain invalid")) {
		if (wanted & domain)
			return dv_err_new(
				DV_PRECONDITION,
				"cannot enter cgroupv2 \"%s\" with domain controllers -- it "
				"is in an invalid state",
				path);
		(void)cgroup_write(cg, dirfd, "cgroup.type", "threaded");
	} else if ((dv_streq(type, "threaded") || dv_streq(type, "domain threaded")) &&
		   wanted & domain) {
		return dv_err_new(
			DV_PRECONDITION,
			"cannot enter cgroupv2 \"%s\" with domain controllers -- it is in "
			"%s mode",
			path, type);
	}
	return NULL;
}

/* From the root down, since a cgroup can only hand on what it was handed. */
static struct dv_err *enable_walk(struct host_cgroup *cg, int i, const char *want, uint32_t wanted)
{
	DV_CLEANUP(dv_freep) char *path = dv_strdup(cgroup_rel(cg, i));
	char *end = path;

	hand_on(cg, cg->hiers[i].rootfd, want);
	while (*end) {
		DV_CLEANUP(sys_closep) int fd = -1;
		struct dv_err *e;
		char saved;

		end += strcspn(end, "/");
		saved = *end;
		*end = '\0';
		fd = cgroup_open_below(cg->hiers[i].rootfd, path);
		if (fd < 0)
			return dv_err_sys(fd, "open %s/%s", cg->pub[i].mountpoint, path);
		e = check_type(cg, fd, path, wanted);
		if (e)
			return e;
		*end = saved;
		if (saved)
			hand_on(cg, fd, want);
		end += saved == '/';
	}
	return NULL;
}

struct dv_err *cgroup_enable(struct host_cgroup *cg, int i, uint32_t wanted, bool all)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf want = DV_STRBUF_INIT, have = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf add = DV_STRBUF_INIT;
	int r = 0;

	if (all)
		r = cgroup_read_text(cg->hiers[i].rootfd, "cgroup.controllers", &want);
	else
		for (int ctl = 0; ctl < CGROUP_CTL__N; ctl++) {
			if (wanted & CGROUP_BIT(ctl))
				dv_strbuf_addf(&want, "%s ",
					       cgroup_ctl_v2_name((enum cgroup_ctl)ctl));
		}
	if (r < 0)
		return dv_err_sys(r, "read %s/cgroup.controllers", cg->pub[i].mountpoint);
	/* What the cgroup has is what its parent hands on: usually everything already. */
	(void)cgroup_read_text(cg->hiers[i].dirfd, "cgroup.controllers", &have);
	missing(want.data, have.data, &add);
	return add.len ? enable_walk(cg, i, want.data, wanted) : NULL;
}

/* ---- v1: cpuset ----------------------------------------------------------------------- */

static size_t parent_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/*
 * Reads @file of the cgroup at the first @len bytes of @path. When it is empty, its
 * parents' value is put there, so that values trickle down from the root, which has all.
 * Opened by one path: @path is clean, and cgroupfs has no links.
 */
static int cpuset_inherit(struct host_cgroup *cg, int rootfd, const char *path, size_t len,
			  const char *file, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_freep)
	char *name = dv_printf("%.*s%s%s", (int)len, path, len ? "/" : "", file);
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	dv_strbuf_clear(out);
	r = cgroup_read_text(rootfd, name, out);
	if (r < 0 && !(cg->is_test && r == -ENOENT))
		return r;
	if (len == 0 || strspn(out->data, "\n") != out->len)
		return 0;
	r = cpuset_inherit(cg, rootfd, path, parent_len(path, len), file, out);
	if (r < 0)
		return r;
	name[len] = '\0';
	fd = cgroup_open_below(rootfd, name);
	return fd < 0 ? fd : cgroup_write(cg, fd, file, out->data);
}

static struct dv_err *fill_cpuset_file(struct host_cgroup *cg, int i, const char *file,
				       const char *value)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf inherited = DV_STRBUF_INIT;
	const char *path = cgroup_rel(cg, i);
	size_t len = dv_streq(path, ".") ? 0 : strlen(path);
	struct cgroup_hier *h = &cg->hiers[i];
	int r = cgroup_dir(cg, i);

	if (r >= 0 && value && cgroup_write(cg, h->dirfd, file, value) == 0)
		return NULL;
	/* Our own value may have failed because the parent has none yet. */
	if (value || h->is_new)
		len = parent_len(path, len);
	if (r >= 0)
		r = cpuset_inherit(cg, h->rootfd, path, len, file, &inherited);
	if (r == 0 && (value || h->is_new))
		r = cgroup_write(cg, h->dirfd, file, value ? value : inherited.data);
	if (r < 0)
		return dv_err_sys(r, "failed to write \"%s\" to %s%s/%s",
				  value ? value : inherited.data, cg->pub[i].mountpoint,
				  cg->pub[i].path, file);
	return NULL;
}

struct dv_err *cgroup_fill_cpuset(struct host_cgroup *cg, int i, const struct spec_resources *res)
{
	const char *cpus = res->cpu.cpus, *mems = res->cpu.mems;
	struct dv_err *e;

	e = fill_cpuset_file(cg, i, "cpuset.cpus", cpus && *cpus ? cpus : NULL);
	if (!e)
		e = fill_cpuset_file(cg, i, "cpuset.mems", mems && *mems ? mems : NULL);
	cg->hiers[i].has_cpuset = !e;
	return e;
}

/* ---- v2: delegation ------------------------------------------------------------------- */

static int chown_file(int dirfd, const char *name, uid_t uid)
{
	int r;

	if (strchr(name, '/'))
		return 0;
	r = sys_fchownat(dirfd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW);
	/* The list may name files of controllers that are not enabled here. */
	return r == -ENOENT ? 0 : r;
}

struct dv_err *host_cgroup_chown(struct host_cgroup *cg, uid_t uid)
{
	/* What cgroups(7) lists, for kernels before 4.15 without the sysfs file. */
	static const char fallback[] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf list = DV_STRBUF_INIT;
	const char *text = fallback, *w;
	int i = cgroup_find_v2(cg), r;
	size_t n;

	if (cg->mode != HOST_CGROUP_V2 || i < 0)
		return NULL;
	r = cgroup_dir(cg, i);
	/* By ".", since an O_PATH descriptor itself cannot be changed. */
	if (r >= 0)
		r = sys_fchownat(cg->hiers[i].dirfd, ".", uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW);
	if (cgroup_read_text(AT_FDCWD, "/sys/kernel/cgroup/delegate", &list) == 0 && list.len)
		text = list.data;
	while (r >= 0 && (n = next_word(&text, &w)) > 0) {
		DV_CLEANUP(dv_freep) char *name = dv_strndup(w, n);

		r = chown_file(cg->hiers[i].dirfd, name, uid);
	}
	if (r < 0)
		return dv_err_sys(r, "change the owner of cgroup %s to %u", cg->pub[i].path, uid);
	return NULL;
}
