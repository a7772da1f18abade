/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * User and group mappings: looking ids up, writing the maps of a process in a new user
 * namespace, and user namespaces that exist only to carry the mappings of an idmapped
 * mount.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "spec/runtime.h"

struct host_idmap {
	const struct spec_id_mapping *uids, *gids;
	size_t n_uids, n_gids;
};

/* False when @id is not mapped. Mapped ids never exceed 32 bits. */
bool host_idmap_to_host(const struct spec_id_mapping *maps, size_t n, uint32_t id, uint32_t *ret)
	DV_CHECK;
bool host_idmap_to_container(const struct spec_id_mapping *maps, size_t n, uint32_t id,
			     uint32_t *ret) DV_CHECK;
/* The same set of mappings, whatever the order. */
bool host_idmap_is_equal(const struct host_idmap *a, const struct host_idmap *b);

/*
 * Reads /proc/<pid>/{uid,gid}_map, or of an open user namespace (through a child that joins
 * it). Into @arena.
 */
struct dv_err *host_idmap_read(int procfd, pid_t pid, struct dv_arena *arena,
			       struct host_idmap *ret) DV_CHECK;
struct dv_err *host_idmap_read_ns(int procfd, int usernsfd, struct dv_arena *arena,
				  struct host_idmap *ret) DV_CHECK;

struct host_idmap_how {
	bool denies_setgroups; /* write "deny" to setgroups first: always when unprivileged */
	/* Programs for what the kernel refuses with EPERM. NULL: looked up; "": not used. */
	const char *newuidmap;
	const char *newgidmap;
	const char *search_path; /* where to look: $PATH; NULL: the usual directories */
};

/*
 * Writes the maps of @pid, a process in a new user namespace that waits for it. The kernel
 * decides what the caller may map; on EPERM the setuid helpers are tried.
 *
 * DV_PERMISSION ...: "failed to update /proc/12/uid_map: operation not permitted".
 */
struct dv_err *host_idmap_write(int procfd, pid_t pid, const struct host_idmap *map,
				const struct host_idmap_how *how, const struct dv_log *log)
	DV_CHECK;

/*
 * True when setgroups(2) must be denied: no privilege over the parent namespace, and the
 * only group mapped is the caller's own (no helper is going to write the map).
 */
bool host_idmap_must_deny_setgroups(const struct host_idmap *map, bool is_rootless);

/* A user namespace with @map, held by its descriptor only. */
struct dv_err *host_idmap_userns(int procfd, const struct host_idmap *map, int *ret_fd) DV_CHECK;

/* Equal mappings share one namespace. Init with {0}. */
struct host_idmap_cache {
	struct host_idmap_cache_entry *entries;
	size_t n_entries;
};

/* *ret_fd is the cache's, valid until fini. @map's arrays must outlive the cache. */
struct dv_err *host_idmap_cache_get(struct host_idmap_cache *c, int procfd,
				    const struct host_idmap *map, int *ret_fd) DV_CHECK;
void host_idmap_cache_fini(struct host_idmap_cache *c);
