/* SPDX-License-Identifier: Apache-2.0 */
/* The files around hosts.toml, and what a registry is when nothing is configured. */

#include "registry/hosts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "hosts-private.h"
#include "spec/ref.h"
#include "sys/file.h"

enum { FILE_MAX = 1 << 20, PATH_LIMIT = 4096 };

struct load {
	struct dv_arena *arena;
	const char *host;
	const struct registry_hosts_opts *opts;
	char *dir; /* that counts; heap; NULL: none */
};

/* ---- Files ---- */

/* The file @name, relative to @dir, as text with a NUL behind it. */
static struct dv_err *read_file(struct load *l, const char *name, struct registry_pem *ret)
{
	DV_CLEANUP(dv_freep)
	char *path = *name == '/' ? dv_strdup(name) : dv_printf("%s/%s", l->dir, name);
	DV_CLEANUP(dv_freep) char *text = dv_new_n(char, FILE_MAX);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, text, FILE_MAX);

	if (n < 0)
		return dv_err_sys((int)n, "read %s", path);
	ret->data = dv_arena_strndup(l->arena, text, (size_t)n);
	ret->n = (size_t)n;
	return NULL;
}

/* Adds a file to what is there already. */
static struct dv_err *append_file(struct load *l, const char *name, struct registry_pem *pem)
{
	struct registry_pem more = { 0 };
	struct dv_err *e = read_file(l, name, &more);

	if (e)
		return e;
	pem->data = dv_arena_printf(l->arena, "%s%s\n", pem->data ? pem->data : "", more.data);
	pem->n = strlen(pem->data);
	return NULL;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* The names of the directory of a registry, best first; heap. */
static char *candidate(const char *root, size_t n_root, const char *host, int i)
{
	const char *colon = strrchr(host, ':');
	bool has_port = colon && !strchr(colon, ']');

	if (i == 0 && has_port)
		return dv_printf("%.*s/%.*s_%s_", (int)n_root, root, (int)(colon - host), host,
				 colon + 1);
	return dv_printf("%.*s/%s", (int)n_root, root, i < 2 ? host : "_default");
}

static void find_directory(struct load *l)
{
	for (const char *p = l->opts->directories; p && *p;) {
		size_t n = strcspn(p, ":");

		for (int i = 0; i < 3 && n > 0 && n < PATH_LIMIT; i++) {
			char *path = candidate(p, n, l->host, i);

			if (is_dir(path)) {
				l->dir = path;
				return;
			}
			free(path);
		}
		p += n;
		p += *p == ':';
	}
}

/* ---- Without hosts.toml ---- */

/* The registry itself, as its name says. */
static struct dv_err *set_default_url(struct load *l, struct registry_host *host)
{
	const char *name = l->host, *scheme = l->opts->default_scheme, *colon;
	DV_CLEANUP(dv_freep) char *url = NULL;
	bool is_local = spec_host_is_local(name);

	if (dv_streq(name, "docker.io"))
		name = "registry-1.docker.io";
	colon = strrchr(name, ':');
	if (!scheme && is_local) {
		bool is_http = !colon || strchr(colon, ']') || dv_streq(colon, ":80");

		scheme = is_http ? "http" : "https";
		host->may_be_plain = !is_http && !dv_streq(colon, ":443");
	}
	url = dv_printf("%s://%s", scheme ? scheme : "https", name);
	return hosts_set_url(l->arena, url, false, host);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Docker's: every *.crt is an authority, and the first *.cert with its *.key is ours. */
static struct dv_err *add_docker_file(struct load *l, const char *name, struct registry_host *host)
{
	DV_CLEANUP(dv_freep) char *key = NULL;
	struct dv_err *e;

	if (dv_ends_with(name, ".crt"))
		return append_file(l, name, &host->ca);
	if (!dv_ends_with(name, ".cert") || host->cert.data)
		return NULL;
	key = dv_printf("%.*s.key", (int)(strlen(name) - strlen(".cert")), name);
	e = read_file(l, name, &host->cert);
	return e ? e : read_file(l, key, &host->key);
}

static struct dv_err *load_docker_files(struct load *l, struct registry_host *host)
{
	enum { NAMES_MAX = 256 };
	char *names[NAMES_MAX];
	struct dv_err *e = NULL;
	struct dirent *entry;
	size_t n = 0;
	DIR *dir = opendir(l->dir);

	if (!dir)
		return dv_err_sys(-errno, "read directory %s", l->dir);
	while ((entry = readdir(dir)) && n < NAMES_MAX) {
		if (dv_ends_with(entry->d_name, ".crt") || dv_ends_with(entry->d_name, ".cert"))
			names[n++] = dv_strdup(entry->d_name);
	}
	closedir(dir);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		if (!e)
			e = add_docker_file(l, names[i], host);
		free(names[i]);
	}
	return e;
}

static struct dv_err *load_default(struct load *l, struct registry_hosts *ret)
{
	struct registry_host *host = dv_arena_new(l->arena, struct registry_host);
	struct dv_err *e;

	host->capabilities = REGISTRY_CAN_ALL;
	ret->hosts = host;
	ret->n_hosts = 1;
	e = set_default_url(l, host);
	if (e || !l->dir)
		return e;
	return load_docker_files(l, host);
}

/* ---- With it ---- */

static struct dv_err *load_pems(struct load *l, const struct hosts_file_entry *entry,
				struct registry_host *host)
{
	struct dv_err *e = NULL;

	for (size_t i = 0; i < entry->n_ca && !e; i++)
		e = append_file(l, entry->ca[i], &host->ca);
	if (!e && entry->cert)
		e = read_file(l, entry->cert, &host->cert);
	if (!e && entry->cert)
		e = read_file(l, entry->key ? entry->key : entry->cert, &host->key);
	return e;
}

static struct dv_err *load_entries(struct load *l, const struct hosts_file *file,
				   struct registry_hosts *ret)
{
	struct registry_host self = { 0 };
	struct dv_err *e;

	e = set_default_url(l, &self);
	ret->hosts = dv_arena_new_n(l->arena, struct registry_host, file->n_entries);
	ret->n_hosts = file->n_entries;
	for (size_t i = 0; i < file->n_entries && !e; i++) {
		struct registry_host *host = &ret->hosts[i];

		*host = file->entries[i].host;
		if (!file->entries[i].server)
			e = set_default_url(l, host);
		host->is_mirror = host->name && !dv_streq(host->name, self.name) &&
				  !dv_streq(host->name, l->host);
		if (!e)
			e = load_pems(l, &file->entries[i], host);
	}
	return e;
}

struct dv_err *registry_hosts_load(struct dv_arena *arena, const char *host,
				   const struct registry_hosts_opts *opts,
				   struct registry_hosts *ret)
{
	struct load l = { .arena = arena, .host = host, .opts = opts };
	DV_CLEANUP(dv_freep) char *path = NULL, *text = NULL;
	struct hosts_file file;
	struct dv_err *e;
	ssize_t n;

	find_directory(&l);
	path = l.dir;
	if (!l.dir)
		return load_default(&l, ret);
	text = dv_new_n(char, FILE_MAX);
	{
		DV_CLEANUP(dv_freep) char *name = dv_printf("%s/hosts.toml", l.dir);

		n = sys_read_file_at(AT_FDCWD, name, text, FILE_MAX);
		if (n == -ENOENT)
			return load_default(&l, ret);
		if (n < 0)
			return dv_err_sys((int)n, "read %s", name);
		e = hosts_file_parse(arena, text, (size_t)n, &file);
		if (e)
			return dv_err_wrap(e, "%s", name);
	}
	e = load_entries(&l, &file, ret);
	return e ? dv_err_wrap(e, "%s/hosts.toml", l.dir) : NULL;
}
