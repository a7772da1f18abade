/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers on disk: the state directory, loading, status. The pid in the file may belong
 * to a stranger by now; a pidfd is opened first and believed only when the start time
 * behind it is the one that was saved.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "codec/json.h"
#include "launch-private.h"
#include "runtime/runtime.h"
#include "state-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { STATE_MAX = 1 << 20, ID_MAX = 1024, PROC_ROOT_INO = 1 };

const char *rt_status_name(enum rt_status status)
{
	static const char *const names[] = {
		[RT_CREATING] = "creating", [RT_CREATED] = "created", [RT_RUNNING] = "running",
		[RT_PAUSED] = "paused",	    [RT_STOPPED] = "stopped",
	};

	return names[status];
}

struct dv_err *rt_proc_open(int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	long type = 0;
	int r;

	fd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open /proc");
	r = sys_fstatfs_type(fd, &type);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "stat /proc");
	if (type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO)
		return dv_err_new(DV_PRECONDITION, "/proc is not the root of a procfs");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

struct dv_err *rt_id_check(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-");

	if (n == 0 || id[n] || n > ID_MAX || dv_streq(id, ".") || dv_streq(id, ".."))
		return dv_err_new(DV_INVALID, "invalid container ID format: %s", id);
	return NULL;
}

static int mkdir_p(const char *path)
{
	char *copy = dv_strdup(path);
	int r = 0;

	for (char *p = copy + 1; *p && r == 0; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = sys_mkdirat(AT_FDCWD, copy, 0755);
		r = r == -EEXIST ? 0 : r;
		*p = '/';
	}
	if (r == 0)
		r = sys_mkdirat(AT_FDCWD, path, 0700);
	free(copy);
	return r == -EEXIST ? 0 : r;
}

struct dv_err *rt_root_open(const struct rt_context *ctx, bool create, int *ret_fd)
{
	int fd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd == -ENOENT && create) {
		r = mkdir_p(ctx->root);
		if (r < 0)
			return dv_err_sys(r, "make state root %s", ctx->root);
		fd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0)
		return dv_err_sys(fd, "open state root %s", ctx->root);
	*ret_fd = fd;
	return NULL;
}

static struct rt_container *container_alloc(const char *id)
{
	struct rt_container *c = dv_new(struct rt_container);
	struct rt_state *st = dv_new(struct rt_state);

	dv_arena_init(&st->arena);
	st->rootfd = st->dirfd = st->procfd = st->pidfd = -1;
	c->state = st;
	c->id = dv_arena_strdup(&st->arena, id);
	return c;
}

struct rt_container *rt_container_free(struct rt_container *c)
{
	if (!c)
		return NULL;
	host_cgroup_free(c->cgroup);
	sys_close(c->state->rootfd);
	sys_close(c->state->dirfd);
	sys_close(c->state->procfd);
	sys_close(c->state->pidfd);
	dv_arena_fini(&c->state->arena);
	free(c->state);
	free(c);
	return NULL;
}

struct dv_err *rt_container_new(const struct rt_context *ctx, const char *id,
				struct rt_container **ret)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_err *e;
	int r;

	e = rt_id_check(id);
	if (e)
		return e;
	c = container_alloc(id);
	e = rt_root_open(ctx, true, &c->state->rootfd);
	if (e)
		return e;
	e = rt_proc_open(&c->state->procfd);
	if (e)
		return e;

	r = sys_mkdirat(c->state->rootfd, id, 0711);
	if (r == -EEXIST)
		return dv_err_new(DV_EXISTS, "container with given ID already exists: %s", id);
	if (r < 0)
		return dv_err_sys(r, "make state directory of %s", id);
	c->state->dirfd = sys_openat(c->state->rootfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (c->state->dirfd < 0) {
		(void)sys_unlinkat(c->state->rootfd, id, AT_REMOVEDIR);
		return dv_err_sys(c->state->dirfd, "open state directory of %s", id);
	}
	*ret = dv_steal(&c);
	return NULL;
}

struct dv_err *rt_container_remove_dir(struct rt_container *c)
{
	int r;

	/* Mostly there is but one file. */
	(void)sys_unlinkat(c->state->dirfd, "state", 0);
	r = sys_unlinkat(c->state->rootfd, c->id, AT_REMOVEDIR);
	if (r < 0 && r != -ENOENT)
		r = sys_remove_tree(c->state->rootfd, c->id);
	if (r == -ENOENT)
		r = 0;

	return r < 0 ? dv_err_sys(r, "remove state directory of %s", c->id) : NULL;
}

/* ---- the state file ------------------------------------------------------------------- */

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
	if (st->resctrl.is_used) {
		dv_strbuf_addf(b, "resctrl %d %d %d\n", st->resctrl.was_created,
			       st->resctrl.has_clos_id, st->resctrl.has_monitoring);
		put(b, "clos-id", st->clos_id);
	}
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
struct dv_err *rt_container_save(const struct rt_container *c)
{
	const char *name = c->pid == 0 ? "state" : "state.new";
	struct dv_strbuf text = DV_STRBUF_INIT;
	int fd, r;

	format_state(c, &text);
	fd = sys_openat(c->state->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, text.data, text.len);
	sys_close(fd);
	dv_strbuf_fini(&text);
	if (r == 0 && c->pid != 0)
		r = sys_renameat(c->state->dirfd, name, c->state->dirfd, "state");
	return r < 0 ? dv_err_sys(r, "write state of %s", c->id) : NULL;
}

/* Appended, not replaced: at this moment there is only the creator, and one line is atomic. */
struct dv_err *rt_container_save_cgroup(struct rt_container *c)
{
	static const char line[] = "owns-cgroup 1\n";
	DV_CLEANUP(sys_closep) int fd = -1;
	ssize_t n;

	c->state->cgroup_is_made = true;
	fd = sys_openat(c->state->dirfd, "state", O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
	n = fd < 0 ? fd : sys_write(fd, line, sizeof(line) - 1);
	return n < 0 ? dv_err_sys((int)n, "write state of %s", c->id) : NULL;
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

static struct dv_err *parse_state(const struct rt_context *ctx, struct rt_container *c, char *text)
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

/* A pidfd that is certainly the container's init, or -1. */
static struct dv_err *open_init(struct rt_container *c)
{
	struct rt_state *st = c->state;
	uint64_t starttime;
	char state;
	int fd, r;

	st->pidfd = sys_close(st->pidfd);
	fd = sys_pidfd_open(c->pid);
	if (fd == -ESRCH || fd == -EINVAL)
		return NULL;
	if (fd < 0)
		return dv_err_sys(fd, "container %s: open init pid %d", c->id, c->pid);
	r = sys_proc_stat(st->procfd, c->pid, &state, &starttime);
	if (r < 0 || state == 'Z' || state == 'X' || starttime != st->starttime) {
		sys_close(fd);
		return r < 0 && r != -ESRCH
			       ? dv_err_sys(r, "container %s: read /proc/%d/stat", c->id, c->pid)
			       : NULL;
	}
	st->pidfd = fd;
	return NULL;
}

/*
 * The process holds the fifo from create to exec. The name alone says nothing: a `start` that was
 * killed may not have come to removing it.
 */
static struct dv_err *is_waiting(const struct rt_container *c, bool *ret)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(c->state->dirfd, RT_FIFO, O_WRONLY | O_NONBLOCK | O_NOFOLLOW, 0);

	if (fd < 0 && fd != -ENOENT && fd != -ENXIO)
		return dv_err_sys(fd, "open %s", RT_FIFO);
	*ret = fd >= 0;
	return NULL;
}

struct dv_err *rt_container_refresh(struct rt_container *c)
{
	bool is_frozen = false, waits = false;
	struct dv_err *e;

	if (c->pid == 0) {
		c->status = RT_CREATING;
		return NULL;
	}
	e = open_init(c);
	if (e)
		return e;
	if (c->state->pidfd < 0) {
		c->status = RT_STOPPED;
		return NULL;
	}
	e = c->cgroup ? host_cgroup_is_frozen(c->cgroup, &is_frozen) : NULL;
	if (!e)
		e = is_waiting(c, &waits);
	if (e)
		return e;
	c->status = is_frozen ? RT_PAUSED : waits ? RT_CREATED : RT_RUNNING;
	return NULL;
}

struct dv_err *rt_load(const struct rt_context *ctx, const char *id, struct rt_container **ret)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct rt_state *st;
	struct dv_err *e;
	size_t len;
	char *text;

	e = rt_id_check(id);
	if (e)
		return e;
	c = container_alloc(id);
	st = c->state;

	st->rootfd = sys_openat(AT_FDCWD, ctx->root, O_RDONLY | O_DIRECTORY, 0);
	if (st->rootfd >= 0)
		st->dirfd = sys_openat(st->rootfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (st->rootfd == -ENOENT || st->dirfd == -ENOENT)
		return dv_err_new(DV_NOT_FOUND, "container does not exist: %s", id);
	if (st->rootfd < 0 || st->dirfd < 0)
		return dv_err_sys(st->rootfd < 0 ? st->rootfd : st->dirfd, "open state of %s", id);

	e = rt_read_file(&st->arena, st->dirfd, "state", STATE_MAX, &text, &len);
	if (!e && !strstr(text, "\ncomplete 1\n"))
		e = dv_err_new(DV_NOT_FOUND, "state file is not complete");
	if (e && dv_err_code(e) == DV_NOT_FOUND) {
		dv_err_free(e);
		return dv_err_new(DV_NOT_FOUND, "container does not exist: %s", id);
	}
	if (!e)
		e = parse_state(ctx, c, text);
	if (!e)
		e = rt_proc_open(&st->procfd);
	if (!e)
		e = rt_container_refresh(c);
	if (e)
		return dv_err_wrap(e, "load state of %s", id);
	*ret = dv_steal(&c);
	return NULL;
}

/* The members of runtime-spec, runtime.md "State": @is_full adds those of `state`. */
static void format_json(const struct rt_container *c, const char *indent, bool is_full,
			struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, indent);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", c->oci_version ? c->oci_version : SPEC_VERSION);
	dv_jw_string(&w, "id", c->id);
	dv_jw_int(&w, "pid", c->status == RT_STOPPED ? 0 : c->pid);
	dv_jw_string(&w, "status", rt_status_name(c->status));
	dv_jw_string(&w, "bundle", c->bundle);
	if (is_full) {
		dv_jw_string(&w, "rootfs", c->rootfs);
		dv_jw_string(&w, "created", c->created);
	}
	if (c->n_annotations > 0) {
		dv_jw_object_begin(&w, "annotations");
		for (size_t i = 0; i < c->n_annotations; i++)
			dv_jw_string(&w, c->annotations[i].key, c->annotations[i].value);
		dv_jw_object_end(&w);
	}
	if (is_full)
		dv_jw_string(&w, "owner", ""); /* runc fills it in for `list` alone */
	dv_jw_object_end(&w);
}

void rt_state_format(const struct rt_container *c, const char *indent, struct dv_strbuf *out)
{
	format_json(c, indent, true, out);
}

void rt_hook_state_format(const struct rt_container *c, struct dv_strbuf *out)
{
	format_json(c, NULL, false, out);
}
