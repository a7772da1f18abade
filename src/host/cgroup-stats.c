/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of a cgroup's counters: what v1 and v2 share. See host/cgroup-stats.h. */

#include "host/cgroup-stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/str.h"
#include "cgroup-stats-private.h"
#include "sys/file.h"

const char *cgroup_reader_text(struct cgroup_reader *r, const char *name)
{
	dv_strbuf_clear(&r->text);
	return cgroup_read_text(r->dirfd, name, &r->text) < 0 ? NULL : r->text.data;
}

uint64_t cgroup_reader_u64(struct cgroup_reader *r, const char *name)
{
	uint64_t value = 0;

	(void)cgroup_read_u64(r->dirfd, name, &value);
	return value;
}

/* Bits of hugepage sizes: "hugetlb.2MB.usage_in_bytes" is named after them. */
static int add_page_size(int dirfd, const char *name, void *arg)
{
	struct dv_strbuf *out = arg;
	unsigned long long kb;
	char unit;

	(void)dirfd;
	if (sscanf(name, "hugepages-%llukB%c", &kb, &unit) != 1)
		return 0;
	if (kb >= 1 << 20)
		dv_strbuf_addf(out, "%lluGB\n", kb >> 20);
	else if (kb >= 1 << 10)
		dv_strbuf_addf(out, "%lluMB\n", kb >> 10);
	else
		dv_strbuf_addf(out, "%lluKB\n", kb);
	return 0;
}

static uint64_t read_hugetlb(struct cgroup_reader *r, const char *prefix, const char *suffix,
			     bool *ret_found)
{
	DV_CLEANUP(dv_freep) char *name = dv_printf("hugetlb.%s%s", prefix, suffix);
	uint64_t value = 0;

	*ret_found = cgroup_read_u64(r->dirfd, name, &value) == 0;
	return value;
}

static bool hugetlb_of(struct cgroup_reader *r, bool is_v2, const char *prefix,
		       struct host_cgroup_hugetlb *h)
{
	bool found, other;

	h->usage = read_hugetlb(r, prefix, is_v2 ? ".current" : ".usage_in_bytes", &found);
	if (!found)
		return false;
	if (is_v2) {
		DV_CLEANUP(dv_freep) char *name = dv_printf("hugetlb.%s.events", prefix);
		const char *text = cgroup_reader_text(r, name);

		h->failcnt = text ? cgroup_stat_key(text, "max") : 0;
	} else {
		h->max = read_hugetlb(r, prefix, ".max_usage_in_bytes", &other);
		h->failcnt = read_hugetlb(r, prefix, ".failcnt", &other);
	}
	return true;
}

void cgroup_stats_hugetlb(struct cgroup_reader *r, bool is_v2, struct host_cgroup_stats *st)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf sizes = DV_STRBUF_INIT;
	DV_CLEANUP(sys_closep) int dir = -1;
	char *rest, *size;

	dir = sys_openat(AT_FDCWD, "/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || cgroup_each_subdir(dir, add_page_size, &sizes) < 0)
		return;
	/* One line per size is a bound for the number of results. */
	st->hugetlb = dv_arena_new_n(r->arena, struct host_cgroup_hugetlb, sizes.len);
	for (rest = sizes.data; (size = strsep(&rest, "\n")) != NULL && *size;) {
		DV_CLEANUP(dv_freep) char *rsvd = dv_printf("%s.rsvd", size);
		struct host_cgroup_hugetlb h = { 0 };

		/* Reservations are what applications notice; before 5.7 there is only usage. */
		if (!hugetlb_of(r, is_v2, rsvd, &h) && !hugetlb_of(r, is_v2, size, &h))
			continue;
		h.page_size = dv_arena_strdup(r->arena, size);
		st->hugetlb[st->n_hugetlb++] = h;
	}
}

struct dv_err *host_cgroup_stats_read(struct host_cgroup *cg, struct dv_arena *arena,
				      struct host_cgroup_stats *ret)
{
	struct cgroup_reader r = { .arena = arena, .dirfd = -1, .text = DV_STRBUF_INIT };
	int i = cgroup_main(cg), fd;

	*ret = (struct host_cgroup_stats){ 0 };
	if (i < 0)
		return NULL;
	fd = cgroup_dir(cg, i);
	if (fd == -ENOENT || fd == -ENODEV)
		return dv_err_new(DV_NOT_FOUND, "container's cgroup does not exist");
	if (fd < 0)
		return dv_err_sys(fd, "unable to get container cgroup stats");
	if (cg->mode == HOST_CGROUP_V2)
		cgroup_stats_v2(cg, &r, ret);
	else
		cgroup_stats_v1(cg, &r, ret);
	dv_strbuf_fini(&r.text);
	return NULL;
}
