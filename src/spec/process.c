/* SPDX-License-Identifier: Apache-2.0 */
/* The `process` object (config.md, "Process"): its tables. */

#include "spec/runtime.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/resource.h>

#include "id-list-private.h"
#include "table-private.h"

/* What runc takes; the kernel's own limit is lower. */
enum { MAX_CPU = 64 * 1024 };

/* ---- user, console ------------------------------------------------------------------ */

#define T struct spec_user
static const struct decode_field user_fields[] = {
	{ UINT("uid", uid, UINT32_MAX) },
	{ UINT("gid", gid, UINT32_MAX) },
	{ OPT_UINT("umask", umask, 0777) },
	{ U32S("additionalGids", additional_gids, n_additional_gids), MANY },
};
static const struct decode_object user_object = { DECODE_OBJECT_OF(user_fields) };
#undef T

#define T struct spec_process
static const struct decode_field console_fields[] = {
	{ UINT("height", console_height, UINT16_MAX), REQUIRED },
	{ UINT("width", console_width, UINT16_MAX), REQUIRED },
};
static const struct decode_object console_object = { DECODE_OBJECT_OF(console_fields) };
#undef T

/* ---- capabilities ------------------------------------------------------------------- */

struct cap_cursor {
	struct spec_capabilities *caps;
	uint64_t set;
};

/* Grows by doubling, with room for a NULL; the halves left behind go with the arena. */
static void add_unknown(struct decoder *d, struct spec_capabilities *caps, const char *name)
{
	size_t n = caps->n_unknown;
	const char **grown;

	if (n == 0 || (n >= 7 && ((n + 1) & n) == 0)) {
		grown = dv_arena_new_n(d->arena, const char *, DV_MAX((n + 1) * 2, (size_t)8));
		if (n > 0)
			memcpy(grown, caps->unknown, n * sizeof(*grown));
		caps->unknown = grown;
	}
	caps->unknown[caps->n_unknown++] = name;
}

/* Exactly "CAP_..." in capitals, as in runc: what is not understood is not granted. */
static struct dv_err *decode_cap(struct decoder *d, const struct dv_json *v, void *out)
{
	struct cap_cursor *c = out;
	const char *name;
	struct dv_err *e;
	int cap;

	e = spec_decode_string(d, v, &name);
	if (e)
		return e;
	cap = spec_cap_find(name);
	if (cap >= 0 && strcmp(name, spec_cap_name((unsigned)cap)) == 0)
		c->set |= UINT64_C(1) << cap;
	else
		add_unknown(d, c->caps, name);
	return NULL;
}

static struct dv_err *decode_cap_set(struct decoder *d, const struct dv_json *v,
				     struct spec_capabilities *caps, uint64_t *set)
{
	struct cap_cursor c = { .caps = caps };
	struct dv_err *e;

	e = spec_decode_each(d, v, DECODE_MAX_ITEMS, decode_cap, &c);
	*set = c.set;
	return e;
}

#define CAP_SET(name) \
	static struct dv_err *decode_##name(struct decoder *d, const struct dv_json *v, void *out) \
	{ \
		struct spec_capabilities *caps = out; \
\
		return decode_cap_set(d, v, caps, &caps->name); \
	}
CAP_SET(bounding)
CAP_SET(effective)
CAP_SET(inheritable)
CAP_SET(permitted)
CAP_SET(ambient)
#undef CAP_SET

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same unknown name usually stands in several sets: say it once. */
static struct dv_err *finish_caps(struct decoder *d, void *out)
{
	struct spec_capabilities *caps = out;
	size_t n = 0;

	(void)d;
	if (caps->n_unknown == 0)
		return NULL;
	qsort(caps->unknown, caps->n_unknown, sizeof(*caps->unknown), compare_names);
	for (size_t i = 0; i < caps->n_unknown; i++) {
		if (n == 0 || strcmp(caps->unknown[n - 1], caps->unknown[i]) != 0)
			caps->unknown[n++] = caps->unknown[i];
	}
	caps->unknown[n] = NULL;
	caps->n_unknown = n;
	return NULL;
}

#define T struct spec_capabilities
static const struct decode_field caps_fields[] = {
	{ CUSTOM("bounding", decode_bounding) },       { CUSTOM("effective", decode_effective) },
	{ CUSTOM("inheritable", decode_inheritable) }, { CUSTOM("permitted", decode_permitted) },
	{ CUSTOM("ambient", decode_ambient) },
};
static const struct decode_object caps_object = {
	DECODE_OBJECT_OF(caps_fields),
	.finish = finish_caps,
};
#undef T

/* ---- rlimits ------------------------------------------------------------------------ */

static const struct decode_name rlimit_rows[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};
static const struct decode_names rlimit_names = DECODE_NAMES("unknown rlimit", rlimit_rows);

int spec_rlimit_find(const char *name)
{
	const struct decode_name *row = spec_names_find(&rlimit_names, name);

	return row ? (int)row->value : -1;
}

static struct dv_err *finish_rlimit(struct decoder *d, void *out)
{
	struct spec_rlimit *r = out;

	(void)d;
	r->name = spec_names_of(&rlimit_names, r->resource);
	return NULL;
}

#define T struct spec_rlimit
static const struct decode_field rlimit_fields[] = {
	{ ENUM("type", resource, rlimit_names), REQUIRED },
	{ UINT("hard", hard, UINT64_MAX), REQUIRED },
	{ UINT("soft", soft, UINT64_MAX), REQUIRED },
};
static const struct decode_object rlimit_object = {
	DECODE_OBJECT_OF(rlimit_fields),
	.finish = finish_rlimit,
};
#undef T

/* ---- scheduling --------------------------------------------------------------------- */

static const struct decode_name policy_rows[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", 4 /* reserved by the kernel, without a name in its header */ },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};
const struct decode_names spec_scheduler_policies =
	DECODE_NAMES("invalid scheduler policy", policy_rows);

static const struct decode_name sched_flag_rows[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};
static const struct decode_names sched_flag_names =
	DECODE_NAMES("invalid scheduler flag", sched_flag_rows);

#define T struct spec_scheduler
static const struct decode_field scheduler_fields[] = {
	{ ENUM("policy", policy, spec_scheduler_policies), REQUIRED },
	{ INT("nice", nice, INT32_MIN, INT32_MAX) },
	{ INT("priority", priority, INT32_MIN, INT32_MAX) },
	{ FLAGS("flags", flags, sched_flag_names) },
	{ UINT("runtime", runtime, UINT64_MAX) },
	{ UINT("deadline", deadline, UINT64_MAX) },
	{ UINT("period", period, UINT64_MAX) },
};
static const struct decode_object scheduler_object = { DECODE_OBJECT_OF(scheduler_fields) };
#undef T

static const struct decode_name io_class_rows[] = {
	{ "IOPRIO_CLASS_RT", 1 },
	{ "IOPRIO_CLASS_BE", 2 },
	{ "IOPRIO_CLASS_IDLE", 3 },
};
static const struct decode_names io_class_names =
	DECODE_NAMES("invalid ioPriority.class", io_class_rows);

#define T struct spec_io_priority
static const struct decode_field io_priority_fields[] = {
	{ ENUM("class", class, io_class_names), REQUIRED },
	{ INT("priority", priority, 0, 7) }, /* required, but runc's callers leave it out */
};
static const struct decode_object io_priority_object = { DECODE_OBJECT_OF(io_priority_fields) };
#undef T

/* Kept in the kernel's own form, whatever liberties the document takes. */
static struct dv_err *decode_cpu_list(struct decoder *d, const struct dv_json *v, const char **ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct spec_id_range r;
	enum spec_id_list next;
	const char *text, *p;
	struct dv_err *e;

	e = spec_decode_text(d, v, false, &text);
	if (e || !text)
		return e;
	p = text;
	while ((next = spec_id_list_next(&p, MAX_CPU, &r)) == SPEC_ID_LIST_RANGE) {
		dv_strbuf_addf(&b, "%s%u", b.len ? "," : "", r.first);
		if (r.last != r.first)
			dv_strbuf_addf(&b, "-%u", r.last);
	}
	if (next == SPEC_ID_LIST_BAD || b.len == 0)
		return spec_decode_expected(d, v, "a list of CPUs like 0-3,7");
	*ret = dv_arena_strdup(d->arena, b.data);
	return NULL;
}

static struct dv_err *decode_initial(struct decoder *d, const struct dv_json *v, void *out)
{
	return decode_cpu_list(d, v, &((struct spec_cpu_affinity *)out)->initial);
}

static struct dv_err *decode_final(struct decoder *d, const struct dv_json *v, void *out)
{
	return decode_cpu_list(d, v, &((struct spec_cpu_affinity *)out)->final);
}

#define T struct spec_cpu_affinity
static const struct decode_field affinity_fields[] = {
	{ CUSTOM("initial", decode_initial) },
	{ CUSTOM("final", decode_final) },
};
static const struct decode_object affinity_object = { DECODE_OBJECT_OF(affinity_fields) };
#undef T

/* ---- process ------------------------------------------------------------------------ */

#define T struct spec_process
static const struct decode_field process_fields[] = {
	{ BOOL("terminal", terminal) },
	{ GROUP("consoleSize", console_object) },
	{ OBJECT("user", user, user_object) },
	{ STRINGS("args", args, n_args), REQUIRED, MANY },
	{ STRINGS("env", env, n_env), MANY },
	{ STRING("cwd", cwd), REQUIRED },
	{ OBJECT_NEW("capabilities", capabilities, caps_object) },
	{ LIST("rlimits", rlimits, n_rlimits, rlimit_object) },
	{ BOOL("noNewPrivileges", no_new_privileges) },
	{ STRING("apparmorProfile", apparmor_profile) },
	{ OPT_INT("oomScoreAdj", oom_score_adj, -1000, 1000) },
	{ OBJECT_NEW("scheduler", scheduler, scheduler_object) },
	{ STRING("selinuxLabel", selinux_label) },
	{ OBJECT_NEW("ioPriority", io_priority, io_priority_object) },
	{ OBJECT_NEW("execCPUAffinity", exec_cpu_affinity, affinity_object) },
};
const struct decode_object spec_process_object = { DECODE_OBJECT_OF(process_fields) };
#undef T

struct dv_err *spec_process_parse(struct dv_arena *arena, const char *text, size_t len,
				  struct spec_process **ret)
{
	struct spec_process *p = dv_arena_new(arena, struct spec_process);
	struct dv_err *e;

	e = spec_decode_document(arena, &spec_process_object, text, len, p);
	if (e)
		return e;
	*ret = p;
	return NULL;
}
