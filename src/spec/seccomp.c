/* SPDX-License-Identifier: Apache-2.0 */
/* `linux.seccomp` (config-linux.md, "Seccomp"): its tables. */

#include "spec/runtime.h"

#include "table-private.h"

static const struct decode_name action_rows[] = {
	{ "SCMP_ACT_KILL", SPEC_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", SPEC_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SPEC_ACT_KILL_THREAD },
	{ "SCMP_ACT_TRAP", SPEC_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SPEC_ACT_ERRNO },
	{ "SCMP_ACT_TRACE", SPEC_ACT_TRACE },
	{ "SCMP_ACT_ALLOW", SPEC_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SPEC_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SPEC_ACT_NOTIFY },
};
static const struct decode_names action_names = DECODE_NAMES("unknown action", action_rows);
_Static_assert(DV_ARRAY_SIZE(action_rows) == SPEC_ACT__N, "an action without a name");

static const struct decode_name op_rows[] = {
	{ "SCMP_CMP_NE", SPEC_CMP_NE },
	{ "SCMP_CMP_LT", SPEC_CMP_LT },
	{ "SCMP_CMP_LE", SPEC_CMP_LE },
	{ "SCMP_CMP_EQ", SPEC_CMP_EQ },
	{ "SCMP_CMP_GE", SPEC_CMP_GE },
	{ "SCMP_CMP_GT", SPEC_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SPEC_CMP_MASKED_EQ },
};
static const struct decode_names op_names = DECODE_NAMES("unknown operator", op_rows);
_Static_assert(DV_ARRAY_SIZE(op_rows) == SPEC_CMP__N, "an operator without a name");

static const struct decode_name flag_rows[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SPEC_SECCOMP_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SPEC_SECCOMP_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_SECCOMP_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SPEC_SECCOMP_WAIT_KILLABLE_RECV },
};
static const struct decode_names flag_names = DECODE_NAMES("unknown seccomp flag", flag_rows);

/* The values are not used: the host maps names, and may not know all of these. */
static const struct decode_name arch_rows[] = {
	{ "SCMP_ARCH_X86", 0 },	     { "SCMP_ARCH_X86_64", 0 },	     { "SCMP_ARCH_X32", 0 },
	{ "SCMP_ARCH_ARM", 0 },	     { "SCMP_ARCH_AARCH64", 0 },     { "SCMP_ARCH_MIPS", 0 },
	{ "SCMP_ARCH_MIPS64", 0 },   { "SCMP_ARCH_MIPS64N32", 0 },   { "SCMP_ARCH_MIPSEL", 0 },
	{ "SCMP_ARCH_MIPSEL64", 0 }, { "SCMP_ARCH_MIPSEL64N32", 0 }, { "SCMP_ARCH_PPC", 0 },
	{ "SCMP_ARCH_PPC64", 0 },    { "SCMP_ARCH_PPC64LE", 0 },     { "SCMP_ARCH_S390", 0 },
	{ "SCMP_ARCH_S390X", 0 },    { "SCMP_ARCH_PARISC", 0 },	     { "SCMP_ARCH_PARISC64", 0 },
	{ "SCMP_ARCH_RISCV64", 0 },  { "SCMP_ARCH_LOONGARCH64", 0 }, { "SCMP_ARCH_M68K", 0 },
	{ "SCMP_ARCH_SH", 0 },	     { "SCMP_ARCH_SHEB", 0 },
};
static const struct decode_names arch_names = DECODE_NAMES("unknown architecture", arch_rows);

const char *spec_seccomp_action_name(enum spec_seccomp_action action)
{
	return spec_names_of(&action_names, action);
}

const char *spec_seccomp_op_name(enum spec_seccomp_op op)
{
	return spec_names_of(&op_names, op);
}

#define T struct spec_seccomp_arg
static const struct decode_field arg_fields[] = {
	{ UINT("index", index, 5), REQUIRED }, /* system calls have six arguments */
	{ UINT("value", value, UINT64_MAX), REQUIRED },
	{ UINT("valueTwo", value_two, UINT64_MAX) },
	{ ENUM("op", op, op_names), REQUIRED },
};
static const struct decode_object arg_object = { DECODE_OBJECT_OF(arg_fields) };
#undef T

static struct dv_err *finish_rule(struct decoder *d, void *out)
{
	const struct spec_seccomp_rule *rule = out;

	if (rule->n_names == 0)
		return spec_decode_error(d, "names must have at least one entry");
	for (size_t i = 0; i < rule->n_names; i++) {
		if (!*rule->names[i])
			return spec_decode_error(
				d, "names[%zu]: empty string is not a valid syscall", i);
	}
	return NULL;
}

#define T struct spec_seccomp_rule
static const struct decode_field rule_fields[] = {
	{ STRINGS("names", names, n_names), REQUIRED },
	{ ENUM("action", action, action_names), REQUIRED },
	{ OPT_UINT("errnoRet", errno_ret, UINT16_MAX) }, /* SECCOMP_RET_DATA's 16 bits */
	{ LIST("args", args, n_args, arg_object) },
};
static const struct decode_object rule_object = {
	DECODE_OBJECT_OF(rule_fields),
	.finish = finish_rule,
};
#undef T

static struct dv_err *decode_arch(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_seccomp *seccomp = out;
	const struct decode_name *row;
	struct dv_err *e;

	e = spec_decode_name(d, v, &arch_names, true, &row);
	if (!e)
		seccomp->architectures[seccomp->n_architectures++] = row->name;
	return e;
}

static struct dv_err *decode_archs(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_seccomp *seccomp = out;
	size_t n = DV_MIN(dv_json_array_len(v), (size_t)DECODE_MAX_ITEMS);

	seccomp->architectures = dv_arena_new_n(d->arena, const char *, n + 1);
	seccomp->n_architectures = 0;
	return spec_decode_each(d, v, DECODE_MAX_ITEMS, decode_arch, seccomp);
}

/* Go writes a profile that is not in use as {"defaultAction": ""}. */
static void init_seccomp(void *out)
{
	((struct spec_seccomp *)out)->default_action = SPEC_ACT__N;
}

static struct dv_err *finish_seccomp(struct decoder *d, void *out)
{
	const struct spec_seccomp *seccomp = out;

	if (seccomp->default_action == SPEC_ACT__N && seccomp->n_rules > 0)
		return spec_decode_missing(d, "defaultAction");
	return NULL;
}

#define T struct spec_seccomp
static const struct decode_field seccomp_fields[] = {
	{ ENUM("defaultAction", default_action, action_names) },
	{ OPT_UINT("defaultErrnoRet", default_errno_ret, UINT16_MAX) },
	{ CUSTOM("architectures", decode_archs) },
	{ FLAGS("flags", flags, flag_names), FLAGGED(has_flags) },
	{ STRING("listenerPath", listener_path) },
	{ STRING("listenerMetadata", listener_metadata) },
	{ LIST("syscalls", rules, n_rules, rule_object) },
};
const struct decode_object spec_seccomp_object = {
	DECODE_OBJECT_OF(seccomp_fields),
	.init = init_seccomp,
	.finish = finish_seccomp,
};
#undef T
