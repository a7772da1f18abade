/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the numbers of the mount API. See host/mount-plan.h. */

#include "host/mount-plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "mount-private.h"
#include "sys/mountfd.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif
#define ST_NOSYMFOLLOW_ 0x2000 /* linux/statfs.h, 5.10 */

/* FSCONFIG_SET_STRING takes 256 bytes with the terminator. */
enum { FSCONFIG_VALUE_MAX = 255, N_SB_FLAGS_MAX = 6 };

static const uint64_t ms_atime = MS_NOATIME | MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME;

static const struct {
	uint64_t ms;
	uint64_t attr;
} attrs_of_ms[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
};

static uint64_t attrs_from_ms(uint64_t ms)
{
	uint64_t attrs = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(attrs_of_ms); i++) {
		if (ms & attrs_of_ms[i].ms)
			attrs |= attrs_of_ms[i].attr;
	}
	return attrs;
}

static uint64_t atime_attrs_from_ms(uint64_t ms)
{
	uint64_t attrs = ms & MS_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0;

	if (ms & MS_STRICTATIME)
		return attrs | MOUNT_ATTR_STRICTATIME;
	if (ms & MS_NOATIME)
		return attrs | MOUNT_ATTR_NOATIME;
	return attrs | MOUNT_ATTR_RELATIME;
}

static enum host_mount_kind kind_of(const char *fstype, uint64_t ms)
{
	static const struct {
		const char *name;
		enum host_mount_kind kind;
	} kinds[] = {
		{ "bind", HOST_MOUNT_BIND },	  { "cgroup", HOST_MOUNT_CGROUP },
		{ "cgroup2", HOST_MOUNT_CGROUP }, { "devpts", HOST_MOUNT_DEVPTS },
		{ "mqueue", HOST_MOUNT_MQUEUE },  { "proc", HOST_MOUNT_PROC },
		{ "sysfs", HOST_MOUNT_SYSFS },	  { "tmpfs", HOST_MOUNT_TMPFS },
	};

	/* With the option, the type is a dummy (config.md, "Mounts"). */
	if (ms & MS_BIND)
		return HOST_MOUNT_BIND;
	for (size_t i = 0; fstype && i < DV_ARRAY_SIZE(kinds); i++) {
		if (dv_streq(kinds[i].name, fstype))
			return kinds[i].kind;
	}
	return HOST_MOUNT_FS;
}

/* Which filesystems of ours get their label by a mount option. */
static bool takes_label(enum host_mount_kind kind)
{
	return kind == HOST_MOUNT_TMPFS || kind == HOST_MOUNT_DEVPTS || kind == HOST_MOUNT_FS;
}

const char *host_mount_label_data(struct dv_arena *arena, const char *data, const char *label)
{
	if (!label || !*label)
		return data;
	return dv_arena_printf(arena, "%s%scontext=\"%s\"", data, *data ? "," : "", label);
}

static const char *find_param(const struct host_mount *m, const char *key)
{
	for (size_t i = 0; i < m->n_params; i++) {
		if (dv_streq(m->params[i].key, key))
			return m->params[i].value;
	}
	return NULL;
}

/* For a bind: what mount_setattr() shall do. See the head of mount-plan.h. */
static void plan_bind_attrs(struct host_mount *m)
{
	static const uint64_t not_attrs = MS_BIND | MS_REC | MS_REMOUNT;

	m->changes_attrs = (m->ms_flags & ~not_attrs) || m->ms_flags_cleared;
	if (!m->changes_attrs)
		return;
	m->attr_set = attrs_from_ms(m->ms_flags);
	m->attr_clr = attrs_from_ms(UINT64_MAX) & ~m->attr_set;
	m->attr_clr_asked = attrs_from_ms(m->ms_flags_cleared);
	if (m->ms_flags & ms_atime) {
		m->attr_set |= atime_attrs_from_ms(m->ms_flags);
		m->attr_clr |= MOUNT_ATTR__ATIME;
		m->attr_clr |= MOUNT_ATTR_NODIRATIME & ~m->attr_set;
	}
	if (m->ms_flags_cleared & MS_NODIRATIME)
		m->attr_clr_asked |= MOUNT_ATTR_NODIRATIME;
}

/* For a new superblock: attributes for fsmount(), flags for fsconfig(). */
static void plan_fs_attrs(struct host_mount *m, struct dv_arena *arena)
{
	static const struct {
		uint64_t ms;
		const char *key;
	} sb_flags[] = {
		{ MS_SYNCHRONOUS, "sync" },
		{ MS_DIRSYNC, "dirsync" },
		{ MS_MANDLOCK, "mand" },
		{ MS_LAZYTIME, "lazytime" },
	};
	struct host_mount_param *params;
	const char *dot = strchr(m->fstype, '.');
	size_t n = 0;

	_Static_assert(DV_ARRAY_SIZE(sb_flags) + 2 <= N_SB_FLAGS_MAX, "room for ro and subtype");
	m->attr_set = attrs_from_ms(m->ms_flags) | atime_attrs_from_ms(m->ms_flags);
	if ((m->kind == HOST_MOUNT_TMPFS || dv_streq(m->destination, "/dev")) &&
	    m->ms_flags & MS_RDONLY) {
		m->is_readonly_late = true;
		m->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}

	params = dv_arena_new_n(arena, struct host_mount_param, m->n_params + N_SB_FLAGS_MAX);
	for (size_t i = 0; i < DV_ARRAY_SIZE(sb_flags); i++) {
		if (m->ms_flags & sb_flags[i].ms)
			params[n++].key = sb_flags[i].key;
	}
	/* A disk must not be written to either; for the rest, the mount's attribute does. */
	if (m->kind == HOST_MOUNT_FS && m->attr_set & MOUNT_ATTR_RDONLY)
		params[n++].key = "ro";
	if (dot) /* "fuse.sshfs": mount(2) does this by itself, fsopen(2) does not */
		params[n++] = (struct host_mount_param){ .key = "subtype", .value = dot + 1 };
	for (size_t i = 0; i < m->n_params; i++) {
		params[n++] = m->params[i];
		if (m->params[i].value && strlen(m->params[i].value) > FSCONFIG_VALUE_MAX)
			m->needs_mount2 = true;
	}
	m->params = params;
	m->n_params = n;
	if (m->ms_flags & MS_I_VERSION || m->is_remount)
		m->needs_mount2 = true;
}

static struct dv_err *plan_idmap(const struct spec_mount *spec, const struct host_mount_env *env,
				 struct host_mount *m)
{
	bool has_mappings = spec->n_uid_mappings > 0 || spec->n_gid_mappings > 0;

	if (m->idmap == HOST_IDMAP_NONE && has_mappings)
		m->idmap = HOST_IDMAP_PLAIN;
	if (m->idmap == HOST_IDMAP_NONE)
		return NULL;
	if (m->kind != HOST_MOUNT_BIND)
		return dv_err_new(DV_INVALID,
				  "id-mapped mounts are only supported for bind-mounts");
	if (env->is_rootless)
		return dv_err_new(DV_INVALID,
				  "id-mapped mounts are not supported for rootless containers");
	if (has_mappings ? spec->n_uid_mappings == 0 || spec->n_gid_mappings == 0
			 : !env->has_userns)
		return dv_err_new(DV_INVALID,
				  "id-mapped mounts must have both uid and gid mappings specified");
	m->uid_mappings = spec->uid_mappings;
	m->n_uid_mappings = spec->n_uid_mappings;
	m->gid_mappings = spec->gid_mappings;
	m->n_gid_mappings = spec->n_gid_mappings;
	return NULL;
}

static const char *clean_destination(struct dv_arena *arena, const char *path)
{
	DV_CLEANUP(dv_freep) char *rooted = dv_printf("/%s", path);
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(rooted);

	return dv_arena_strdup(arena, clean);
}

static struct dv_err *check_mount(const struct spec_mount *spec, const struct host_mount *m)
{
	if (m->kind == HOST_MOUNT_BIND) {
		if (*m->data)
			return dv_err_new(
				DV_INVALID,
				"bind mounts cannot have any filesystem-specific options applied (got \"%s\")",
				m->data);
		if (!m->is_remount && (!spec->source || !*spec->source))
			return dv_err_new(DV_INVALID, "a bind mount needs a source");
	} else if ((!spec->type || !*spec->type) && !m->is_remount) {
		return dv_err_new(DV_INVALID, "type is missing, and it is not a bind mount");
	}
	if (m->copies_up && m->kind != HOST_MOUNT_TMPFS)
		return dv_err_new(DV_INVALID, "tmpcopyup is only supported for tmpfs");
	return NULL;
}

static void plan_fs(const struct host_mount_env *env, struct dv_arena *arena, struct host_mount *m)
{
	bool is_overlay = dv_streq(m->fstype, "overlay");

	mount_data_split(m->data, is_overlay, arena, &m->params, &m->n_params);
	/* An explicit context wins: the kernel accepts only one. */
	if (takes_label(m->kind) && env->mount_label && !find_param(m, "context")) {
		m->data = host_mount_label_data(arena, m->data, env->mount_label);
		mount_data_split(m->data, is_overlay, arena, &m->params, &m->n_params);
	}
	m->has_mode = find_param(m, "mode") != NULL;
	plan_fs_attrs(m, arena);
}

static struct dv_err *plan_one(const struct spec_mount *spec, const struct host_mount_env *env,
			       struct dv_arena *arena, struct host_mount *ret)
{
	struct mount_options o;
	struct host_mount m;
	struct dv_err *e;

	mount_options_parse(spec->options, spec->n_options, arena, &o);
	m = (struct host_mount){
		.kind = kind_of(spec->type, o.ms_set),
		.destination = clean_destination(arena, spec->destination ? spec->destination : ""),
		.source = spec->source,
		.ms_flags = o.ms_set,
		.ms_flags_cleared = o.ms_cleared,
		.data = dv_arena_strdup(arena, o.data.data),
		.rec_attr_set = o.rec_set,
		.rec_attr_clr = o.rec_clr,
		.propagation = o.propagation,
		.n_propagation = o.n_propagation,
		.idmap = o.idmap,
		.is_recursive_bind = (o.ms_set & (MS_BIND | MS_REC)) == (MS_BIND | MS_REC),
		.is_remount = o.ms_set & MS_REMOUNT,
		.copies_up = o.copies_up,
		.copies_symlink = o.copies_symlink,
		.src_is_nofollow = o.src_is_nofollow,
		.dst_is_nofollow = o.dst_is_nofollow,
	};
	dv_strbuf_fini(&o.data);
	if (m.kind == HOST_MOUNT_BIND) {
		m.ms_flags |= MS_BIND; /* type "bind" alone is taken for the option */
		m.fstype = "bind";
	} else {
		m.fstype = spec->type ? spec->type : "";
	}
	e = check_mount(spec, &m);
	if (!e)
		e = plan_idmap(spec, env, &m);
	if (e)
		return e;
	if (m.kind == HOST_MOUNT_BIND)
		plan_bind_attrs(&m);
	else
		plan_fs(env, arena, &m);
	*ret = m;
	return NULL;
}

struct dv_err *host_mount_plan(const struct spec_mount *mounts, size_t n_mounts,
			       const struct host_mount_env *env, struct dv_arena *arena,
			       struct host_mount **ret_mounts)
{
	struct host_mount *planned = dv_arena_new_n(arena, struct host_mount, n_mounts);

	for (size_t i = 0; i < n_mounts; i++) {
		struct dv_err *e = plan_one(&mounts[i], env, arena, &planned[i]);

		if (e)
			return dv_err_wrap(e, "invalid mount: mounts[%zu] (%s)", i,
					   mounts[i].destination ? mounts[i].destination : "");
	}
	*ret_mounts = planned;
	return NULL;
}

static const struct {
	const char *name;
	uint64_t flag;
} ms_names[] = {
	{ "MS_RDONLY", MS_RDONLY },
	{ "MS_NOSUID", MS_NOSUID },
	{ "MS_NODEV", MS_NODEV },
	{ "MS_NOEXEC", MS_NOEXEC },
	{ "MS_SYNCHRONOUS", MS_SYNCHRONOUS },
	{ "MS_REMOUNT", MS_REMOUNT },
	{ "MS_MANDLOCK", MS_MANDLOCK },
	{ "MS_DIRSYNC", MS_DIRSYNC },
	{ "MS_NOSYMFOLLOW", MS_NOSYMFOLLOW },
	{ "MS_NOATIME", MS_NOATIME },
	{ "MS_NODIRATIME", MS_NODIRATIME },
	{ "MS_BIND", MS_BIND },
	{ "MS_MOVE", MS_MOVE },
	{ "MS_REC", MS_REC },
	{ "MS_SILENT", MS_SILENT },
	{ "MS_POSIXACL", MS_POSIXACL },
	{ "MS_UNBINDABLE", MS_UNBINDABLE },
	{ "MS_PRIVATE", MS_PRIVATE },
	{ "MS_SLAVE", MS_SLAVE },
	{ "MS_SHARED", MS_SHARED },
	{ "MS_RELATIME", MS_RELATIME },
	{ "MS_I_VERSION", MS_I_VERSION },
	{ "MS_STRICTATIME", MS_STRICTATIME },
	{ "MS_LAZYTIME", MS_LAZYTIME },
};

void host_mount_flags_format(uint64_t ms_flags, char *buf, size_t size)
{
	const char *bar = "";
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < DV_ARRAY_SIZE(ms_names) && len < size; i++) {
		if (!(ms_flags & ms_names[i].flag))
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%s", bar, ms_names[i].name);
		ms_flags &= ~ms_names[i].flag;
		bar = "|";
	}
	if (ms_flags && len < size)
		snprintf(buf + len, size - len, "%s0x%llx", bar, (unsigned long long)ms_flags);
}

static uint64_t ms_from_st(unsigned long st)
{
	static const struct {
		unsigned long st;
		uint64_t ms;
	} map[] = {
		{ ST_RDONLY, MS_RDONLY },     { ST_NOSUID, MS_NOSUID },
		{ ST_NODEV, MS_NODEV },	      { ST_NOEXEC, MS_NOEXEC },
		{ ST_NOATIME, MS_NOATIME },   { ST_NODIRATIME, MS_NODIRATIME },
		{ ST_RELATIME, MS_RELATIME }, { ST_NOSYMFOLLOW_, MS_NOSYMFOLLOW },
	};
	uint64_t ms = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(map); i++) {
		if (st & map[i].st)
			ms |= map[i].ms;
	}
	/* Nothing tells strictatime but the absence of the other two. */
	if (!(ms & (MS_NOATIME | MS_RELATIME)))
		ms |= MS_STRICTATIME;
	return ms;
}

static int locked(const char *what, uint64_t ms, char *why, size_t size)
{
	char names[256];

	host_mount_flags_format(ms, names, sizeof(names));
	snprintf(why, size, "cannot %s %s: operation not permitted", what, names);
	return -EPERM;
}

int host_mount_relock(const struct host_mount *m, unsigned long source_flags, uint64_t *ret_set,
		      uint64_t *ret_clr, char *why, size_t size)
{
	/* What MNT_LOCK_* covers; nosymfollow is not among it. */
	static const uint64_t lockable = MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_NOATIME |
					 MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME;
	uint64_t source = ms_from_st(source_flags), now = source & lockable;

	if (now & m->ms_flags_cleared)
		return locked("clear locked flags", now & m->ms_flags_cleared, why, size);
	if (m->ms_flags & ms_atime && (m->ms_flags & ms_atime) != (source & ms_atime))
		return locked("change locked atime flags", source & ms_atime, why, size);
	*ret_set = attrs_from_ms(m->ms_flags | now);
	*ret_clr = MOUNT_ATTR_NOSYMFOLLOW & ~*ret_set;
	return 0;
}
