/* SPDX-License-Identifier: Apache-2.0 */
/* The state file: lines "key value". Written by create alone, read by every other command. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/runtime.h"
#include "state-private.h"
#include "sys/file.h"

static void put(struct dv_strbuf *b, const char *key, const char *value)
{
	if (!value)
		return;
	dv_strbuf_add(b, key);
	dv_strbuf_addc(b, ' ');
	for (; *value; value++) {
		if (*value == '\\')
			dv_strbuf_add(b, "\\\\");
		else if (*value == '\n')
			dv_strbuf_add(b, "\\n");
		else
			dv_strbuf_addc(b, *value);
	}
	dv_strbuf_addc(b, '\n');
}

static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			*out++ = *s == 'n' ? '\n' : *s;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static void put_memory_policy(struct dv_strbuf *b, const struct spec_memory_policy *m)
{
	dv_strbuf_addf(b, "memory-policy %d %u %d", m->mode, m->flags, m->has_nodes);
	for (size_t i = 0; i < DV_ARRAY_SIZE(m->nodes); i++)
		dv_strbuf_addf(b, " %llx", (unsigned long long)m->nodes[i]);
	dv_strbuf_addc(b, '\n');
}

static struct spec_memory_policy *get_memory_policy(struct dv_arena *arena, char *value)
{
	struct spec_memory_policy *m = dv_arena_new(arena, struct spec_memory_policy);
	char *p = value;

	m->mode = (int)strtol(p, &p, 10);
	m->flags = (unsigned)strtoul(p, &p, 10);
	m->has_nodes = strtol(p, &p, 10) != 0;
	for (size_t i = 0; i < DV_ARRAY_SIZE(m->nodes); i++)
		m->nodes[i] = strtoull(p, &p, 16);
	return m;
}

static void put_resctrl(struct dv_strbuf *b, const struct rt_state *st)
{
	if (!st->resctrl.is_used)
		return;
	dv_strbuf_addf(b, "resctrl %d %d %d\n", st->resctrl.was_created, st->resctrl.has_clos_id,
		       st->resctrl.has_monitoring);
	put(b, "clos-id", st->clos_id);
}

static void format_state(const struct rt_container *c, struct dv_strbuf *b)
{
	const struct rt_state *st = c->state;

	dv_strbuf_addf(b, "davit-oci-state 1\npid %d\nstarttime %llu\n", c->pid,
		       (unsigned long long)st->starttime);
	dv_strbuf_addf(b, "namespaces %u %u\nflags %d %d %d %d\n", st->namespaces,
		       st->new_namespaces, st->is_rootless, st->has_hooks, st->has_seccomp,
		       st->no_new_keyring);
	if (st->memory_policy)
		put_memory_policy(b, st->memory_policy);
	if (st->has_personality)
		dv_strbuf_addf(b, "personality %lu\n", st->personality);
	put_resctrl(b, st);
	put(b, "listener", st->listener_path);
	put(b, "listener-metadata", st->listener_metadata);
	put(b, "oci-version", c->oci_version);
	put(b, "bundle", c->bundle);
	put(b, "rootfs", c->rootfs);
	put(b, "created", c->created);
	put(b, "owner", c->owner);
	for (size_t i = 0; i < c->n_annotations; i++) {
		put(b, "annotation", c->annotations[i].key);
		put(b, "value", c->annotations[i].value);
	}
	if (c->cgroup)
		host_cgroup_format(c->cgroup, b);
	dv_strbuf_add(b, "complete 1\n");
	if (st->cgroup_is_made)
		dv_strbuf_add(b, "owns-cgroup 1\n");
}

/*
 * A new container's file is written in place: until its last line is there, readers say that
 * the container does not exist yet. Later ones replace it.
 */
static int replace(const struct rt_container *c, const struct dv_strbuf *text)
{
	const char *name = c->pid == 0 ? "state" : "state.new";
	int fd, r;

	fd = sys_openat(c->state->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, text->data, text->len);
	sys_close(fd);
	if (r == 0 && c->pid != 0)
		r = sys_renameat(c->state->dirfd, name, c->state->dirfd, "state");
	return r;
}

/* At this moment there is only the creator, and one write is atomic. */
static int append(const struct rt_container *c, const struct dv_strbuf *text)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(c->state->dirfd, "state", O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
	ssize_t n = fd < 0 ? fd : sys_write(fd, text->data, text->len);

	return n < 0 ? (int)n : 0;
}

static struct dv_err *save(const struct rt_container *c, struct dv_strbuf *take,
			   int (*how)(const struct rt_container *, const struct dv_strbuf *))
{
	struct dv_err *e = rt_container_lock(c);
	int r = e ? 0 : how(c, take);

	if (!e)
		rt_container_unlock(c);
	dv_strbuf_fini(take);
	return r < 0 ? dv_err_sys(r, "write state of %s", c->id) : e;
}

struct dv_err *rt_container_save(const struct rt_container *c)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	format_state(c, &text);
	return save(c, &text, replace);
}

struct dv_err *rt_container_save_cgroup(struct rt_container *c)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	c->state->cgroup_is_made = true;
	dv_strbuf_add(&text, "owns-cgroup 1\n");
	return save(c, &text, append);
}

struct dv_err *rt_container_save_resctrl(struct rt_container *c)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	put_resctrl(&text, c->state);
	return save(c, &text, append);
}

struct dv_err *rt_read_file(struct dv_arena *arena, int dirfd, const char *path, size_t max,
			    char **ret, size_t *ret_len)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(dirfd, path, O_RDONLY, 0);
	DV_CLEANUP(dv_freep) char *text = NULL;
	size_t len = 0, size = 16 * 1024;
	ssize_t n;

	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	/* It may be a pipe: `exec --process <(...)`. */
	do {
		if (len > max)
			return dv_err_new(DV_EXHAUSTED, "%s: larger than the limit of %zu bytes",
					  path, max);
		if (!text || len == size)
			text = dv_realloc_n(text, size *= 2, 1);
		n = sys_read(fd, text + len, size - len);
		if (n < 0)
			return dv_err_sys((int)n, "read %s", path);
		len += (size_t)n;
	} while (n > 0);
	*ret = dv_arena_alloc(arena, len + 1);
	memcpy(*ret, text, len);
	*ret_len = len;
	return NULL;
}

static void set_key(struct rt_container *c, const char *key, char *value)
{
	struct rt_state *st = c->state;
	struct {
		const char *key;
		const char **field;
	} strings[] = {
		{ "oci-version", &c->oci_version },
		{ "bundle", &c->bundle },
		{ "rootfs", &c->rootfs },
		{ "created", &c->created },
		{ "owner", &c->owner },
		{ "clos-id", &st->clos_id },
		{ "listener", &st->listener_path },
		{ "listener-metadata", &st->listener_metadata },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(strings); i++) {
		if (dv_streq(key, strings[i].key)) {
			unescape(value);
			*strings[i].field = value;
		}
	}
	if (dv_streq(key, "pid"))
		c->pid = (pid_t)strtol(value, NULL, 10);
	else if (dv_streq(key, "starttime"))
		st->starttime = strtoull(value, NULL, 10);
	else if (dv_streq(key, "personality")) {
		st->has_personality = true;
		st->personality = strtoul(value, NULL, 10);
	} else if (dv_streq(key, "namespaces")) {
		char *end;

		st->namespaces = (unsigned)strtoul(value, &end, 10);
		st->new_namespaces = (unsigned)strtoul(end, NULL, 10);
	} else if (dv_streq(key, "resctrl") && strlen(value) == 5) {
		st->resctrl = (struct host_resctrl_state){
			.is_used = true,
			.was_created = value[0] == '1',
			.has_clos_id = value[2] == '1',
			.has_monitoring = value[4] == '1',
		};
	} else if (dv_streq(key, "memory-policy")) {
		st->memory_policy = get_memory_policy(&st->arena, value);
	} else if (dv_streq(key, "flags") && strlen(value) == 7) {
		st->is_rootless = value[0] == '1';
		st->has_hooks = value[2] == '1';
		st->has_seccomp = value[4] == '1';
		st->no_new_keyring = value[6] == '1';
	} else if (dv_streq(key, "annotation") || dv_streq(key, "value")) {
		unescape(value);
		if (key[0] == 'a')
			c->annotations[c->n_annotations++].key = value;
		else if (c->n_annotations > 0)
			c->annotations[c->n_annotations - 1].value = value;
	}
}

static size_t count_lines(const char *text, const char *prefix)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, prefix)); p++)
		n++;
	return n;
}

struct dv_err *rt_state_parse(const struct rt_context *ctx, struct rt_container *c, char *text)
{
	char *save = NULL;

	if (!dv_starts_with(text, "davit-oci-state 1\n"))
		return dv_err_new(DV_DATA_LOSS, "state file is not one of this version");
	c->annotations = dv_arena_new_n(&c->state->arena, struct spec_string_pair,
					count_lines(text, "\nannotation ") + 1);
	c->state->cgroup_is_made = strstr(text, "\nowns-cgroup 1\n");
	if (strstr(text, "\ncgroup")) {
		struct dv_err *e = host_cgroup_parse(text, ctx->log, &c->cgroup);

		if (e)
			return e;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		if (dv_starts_with(line, "cgroup"))
			continue; /* read by host_cgroup_parse() */
		if (!space)
			return dv_err_new(DV_DATA_LOSS, "state file has the line \"%s\"", line);
		*space = '\0';
		set_key(c, line, space + 1);
	}
	for (size_t i = 0; i < c->n_annotations; i++) {
		if (!c->annotations[i].value)
			c->annotations[i].value = "";
	}
	if (!c->bundle || !c->created)
		return dv_err_new(DV_DATA_LOSS, "state file is incomplete");
	return NULL;
}
