/* SPDX-License-Identifier: Apache-2.0 */
/* --volume, --mount and --tmpfs: docker's words become mounts of config.json. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "sys/file.h"

enum { MAX_OPTIONS = 16 };

struct options {
	const char **items;
	size_t n;
};

static void put(struct options *o, const char *option)
{
	dv_assert(o->n < MAX_OPTIONS);
	o->items[o->n++] = option;
}

static struct options new_options(struct run_plan *p)
{
	return (struct options){ dv_arena_new_n(&p->cli->arena, const char *, MAX_OPTIONS), 0 };
}

/* Clean, absolute, and not the root. */
static struct dv_err *clean_target(struct run_plan *p, const char *text, const char **ret)
{
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(text);

	if (clean[0] != '/')
		return dv_err_new(DV_INVALID, "the target \"%.200s\" is not an absolute path",
				  text);
	if (dv_streq(clean, "/"))
		return dv_err_new(DV_INVALID, "the target must not be the root directory");
	*ret = dv_arena_strdup(&p->cli->arena, clean);
	return NULL;
}

static struct dv_err *add(struct run_plan *p, const struct spec_mount *m)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		if (dv_streq(p->mounts[i].destination, m->destination))
			return dv_err_new(DV_INVALID, "there are two mounts on %s", m->destination);
	}
	p->mounts[p->n_mounts++] = *m;
	return NULL;
}

static struct dv_err *add_bind(struct run_plan *p, const char *source, const char *target,
			       const struct options *o)
{
	struct spec_mount m = {
		.type = "bind", .source = source, .options = o->items, .n_options = o->n
	};
	struct dv_err *e = clean_target(p, target, &m.destination);

	return e ? e : add(p, &m);
}

/* ---- --volume ----------------------------------------------------------------------- */

static bool is_propagation(const char *word)
{
	static const char *const words[] = { "private", "rprivate", "shared",
					     "rshared", "slave",    "rslave" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(words); i++) {
		if (dv_streq(word, words[i]))
			return true;
	}
	return false;
}

/* Words that mean something elsewhere (SELinux, Mac) and nothing here. */
static bool is_ignored(const char *word)
{
	static const char *const words[] = { "rw",	  "z",		"Z",	  "cached",
					     "delegated", "consistent", "nocopy", "rbind" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(words); i++) {
		if (dv_streq(word, words[i]))
			return true;
	}
	return false;
}

static struct dv_err *volume_options(struct run_plan *p, char *text, struct options *out)
{
	const char *propagation = "rprivate", *bind = "rbind";
	bool is_readonly = false;
	char *word;

	while ((word = strsep(&text, ","))) {
		if (dv_streq(word, "ro"))
			is_readonly = true;
		else if (dv_streq(word, "bind"))
			bind = word;
		else if (is_propagation(word))
			propagation = word;
		else if (!is_ignored(word) && *word)
			return dv_err_new(DV_INVALID, "\"%.50s\" is not an option of a volume",
					  word);
	}
	*out = new_options(p);
	put(out, bind);
	put(out, propagation);
	if (is_readonly)
		put(out, "ro");
	return NULL;
}

/* "./x" is relative to where we are; a bare name is a volume. */
static struct dv_err *volume_source(struct run_plan *p, const char *text, const char **ret)
{
	DV_CLEANUP(dv_freep) char *clean = NULL;
	char here[4096];
	int r;

	if (text[0] == '/' || text[0] == '.') {
		r = text[0] == '.' ? sys_getcwd(here, sizeof(here)) : 0;
		if (r < 0)
			return dv_err_sys(r, "find the current directory");
		clean = dv_path_clean(text[0] == '.'
					      ? dv_arena_printf(&p->cli->arena, "%s/%s", here, text)
					      : text);
		*ret = dv_arena_strdup(&p->cli->arena, clean);
		return NULL;
	}
	return dv_err_new(DV_UNIMPLEMENTED,
			  "named volumes are not supported yet: \"%.100s\"; give a path", text);
}

/* docker makes a directory for what is not there. */
static struct dv_err *make_source(const char *path)
{
	DV_CLEANUP(sys_closep) int root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	int fd = sys_openat(AT_FDCWD, path, O_PATH, 0);

	if (fd == -ENOENT && root >= 0)
		fd = sys_mkdir_in_root(root, path, 0755);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	sys_close(fd);
	return NULL;
}

static struct dv_err *add_volume(struct run_plan *p, const char *text)
{
	char *rest = dv_arena_strdup(&p->cli->arena, text), *parts[3] = { NULL };
	struct options options = { 0 };
	const char *source;
	struct dv_err *e;
	size_t n = 0;

	while (rest && n < 3)
		parts[n++] = strsep(&rest, ":");
	if (rest || !*parts[0])
		return dv_err_new(DV_INVALID, "it is not source:target or source:target:options");
	if (n == 1)
		return dv_err_new(DV_UNIMPLEMENTED, "unnamed volumes are not supported yet");
	e = volume_source(p, parts[0], &source);
	if (!e)
		e = volume_options(p, parts[2], &options);
	if (!e)
		e = make_source(source);
	return e ? e : add_bind(p, source, parts[1], &options);
}

/* ---- --tmpfs ------------------------------------------------------------------------ */

static struct dv_err *add_tmpfs(struct run_plan *p, const char *text)
{
	struct options o = new_options(p);
	struct spec_mount m = { .type = "tmpfs", .source = "tmpfs" };
	char *target = dv_arena_strdup(&p->cli->arena, text), *word;
	char *options = strchr(target, ':');
	struct dv_err *e;

	if (options)
		*options++ = '\0';
	put(&o, "noexec");
	put(&o, "nosuid");
	put(&o, "nodev");
	while ((word = strsep(&options, ","))) {
		if (!*word)
			continue;
		if (o.n == MAX_OPTIONS)
			return dv_err_new(DV_INVALID, "more than %d options", MAX_OPTIONS - 3);
		put(&o, word);
	}
	m.options = o.items;
	m.n_options = o.n;
	e = clean_target(p, target, &m.destination);
	return e ? e : add(p, &m);
}

/* ---- --mount ------------------------------------------------------------------------ */

struct mount_words {
	const char *type, *source, *target, *propagation, *size, *mode;
	bool is_readonly, is_not_recursive;
};

static struct dv_err *mount_flag(const char *key, const char *value, bool *ret)
{
	if (!value) {
		*ret = true;
		return NULL;
	}
	if (!dv_parse_bool(value, ret))
		return dv_err_new(DV_INVALID, "%s is true or false, not \"%.50s\"", key, value);
	return NULL;
}

static struct dv_err *mount_word(struct mount_words *m, const char *key, const char *value)
{
	static const struct {
		const char *key;
		size_t offset;
	} texts[] = {
		{ "type", offsetof(struct mount_words, type) },
		{ "source", offsetof(struct mount_words, source) },
		{ "src", offsetof(struct mount_words, source) },
		{ "target", offsetof(struct mount_words, target) },
		{ "destination", offsetof(struct mount_words, target) },
		{ "dst", offsetof(struct mount_words, target) },
		{ "bind-propagation", offsetof(struct mount_words, propagation) },
		{ "tmpfs-size", offsetof(struct mount_words, size) },
		{ "tmpfs-mode", offsetof(struct mount_words, mode) },
	};

	if (dv_streq(key, "readonly") || dv_streq(key, "ro"))
		return mount_flag(key, value, &m->is_readonly);
	if (dv_streq(key, "bind-nonrecursive"))
		return mount_flag(key, value, &m->is_not_recursive);
	if (dv_streq(key, "consistency"))
		return NULL;
	for (size_t i = 0; value && i < DV_ARRAY_SIZE(texts); i++) {
		if (!dv_streq(key, texts[i].key))
			continue;
		*(const char **)(void *)((char *)m + texts[i].offset) = value;
		return NULL;
	}
	return dv_err_new(DV_INVALID, "\"%.50s\" is not an option of a mount", key);
}

static struct dv_err *mount_bind(struct run_plan *p, const struct mount_words *m)
{
	struct options o = new_options(p);
	int fd;

	if (!m->source || m->source[0] != '/')
		return dv_err_new(DV_INVALID, "source has to be an absolute path");
	if (m->propagation && !is_propagation(m->propagation))
		return dv_err_new(DV_INVALID, "bind-propagation \"%.50s\" is not known",
				  m->propagation);
	fd = sys_openat(AT_FDCWD, m->source, O_PATH, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", m->source);
	sys_close(fd);
	put(&o, m->is_not_recursive ? "bind" : "rbind");
	put(&o, m->propagation ? m->propagation : "rprivate");
	if (m->is_readonly)
		put(&o, "ro");
	return add_bind(p, m->source, m->target, &o);
}

static struct dv_err *mount_tmpfs(struct run_plan *p, const struct mount_words *m)
{
	struct spec_mount mount = { .type = "tmpfs", .source = "tmpfs" };
	struct options o = new_options(p);
	struct dv_err *e;
	int64_t size;

	put(&o, "noexec");
	put(&o, "nosuid");
	put(&o, "nodev");
	if (m->is_readonly)
		put(&o, "ro");
	if (m->size) {
		if (!dv_parse_size(m->size, &size) || size < 0)
			return dv_err_new(DV_INVALID, "tmpfs-size \"%.50s\" is not a size",
					  m->size);
		put(&o, dv_arena_printf(&p->cli->arena, "size=%lld", (long long)size));
	}
	if (m->mode)
		put(&o, dv_arena_printf(&p->cli->arena, "mode=%s", m->mode));
	mount.options = o.items;
	mount.n_options = o.n;
	e = clean_target(p, m->target, &mount.destination);
	return e ? e : add(p, &mount);
}

static struct dv_err *add_mount(struct run_plan *p, const char *text)
{
	char *rest = dv_arena_strdup(&p->cli->arena, text), *word;
	struct mount_words m = { .type = "volume" };
	struct dv_err *e = NULL;

	while (!e && (word = strsep(&rest, ","))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		e = mount_word(&m, word, value);
	}
	if (e)
		return e;
	if (!m.target)
		return dv_err_new(DV_INVALID, "target is missing");
	if (dv_streq(m.type, "bind"))
		return mount_bind(p, &m);
	if (dv_streq(m.type, "tmpfs"))
		return mount_tmpfs(p, &m);
	return dv_err_new(DV_UNIMPLEMENTED, "mounts of type \"%.50s\" are not supported yet",
			  m.type);
}

/* ---- all ---------------------------------------------------------------------------- */

static size_t depth(const struct spec_mount *m)
{
	size_t n = 0;

	for (const char *s = m->destination; *s; s++)
		n += *s == '/';
	return n;
}

/* What is inside another's place comes after it. Stable: few, and nearly sorted. */
static void sort(struct run_plan *p)
{
	for (size_t i = 1; i < p->n_mounts; i++) {
		struct spec_mount m = p->mounts[i];
		size_t at = i;

		for (; at > 0 && depth(&p->mounts[at - 1]) > depth(&m); at--)
			p->mounts[at] = p->mounts[at - 1];
		p->mounts[at] = m;
	}
}

struct dv_err *run_plan_mounts(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	const struct {
		const char *name;
		const struct dv_opt_list *list;
		struct dv_err *(*add)(struct run_plan *p, const char *text);
	} kinds[] = {
		{ "volume", &o->volumes, add_volume },
		{ "mount", &o->mounts, add_mount },
		{ "tmpfs", &o->tmpfs, add_tmpfs },
	};

	p->mounts = dv_arena_new_n(&p->cli->arena, struct spec_mount,
				   o->volumes.n_items + o->mounts.n_items + o->tmpfs.n_items + 1);
	for (size_t k = 0; k < DV_ARRAY_SIZE(kinds); k++) {
		for (size_t i = 0; i < kinds[k].list->n_items; i++) {
			const char *text = kinds[k].list->items[i];
			struct dv_err *e = kinds[k].add(p, text);

			if (e)
				return dv_err_wrap(e, "--%s %s", kinds[k].name, text);
		}
	}
	sort(p);
	p->container.spec.mounts = p->mounts;
	p->container.spec.n_mounts = p->n_mounts;
	return NULL;
}
