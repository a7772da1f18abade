/* SPDX-License-Identifier: Apache-2.0 */
/* linux.seccomp: tables and rules. */

#include "test-private.h"

#define SECCOMP(members) CONFIG(",'linux':{'seccomp':{" members "}}")
#define RULE(members)	 "'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{" members "}]"

static const struct spec_seccomp *parse(const char *text)
{
	return t_parse(text)->linux.seccomp;
}

Test(seccomp, full, .fini = t_fini)
{
	const struct spec_seccomp *s = parse(SECCOMP(
		"'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,"
		"'architectures':['SCMP_ARCH_X86_64','SCMP_ARCH_SHEB'],"
		"'flags':['SECCOMP_FILTER_FLAG_LOG','SECCOMP_FILTER_FLAG_TSYNC'],"
		"'listenerPath':'/s','listenerMetadata':'m',"
		"'syscalls':[{'names':['getcwd','chmod'],'action':'SCMP_ACT_ALLOW'},"
		"{'names':['clone'],'action':'SCMP_ACT_TRACE','errnoRet':7,'args':["
		"{'index':5,'value':18446744073709551615,'valueTwo':1,'op':'SCMP_CMP_MASKED_EQ'},"
		"{'index':0,'value':2,'op':'SCMP_CMP_NE'}]}]"));

	cr_assert_eq(s->default_action, SPEC_ACT_ERRNO);
	cr_assert_eq(s->default_errno_ret.value, 38);
	cr_assert_eq(s->n_architectures, 2);
	cr_assert_str_eq(s->architectures[1], "SCMP_ARCH_SHEB");
	cr_assert_null(s->architectures[2]);
	cr_assert(s->has_flags);
	cr_assert_eq(s->flags, SPEC_SECCOMP_LOG | SPEC_SECCOMP_TSYNC);
	cr_assert_str_eq(s->listener_path, "/s");
	cr_assert_str_eq(s->listener_metadata, "m");
	cr_assert_eq(s->n_rules, 2);
	cr_assert_eq(s->rules[0].n_names, 2);
	cr_assert_str_eq(s->rules[0].names[1], "chmod");
	cr_assert_eq(s->rules[0].action, SPEC_ACT_ALLOW);
	cr_assert_not(s->rules[0].errno_ret.is_set);
	cr_assert_eq(s->rules[1].errno_ret.value, 7);
	cr_assert_eq(s->rules[1].n_args, 2);
	cr_assert_eq(s->rules[1].args[0].index, 5);
	cr_assert_eq(s->rules[1].args[0].value, UINT64_MAX);
	cr_assert_eq(s->rules[1].args[0].value_two, 1);
	cr_assert_eq(s->rules[1].args[0].op, SPEC_CMP_MASKED_EQ);
	cr_assert_eq(s->rules[1].args[1].op, SPEC_CMP_NE);
}

Test(seccomp, flags_given_or_not, .fini = t_fini)
{
	const struct spec_seccomp *s = parse(SECCOMP("'defaultAction':'SCMP_ACT_ALLOW'"));

	cr_assert_not(s->has_flags);
	s = parse(SECCOMP("'defaultAction':'SCMP_ACT_ALLOW','flags':[]"));
	cr_assert(s->has_flags);
	cr_assert_eq(s->flags, 0);
	s = parse(SECCOMP("'defaultAction':'SCMP_ACT_ALLOW','flags':null"));
	cr_assert_not(s->has_flags);
}

/* runc's reading of a profile that is not in use. */
Test(seccomp, nothing_said_is_no_profile, .fini = t_fini)
{
	cr_assert_null(parse(SECCOMP("")));
	cr_assert_null(parse(SECCOMP("'defaultAction':'','syscalls':null")));
	cr_assert_null(parse(CONFIG(",'linux':{'seccomp':null}")));
	t_refused(SECCOMP("'syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW'}]"),
		  "linux.seccomp.defaultAction: required property is missing");
}

Test(seccomp, malformed, .fini = t_fini)
{
	t_refused(SECCOMP(RULE("'action':'SCMP_ACT_ALLOW'")),
		  "linux.seccomp.syscalls[0].names: required property is missing");
	t_refused(SECCOMP(RULE("'names':[],'action':'SCMP_ACT_ALLOW'")),
		  "linux.seccomp.syscalls[0]: names must have at least one entry");
	t_refused(SECCOMP(RULE("'names':['a',''],'action':'SCMP_ACT_ALLOW'")),
		  "linux.seccomp.syscalls[0]: names[1]: empty string is not a valid syscall");
	t_refused(SECCOMP(RULE("'names':['a']")),
		  "linux.seccomp.syscalls[0].action: required property is missing");
	t_refused(SECCOMP(RULE("'args':[{'value':1,'op':'SCMP_CMP_EQ'}]")),
		  "linux.seccomp.syscalls[0].args[0].index: required property is missing");
	t_refused(SECCOMP(RULE("'args':[{'index':1,'op':'SCMP_CMP_EQ'}]")),
		  "linux.seccomp.syscalls[0].args[0].value: required property is missing");
	t_refused(SECCOMP(RULE("'args':[{'index':1,'value':1}]")),
		  "linux.seccomp.syscalls[0].args[0].op: required property is missing");
	t_refused(SECCOMP("'architectures':['SCMP_ARCH_X86','x']"),
		  "linux.seccomp.architectures[1]: unknown architecture 'x'");
}

Test(seccomp, names)
{
	cr_assert_str_eq(spec_seccomp_action_name(SPEC_ACT_KILL), "SCMP_ACT_KILL");
	cr_assert_str_eq(spec_seccomp_action_name(SPEC_ACT_NOTIFY), "SCMP_ACT_NOTIFY");
	cr_assert_null(spec_seccomp_action_name(SPEC_ACT__N));
	cr_assert_str_eq(spec_seccomp_op_name(SPEC_CMP_NE), "SCMP_CMP_NE");
	cr_assert_str_eq(spec_seccomp_op_name(SPEC_CMP_MASKED_EQ), "SCMP_CMP_MASKED_EQ");
	cr_assert_null(spec_seccomp_op_name(SPEC_CMP__N));
}

Test(seccomp, rules, .fini = t_fini)
{
	static const struct {
		const char *text, *message; /* NULL: valid */
	} cases[] = {
		{ RULE("'names':['mkdir'],'action':'SCMP_ACT_NOTIFY'") ",'listenerPath':'/s'",
		  NULL },
		{ "'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/s','listenerMetadata':'m'",
		  NULL },
		{ "'defaultAction':'SCMP_ACT_NOTIFY','listenerPath':'/s'",
		  "SCMP_ACT_NOTIFY cannot be used as default action" },
		{ RULE("'names':['a','write'],'action':'SCMP_ACT_NOTIFY'") ",'listenerPath':'/s'",
		  "SCMP_ACT_NOTIFY cannot be used for the write syscall" },
		{ RULE("'names':['write'],'action':'SCMP_ACT_LOG'"), NULL },
		{ RULE("'names':['a'],'action':'SCMP_ACT_NOTIFY'"),
		  "seccomp listenerPath is not set" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_NOTIFY'") ",'listenerPath':''",
		  "seccomp listenerPath is not set" },
		{ "'defaultAction':'SCMP_ACT_ALLOW','listenerMetadata':'m'",
		  "seccomp listenerMetadata is set, but listenerPath is not set" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_ALLOW','errnoRet':1"), NULL },
	};
	static const struct spec_env env = { 0 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'ociVersion':'1.0.0','root':{'path':'r'},"
				      "'linux':{'seccomp':{%s}}}",
				      cases[i].text);
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e = spec_runtime_validate(t_parse(doc), &env, NULL);

		if (!cases[i].message) {
			cr_assert_null(e, "%s: %s", doc, e ? dv_err_message(e) : "");
			continue;
		}
		cr_assert_not_null(e, "%s", doc);
		cr_assert_str_eq(dv_err_message(e), cases[i].message);
	}
}
