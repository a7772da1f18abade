/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files. Names of options are paths of keys with dots between them, whatever is in the
 * keys: that is what containerd's ids of plugins need, and no two names become the same by it.
 */

#include "daemon/config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "config-private.h"
#include "sys/file.h"

enum { FILES_MAX = 64, PROXIES_MAX = 32, VERSION_MIN = 2, VERSION_MAX = 4 };

struct load {
	struct dv_arena *arena;
	struct daemon_config *config;
	struct dv_strbuf *warning;
	const char *file; /* that is being read */
	const char *files[FILES_MAX]; /* that were */
	size_t n_files;
	struct daemon_proxy *proxies; /* PROXIES_MAX of them */
};

/* ---- Unknown options ------------------------------------------------------------------------------ */

static void add_unknown(struct load *l, const char *name, const char *shown)
{
	const char *nearest = config_option_nearest(name);

	if (!l->warning->len)
		dv_strbuf_add(l->warning, "options that davitd does not have: ");
	else
		dv_strbuf_add(l->warning, ", ");
	dv_strbuf_addf(l->warning, "%s of %s", shown, l->file);
	if (nearest)
		dv_strbuf_addf(l->warning, " (%s?)", nearest);
}

/* ---- Proxies --------------------------------------------------------------------------------------- */

static struct dv_err *proxy_field(struct load *l, struct daemon_proxy *proxy,
				  const struct dv_toml *value)
{
	const char **field = dv_streq(value->key, "type")      ? &proxy->type
			     : dv_streq(value->key, "address") ? &proxy->address
							       : NULL;

	if (dv_streq(value->key, "capabilities"))
		return config_list_set(value, l->arena, &proxy->capabilities);
	if (!field) {
		DV_CLEANUP(dv_freep)
		char *name = dv_printf("proxy_plugins.%s.%s", proxy->name, value->key);

		/* Known, and only shown by containerd itself. */
		if (!dv_streq(value->key, "platform") && !dv_streq(value->key, "exports"))
			add_unknown(l, name, name);
		return NULL;
	}
	if (value->type != DV_TOML_STRING || strlen(value->string) != value->n_string)
		return dv_err_new(DV_INVALID, "%s: %s, and not a string", value->key,
				  dv_toml_type_name(value->type));
	*field = dv_arena_strdup(l->arena, value->string);
	return NULL;
}

static struct dv_err *check_proxy(const struct daemon_proxy *proxy)
{
	static const char *const types[] = { "snapshot", "content", "diff", "sandbox" };

	if (!*proxy->address)
		return dv_err_new(DV_INVALID, "an address is needed");
	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		if (dv_streq(proxy->type, types[i]))
			return NULL;
	}
	return dv_err_new(DV_INVALID, "type \"%s\" is none of snapshot, content, diff, sandbox",
			  proxy->type);
}

static struct dv_err *load_proxy(struct load *l, const struct dv_toml *table)
{
	struct daemon_proxy proxy = { .name = dv_arena_strdup(l->arena, table->key),
				      .type = "",
				      .address = "" };
	struct dv_err *e = NULL;
	size_t i = 0;

	if (table->type != DV_TOML_TABLE)
		return dv_err_new(DV_INVALID, "%s, and not a table",
				  dv_toml_type_name(table->type));
	for (const struct dv_toml *v = table->first; v && !e; v = v->next)
		e = proxy_field(l, &proxy, v);
	if (!e)
		e = check_proxy(&proxy);
	if (e)
		return e;
	while (i < l->config->n_proxies && !dv_streq(l->proxies[i].name, proxy.name))
		i++;
	if (i == PROXIES_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d proxies", PROXIES_MAX);
	l->proxies[i] = proxy;
	l->config->proxies = l->proxies;
	l->config->n_proxies = DV_MAX(l->config->n_proxies, i + 1);
	return NULL;
}

static struct dv_err *load_proxies(struct load *l, const struct dv_toml *table)
{
	struct dv_err *e = NULL;

	if (table->type != DV_TOML_TABLE)
		return dv_err_new(DV_INVALID, "%s, line %u: proxy_plugins is a table", l->file,
				  table->line);
	for (const struct dv_toml *v = table->first; v && !e; v = v->next) {
		e = load_proxy(l, v);
		if (e)
			e = dv_err_wrap(e, "%s, line %u: proxy_plugins.%s", l->file, v->line,
					v->key);
	}
	return e;
}

/* ---- A table ----------------------------------------------------------------------------------------- */

/* @name: with plain dots; @shown: as it is written in a document. */
static struct dv_err *load_member(struct load *l, const struct dv_toml *value, const char *name,
				  const char *shown);

static struct dv_err *load_table(struct load *l, const struct dv_toml *table, const char *name,
				 const char *shown)
{
	struct dv_err *e = NULL;

	for (const struct dv_toml *v = table->first; v && !e; v = v->next) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf full = DV_STRBUF_INIT;
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

		dv_strbuf_addf(&full, "%s%s%s", name, *name ? "." : "", v->key);
		dv_strbuf_addf(&text, "%s%s", shown, *shown ? "." : "");
		dv_toml_add_key(&text, v->key);
		e = load_member(l, v, full.data, text.data);
	}
	return e;
}

static struct dv_err *load_member(struct load *l, const struct dv_toml *value, const char *name,
				  const char *shown)
{
	const struct config_option *o = config_option_find(name);
	const char *alias;
	struct dv_err *e;

	if (!o && config_alias_find(name, &alias)) {
		if (!alias)
			return NULL;
		o = config_option_find(alias);
	}
	if (o) {
		e = config_value_set(o, value, l->arena, l->config);
		return dv_err_wrap(e, "%s, line %u: %s", l->file, value->line, shown);
	}
	if (dv_streq(name, "proxy_plugins"))
		return load_proxies(l, value);
	if (value->type == DV_TOML_TABLE &&
	    (config_option_has_prefix(name) || config_alias_has_prefix(name)))
		return load_table(l, value, name, shown);
	/* What containerd writes into each file of its own, although it is empty. */
	if (value->type == DV_TOML_TABLE && value->n_items == 0)
		return NULL;
	add_unknown(l, name, shown);
	return NULL;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

static struct dv_err *load_file(struct load *l, const char *path);

static struct dv_err *load_matches(struct load *l, const char *pattern)
{
	struct dv_err *e = NULL;
	glob_t found;
	int r = glob(pattern, 0, NULL, &found); /* sorted */

	if (r == GLOB_NOMATCH)
		return NULL;
	if (r != 0)
		return dv_err_new(DV_INVALID, "find %s", pattern);
	for (size_t i = 0; i < found.gl_pathc && !e; i++)
		e = load_file(l, found.gl_pathv[i]);
	globfree(&found);
	return e;
}

/* @path, as seen from the directory of @file; clean, so that a file has one name. */
static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	DV_CLEANUP(dv_freep) char *joined = NULL;

	if (*path == '/' || !slash)
		return dv_path_clean(path);
	joined = dv_printf("%.*s/%s", (int)(slash - file), file, path);
	return dv_path_clean(joined);
}

static struct dv_err *load_imports(struct load *l, const struct dv_toml *imports)
{
	const char *file = l->file;
	struct daemon_strings list = { NULL, 0 };
	struct dv_err *e = NULL;

	if (imports)
		e = config_list_set(imports, l->arena, &list);
	if (e)
		return dv_err_wrap(e, "%s, line %u: imports", file, imports->line);
	for (size_t i = 0; i < list.n_items && !e; i++) {
		DV_CLEANUP(dv_freep) char *pattern = beside(file, list.items[i]);

		e = load_matches(l, pattern);
	}
	return e;
}

static struct dv_err *check_version(const struct load *l, const struct dv_toml *version)
{
	if (!version || (version->type == DV_TOML_INT && version->integer >= VERSION_MIN &&
			 version->integer <= VERSION_MAX))
		return NULL;
	return dv_err_new(DV_INVALID,
			  "%s, line %u: version: of containerd's files those of %d to %d are read, "
			  "and ours have none",
			  l->file, version->line, VERSION_MIN, VERSION_MAX);
}

static struct dv_err *parse_file(struct load *l, const char *path, struct dv_arena *arena,
				 const struct dv_toml **ret)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(DV_TOML_MAX_TEXT + 1);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, text, DV_TOML_MAX_TEXT + 1);

	if (n < 0)
		return dv_err_sys((int)n, "read %s", path);
	l->file = l->files[l->n_files++] = dv_arena_strdup(l->arena, path);
	return dv_err_wrap(dv_toml_parse(text, (size_t)n, arena, ret), "%s", path);
}

static struct dv_err *load_document(struct load *l, const char *path, struct dv_arena *arena)
{
	const struct dv_toml *doc;
	struct dv_err *e;

	e = parse_file(l, path, arena, &doc);
	if (!e)
		e = check_version(l, dv_toml_get(doc, "version"));
	if (!e)
		e = load_table(l, doc, "", "");
	return e ? e : load_imports(l, dv_toml_get(doc, "imports"));
}

static struct dv_err *load_file(struct load *l, const char *path)
{
	struct dv_arena arena; /* of the document */
	struct dv_err *e;

	for (size_t i = 0; i < l->n_files; i++) {
		if (dv_streq(l->files[i], path))
			return NULL; /* it imports itself, or what imports it */
	}
	if (l->n_files == FILES_MAX)
		return dv_err_new(DV_EXHAUSTED, "%s: more than %d files", path, FILES_MAX);
	dv_arena_init(&arena);
	e = load_document(l, path, &arena);
	dv_arena_fini(&arena);
	return e;
}

struct dv_err *daemon_config_load(const char *path, bool is_optional, struct dv_arena *arena,
				  struct daemon_config *io, struct dv_strbuf *warning)
{
	DV_CLEANUP(dv_freep) char *pattern = beside(path, "conf.d/*.toml");
	struct load l = { .arena = arena,
			  .config = io,
			  .warning = warning,
			  .proxies = dv_arena_new_n(arena, struct daemon_proxy, PROXIES_MAX) };
	struct dv_err *e = load_file(&l, path);

	if (e && is_optional && dv_err_errno(e) == ENOENT)
		e = dv_err_free(e);
	return e ? e : load_matches(&l, pattern);
}

struct dv_err *daemon_config_set(struct daemon_config *io, const char *name, const char *text)
{
	const struct config_option *o = config_option_find(name);

	if (!o)
		return dv_err_new(DV_NOT_FOUND, "there is no option %s", name);
	return dv_err_wrap(config_value_set_text(o, text, io), "%s", name);
}
