/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp compiler: rules through libseccomp, the prologue in front. */

#include "host/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "seccomp-private.h"
#include "sys/file.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum {
	ARGS_MAX = 6,
	/* A linear program is as fast up to here; libseccomp 2.5 makes a bad tree of no rules. */
	TREE_FROM_RULES = 32,
	NOTIFY_API_LEVEL = 6,
	ERRNO_MAX = 4094, /* libseccomp's limit, one below the kernel's */
};

static scmp_filter_ctx release(scmp_filter_ctx ctx)
{
	if (ctx)
		seccomp_release(ctx);
	return NULL;
}
DV_DEFINE_CLEANUP(scmp_filter_ctx, release);

static struct dv_err *action_of(enum spec_seccomp_action action, const struct spec_u64 *errno_ret,
				uint32_t *ret)
{
	uint64_t err = errno_ret->is_set ? errno_ret->value : EPERM;
	bool has_data = action == SPEC_ACT_ERRNO || action == SPEC_ACT_TRACE;
	uint64_t max = action == SPEC_ACT_ERRNO ? ERRNO_MAX : UINT16_MAX;

	if (has_data && err > max)
		return dv_err_new(DV_INVALID, "errnoRet %llu is more than %llu",
				  (unsigned long long)err, (unsigned long long)max);
	switch (action) {
	case SPEC_ACT_KILL:
	case SPEC_ACT_KILL_THREAD:
		*ret = SCMP_ACT_KILL_THREAD;
		return NULL;
	case SPEC_ACT_KILL_PROCESS:
		*ret = SCMP_ACT_KILL_PROCESS;
		return NULL;
	case SPEC_ACT_TRAP:
		*ret = SCMP_ACT_TRAP;
		return NULL;
	case SPEC_ACT_ERRNO:
		*ret = SCMP_ACT_ERRNO((uint32_t)err);
		return NULL;
	case SPEC_ACT_TRACE:
		*ret = SCMP_ACT_TRACE((uint32_t)err);
		return NULL;
	case SPEC_ACT_ALLOW:
		*ret = SCMP_ACT_ALLOW;
		return NULL;
	case SPEC_ACT_LOG:
		*ret = SCMP_ACT_LOG;
		return NULL;
	case SPEC_ACT_NOTIFY:
		*ret = SCMP_ACT_NOTIFY;
		return NULL;
	case SPEC_ACT__N:
		break;
	}
	return dv_err_new(DV_INVALID, "invalid action, cannot use in rule");
}

static struct dv_err *comparison_of(const struct spec_seccomp_arg *arg, struct scmp_arg_cmp *ret)
{
	static const enum scmp_compare ops[SPEC_CMP__N] = {
		[SPEC_CMP_NE] = SCMP_CMP_NE,
		[SPEC_CMP_LT] = SCMP_CMP_LT,
		[SPEC_CMP_LE] = SCMP_CMP_LE,
		[SPEC_CMP_EQ] = SCMP_CMP_EQ,
		[SPEC_CMP_GE] = SCMP_CMP_GE,
		[SPEC_CMP_GT] = SCMP_CMP_GT,
		[SPEC_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};

	if (arg->index >= ARGS_MAX)
		return dv_err_new(DV_INVALID,
				  "syscalls only have up to 6 arguments, there is none at index %u",
				  arg->index);
	if (arg->op >= SPEC_CMP__N)
		return dv_err_new(DV_INVALID, "invalid operator, cannot use in rule");
	*ret = (struct scmp_arg_cmp){
		.arg = arg->index,
		.op = ops[arg->op],
		.datum_a = arg->value, /* of MASKED_EQ the mask */
		.datum_b = arg->value_two,
	};
	return NULL;
}

static struct dv_err *add_rule(scmp_filter_ctx ctx, uint32_t action, int nr,
			       const struct scmp_arg_cmp *args, unsigned n_args)
{
	int r = seccomp_rule_add_array(ctx, action, nr, n_args, args);

	if (r == -EEXIST)
		r = 0;
	if (r == -EFAULT)
		return dv_err_new(DV_INVALID, "unrecognized syscall %d", nr);
	if (r < 0)
		return dv_err_sys(r, "libseccomp");
	return NULL;
}

/* The same argument twice: each comparison is a rule of its own, any of them matches. */
static bool has_repeated_arg(const struct spec_seccomp_rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (rule->args[i].index < ARGS_MAX && seen >> rule->args[i].index & 1)
			return true;
		seen |= rule->args[i].index < ARGS_MAX ? 1u << rule->args[i].index : 0;
	}
	return false;
}

static struct dv_err *add_name(scmp_filter_ctx ctx, const struct spec_seccomp_rule *rule,
			       uint32_t action, const char *name, const struct dv_log *log)
{
	bool is_split = has_repeated_arg(rule);
	struct scmp_arg_cmp args[ARGS_MAX];
	struct dv_err *e = NULL;
	int nr;

	nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR) {
		dv_log(log, DV_DEBUG, "unknown seccomp syscall \"%s\" ignored", name);
		return NULL;
	}
	/* Six arguments at most once each, or one at a time. */
	for (size_t i = 0; i < rule->n_args && !e; i++) {
		struct scmp_arg_cmp *arg = &args[is_split ? 0 : i];

		e = comparison_of(&rule->args[i], arg);
		if (!e && is_split)
			e = add_rule(ctx, action, nr, arg, 1);
	}
	if (!e && !is_split)
		e = add_rule(ctx, action, nr, args, (unsigned)rule->n_args);
	return dv_err_wrap(e, "error adding seccomp rule for syscall %s", name);
}

static struct dv_err *add_rules(scmp_filter_ctx ctx, const struct spec_seccomp *profile,
				uint32_t default_action, const struct dv_log *log)
{
	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct spec_seccomp_rule *rule = &profile->rules[i];
		struct dv_err *e;
		uint32_t action;

		e = action_of(rule->action, &rule->errno_ret, &action);
		if (e)
			return dv_err_wrap(e, "linux.seccomp.syscalls[%zu]", i);
		if (action == default_action)
			continue; /* says nothing new, and libseccomp refuses it */
		for (size_t k = 0; k < rule->n_names; k++) {
			e = add_name(ctx, rule, action, rule->names[k], log);
			if (e)
				return dv_err_wrap(e, "linux.seccomp.syscalls[%zu]", i);
		}
	}
	return NULL;
}

static struct dv_err *add_archs(scmp_filter_ctx ctx, const struct spec_seccomp *profile,
				const struct dv_log *log)
{
	for (size_t i = 0; i < profile->n_architectures; i++) {
		const struct bpf_arch *arch = bpf_arch_find(profile->architectures[i]);
		int r;

		if (!arch)
			return dv_err_new(DV_INVALID, "string %s is not a valid arch for seccomp",
					  profile->architectures[i]);
		if (!arch->scmp) {
			/* Its programs cannot run here without a filter that knows them: killed. */
			dv_log(log, DV_DEBUG, "seccomp: libseccomp does not know %s, ignored",
			       arch->name);
			continue;
		}
		r = seccomp_arch_add(ctx, arch->scmp);
		if (r < 0 && r != -EEXIST)
			return dv_err_sys(r, "error adding architecture %s to seccomp filter",
					  arch->name);
	}
	return NULL;
}

/*
 * The descriptor of the listener is handed over by a process that the filter already
 * holds, with write(2): that one may not wait for the listener.
 */
static struct dv_err *check_notify(const struct spec_seccomp *profile, bool *ret_has_listener)
{
	*ret_has_listener = false;
	if (profile->default_action == SPEC_ACT_NOTIFY)
		return dv_err_new(DV_INVALID, "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct spec_seccomp_rule *rule = &profile->rules[i];

		if (rule->action != SPEC_ACT_NOTIFY)
			continue;
		*ret_has_listener = true;
		for (size_t k = 0; k < rule->n_names; k++) {
			if (dv_streq(rule->names[k], "write"))
				return dv_err_new(
					DV_INVALID,
					"SCMP_ACT_NOTIFY cannot be used for the write syscall");
		}
	}
	if (*ret_has_listener && seccomp_api_get() < NOTIFY_API_LEVEL)
		return dv_err_new(DV_PRECONDITION,
				  "seccomp notify unsupported: API level: got %u, want at least 6. "
				  "Please try with libseccomp >= 2.5.0 and Linux >= 5.7",
				  seccomp_api_get());
	return NULL;
}

static struct dv_err *load_flags_of(const struct spec_seccomp *profile, bool has_listener,
				    const struct dv_log *log, unsigned *ret)
{
	static const struct {
		unsigned spec, kernel;
		const char *name;
	} flags[] = {
		{ SPEC_SECCOMP_LOG, SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG" },
		{ SPEC_SECCOMP_SPEC_ALLOW, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		  "SECCOMP_FILTER_FLAG_SPEC_ALLOW" },
	};
	/* TSYNC is accepted and does nothing: one thread loads the filter. */
	unsigned asked = profile->has_flags ? profile->flags : SPEC_SECCOMP_SPEC_ALLOW;
	unsigned result = has_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	unsigned killable =
		SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER;

	for (size_t i = 0; i < DV_ARRAY_SIZE(flags); i++) {
		if (!(asked & flags[i].spec))
			continue;
		if (bpf_kernel_has_flags(flags[i].kernel))
			result |= flags[i].kernel;
		else if (profile->has_flags)
			return dv_err_new(DV_PRECONDITION,
					  "seccomp flag %s is not supported by this kernel",
					  flags[i].name);
	}
	/* Useless and refused without a listener; before 5.19 it is done without. */
	if (has_listener && asked & SPEC_SECCOMP_WAIT_KILLABLE_RECV) {
		if (bpf_kernel_has_flags(killable))
			result |= killable;
		else
			dv_log(log, DV_WARN,
			       "seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is not "
			       "supported by this kernel, ignored");
	}
	*ret = result;
	return NULL;
}

static size_t count_names(const struct spec_seccomp *profile)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_rules; i++)
		n += profile->rules[i].n_names;
	return n;
}

/* Puts the prologue and libseccomp's program together. */
static struct dv_err *export(scmp_filter_ctx ctx, const struct spec_seccomp *profile,
			     const struct dv_log *log, struct host_seccomp_program *ret)
{
	DV_CLEANUP(dv_freep)
	struct sock_filter *insns = dv_new_n(struct sock_filter, BPF_MAXINSNS + 1);
	DV_CLEANUP(sys_closep) int fd = sys_memfd("seccomp", 0);
	struct sock_filter prologue[BPF_PROLOGUE_MAX];
	size_t n, n_insns;
	ssize_t size;
	int r;

	if (fd < 0)
		return dv_err_sys(fd, "create memfd for seccomp program");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return dv_err_sys(r, "error exporting BPF");
	size = pread(fd, insns, (BPF_MAXINSNS + 1) * sizeof(*insns), 0);
	if (size < 0)
		return dv_err_sys(-errno, "read seccomp program");
	if (size == 0 || (size_t)size % sizeof(*insns) != 0)
		return dv_err_new(DV_INTERNAL, "libseccomp made a program of %zd bytes", size);

	n_insns = (size_t)size / sizeof(*insns);
	n = bpf_enosys_prologue(profile, log, prologue);
	if (n + n_insns > BPF_MAXINSNS)
		return dv_err_new(
			DV_INVALID,
			"the profile needs more than the %d instructions that the kernel takes",
			BPF_MAXINSNS);
	ret->insns = dv_new_n(struct sock_filter, n + n_insns);
	memcpy(ret->insns, prologue, n * sizeof(*prologue));
	memcpy(ret->insns + n, insns, (size_t)size);
	ret->n_insns = n + n_insns;
	return NULL;
}

struct dv_err *host_seccomp_compile(const struct spec_seccomp *profile, const struct dv_log *log,
				    struct host_seccomp_program *ret)
{
	struct host_seccomp_program program = HOST_SECCOMP_PROGRAM_INIT;
	DV_CLEANUP(releasep) scmp_filter_ctx ctx = NULL;
	uint32_t default_action;
	struct dv_err *e;

	e = action_of(profile->default_action, &profile->default_errno_ret, &default_action);
	if (e)
		return dv_err_wrap(e, "linux.seccomp.defaultAction");
	e = check_notify(profile, &program.has_listener);
	if (!e)
		e = load_flags_of(profile, program.has_listener, log, &program.load_flags);
	if (e)
		return e;
	ctx = seccomp_init(default_action);
	if (!ctx)
		return dv_err_new(DV_INTERNAL, "error creating seccomp filter");
	e = add_archs(ctx, profile, log);
	if (e)
		return e;
	if (count_names(profile) > TREE_FROM_RULES)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* 2.5: binary tree */
	e = add_rules(ctx, profile, default_action, log);
	if (!e)
		e = export(ctx, profile, log, &program);
	if (e)
		return e;
	*ret = program;
	return NULL;
}

void host_seccomp_program_fini(struct host_seccomp_program *p)
{
	free(p->insns);
	*p = (struct host_seccomp_program)HOST_SECCOMP_PROGRAM_INIT;
}
