/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parsers behind cgroup-stats.h. They are pure (text in, structs in an arena out) and
 * lenient: what they do not know they skip, as kernels add lines all the time.
 */

#include "cgroup-private.h"
#include "host/cgroup-stats.h"

/* A reader of one cgroup directory: remembers its arena and the last text. */
struct cgroup_reader {
	struct dv_arena *arena;
	int dirfd;
	struct dv_strbuf text;
};

/* The text of a file, valid until the next call; NULL when it cannot be read. */
const char *cgroup_reader_text(struct cgroup_reader *r, const char *name);
/* 0 for a file that is missing; UINT64_MAX for "max". */
uint64_t cgroup_reader_u64(struct cgroup_reader *r, const char *name);

/* The value of "key value" in @text, 0 when it has no such line. */
uint64_t cgroup_stat_key(const char *text, const char *key);
/* All "key value" lines. */
void cgroup_stat_keys(struct dv_arena *a, const char *text, struct host_cgroup_key **ret,
		      size_t *ret_n);
/* "1 2 3": numbers in columns of @n_columns, of which @column is taken; @skip lines first. */
void cgroup_stat_column(struct dv_arena *a, const char *text, unsigned skip, unsigned n_columns,
			unsigned column, struct host_cgroup_u64s *ret);
/* "0-3,7" */
void cgroup_stat_list(struct dv_arena *a, const char *text, struct host_cgroup_u16s *ret);
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
void cgroup_stat_psi(const char *text, struct host_cgroup_psi *ret);
/* v1: "8:0 Read 1282048" */
void cgroup_stat_blkio(struct dv_arena *a, const char *text, struct host_cgroup_io_list *ret);
/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." */
void cgroup_stat_io(struct dv_arena *a, const char *text, struct host_cgroup_stats *st);
/* "mlx4_0 hca_handle=2 hca_object=max" */
void cgroup_stat_rdma(struct dv_arena *a, const char *text, struct host_cgroup_rdma_list *ret);

void cgroup_stats_v1(struct host_cgroup *cg, struct cgroup_reader *r, struct host_cgroup_stats *st);
void cgroup_stats_v2(struct host_cgroup *cg, struct cgroup_reader *r, struct host_cgroup_stats *st);
/* v2's files, also for the controllers that hybrid hosts keep there. */
void cgroup_stats_hugetlb(struct cgroup_reader *r, bool is_v2, struct host_cgroup_stats *st);
