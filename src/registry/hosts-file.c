/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosts.toml: keys at the top are about the server, and the same keys in [host."URL"] about a
 * mirror. A key that is not known is refused, since it would be a safeguard that does not work.
 */

#include "hosts-private.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "codec/toml.h"
#include "spec/ref.h"

enum { URL_MAX = 2048, HEADERS_MAX = 64, CA_MAX = 64 };

struct read {
	struct dv_arena *arena;
	bool override_path; /* of the entry that is being read */
};

static struct dv_err *wrong_type(const struct dv_toml *v, const char *expected)
{
	return dv_err_new(DV_INVALID, "%s, and not %s", dv_toml_type_name(v->type), expected);
}

static struct dv_err *get_string(struct read *r, const struct dv_toml *v, const char **ret)
{
	if (v->type != DV_TOML_STRING || strlen(v->string) != v->n_string || !v->n_string)
		return wrong_type(v, "a string with something in it");
	*ret = dv_arena_strdup(r->arena, v->string);
	return NULL;
}

/* A string, or an array of them. */
static struct dv_err *get_strings(struct read *r, const struct dv_toml *v, const char ***ret,
				  size_t *ret_n)
{
	const struct dv_toml *first = v->type == DV_TOML_ARRAY ? v->first : v;
	size_t n = v->type == DV_TOML_ARRAY ? v->n_items : 1, i = 0;
	struct dv_err *e = NULL;

	if (v->type != DV_TOML_ARRAY && v->type != DV_TOML_STRING)
		return wrong_type(v, "a string or an array of strings");
	if (n > CA_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d values", CA_MAX);
	*ret = dv_arena_new_n(r->arena, const char *, n + 1);
	for (const struct dv_toml *s = first; i < n && !e; s = s->next)
		e = get_string(r, s, &(*ret)[i++]);
	*ret_n = n;
	return e;
}

static struct dv_err *get_bool(const struct dv_toml *v, bool *ret)
{
	if (v->type != DV_TOML_BOOL)
		return wrong_type(v, "true or false");
	*ret = v->boolean;
	return NULL;
}

/* ---- Keys ---- */

static struct dv_err *set_capabilities(struct read *r, const struct dv_toml *v,
				       struct hosts_file_entry *entry)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {
		{ "pull", REGISTRY_CAN_PULL },
		{ "resolve", REGISTRY_CAN_RESOLVE },
		{ "push", REGISTRY_CAN_PUSH },
		{ "referrers", REGISTRY_CAN_REFER },
	};
	const char **words;
	struct dv_err *e;
	size_t n;

	e = get_strings(r, v, &words, &n);
	if (e)
		return e;
	entry->host.capabilities = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < DV_ARRAY_SIZE(names) && strcasecmp(names[k].name, words[i]) != 0)
			k++;
		if (k == DV_ARRAY_SIZE(names))
			return dv_err_new(DV_INVALID,
					  "\"%s\" is none of pull, resolve, push, referrers",
					  words[i]);
		entry->host.capabilities |= names[k].bit;
	}
	return NULL;
}

static struct dv_err *set_ca(struct read *r, const struct dv_toml *v,
			     struct hosts_file_entry *entry)
{
	return get_strings(r, v, &entry->ca, &entry->n_ca);
}

/* "both.pem", ["cert", "key"] as a pair, or an array of such pairs or single files. */
static struct dv_err *set_client(struct read *r, const struct dv_toml *v,
				 struct hosts_file_entry *entry)
{
	const struct dv_toml *pair = v;
	const char **files;
	struct dv_err *e;
	size_t n;

	if (v->type == DV_TOML_ARRAY && v->first && v->first->type == DV_TOML_ARRAY) {
		if (v->n_items > 1)
			return dv_err_new(DV_UNIMPLEMENTED,
					  "not supported yet: more than one client certificate");
		pair = v->first;
	} else if (v->type == DV_TOML_ARRAY && v->n_items > 1) {
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: more than one client certificate "
				  "(a certificate and its key are [[\"cert\", \"key\"]])");
	}
	e = get_strings(r, pair, &files, &n);
	if (e)
		return e;
	if (n < 1 || n > 2)
		return dv_err_new(DV_INVALID, "a certificate, or a certificate and its key");
	entry->cert = files[0];
	entry->key = files[1]; /* NULL behind the last one */
	return NULL;
}

static struct dv_err *set_skip_verify(struct read *r, const struct dv_toml *v,
				      struct hosts_file_entry *entry)
{
	(void)r;
	return get_bool(v, &entry->host.skip_verify);
}

static struct dv_err *set_override_path(struct read *r, const struct dv_toml *v,
					struct hosts_file_entry *entry)
{
	(void)entry;
	return get_bool(v, &r->override_path);
}

static struct dv_err *set_dial_timeout(struct read *r, const struct dv_toml *v,
				       struct hosts_file_entry *entry)
{
	const char *text;
	struct dv_err *e = get_string(r, v, &text);

	if (e)
		return e;
	if (!dv_parse_duration(text, &entry->host.dial_timeout_ns) ||
	    entry->host.dial_timeout_ns < 0)
		return dv_err_new(DV_INVALID, "\"%s\" is no duration, such as \"3s\"", text);
	return NULL;
}

static bool is_header_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				"!#$%&'*+-.^_`|~");

	return n > 0 && !name[n];
}

static bool is_header_value(const char *value)
{
	for (; *value; value++) {
		if ((unsigned char)*value < ' ' && *value != '\t')
			return false;
		if (*value == 127)
			return false;
	}
	return true;
}

static struct dv_err *add_header(struct read *r, const struct dv_toml *v,
				 struct registry_host *host)
{
	const char **values;
	struct dv_err *e;
	size_t n;

	if (!is_header_name(v->key))
		return dv_err_new(DV_INVALID, "not the name of a header");
	e = get_strings(r, v, &values, &n);
	for (size_t i = 0; i < n && !e; i++) {
		if (host->n_headers == HEADERS_MAX)
			return dv_err_new(DV_EXHAUSTED, "more than %d headers", HEADERS_MAX);
		/* The value may be a secret: it is not quoted. */
		if (!is_header_value(values[i]))
			return dv_err_new(DV_INVALID, "the value has control characters");
		host->headers[host->n_headers++] = (struct registry_header){
			.name = dv_arena_strdup(r->arena, v->key),
			.value = values[i],
		};
	}
	return e;
}

static struct dv_err *set_headers(struct read *r, const struct dv_toml *v,
				  struct hosts_file_entry *entry)
{
	struct dv_err *e = NULL;

	if (v->type != DV_TOML_TABLE)
		return wrong_type(v, "a table");
	entry->host.headers = dv_arena_new_n(r->arena, struct registry_header, HEADERS_MAX);
	for (const struct dv_toml *h = v->first; h && !e; h = h->next) {
		e = add_header(r, h, &entry->host);
		if (e)
			e = dv_err_wrap(e, "\"%.64s\"", h->key);
	}
	return e;
}

static const struct {
	const char *name;
	struct dv_err *(*set)(struct read *r, const struct dv_toml *v,
			      struct hosts_file_entry *entry);
} keys[] = {
	{ "capabilities", set_capabilities },
	{ "ca", set_ca },
	{ "client", set_client },
	{ "skip_verify", set_skip_verify },
	{ "override_path", set_override_path },
	{ "dial_timeout", set_dial_timeout },
	{ "header", set_headers },
};

static struct dv_err *set_key(struct read *r, const struct dv_toml *v,
			      struct hosts_file_entry *entry)
{
	struct dv_err *e;

	for (size_t i = 0; i < DV_ARRAY_SIZE(keys); i++) {
		if (!dv_streq(keys[i].name, v->key))
			continue;
		e = keys[i].set(r, v, entry);
		return e ? dv_err_wrap(e, "line %u: %s", v->line, v->key) : NULL;
	}
	return dv_err_new(DV_INVALID, "line %u: there is no key \"%.64s\"", v->line, v->key);
}

/* ---- URLs ---- */

struct dv_err *hosts_set_url(struct dv_arena *arena, const char *url, bool override_path,
			     struct registry_host *host)
{
	const char *scheme = "https", *rest = url, *sep = strstr(url, "://");
	DV_CLEANUP(dv_freep) char *name = NULL, *path = NULL;
	size_t n;

	if (strlen(url) > URL_MAX)
		return dv_err_new(DV_INVALID, "a URL of more than %d characters", URL_MAX);
	if (sep) {
		if (sep - url == 4 && strncasecmp(url, "http", 4) == 0)
			scheme = "http";
		else if (sep - url != 5 || strncasecmp(url, "https", 5) != 0)
			return dv_err_new(DV_INVALID, "a URL begins with http:// or https://");
		rest = sep + 3;
	}
	n = strcspn(rest, "/");
	name = dv_strndup(rest, n);
	if (!spec_ref_is_host(name))
		return dv_err_new(DV_INVALID, "no host, with or without a port, in the URL");
	if (strpbrk(rest + n, "?#@\\% \t\r\n\"<>"))
		return dv_err_new(DV_INVALID, "a URL with more than a plain path in it");
	path = dv_path_clean(rest[n] ? rest + n : "/");
	if (dv_streq(path, "/"))
		*path = '\0';
	host->name = dv_arena_strdup(arena, name);
	host->is_plain = dv_streq(scheme, "http");
	host->base = dv_arena_printf(arena, "%s://%s%s%s", scheme, name, path,
				     override_path || dv_ends_with(path, "/v2") ? "" : "/v2");
	return NULL;
}

/* ---- The document ---- */

static struct hosts_file_entry entry_init(void)
{
	return (struct hosts_file_entry){ .host.capabilities = REGISTRY_CAN_ALL };
}

static struct dv_err *read_mirror(struct read *r, const struct dv_toml *table,
				  struct hosts_file_entry *entry)
{
	struct dv_err *e = NULL;

	*entry = entry_init();
	r->override_path = false;
	if (table->type != DV_TOML_TABLE)
		return wrong_type(table, "a table");
	for (const struct dv_toml *v = table->first; v && !e; v = v->next)
		e = set_key(r, v, entry);
	if (!e)
		e = hosts_set_url(r->arena, table->key, r->override_path, &entry->host);
	entry->server = table->key;
	return e;
}

static struct dv_err *read_mirrors(struct read *r, const struct dv_toml *table,
				   struct hosts_file *file)
{
	struct dv_err *e = NULL;

	if (table->type != DV_TOML_TABLE)
		return wrong_type(table, "a table");
	for (const struct dv_toml *v = table->first; v && !e; v = v->next) {
		if (file->n_entries == REGISTRY_HOSTS_MAX - 1)
			return dv_err_new(DV_EXHAUSTED, "more than %d hosts", REGISTRY_HOSTS_MAX);
		e = read_mirror(r, v, &file->entries[file->n_entries++]);
		if (e)
			e = dv_err_wrap(e, "[host.\"%.200s\"]", v->key);
	}
	return e;
}

/* The keys at the top. */
static struct dv_err *read_server(struct read *r, const struct dv_toml *doc,
				  struct hosts_file_entry *entry)
{
	struct dv_err *e = NULL;

	*entry = entry_init();
	r->override_path = false;
	for (const struct dv_toml *v = doc->first; v && !e; v = v->next) {
		if (dv_streq(v->key, "host"))
			continue;
		if (!dv_streq(v->key, "server")) {
			e = set_key(r, v, entry);
			continue;
		}
		e = get_string(r, v, &entry->server);
		if (e)
			e = dv_err_wrap(e, "line %u: server", v->line);
	}
	if (!e && entry->server) {
		e = hosts_set_url(r->arena, entry->server, r->override_path, &entry->host);
		if (e)
			e = dv_err_wrap(e, "server = \"%.200s\"", entry->server);
	}
	return e;
}

struct dv_err *hosts_file_parse(struct dv_arena *arena, const char *text, size_t n,
				struct hosts_file *ret)
{
	struct read r = { .arena = arena };
	const struct dv_toml *doc, *mirrors;
	struct hosts_file file = { 0 };
	struct dv_err *e;

	e = dv_toml_parse(text, n, arena, &doc);
	if (e)
		return e;
	file.entries = dv_arena_new_n(arena, struct hosts_file_entry, REGISTRY_HOSTS_MAX);
	mirrors = dv_toml_get(doc, "host");
	if (mirrors)
		e = read_mirrors(&r, mirrors, &file);
	if (!e)
		e = read_server(&r, doc, &file.entries[file.n_entries++]);
	if (e)
		return e;
	*ret = file;
	return NULL;
}
