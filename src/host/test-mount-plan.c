/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options into plans: tables for attributes, data, propagation, idmap and errors. */

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/test.h"
#include "host/mount-plan.h"
#include "sys/file.h"
#include "sys/mountfd.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

/* Short names for the tables. */
enum {
	RO = MOUNT_ATTR_RDONLY,
	SUID = MOUNT_ATTR_NOSUID,
	DEV = MOUNT_ATTR_NODEV,
	EXEC = MOUNT_ATTR_NOEXEC,
	SYM = MOUNT_ATTR_NOSYMFOLLOW,
	NOATIME = MOUNT_ATTR_NOATIME,
	STRICT = MOUNT_ATTR_STRICTATIME,
	NODIR = MOUNT_ATTR_NODIRATIME,
	ATIME = MOUNT_ATTR__ATIME,
	ALL5 = RO | SUID | DEV | EXEC | SYM,
};

static struct dv_arena arena;

static void setup(void)
{
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
}

TestSuite(mount_plan, .init = setup, .fini = teardown);

/* @options: separated by spaces. */
static struct spec_mount mount_of(const char *type, const char *options)
{
	struct spec_mount m = { .destination = "/mnt", .source = "/src", .type = type };
	char *text = dv_arena_strdup(&arena, options), *save = NULL;

	m.options = dv_arena_new_n(&arena, const char *, strlen(options) + 1);
	for (char *o = strtok_r(text, " ", &save); o; o = strtok_r(NULL, " ", &save))
		m.options[m.n_options++] = o;
	return m;
}

static struct host_mount *plan_env(const struct spec_mount *spec, const struct host_mount_env *env)
{
	struct host_mount *m = NULL;
	struct dv_err *e = host_mount_plan(spec, 1, env, &arena, &m);

	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	return m;
}

static struct host_mount *plan(const char *type, const char *options)
{
	static const struct host_mount_env env;
	struct spec_mount spec = mount_of(type, options);

	return plan_env(&spec, &env);
}

Test(mount_plan, names_are_sorted)
{
	size_t n;
	const char *const *names = host_mount_option_names(&n);

	T_INT(n, ==, 65);
	for (size_t i = 1; i < n; i++)
		cr_expect(strcmp(names[i - 1], names[i]) < 0, "%s", names[i]);
}

/* Each single option, on a bind: nothing may end up as data, which would be an error. */
Test(mount_plan, all_options_are_found)
{
	size_t n;
	const char *const *names = host_mount_option_names(&n);
	static const struct host_mount_env env = { .has_userns = true };

	for (size_t i = 0; i < n; i++) {
		bool is_copyup = strcmp(names[i], "tmpcopyup") == 0;
		bool is_idmap = strcmp(names[i], "idmap") == 0 || strcmp(names[i], "ridmap") == 0;
		struct spec_mount spec = mount_of(is_copyup  ? "tmpfs"
						  : is_idmap ? "bind"
							     : "proc",
						  names[i]);
		struct host_mount *m = plan_env(&spec, &env);

		T_STR(m->data, "");
	}
}

Test(mount_plan, ms_flags)
{
	static const struct {
		const char *options;
		uint64_t set, cleared;
	} rows[] = {
		{ "", 0, 0 },
		{ "defaults", 0, 0 },
		{ "ro", MS_RDONLY, 0 },
		{ "rw", 0, MS_RDONLY },
		{ "ro rw", 0, MS_RDONLY },
		{ "rw ro", MS_RDONLY, 0 },
		{ "nosuid noexec nodev ro", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, 0 },
		{ "nosuid suid noexec exec nodev dev", 0, MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "suid nosuid", MS_NOSUID, 0 },
		{ "sync", MS_SYNCHRONOUS, 0 },
		{ "sync async", 0, MS_SYNCHRONOUS },
		{ "dirsync mand lazytime iversion silent",
		  MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION | MS_SILENT, 0 },
		{ "nomand nolazytime noiversion loud", 0,
		  MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION | MS_SILENT },
		{ "lazytime nolazytime lazytime", MS_LAZYTIME, 0 },
		{ "nosymfollow", MS_NOSYMFOLLOW, 0 },
		{ "nosymfollow symfollow", 0, MS_NOSYMFOLLOW },
		{ "noatime", MS_NOATIME, 0 },
		{ "noatime atime", 0, MS_NOATIME },
		{ "noatime relatime", MS_RELATIME, 0 },
		{ "strictatime noatime", MS_NOATIME, 0 },
		{ "noatime strictatime", MS_STRICTATIME, 0 },
		{ "relatime norelatime", 0, MS_RELATIME },
		{ "strictatime nostrictatime", 0, MS_STRICTATIME },
		{ "nodiratime noatime", MS_NODIRATIME | MS_NOATIME, 0 },
		{ "nodiratime diratime", 0, MS_NODIRATIME },
		{ "bind", MS_BIND, 0 },
		{ "rbind", MS_BIND | MS_REC, 0 },
		{ "remount", MS_REMOUNT, 0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct host_mount *m = plan("proc", rows[i].options);

		cr_expect(m->ms_flags == rows[i].set, "%s: %llx", rows[i].options,
			  (unsigned long long)m->ms_flags);
		cr_expect(m->ms_flags_cleared == rows[i].cleared, "%s: cleared %llx",
			  rows[i].options, (unsigned long long)m->ms_flags_cleared);
		T_INT(m->is_recursive_bind, ==, strcmp(rows[i].options, "rbind") == 0);
		T_INT(m->is_remount, ==, strcmp(rows[i].options, "remount") == 0);
	}
}

Test(mount_plan, bind_attributes)
{
	static const struct {
		const char *options;
		bool changes;
		uint64_t set, clr, asked;
	} rows[] = {
		{ "bind", false, 0, 0, 0 },
		{ "rbind rprivate", false, 0, 0, 0 },
		{ "bind remount", false, 0, 0, 0 },
		{ "bind ro", true, RO, ALL5 & ~RO, 0 },
		{ "bind rw", true, 0, ALL5, RO },
		{ "bind rw nosuid nodev", true, SUID | DEV, ALL5 & ~(SUID | DEV), RO },
		{ "rbind nosymfollow", true, SYM, ALL5 & ~SYM, 0 },
		{ "bind dev suid exec symfollow", true, 0, ALL5, DEV | SUID | EXEC | SYM },
		/* Access times: kept, unless one is set. */
		{ "bind atime", true, 0, ALL5, 0 },
		{ "bind norelatime", true, 0, ALL5, 0 },
		{ "bind diratime", true, 0, ALL5, NODIR },
		{ "bind noatime", true, NOATIME, ALL5 | ATIME | NODIR, 0 },
		{ "bind relatime", true, 0, ALL5 | ATIME | NODIR, 0 },
		{ "bind strictatime", true, STRICT, ALL5 | ATIME | NODIR, 0 },
		{ "bind nodiratime", true, NODIR, ALL5 | ATIME, 0 },
		{ "bind nodiratime strictatime", true, NODIR | STRICT, ALL5 | ATIME, 0 },
		{ "bind nodiratime norelatime", true, NODIR, ALL5 | ATIME, 0 },
		{ "bind noatime strictatime", true, STRICT, ALL5 | ATIME | NODIR, 0 },
		{ "bind strictatime noatime ro", true, RO | NOATIME, (ALL5 & ~RO) | ATIME | NODIR,
		  0 },
		/* What is no attribute still counts as a flag. */
		{ "bind sync", true, 0, ALL5, 0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct host_mount *m = plan("none", rows[i].options);

		T_INT(m->kind, ==, HOST_MOUNT_BIND);
		T_STR(m->fstype, "bind");
		cr_expect(m->changes_attrs == rows[i].changes, "%s", rows[i].options);
		cr_expect(m->attr_set == rows[i].set && m->attr_clr == rows[i].clr &&
				  m->attr_clr_asked == rows[i].asked,
			  "%s: %llx %llx %llx", rows[i].options, (unsigned long long)m->attr_set,
			  (unsigned long long)m->attr_clr, (unsigned long long)m->attr_clr_asked);
	}
}

Test(mount_plan, fs_attributes)
{
	static const struct {
		const char *type, *options;
		uint64_t set;
		bool is_late, needs_mount2;
		const char *params; /* "key=value;flag;" */
	} rows[] = {
		{ "proc", "", 0, false, false, "" },
		{ "proc", "nosuid noexec nodev", SUID | EXEC | DEV, false, false, "" },
		{ "sysfs", "nosuid noexec nodev ro", SUID | EXEC | DEV | RO, false, false, "" },
		{ "tmpfs", "ro nosuid size=64k", SUID, true, false, "size=64k;" },
		{ "tmpfs", "ro rw", 0, false, false, "" },
		{ "tmpfs", "noatime", NOATIME, false, false, "" },
		{ "tmpfs", "strictatime mode=755 size=65536k", STRICT, false, false,
		  "mode=755;size=65536k;" },
		{ "devpts", "newinstance ptmxmode=0666 mode=0620 gid=5 noexec nosuid", EXEC | SUID,
		  false, false, "newinstance;ptmxmode=0666;mode=0620;gid=5;" },
		{ "ext4", "ro", RO, false, false, "ro;" },
		{ "ext4", "sync dirsync mand lazytime data=journal", 0, false, false,
		  "sync;dirsync;mand;lazytime;data=journal;" },
		{ "ext4", "iversion", 0, false, true, "" },
		{ "tmpfs", "remount size=1m", 0, false, true, "size=1m;" },
		{ "tmpfs", "silent loud nodiratime", NODIR, false, false, "" },
		{ "fuse.sshfs", "allow_other", 0, false, false, "subtype=sshfs;allow_other;" },
		{ "tmpfs", "size=1m,mode=1777", 0, false, false, "size=1m;mode=1777;" },
		{ "tmpfs", ",,size=1m, =x uid=", 0, false, false, "size=1m;uid=;" },
		{ "overlay", "lowerdir=/a\\,b:/c,upperdir=/u", 0, false, false,
		  "lowerdir=/a\\,b:/c;upperdir=/u;" },
		{ "cgroup", "ro nosuid", RO | SUID, false, false, "" },
		{ "cgroup2", "nosuid", SUID, false, false, "" },
		{ "mqueue", "nosuid", SUID, false, false, "" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct host_mount *m = plan(rows[i].type, rows[i].options);
		struct dv_strbuf params = DV_STRBUF_INIT;

		for (size_t k = 0; k < m->n_params; k++) {
			dv_strbuf_add(&params, m->params[k].key);
			if (m->params[k].value)
				dv_strbuf_addf(&params, "=%s", m->params[k].value);
			dv_strbuf_addc(&params, ';');
		}
		T_STR(params.data, rows[i].params);
		cr_expect(m->attr_set == rows[i].set, "%s: %llx", rows[i].options,
			  (unsigned long long)m->attr_set);
		cr_expect(m->is_readonly_late == rows[i].is_late, "%s", rows[i].options);
		cr_expect(m->needs_mount2 == rows[i].needs_mount2, "%s", rows[i].options);
		T_STR(m->fstype, rows[i].type);
		dv_strbuf_fini(&params);
	}
}

Test(mount_plan, long_value_needs_mount2)
{
	char option[300] = "lowerdir=";
	struct spec_mount spec = mount_of("overlay", "");
	static const struct host_mount_env env;
	const char *options[] = { option };

	spec.options = options;
	spec.n_options = 1;
	memset(option + 9, 'x', 255);
	T_FALSE(plan_env(&spec, &env)->needs_mount2);
	option[9 + 255] = 'x';
	T_TRUE(plan_env(&spec, &env)->needs_mount2);
}

Test(mount_plan, dev_is_readonly_late)
{
	struct spec_mount spec = mount_of("devtmpfs", "ro");
	static const struct host_mount_env env;
	struct host_mount *m;

	spec.destination = "/dev/";
	m = plan_env(&spec, &env);
	T_TRUE(m->is_readonly_late);
	T_INT(m->attr_set, ==, 0);
	T_INT(m->n_params, ==, 0);
	T_INT(m->ms_flags, ==, MS_RDONLY);
	spec = mount_of("none", "bind ro");
	spec.destination = "/dev";
	m = plan_env(&spec, &env);
	T_FALSE(m->is_readonly_late);
	T_INT(m->attr_set, ==, RO);
}

Test(mount_plan, recursive_attributes)
{
	static const struct {
		const char *options;
		uint64_t set, clr;
	} rows[] = {
		{ "rro", RO, 0 },
		{ "rrw", 0, RO },
		{ "rro rrw", 0, RO },
		{ "rrw rro", RO, 0 },
		{ "rnosuid rnodev rnoexec rnosymfollow", SUID | DEV | EXEC | SYM, 0 },
		{ "rsuid rdev rexec rsymfollow", 0, SUID | DEV | EXEC | SYM },
		{ "rnodiratime", NODIR, 0 },
		{ "rdiratime", 0, NODIR },
		{ "rnoatime", NOATIME, ATIME },
		{ "ratime", 0, ATIME },
		{ "rnoatime ratime", 0, ATIME },
		{ "rrelatime", 0, ATIME },
		{ "rnorelatime", 0, ATIME },
		{ "rstrictatime", STRICT, ATIME },
		{ "rnostrictatime", 0, ATIME },
		{ "rnoatime rstrictatime", STRICT, ATIME },
		{ "rstrictatime rrelatime", 0, ATIME },
		{ "rstrictatime ratime", STRICT, ATIME }, /* only takes rnoatime back */
		{ "rro ro", RO, 0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_mount spec = mount_of("bind", rows[i].options);
		static const struct host_mount_env env;
		struct host_mount *m = plan_env(&spec, &env);

		cr_expect(m->rec_attr_set == rows[i].set && m->rec_attr_clr == rows[i].clr,
			  "%s: %llx %llx", rows[i].options, (unsigned long long)m->rec_attr_set,
			  (unsigned long long)m->rec_attr_clr);
	}
}

Test(mount_plan, propagation)
{
	struct host_mount *m = plan("bind", "rbind rprivate shared slave runbindable");

	T_INT(m->n_propagation, ==, 4);
	T_INT(m->propagation[0], ==, MS_PRIVATE | MS_REC);
	T_INT(m->propagation[1], ==, MS_SHARED);
	T_INT(m->propagation[2], ==, MS_SLAVE);
	T_INT(m->propagation[3], ==, MS_UNBINDABLE | MS_REC);
	T_INT(host_mount_propagation_find("rslave"), ==, MS_SLAVE | MS_REC);
	T_INT(host_mount_propagation_find("private"), ==, MS_PRIVATE);
	T_INT(host_mount_propagation_find("unbindable"), ==, MS_UNBINDABLE);
	T_INT(host_mount_propagation_find("ro"), ==, 0);
	T_INT(host_mount_propagation_find("x"), ==, 0);
	T_INT(host_mount_propagation_find(""), ==, 0);
}

Test(mount_plan, kinds)
{
	static const struct {
		const char *type;
		enum host_mount_kind kind;
	} rows[] = {
		{ "bind", HOST_MOUNT_BIND },	 { "proc", HOST_MOUNT_PROC },
		{ "sysfs", HOST_MOUNT_SYSFS },	 { "tmpfs", HOST_MOUNT_TMPFS },
		{ "devpts", HOST_MOUNT_DEVPTS }, { "mqueue", HOST_MOUNT_MQUEUE },
		{ "cgroup", HOST_MOUNT_CGROUP }, { "cgroup2", HOST_MOUNT_CGROUP },
		{ "ext4", HOST_MOUNT_FS },	 { "procfs", HOST_MOUNT_FS },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		T_INT(plan(rows[i].type, "")->kind, ==, rows[i].kind);
		T_INT(plan(rows[i].type, "rbind")->kind, ==, HOST_MOUNT_BIND);
	}
	T_INT(plan("bind", "")->ms_flags, ==, MS_BIND);
	T_INT(plan(NULL, "bind")->kind, ==, HOST_MOUNT_BIND);
}

Test(mount_plan, destinations)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "/mnt", "/mnt" },	  { "/mnt/", "/mnt" },	  { "mnt", "/mnt" },
		{ "/a/../b", "/b" },	  { "/", "/" },		  { "", "/" },
		{ "/../../etc", "/etc" }, { "//a//b/.", "/a/b" }, { "../x", "/x" },
	};
	static const struct host_mount_env env;

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_mount spec = mount_of("tmpfs", "");

		spec.destination = rows[i].in;
		T_STR(plan_env(&spec, &env)->destination, rows[i].out);
	}
}

Test(mount_plan, extensions)
{
	struct host_mount *m = plan("tmpfs", "tmpcopyup mode=1777");

	T_TRUE(m->copies_up);
	T_TRUE(m->has_mode);
	m = plan("bind", "rbind copy-symlink src-nofollow dest-nofollow");
	T_TRUE(m->copies_symlink);
	T_TRUE(m->src_is_nofollow);
	T_TRUE(m->dst_is_nofollow);
	T_FALSE(plan("tmpfs", "")->has_mode);
	T_FALSE(m->copies_up);
}

Test(mount_plan, label)
{
	static const struct {
		const char *type, *options, *data, *context;
	} rows[] = {
		{ "tmpfs", "", "context=\"u:r:t:s0:c1,c2\"", "u:r:t:s0:c1,c2" },
		{ "tmpfs", "size=1m ro", "size=1m,context=\"u:r:t:s0:c1,c2\"", "u:r:t:s0:c1,c2" },
		{ "devpts", "gid=5", "gid=5,context=\"u:r:t:s0:c1,c2\"", "u:r:t:s0:c1,c2" },
		{ "ext4", "", "context=\"u:r:t:s0:c1,c2\"", "u:r:t:s0:c1,c2" },
		{ "proc", "", "", NULL },
		{ "sysfs", "", "", NULL },
		{ "mqueue", "", "", NULL },
		{ "cgroup", "", "", NULL },
		{ "none", "bind", "", NULL },
		/* The mount's own context wins, with or without quotes. */
		{ "tmpfs", "context=\"a:b:c:s0:c3,c4\" size=1m",
		  "context=\"a:b:c:s0:c3,c4\",size=1m", "a:b:c:s0:c3,c4" },
		{ "tmpfs", "context=a:b:c:s0", "context=a:b:c:s0", "a:b:c:s0" },
		/* A list that was split at every comma is whole again. */
		{ "tmpfs", "context=\"a:b:c:s0:c3 c4\"", "context=\"a:b:c:s0:c3,c4\"",
		  "a:b:c:s0:c3,c4" },
	};
	static const struct host_mount_env env = { .mount_label = "u:r:t:s0:c1,c2" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_mount spec = mount_of(rows[i].type, rows[i].options);
		struct host_mount *m = plan_env(&spec, &env);
		const char *context = NULL;

		T_STR(m->data, rows[i].data);
		for (size_t k = 0; k < m->n_params; k++) {
			if (strcmp(m->params[k].key, "context") == 0)
				context = m->params[k].value;
		}
		if (rows[i].context)
			T_STR(context, rows[i].context);
		else
			T_NULL(context);
	}
	T_STR(host_mount_label_data(&arena, "", NULL), "");
	T_STR(host_mount_label_data(&arena, "a", ""), "a");
	T_STR(host_mount_label_data(&arena, "a", "l"), "a,context=\"l\"");
}

/* Quotes mean nothing outside contexts: the comma splits, the quote stays. */
Test(mount_plan, other_quotes)
{
	struct host_mount *m = plan("ext4", "x=\"a,b\"");

	T_INT(m->n_params, ==, 2);
	T_STR(m->params[0].value, "\"a");
	T_STR(m->params[1].key, "b\"");
	m = plan("ext4", "rootcontext=\"a,b");
	T_INT(m->n_params, ==, 1);
	T_STR(m->params[0].value, "a,b");
}

Test(mount_plan, idmap)
{
	struct spec_id_mapping map = { .container_id = 0, .host_id = 1000, .size = 1 };
	static const struct host_mount_env plain, userns = { .has_userns = true };
	struct spec_mount spec = mount_of("bind", "bind");
	struct host_mount *m;

	T_INT(plan_env(&spec, &plain)->idmap, ==, HOST_IDMAP_NONE);
	spec.uid_mappings = &map;
	spec.gid_mappings = &map;
	spec.n_uid_mappings = spec.n_gid_mappings = 1;
	m = plan_env(&spec, &plain);
	T_INT(m->idmap, ==, HOST_IDMAP_PLAIN);
	T_INT(m->n_uid_mappings, ==, 1);
	T_TRUE(m->uid_mappings == &map);
	spec = mount_of("bind", "rbind ridmap");
	m = plan_env(&spec, &userns);
	T_INT(m->idmap, ==, HOST_IDMAP_RECURSIVE);
	T_INT(m->n_uid_mappings, ==, 0);
	spec = mount_of("bind", "rbind ridmap idmap");
	T_INT(plan_env(&spec, &userns)->idmap, ==, HOST_IDMAP_PLAIN);
}

static void expect_error(const struct spec_mount *spec, const struct host_mount_env *env,
			 const char *text)
{
	struct spec_mount two[2] = { mount_of("proc", ""), *spec };
	struct host_mount *m = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = host_mount_plan(two, 2, env, &arena, &m);

	cr_assert(e, "no error: %s", text);
	T_STR(dv_err_message(e), text);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	T_NULL(m);
}

Test(mount_plan, errors)
{
	static const struct {
		const char *type, *source, *options, *text;
	} rows[] = {
		{ "none", "/src", "bind size=1m nofoo",
		  "invalid mount: mounts[1] (/mnt): bind mounts cannot have any filesystem-specific "
		  "options applied (got \"size=1m,nofoo\")" },
		{ "bind", NULL, "bind",
		  "invalid mount: mounts[1] (/mnt): a bind mount needs a source" },
		{ "bind", "", "rbind",
		  "invalid mount: mounts[1] (/mnt): a bind mount needs a source" },
		{ NULL, "/src", "ro",
		  "invalid mount: mounts[1] (/mnt): type is missing, and it is not a bind mount" },
		{ "", "/src", "ro",
		  "invalid mount: mounts[1] (/mnt): type is missing, and it is not a bind mount" },
		{ "bind", "/src", "bind tmpcopyup",
		  "invalid mount: mounts[1] (/mnt): tmpcopyup is only supported for tmpfs" },
		{ "tmpfs", NULL, "idmap",
		  "invalid mount: mounts[1] (/mnt): id-mapped mounts are only supported for bind-mounts" },
		{ "bind", "/src", "bind idmap",
		  "invalid mount: mounts[1] (/mnt): id-mapped mounts must have both uid and gid mappings "
		  "specified" },
	};
	static const struct host_mount_env env;

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_mount spec = mount_of(rows[i].type, rows[i].options);

		spec.source = rows[i].source;
		expect_error(&spec, &env, rows[i].text);
	}
}

Test(mount_plan, idmap_errors)
{
	static const struct host_mount_env userns = { .has_userns = true };
	static const struct host_mount_env rootless = { .has_userns = true, .is_rootless = true };
	struct spec_id_mapping map = { .size = 1 };
	struct spec_mount spec = mount_of("bind", "bind idmap");

	expect_error(
		&spec, &rootless,
		"invalid mount: mounts[1] (/mnt): id-mapped mounts are not supported for rootless "
		"containers");
	spec.uid_mappings = &map;
	spec.n_uid_mappings = 1;
	expect_error(&spec, &userns,
		     "invalid mount: mounts[1] (/mnt): id-mapped mounts must have both uid and gid "
		     "mappings specified");
}

Test(mount_plan, relock)
{
	static const struct {
		const char *options;
		unsigned long source;
		const char *error; /* NULL: fine */
		uint64_t set, clr;
	} rows[] = {
		{ "bind ro", ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RELATIME, NULL,
		  RO | SUID | DEV | EXEC, SYM },
		{ "bind dev", ST_RDONLY | ST_NOEXEC | ST_RELATIME | ST_NODIRATIME, NULL, RO | EXEC,
		  SYM },
		{ "bind nosymfollow nosuid", ST_RDONLY | ST_RELATIME, NULL, RO | SUID | SYM, 0 },
		{ "bind ro symfollow", ST_NODEV | 0x2000 | ST_RELATIME, NULL, RO | DEV, SYM },
		{ "bind ro noatime", ST_NOATIME, NULL, RO, SYM },
		{ "bind ro strictatime", 0, NULL, RO, SYM },
		{ "bind rw nosuid", ST_RDONLY | ST_RELATIME,
		  "cannot clear locked flags MS_RDONLY: operation not permitted", 0, 0 },
		{ "bind dev suid exec atime", ST_NODEV | ST_NOSUID | ST_NOATIME,
		  "cannot clear locked flags MS_NOSUID|MS_NODEV|MS_NOATIME: operation not permitted",
		  0, 0 },
		{ "bind ro noatime", ST_RELATIME,
		  "cannot change locked atime flags MS_RELATIME: operation not permitted", 0, 0 },
		{ "bind nodiratime", 0,
		  "cannot change locked atime flags MS_STRICTATIME: operation not permitted", 0,
		  0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct host_mount *m = plan("bind", rows[i].options);
		uint64_t set = 0, clr = 0;
		char why[128] = "";
		int r = host_mount_relock(m, rows[i].source, &set, &clr, why, sizeof(why));

		T_STR(why, rows[i].error ? rows[i].error : "");
		T_INT(r, ==, rows[i].error ? -EPERM : 0);
		if (r < 0)
			continue;
		cr_expect(set == rows[i].set && clr == rows[i].clr, "%s: %llx %llx",
			  rows[i].options, (unsigned long long)set, (unsigned long long)clr);
	}
}

Test(mount_plan, flag_names)
{
	char b[64];

	host_mount_flags_format(MS_RDONLY | MS_BIND | MS_REC | MS_STRICTATIME, b, sizeof(b));
	T_STR(b, "MS_RDONLY|MS_BIND|MS_REC|MS_STRICTATIME");
	host_mount_flags_format(UINT64_C(1) << 40 | MS_NOSUID, b, sizeof(b));
	T_STR(b, "MS_NOSUID|0x10000000000");
	host_mount_flags_format(0, b, sizeof(b));
	T_STR(b, "");
	host_mount_flags_format(MS_RDONLY | MS_BIND | UINT64_C(1) << 40, b, 12);
	T_STR(b, "MS_RDONLY|M");
}

/* Every option and every pair of options gives something that mount_setattr() accepts. */
Test(mount_plan, kernel_takes_them)
{
	size_t n;
	const char *const *names = host_mount_option_names(&n);
	static const struct host_mount_env env = { .has_userns = true };
	int fd = sys_open_tree(AT_FDCWD, "/tmp", OPEN_TREE_CLONE);

	if (fd < 0)
		cr_skip_test("needs root and open_tree(2)");
	for (size_t i = 0; i < n * n; i++) {
		const char *options[] = { "bind", names[i / n], names[i % n] };
		struct spec_mount spec = mount_of("bind", "");
		struct host_mount *m = NULL;
		int r = 0;

		spec.options = options;
		spec.n_options = 3;
		dv_err_free(host_mount_plan(&spec, 1, &env, &arena, &m));
		if (!m)
			continue; /* tmpcopyup */
		if (m->changes_attrs)
			r = sys_mount_setattr(fd, "", AT_EMPTY_PATH, m->attr_set, m->attr_clr, 0,
					      -1);
		if (r == 0 && (m->rec_attr_set || m->rec_attr_clr))
			r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, m->rec_attr_set,
					      m->rec_attr_clr, 0, -1);
		cr_expect(r == 0, "%s,%s: %d", options[1], options[2], r);
	}
	sys_close(fd);
}
