/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mount options, sorted by name, and what it makes of a list of them.
 *
 * Access times are an enumeration, of which MS_* makes flags: setting one takes the other
 * two away, so that the last one counts (runc ORs them, and the kernel then picks).
 * mount_setattr(2) wants the whole of MOUNT_ATTR__ATIME cleared whenever one is chosen.
 */

#include <stdlib.h>
#include <string.h>

#include <linux/mount.h>
#include <sys/mount.h>

#include "mount-private.h"
#include "sys/mountfd.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

enum option_kind {
	SET, /* ms flag */
	CLEAR, /* ms flag */
	PROPAGATION, /* MS_* */
	REC_SET, /* MOUNT_ATTR_*, recursively */
	REC_CLEAR,
	IDMAP, /* enum host_mount_idmap */
	EXTENSION, /* enum extension */
};

enum extension { COPY_UP, COPY_SYMLINK, SRC_NOFOLLOW, DEST_NOFOLLOW };

/* X(name, kind, value) */
#define MOUNT_OPTIONS(X) \
	X("async", CLEAR, MS_SYNCHRONOUS) \
	X("atime", CLEAR, MS_NOATIME) \
	X("bind", SET, MS_BIND) \
	X("copy-symlink", EXTENSION, COPY_SYMLINK) \
	X("defaults", SET, 0) \
	X("dest-nofollow", EXTENSION, DEST_NOFOLLOW) \
	X("dev", CLEAR, MS_NODEV) \
	X("diratime", CLEAR, MS_NODIRATIME) \
	X("dirsync", SET, MS_DIRSYNC) \
	X("exec", CLEAR, MS_NOEXEC) \
	X("idmap", IDMAP, HOST_IDMAP_PLAIN) \
	X("iversion", SET, MS_I_VERSION) \
	X("lazytime", SET, MS_LAZYTIME) \
	X("loud", CLEAR, MS_SILENT) \
	X("mand", SET, MS_MANDLOCK) \
	X("noatime", SET, MS_NOATIME) \
	X("nodev", SET, MS_NODEV) \
	X("nodiratime", SET, MS_NODIRATIME) \
	X("noexec", SET, MS_NOEXEC) \
	X("noiversion", CLEAR, MS_I_VERSION) \
	X("nolazytime", CLEAR, MS_LAZYTIME) \
	X("nomand", CLEAR, MS_MANDLOCK) \
	X("norelatime", CLEAR, MS_RELATIME) \
	X("nostrictatime", CLEAR, MS_STRICTATIME) \
	X("nosuid", SET, MS_NOSUID) \
	X("nosymfollow", SET, MS_NOSYMFOLLOW) \
	X("private", PROPAGATION, MS_PRIVATE) \
	X("ratime", REC_CLEAR, MOUNT_ATTR_NOATIME) \
	X("rbind", SET, MS_BIND | MS_REC) \
	X("rdev", REC_CLEAR, MOUNT_ATTR_NODEV) \
	X("rdiratime", REC_CLEAR, MOUNT_ATTR_NODIRATIME) \
	X("relatime", SET, MS_RELATIME) \
	X("remount", SET, MS_REMOUNT) \
	X("rexec", REC_CLEAR, MOUNT_ATTR_NOEXEC) \
	X("ridmap", IDMAP, HOST_IDMAP_RECURSIVE) \
	X("rnoatime", REC_SET, MOUNT_ATTR_NOATIME) \
	X("rnodev", REC_SET, MOUNT_ATTR_NODEV) \
	X("rnodiratime", REC_SET, MOUNT_ATTR_NODIRATIME) \
	X("rnoexec", REC_SET, MOUNT_ATTR_NOEXEC) \
	X("rnorelatime", REC_CLEAR, MOUNT_ATTR_RELATIME) \
	X("rnostrictatime", REC_CLEAR, MOUNT_ATTR_STRICTATIME) \
	X("rnosuid", REC_SET, MOUNT_ATTR_NOSUID) \
	X("rnosymfollow", REC_SET, MOUNT_ATTR_NOSYMFOLLOW) \
	X("ro", SET, MS_RDONLY) \
	X("rprivate", PROPAGATION, MS_PRIVATE | MS_REC) \
	X("rrelatime", REC_SET, MOUNT_ATTR_RELATIME) \
	X("rro", REC_SET, MOUNT_ATTR_RDONLY) \
	X("rrw", REC_CLEAR, MOUNT_ATTR_RDONLY) \
	X("rshared", PROPAGATION, MS_SHARED | MS_REC) \
	X("rslave", PROPAGATION, MS_SLAVE | MS_REC) \
	X("rstrictatime", REC_SET, MOUNT_ATTR_STRICTATIME) \
	X("rsuid", REC_CLEAR, MOUNT_ATTR_NOSUID) \
	X("rsymfollow", REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW) \
	X("runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC) \
	X("rw", CLEAR, MS_RDONLY) \
	X("shared", PROPAGATION, MS_SHARED) \
	X("silent", SET, MS_SILENT) \
	X("slave", PROPAGATION, MS_SLAVE) \
	X("src-nofollow", EXTENSION, SRC_NOFOLLOW) \
	X("strictatime", SET, MS_STRICTATIME) \
	X("suid", CLEAR, MS_NOSUID) \
	X("symfollow", CLEAR, MS_NOSYMFOLLOW) \
	X("sync", SET, MS_SYNCHRONOUS) \
	X("tmpcopyup", EXTENSION, COPY_UP) \
	X("unbindable", PROPAGATION, MS_UNBINDABLE)

struct option {
	const char *name;
	enum option_kind kind;
	uint64_t value;
};

#define OPTION_ROW(name, kind, value)  { name, kind, (uint64_t)(value) },
#define OPTION_NAME(name, kind, value) name,

static const struct option options_table[] = { MOUNT_OPTIONS(OPTION_ROW) };
static const char *const option_names[] = { MOUNT_OPTIONS(OPTION_NAME) };

static const uint64_t ms_atime_enum = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

static int compare_option(const void *key, const void *row)
{
	return strcmp(key, ((const struct option *)row)->name);
}

static const struct option *find_option(const char *name)
{
	return bsearch(name, options_table, DV_ARRAY_SIZE(options_table), sizeof(options_table[0]),
		       compare_option);
}

const char *const *host_mount_option_names(size_t *ret_n)
{
	*ret_n = DV_ARRAY_SIZE(option_names);
	return option_names;
}

uint64_t host_mount_propagation_find(const char *name)
{
	const struct option *o = find_option(name);

	return o && o->kind == PROPAGATION ? o->value : 0;
}

static void set_flag(struct mount_options *m, uint64_t flag)
{
	if (flag & ms_atime_enum)
		m->ms_set &= ~ms_atime_enum;
	m->ms_set |= flag;
	m->ms_cleared &= ~flag;
}

static void clear_flag(struct mount_options *m, uint64_t flag)
{
	m->ms_set &= ~flag;
	m->ms_cleared |= flag;
}

/* MOUNT_ATTR_RELATIME is 0, so "is an access time" cannot be read from the value alone. */
static bool is_atime_attr(uint64_t attr)
{
	return (attr & ~(uint64_t)MOUNT_ATTR__ATIME) == 0;
}

static void set_rec(struct mount_options *m, uint64_t attr)
{
	if (is_atime_attr(attr)) {
		m->rec_set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		m->rec_clr |= MOUNT_ATTR__ATIME;
	} else {
		m->rec_clr &= ~attr;
	}
	m->rec_set |= attr;
}

static void clear_rec(struct mount_options *m, uint64_t attr)
{
	m->rec_set &= ~attr;
	m->rec_clr |= is_atime_attr(attr) ? (uint64_t)MOUNT_ATTR__ATIME : attr;
}

static void set_extension(struct mount_options *m, enum extension what)
{
	switch (what) {
	case COPY_UP:
		m->copies_up = true;
		break;
	case COPY_SYMLINK:
		m->copies_symlink = true;
		break;
	case SRC_NOFOLLOW:
		m->src_is_nofollow = true;
		break;
	case DEST_NOFOLLOW:
		m->dst_is_nofollow = true;
		break;
	}
}

static void apply(struct mount_options *m, const struct option *o)
{
	switch (o->kind) {
	case SET:
		set_flag(m, o->value);
		break;
	case CLEAR:
		clear_flag(m, o->value);
		break;
	case PROPAGATION:
		m->propagation[m->n_propagation++] = o->value;
		break;
	case REC_SET:
		set_rec(m, o->value);
		break;
	case REC_CLEAR:
		clear_rec(m, o->value);
		break;
	case IDMAP:
		m->idmap = (enum host_mount_idmap)o->value;
		break;
	case EXTENSION:
		set_extension(m, (enum extension)o->value);
		break;
	}
}

void mount_options_parse(const char **options, size_t n, struct dv_arena *arena,
			 struct mount_options *ret)
{
	struct mount_options m = {
		.propagation = dv_arena_new_n(arena, uint64_t, n),
		.data = DV_STRBUF_INIT,
	};

	for (size_t i = 0; i < n; i++) {
		const struct option *o = find_option(options[i]);

		if (o) {
			apply(&m, o);
			continue;
		}
		if (m.data.len > 0)
			dv_strbuf_addc(&m.data, ',');
		dv_strbuf_add(&m.data, options[i]);
	}
	*ret = m;
}

static bool is_context_key(const char *key, size_t n)
{
	static const char *const keys[] = { "context", "defcontext", "fscontext", "rootcontext" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(keys); i++) {
		if (strlen(keys[i]) == n && memcmp(keys[i], key, n) == 0)
			return true;
	}
	return false;
}

/* Copies one option up to its comma; quotes are removed when they mean something. */
static const char *copy_option(const char *p, bool is_overlay, char *out)
{
	bool is_context = is_context_key(p, strcspn(p, "=,"));
	bool is_quoted = false;

	for (; *p && (*p != ',' || is_quoted); p++) {
		if (is_context && *p == '"') {
			is_quoted = !is_quoted;
			continue;
		}
		if (is_overlay && *p == '\\' && p[1])
			*out++ = *p++; /* overlayfs removes it itself */
		*out++ = *p;
	}
	*out = '\0';
	return *p ? p + 1 : p;
}

void mount_data_split(const char *data, bool is_overlay, struct dv_arena *arena,
		      struct host_mount_param **ret, size_t *ret_n)
{
	struct host_mount_param *params;
	size_t n = 0, max = 1;
	char *text;

	for (const char *p = data; *p; p++)
		max += *p == ',';
	params = dv_arena_new_n(arena, struct host_mount_param, max);
	while (*data) {
		char *eq;

		text = dv_arena_alloc(arena, strlen(data) + 1);
		data = copy_option(data, is_overlay, text);
		if (text[0] == '\0' || text[0] == '=')
			continue; /* the kernel passes over them too */
		eq = strchr(text, '=');
		if (eq)
			*eq++ = '\0';
		params[n++] = (struct host_mount_param){ .key = text, .value = eq };
	}
	*ret = params;
	*ret_n = n;
}
