/* SPDX-License-Identifier: Apache-2.0 */
/* The process object: every property read, every rule broken once, names looked up. */

#include "test-private.h"

#include <linux/sched.h>
#include <sys/resource.h>

static const char full[] =
	"{'terminal':true,'consoleSize':{'height':25,'width':80},"
	"'user':{'uid':1,'gid':2,'umask':63,'additionalGids':[5,6,4294967295]},"
	"'args':['sh','','-c'],'env':['A=b','C='],'cwd':'/root',"
	"'capabilities':{'bounding':['CAP_CHOWN','CAP_KILL'],'effective':['CAP_KILL'],"
	"'inheritable':['CAP_CHECKPOINT_RESTORE'],'permitted':['CAP_DAC_OVERRIDE'],"
	"'ambient':['CAP_BPF']},"
	"'rlimits':[{'type':'RLIMIT_NOFILE','hard':1024,'soft':512},"
	"{'type':'RLIMIT_CORE','hard':18446744073709551615,'soft':0}],"
	"'noNewPrivileges':true,'apparmorProfile':'acme','oomScoreAdj':-500,"
	"'scheduler':{'policy':'SCHED_DEADLINE','nice':-3,'priority':0,"
	"'flags':['SCHED_FLAG_RESET_ON_FORK','SCHED_FLAG_UTIL_CLAMP_MAX'],"
	"'runtime':1,'deadline':2,'period':18446744073709551615},"
	"'selinuxLabel':'u:r:t:s0','ioPriority':{'class':'IOPRIO_CLASS_IDLE','priority':7},"
	"'execCPUAffinity':{'initial':'7','final':'0-3,7'}}";

static struct spec_process *parse(const char *text)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);
	struct spec_process *p = NULL;
	struct dv_err *e = spec_process_parse(&t_arena, json, strlen(json), &p);

	cr_assert_null(e, "%s: %s", text, e ? dv_err_message(e) : "");
	return p;
}

static void refused(const char *text, const char *message)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);
	struct spec_process *p = NULL;
	DV_CLEANUP(dv_err_freep)
	struct dv_err *e = spec_process_parse(&t_arena, json, strlen(json), &p);

	cr_assert_not_null(e, "%s", text);
	cr_assert_null(p);
	cr_assert_eq(dv_err_code(e), DV_INVALID);
	cr_assert_str_eq(dv_err_message(e), message);
}

static void check_full(const struct spec_process *p)
{
	cr_assert(p->terminal);
	cr_assert_eq(p->console_height, 25);
	cr_assert_eq(p->console_width, 80);
	cr_assert_eq(p->user.uid, 1);
	cr_assert_eq(p->user.gid, 2);
	cr_assert(p->user.umask.is_set);
	cr_assert_eq(p->user.umask.value, 077);
	cr_assert_eq(p->user.n_additional_gids, 3);
	cr_assert_eq(p->user.additional_gids[2], UINT32_MAX);
	cr_assert_eq(p->n_args, 3);
	cr_assert_str_eq(p->args[0], "sh");
	cr_assert_str_eq(p->args[1], "");
	cr_assert_null(p->args[3]);
	cr_assert_eq(p->n_env, 2);
	cr_assert_str_eq(p->env[1], "C=");
	cr_assert_null(p->env[2]);
	cr_assert_str_eq(p->cwd, "/root");
	cr_assert(p->no_new_privileges);
	cr_assert_str_eq(p->apparmor_profile, "acme");
	cr_assert_str_eq(p->selinux_label, "u:r:t:s0");
	cr_assert_eq(p->oom_score_adj.value, -500);
}

static void check_full_objects(const struct spec_process *p)
{
	cr_assert_eq(p->capabilities->bounding, 1 << 0 | 1 << 5);
	cr_assert_eq(p->capabilities->effective, 1 << 5);
	cr_assert_eq(p->capabilities->inheritable, UINT64_C(1) << 40);
	cr_assert_eq(p->capabilities->permitted, 1 << 1);
	cr_assert_eq(p->capabilities->ambient, UINT64_C(1) << 39);
	cr_assert_eq(p->capabilities->n_unknown, 0);
	cr_assert_eq(p->n_rlimits, 2);
	cr_assert_eq(p->rlimits[0].resource, RLIMIT_NOFILE);
	cr_assert_str_eq(p->rlimits[0].name, "RLIMIT_NOFILE");
	cr_assert_eq(p->rlimits[0].hard, 1024);
	cr_assert_eq(p->rlimits[0].soft, 512);
	cr_assert_eq(p->rlimits[1].hard, UINT64_MAX);
	cr_assert_eq(p->scheduler->policy, SCHED_DEADLINE);
	cr_assert_eq(p->scheduler->nice, -3);
	cr_assert_eq(p->scheduler->flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_UTIL_CLAMP_MAX);
	cr_assert_eq(p->scheduler->runtime, 1);
	cr_assert_eq(p->scheduler->deadline, 2);
	cr_assert_eq(p->scheduler->period, UINT64_MAX);
	cr_assert_eq(p->io_priority->class, 3);
	cr_assert_eq(p->io_priority->priority, 7);
	cr_assert_str_eq(p->exec_cpu_affinity->initial, "7");
	cr_assert_str_eq(p->exec_cpu_affinity->final, "0-3,7");
}

Test(process, alone, .fini = t_fini)
{
	const struct spec_process *p = parse(full);

	check_full(p);
	check_full_objects(p);
	cr_assert_null(spec_process_validate(p));
}

Test(process, within_a_document, .fini = t_fini)
{
	DV_CLEANUP(dv_freep)
	char *doc = dv_printf("{'ociVersion':'1.0.2','root':{'path':'r'},'process':%s}", full);
	const struct spec_runtime *spec = t_parse(doc);

	check_full(spec->process);
	check_full_objects(spec->process);
}

Test(process, least, .fini = t_fini)
{
	const struct spec_process *p = parse(PROCESS(""));

	cr_assert_not(p->terminal);
	cr_assert_eq(p->console_height, 0);
	cr_assert_not(p->user.umask.is_set);
	cr_assert_null(p->capabilities);
	cr_assert_null(p->apparmor_profile);
	cr_assert_null(p->scheduler);
	cr_assert_null(p->io_priority);
	cr_assert_null(p->exec_cpu_affinity);
	cr_assert_not(p->oom_score_adj.is_set);
	cr_assert_eq(p->n_env, 0);
	cr_assert_eq(p->n_rlimits, 0);
}

/* What Go leaves behind for what was not set. */
Test(process, empty_is_absent, .fini = t_fini)
{
	const struct spec_process *p =
		parse(PROCESS(",'apparmorProfile':'','selinuxLabel':'','env':null,'user':null,"
			      "'capabilities':{},'ioPriority':{'class':'IOPRIO_CLASS_BE'},"
			      "'execCPUAffinity':{'initial':'','final':null}"));

	cr_assert_null(p->apparmor_profile);
	cr_assert_null(p->selinux_label);
	cr_assert_eq(p->n_env, 0);
	cr_assert_not_null(p->capabilities);
	cr_assert_eq(p->capabilities->bounding, 0);
	cr_assert_eq(p->io_priority->class, 2);
	cr_assert_eq(p->io_priority->priority, 0);
	cr_assert_null(p->exec_cpu_affinity->initial);
	cr_assert_null(p->exec_cpu_affinity->final);
}

Test(process, unknown_capabilities_are_collected, .fini = t_fini)
{
	const struct spec_process *p =
		parse(PROCESS(",'capabilities':{'bounding':['CAP_ZOO','CAP_KILL','kill','KILL',"
			      "'CAP_kill','','A1','A2','A3','A4','A5','A6'],"
			      "'permitted':['CAP_ZOO','CAP_APE','B1','B2','B3','B4','B5','B6']}"));
	static const char *const names[] = {
		"",   "A1", "A2", "A3", "A4",	   "A5",      "A6",	  "B1",	  "B2",
		"B3", "B4", "B5", "B6", "CAP_APE", "CAP_ZOO", "CAP_kill", "KILL", "kill"
	};

	cr_assert_eq(p->capabilities->bounding, 1 << 5);
	cr_assert_eq(p->capabilities->permitted, 0);
	cr_assert_eq(p->capabilities->n_unknown, DV_ARRAY_SIZE(names));
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++)
		cr_assert_str_eq(p->capabilities->unknown[i], names[i]);
	cr_assert_null(p->capabilities->unknown[DV_ARRAY_SIZE(names)]);
}

Test(process, malformed, .fini = t_fini)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "7", "document: expected an object, got 7" },
		{ "null", "document: expected an object, got null" },
		{ "{'args':['a']}", "cwd: required property is missing" },
		{ "{'cwd':'/'}", "args: required property is missing" },
		{ "{'cwd':'','args':['a']}", "cwd: must not be empty" },
		{ "{'cwd':null,'args':['a']}", "cwd: required property is missing" },
		{ "{'cwd':'/','args':['a'", "the document is incomplete" },
		{ PROCESS(",'consoleSize':{'width':1}"),
		  "consoleSize.height: required property is missing" },
		{ PROCESS(",'consoleSize':{'height':1}"),
		  "consoleSize.width: required property is missing" },
		{ PROCESS(",'rlimits':[{'soft':1,'hard':2}]"),
		  "rlimits[0].type: required property is missing" },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_CPU','hard':2}]"),
		  "rlimits[0].soft: required property is missing" },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_CPU','soft':2}]"),
		  "rlimits[0].hard: required property is missing" },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_FOO'}]"),
		  "rlimits[0].type: unknown rlimit \"RLIMIT_FOO\"" },
		{ PROCESS(",'rlimits':[{'type':''}]"), "rlimits[0].type: unknown rlimit \"\"" },
		{ PROCESS(",'scheduler':{}"), "scheduler.policy: required property is missing" },
		{ PROCESS(",'ioPriority':{'priority':1}"),
		  "ioPriority.class: required property is missing" },
		{ PROCESS(",'ioPriority':{'class':'BE'}"),
		  "ioPriority.class: invalid ioPriority.class \"BE\": expected IOPRIO_CLASS_RT, "
		  "IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE" },
		{ PROCESS(",'scheduler':{'flags':['']}"),
		  "scheduler.flags[0]: invalid scheduler flag \"\": expected "
		  "SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN, "
		  "SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS, SCHED_FLAG_UTIL_CLAMP_MIN or "
		  "SCHED_FLAG_UTIL_CLAMP_MAX" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		refused(cases[i].text, cases[i].message);
}

Test(process, cpu_lists, .fini = t_fini)
{
	static const struct {
		const char *list, *want; /* NULL: refused */
	} cases[] = {
		{ "0", "0" },
		{ "0-3,7", "0-3,7" },
		{ " 0 , 2-3 ", "0,2-3" },
		{ "1,,2,", "1,2" },
		{ "5-5", "5" },
		{ "65536", "65536" },
		{ "65537", NULL },
		{ "3-1", NULL },
		{ "-1", NULL },
		{ "1-", NULL },
		{ "a", NULL },
		{ "1;2", NULL },
		{ "1 2", NULL },
		{ ",", NULL },
		{ "0x1", NULL },
		{ "99999999999999999999999", NULL },
		{ "0-3/2", NULL },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'cwd':'/','args':['a'],'execCPUAffinity':{'final':'%s'}}",
				      cases[i].list);
		DV_CLEANUP(dv_freep)
		char *message = dv_printf("execCPUAffinity.final: expected a list of CPUs like "
					  "0-3,7, got \"%s\"",
					  cases[i].list);

		if (cases[i].want)
			cr_assert_str_eq(parse(doc)->exec_cpu_affinity->final, cases[i].want);
		else
			refused(doc, message);
	}
}

Test(process, rules, .fini = t_fini)
{
	static const struct {
		const char *text, *message; /* NULL: valid */
	} cases[] = {
		{ "{'cwd':'a','args':['a']}",
		  "process.cwd: Cwd must be an absolute path, got \"a\"" },
		{ "{'cwd':'/','args':[]}", "process.args: args must not be empty" },
		{ PROCESS(",'env':['A=','B=c=d']"), NULL },
		{ PROCESS(",'env':['A=1','B']"),
		  "process.env[1]: invalid environment variable: missing '='" },
		{ PROCESS(",'env':['']"),
		  "process.env[0]: invalid environment variable: missing '='" },
		{ PROCESS(",'env':['=x']"),
		  "process.env[0]: invalid environment variable: name cannot be empty" },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':2}]"), NULL },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_CPU','soft':3,'hard':2}]"),
		  "process.rlimits[0]: RLIMIT_CPU: the soft limit 3 is above the hard limit 2" },
		{ PROCESS(",'rlimits':[{'type':'RLIMIT_CPU','soft':1,'hard':2},"
			  "{'type':'RLIMIT_AS','soft':1,'hard':2},"
			  "{'type':'RLIMIT_CPU','soft':1,'hard':2}]"),
		  "process.rlimits[2]: RLIMIT_CPU is listed twice" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_OTHER','nice':19}"), NULL },
		{ PROCESS(",'scheduler':{'policy':'SCHED_BATCH','nice':-20}"), NULL },
		{ PROCESS(",'scheduler':{'policy':'SCHED_ISO'}"), NULL },
		{ PROCESS(",'scheduler':{'policy':'SCHED_OTHER','nice':20}"),
		  "invalid scheduler.nice: 20 when scheduler.policy is SCHED_OTHER" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_BATCH','nice':-21}"),
		  "invalid scheduler.nice: -21 when scheduler.policy is SCHED_BATCH" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_IDLE','priority':1}"),
		  "scheduler.priority can only be specified for SchedFIFO or SchedRR policy" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_FIFO','priority':99}"), NULL },
		{ PROCESS(",'scheduler':{'policy':'SCHED_RR','priority':1}"), NULL },
		{ PROCESS(",'scheduler':{'policy':'SCHED_RR','priority':100}"),
		  "invalid scheduler.priority: 100: expected 1 to 99 when scheduler.policy is "
		  "SCHED_RR" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_FIFO'}"),
		  "invalid scheduler.priority: 0: expected 1 to 99 when scheduler.policy is "
		  "SCHED_FIFO" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_OTHER','runtime':1}"),
		  "scheduler runtime/deadline/period can only be specified for SchedDeadline "
		  "policy" },
		{ PROCESS(",'scheduler':{'policy':'SCHED_DEADLINE','period':1}"), NULL },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e = spec_process_validate(parse(cases[i].text));

		if (!cases[i].message) {
			cr_assert_null(e, "%s: %s", cases[i].text, e ? dv_err_message(e) : "");
			continue;
		}
		cr_assert_not_null(e, "%s", cases[i].text);
		cr_assert_eq(dv_err_code(e), DV_INVALID);
		cr_assert_str_eq(dv_err_message(e), cases[i].message);
	}
}

Test(process, rules_without_a_process)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = spec_process_validate(NULL);
	const struct spec_process bare = { 0 };
	DV_CLEANUP(dv_err_freep) struct dv_err *e2 = spec_process_validate(&bare);

	cr_assert_str_eq(dv_err_message(e), "process property must not be empty");
	cr_assert_str_eq(dv_err_message(e2), "process.cwd: Cwd property must not be empty");
}

Test(names, capabilities)
{
	for (unsigned i = 0; i <= 40; i++) {
		const char *name = spec_cap_name(i);

		cr_assert(dv_starts_with(name, "CAP_"));
		cr_assert_eq(spec_cap_find(name), (int)i);
		cr_assert_eq(spec_cap_find(name + 4), (int)i);
	}
	cr_assert_null(spec_cap_name(41));
	cr_assert_str_eq(spec_cap_name(21), "CAP_SYS_ADMIN");
	cr_assert_str_eq(spec_cap_name(40), "CAP_CHECKPOINT_RESTORE");
	cr_assert_eq(spec_cap_find("cap_sys_Admin"), 21);
	cr_assert_eq(spec_cap_find("bpf"), 39);
	cr_assert_eq(spec_cap_find(""), -1);
	cr_assert_eq(spec_cap_find("CAP_"), -1);
	cr_assert_eq(spec_cap_find("CAP_CAP_KILL"), -1);
	cr_assert_eq(spec_cap_find("CAP_KILLS"), -1);
}

Test(names, rlimits)
{
	cr_assert_eq(spec_rlimit_find("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	cr_assert_eq(spec_rlimit_find("RLIMIT_RTTIME"), RLIMIT_RTTIME);
	cr_assert_eq(spec_rlimit_find("NOFILE"), -1);
	cr_assert_eq(spec_rlimit_find(""), -1);
}
