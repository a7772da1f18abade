/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: look-up, comparison, reading, and writing those of a process. See host/idmap.h. */

#include "host/idmap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"

/* The kernel keeps at most 340 extents; each line it shows has 33 bytes. */
enum { EXTENTS_MAX = 340, MAP_TEXT_SIZE = EXTENTS_MAX * 40 };

static bool find(uint32_t from, uint32_t to, uint32_t size, uint32_t id, uint32_t *ret)
{
	uint64_t mapped;

	if (id < from || id - from >= size)
		return false;
	mapped = (uint64_t)to + (id - from);
	if (mapped > UINT32_MAX)
		return false;
	*ret = (uint32_t)mapped;
	return true;
}

bool host_idmap_to_host(const struct spec_id_mapping *maps, size_t n, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (find(maps[i].container_id, maps[i].host_id, maps[i].size, id, ret))
			return true;
	}
	return false;
}

bool host_idmap_to_container(const struct spec_id_mapping *maps, size_t n, uint32_t id,
			     uint32_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (find(maps[i].host_id, maps[i].container_id, maps[i].size, id, ret))
			return true;
	}
	return false;
}

static bool contains(const struct spec_id_mapping *maps, size_t n, const struct spec_id_mapping *m)
{
	for (size_t i = 0; i < n; i++) {
		if (maps[i].container_id == m->container_id && maps[i].host_id == m->host_id &&
		    maps[i].size == m->size)
			return true;
	}
	return false;
}

/* Mappings of one namespace never overlap, so each occurs once. */
static bool is_same_set(const struct spec_id_mapping *a, size_t n_a,
			const struct spec_id_mapping *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++) {
		if (!contains(b, n_b, &a[i]) || !contains(a, n_a, &b[i]))
			return false;
	}
	return true;
}

bool host_idmap_is_equal(const struct host_idmap *a, const struct host_idmap *b)
{
	return is_same_set(a->uids, a->n_uids, b->uids, b->n_uids) &&
	       is_same_set(a->gids, a->n_gids, b->gids, b->n_gids);
}

/* "         0     100000      65536\n" ... as the kernel prints it. */
static bool parse_map(char *text, struct spec_id_mapping *maps, size_t *ret_n)
{
	char *line, *save = NULL;
	size_t n = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct spec_id_mapping *m = &maps[n];
		char rest;

		if (n == EXTENTS_MAX || sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %c",
					       &m->container_id, &m->host_id, &m->size, &rest) != 3)
			return false;
		n++;
	}
	*ret_n = n;
	return true;
}

static struct dv_err *read_map(int procfd, pid_t pid, const char *name, struct dv_arena *arena,
			       const struct spec_id_mapping **ret, size_t *ret_n)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(MAP_TEXT_SIZE);
	struct spec_id_mapping *maps;
	char path[64];
	ssize_t r;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	r = sys_read_file_at(procfd, path, text, MAP_TEXT_SIZE);
	if (r < 0)
		return dv_err_sys((int)r, "read /proc/%s", path);
	maps = dv_arena_new_n(arena, struct spec_id_mapping, EXTENTS_MAX);
	if (!parse_map(text, maps, ret_n))
		return dv_err_new(DV_INTERNAL, "read /proc/%s: unknown format", path);
	*ret = maps;
	return NULL;
}

struct dv_err *host_idmap_read(int procfd, pid_t pid, struct dv_arena *arena,
			       struct host_idmap *ret)
{
	struct host_idmap map;
	struct dv_err *e;

	e = read_map(procfd, pid, "uid_map", arena, &map.uids, &map.n_uids);
	if (!e)
		e = read_map(procfd, pid, "gid_map", arena, &map.gids, &map.n_gids);
	if (e)
		return e;
	*ret = map;
	return NULL;
}

static void format_map(const struct spec_id_mapping *maps, size_t n, struct dv_strbuf *out)
{
	for (size_t i = 0; i < n; i++)
		dv_strbuf_addf(out, "%u %u %u\n", maps[i].container_id, maps[i].host_id,
			       maps[i].size);
}

/* Looks @name up in the directories of @search_path; NULL when it is not there. Heap. */
static char *find_program(const char *name, const char *search_path)
{
	const char *p = search_path ? search_path : "/usr/local/bin:/usr/bin:/bin";

	while (*p) {
		size_t n = strcspn(p, ":");
		char *path = dv_printf("%.*s/%s", (int)n, p, name);

		/* A relative entry would depend on where we happen to be. */
		if (path[0] == '/' && access(path, X_OK) == 0)
			return path;
		free(path);
		p += n;
		p += *p == ':';
	}
	return NULL;
}

static struct dv_err *run_and_wait(char **argv)
{
	static const int stdio[3] = { -1, -1, STDERR_FILENO };
	DV_CLEANUP(sys_closep) int pidfd = -1;
	char *envp[] = { NULL };
	int r, status;
	pid_t pid;

	r = sys_spawn(argv[0], argv, envp, stdio, &pid, &pidfd);
	if (r < 0)
		return dv_err_sys(r, "run %s", argv[0]);
	r = sys_waitpid(pid, &status, 0);
	if (r < 0)
		return dv_err_sys(r, "wait for %s", argv[0]);
	if (!WIFEXITED(status))
		return dv_err_new(DV_INTERNAL, "%s was killed by signal %d", argv[0],
				  WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return dv_err_new(DV_PERMISSION, "%s exited with status %d", argv[0],
				  WEXITSTATUS(status));
	return NULL;
}

/* newuidmap PID CONTAINER HOST SIZE ... */
static struct dv_err *run_helper(const char *program, pid_t pid, const struct spec_id_mapping *maps,
				 size_t n)
{
	struct dv_err *e;
	size_t argc = 0;
	char **argv;

	argv = dv_new_n(char *, 3 + 3 * n);
	argv[argc++] = dv_strdup(program);
	argv[argc++] = dv_printf("%d", pid);
	for (size_t i = 0; i < n; i++) {
		argv[argc++] = dv_printf("%u", maps[i].container_id);
		argv[argc++] = dv_printf("%u", maps[i].host_id);
		argv[argc++] = dv_printf("%u", maps[i].size);
	}
	argv[argc] = NULL;
	e = run_and_wait(argv);
	for (size_t i = 0; i < argc; i++)
		free(argv[i]);
	free(argv);
	return e;
}

struct map_file {
	const char *file; /* uid_map */
	const char *program; /* newuidmap */
	const char *chosen; /* host_idmap_how's path, NULL: look the program up */
	const char *search_path; /* there */
	const struct spec_id_mapping *maps;
	size_t n_maps;
};

static struct dv_err *write_map(int procfd, pid_t pid, const struct map_file *f,
				const struct dv_log *log)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *program = NULL;
	char path[64];
	int r;

	if (f->n_maps == 0)
		return NULL;
	snprintf(path, sizeof(path), "%d/%s", pid, f->file);
	format_map(f->maps, f->n_maps, &text);
	r = sys_write_file_at_n(procfd, path, text.data, text.len);
	if (r == 0)
		return NULL;
	if (r == -EPERM)
		program =
			f->chosen ? dv_strdup(f->chosen) : find_program(f->program, f->search_path);
	if (!program || !*program)
		return dv_err_sys(r, "failed to update /proc/%s", path);
	dv_log(log, DV_DEBUG, "update /proc/%s got -EPERM (trying %s)", path, program);
	return dv_err_wrap(run_helper(program, pid, f->maps, f->n_maps),
			   "failed to update /proc/%s", path);
}

struct dv_err *host_idmap_write(int procfd, pid_t pid, const struct host_idmap *map,
				const struct host_idmap_how *how, const struct dv_log *log)
{
	const struct map_file uids = {
		.file = "uid_map",
		.program = "newuidmap",
		.chosen = how->newuidmap,
		.search_path = how->search_path,
		.maps = map->uids,
		.n_maps = map->n_uids,
	};
	const struct map_file gids = {
		.file = "gid_map",
		.program = "newgidmap",
		.chosen = how->newgidmap,
		.search_path = how->search_path,
		.maps = map->gids,
		.n_maps = map->n_gids,
	};
	struct dv_err *e;
	char path[64];
	int r;

	/* Before gid_map: afterwards an unprivileged write is refused (user_namespaces(7)). */
	if (how->denies_setgroups) {
		snprintf(path, sizeof(path), "%d/setgroups", pid);
		r = sys_write_file_at(procfd, path, "deny");
		if (r < 0 && r != -ENOENT)
			return dv_err_sys(r, "failed to write 'deny' to /proc/%s", path);
	}
	e = write_map(procfd, pid, &uids, log);
	if (!e)
		e = write_map(procfd, pid, &gids, log);
	return e;
}

bool host_idmap_must_deny_setgroups(const struct host_idmap *map, bool is_rootless)
{
	const struct spec_id_mapping own = { .container_id = 0, .host_id = getegid(), .size = 1 };

	return is_rootless && map->n_gids == 1 && contains(map->gids, 1, &own);
}
