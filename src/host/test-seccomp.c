/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled profiles, run by an interpreter against calls, and once by the kernel. */

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seccomp-private.h"
#include "sys/process.h"
#include "test-seccomp-profile.h"

enum { X64 = AUDIT_ARCH_X86_64, KILL = SECCOMP_RET_KILL_THREAD };

#define ALLOW	SECCOMP_RET_ALLOW
#define EPERM_	T_ERRNO(EPERM)
#define ENOSYS_ T_ERRNO(ENOSYS)

static struct host_seccomp_program compile(const struct spec_seccomp *p)
{
	struct host_seccomp_program program = HOST_SECCOMP_PROGRAM_INIT;
	struct dv_err *e = host_seccomp_compile(p, NULL, &program);

	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	return program;
}

static void expect_error(const struct spec_seccomp *p, enum dv_code code, const char *text)
{
	struct host_seccomp_program program = HOST_SECCOMP_PROGRAM_INIT;
	struct dv_err *e = host_seccomp_compile(p, NULL, &program);

	cr_assert(e, "no error: %s", text);
	T_STR(dv_err_message(e), text);
	T_INT(dv_err_code(e), ==, code);
	T_NULL(program.insns);
	dv_err_free(e);
}

Test(seccomp, actions)
{
	static const struct {
		enum spec_seccomp_action action;
		struct spec_u64 err;
		uint32_t expected;
	} rows[] = {
		{ SPEC_ACT_KILL, { 0 }, SECCOMP_RET_KILL_THREAD },
		{ SPEC_ACT_KILL_THREAD, { 0 }, SECCOMP_RET_KILL_THREAD },
		{ SPEC_ACT_KILL_PROCESS, { 0 }, SECCOMP_RET_KILL_PROCESS },
		{ SPEC_ACT_TRAP, { 0 }, SECCOMP_RET_TRAP },
		{ SPEC_ACT_ERRNO, { 0 }, EPERM_ },
		{ SPEC_ACT_ERRNO, { true, 0 }, T_ERRNO(0) },
		{ SPEC_ACT_ERRNO, { true, ENOSYS }, ENOSYS_ },
		{ SPEC_ACT_ERRNO, { true, 4094 }, T_ERRNO(4094) },
		{ SPEC_ACT_TRACE, { 0 }, SECCOMP_RET_TRACE | EPERM },
		{ SPEC_ACT_TRACE, { true, 0xffff }, SECCOMP_RET_TRACE | 0xffff },
		{ SPEC_ACT_LOG, { 0 }, SECCOMP_RET_LOG },
		{ SPEC_ACT_NOTIFY, { 0 }, SECCOMP_RET_USER_NOTIF },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_seccomp p = t_profile(SPEC_ACT_ALLOW, "");
		struct host_seccomp_program c;

		t_add(&p, t_rule("getpid", rows[i].action, NULL, 0));
		p.rules[0].errno_ret = rows[i].err;
		c = compile(&p);
		T_INT(t_call(&c, X64, SYS_getpid, 0, 0), ==, rows[i].expected);
		T_INT(t_call(&c, X64, SYS_read, 0, 0), ==, ALLOW);
		T_INT(c.has_listener, ==, rows[i].action == SPEC_ACT_NOTIFY);
		T_INT((c.load_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0, ==, c.has_listener);
		host_seccomp_program_fini(&c);
		T_NULL(c.insns);

		/* The other way round; a rule that repeats the default is passed over. */
		if (rows[i].action == SPEC_ACT_NOTIFY)
			continue;
		p = t_profile(rows[i].action, "");
		p.default_errno_ret = rows[i].err;
		t_add(&p, t_rule("getpid", SPEC_ACT_ALLOW, NULL, 0));
		t_add(&p, t_rule("read", rows[i].action, NULL, 0));
		p.rules[1].errno_ret = rows[i].err;
		c = compile(&p);
		T_INT(t_call(&c, X64, SYS_getpid, 0, 0), ==, ALLOW);
		T_INT(t_call(&c, X64, SYS_read, 0, 0), ==, rows[i].expected);
		T_INT(t_call(&c, AUDIT_ARCH_AARCH64, SYS_getpid, 0, 0), ==, KILL);
		host_seccomp_program_fini(&c);
	}
}

Test(seccomp, comparisons)
{
	static const uint64_t big = UINT64_C(0x100000005);
	static const struct {
		struct spec_seccomp_arg arg;
		uint64_t value;
		bool matches;
	} rows[] = {
		{ { 0, 5, 0, SPEC_CMP_EQ }, 5, true },
		{ { 0, 5, 0, SPEC_CMP_EQ }, 6, false },
		{ { 0, 5, 0, SPEC_CMP_EQ }, big, false },
		{ { 0, big, 0, SPEC_CMP_EQ }, big, true },
		{ { 0, big, 0, SPEC_CMP_EQ }, 5, false },
		{ { 0, 5, 0, SPEC_CMP_NE }, 5, false },
		{ { 0, 5, 0, SPEC_CMP_NE }, big, true },
		{ { 0, 5, 0, SPEC_CMP_LT }, 4, true },
		{ { 0, 5, 0, SPEC_CMP_LT }, 5, false },
		{ { 0, 5, 0, SPEC_CMP_LT }, big, false },
		{ { 0, 5, 0, SPEC_CMP_LE }, 5, true },
		{ { 0, 5, 0, SPEC_CMP_LE }, 6, false },
		{ { 0, big, 0, SPEC_CMP_LE }, 6, true },
		{ { 0, 5, 0, SPEC_CMP_GE }, 5, true },
		{ { 0, 5, 0, SPEC_CMP_GE }, 4, false },
		{ { 0, big, 0, SPEC_CMP_GE }, 6, false },
		{ { 0, 5, 0, SPEC_CMP_GT }, 6, true },
		{ { 0, 5, 0, SPEC_CMP_GT }, 5, false },
		{ { 0, 5, 0, SPEC_CMP_GT }, big, true },
		/* value is the mask, valueTwo what must remain. */
		{ { 0, 0xf0, 0x10, SPEC_CMP_MASKED_EQ }, 0x1f, true },
		{ { 0, 0xf0, 0x10, SPEC_CMP_MASKED_EQ }, 0x2f, false },
		{ { 0, 0x7e020000, 0, SPEC_CMP_MASKED_EQ }, 0x11, true },
		{ { 0, 0x7e020000, 0, SPEC_CMP_MASKED_EQ }, 0x10000011, false },
		{ { 0, 0xffffffff00000000, 0x100000000, SPEC_CMP_MASKED_EQ }, big, true },
		{ { 0, 0xffffffff00000000, 0x100000000, SPEC_CMP_MASKED_EQ }, 5, false },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "");
		struct host_seccomp_program c;
		struct spec_seccomp_arg second = rows[i].arg;
		uint32_t r;

		second.index = 1;
		t_add(&p, t_rule("personality", SPEC_ACT_ALLOW, &rows[i].arg, 1));
		t_add(&p, t_rule("kill", SPEC_ACT_ALLOW, &second, 1));
		c = compile(&p);
		r = rows[i].matches ? ALLOW : EPERM_;
		cr_expect(t_call(&c, X64, SYS_personality, rows[i].value, 0) == r, "row %zu", i);
		cr_expect(t_call(&c, X64, SYS_kill, ~rows[i].value, rows[i].value) == r, "row %zu",
			  i);
		host_seccomp_program_fini(&c);
	}
}

/* Different arguments of one rule must all match; the same one twice: any. */
Test(seccomp, several_arguments)
{
	static const struct spec_seccomp_arg both[] = { { 0, 1, 0, SPEC_CMP_EQ },
							{ 1, 2, 0, SPEC_CMP_EQ } };
	static const struct spec_seccomp_arg either[] = { { 0, 1, 0, SPEC_CMP_EQ },
							  { 1, 2, 0, SPEC_CMP_EQ },
							  { 0, 3, 0, SPEC_CMP_EQ } };
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "");
	struct host_seccomp_program c;

	t_add(&p, t_rule("kill", SPEC_ACT_ALLOW, both, 2));
	t_add(&p, t_rule("dup2", SPEC_ACT_ALLOW, either, 3));
	/* Several rules for one call, in whatever order: each may match. */
	t_add(&p, t_rule("access", SPEC_ACT_ALLOW, &both[1], 1));
	t_add(&p, t_rule("access", SPEC_ACT_ALLOW, &both[0], 1));
	t_add(&p, t_rule("access", SPEC_ACT_ALLOW, &both[0], 1));
	c = compile(&p);
	T_INT(t_call(&c, X64, SYS_kill, 1, 2), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_kill, 1, 3), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_kill, 2, 2), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_dup2, 1, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_dup2, 3, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_dup2, 9, 2), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_dup2, 9, 9), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_access, 1, 9), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_access, 9, 2), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_access, 9, 9), ==, EPERM_);
	host_seccomp_program_fini(&c);
}

Test(seccomp, duplicates_and_unknown_names)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_X86_64 SCMP_ARCH_X86_64");
	struct host_seccomp_program c;

	t_add(&p, t_rule("write read read no_such_call", SPEC_ACT_ALLOW, NULL, 0));
	t_add(&p, t_rule("read", SPEC_ACT_ALLOW, NULL, 0));
	c = compile(&p);
	T_INT(t_call(&c, X64, SYS_read, 0, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_getpid, 0, 0), ==, ENOSYS_);
	host_seccomp_program_fini(&c);
}

Test(seccomp, enosys)
{
	static const struct {
		const char *archs;
		uint32_t arch;
		unsigned nr;
		uint32_t expected;
	} rows[] = {
		/* openat2 is 437 everywhere; 439 is the largest of the profile. */
		{ "", X64, 438, EPERM_ },
		{ "", X64, 437, ALLOW },
		{ "", X64, 439, ALLOW },
		{ "", X64, 440, ENOSYS_ },
		{ "", X64, 0x3fffffff, ENOSYS_ },
		{ "", X64, 0, ALLOW },
		{ "", AUDIT_ARCH_I386, 440, KILL },
		{ "", X64, T_X32 | 440, KILL }, /* libseccomp's answer to a foreign architecture */
		{ "SCMP_ARCH_X86", X64, 440, ENOSYS_ },
		{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 440, ENOSYS_ },
		{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 438, EPERM_ },
		{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 3, ALLOW }, /* read */
		{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 0, EPERM_ },
		{ "SCMP_ARCH_X86", X64, T_X32 | 440, KILL },
		{ "SCMP_ARCH_X32", X64, 440, ENOSYS_ },
		{ "SCMP_ARCH_X32", X64, 438, EPERM_ },
		{ "SCMP_ARCH_X32", X64, T_X32 | 440, ENOSYS_ },
		{ "SCMP_ARCH_X32", X64, T_X32 | 438, EPERM_ },
		{ "SCMP_ARCH_X32", X64, T_X32 | 437, ALLOW },
		{ "SCMP_ARCH_X32", X64, T_X32, ALLOW }, /* read */
		/* x32 has calls of its own from 512 on: the limit of the one is not the other's. */
		{ "SCMP_ARCH_X32", X64, 515, ENOSYS_ },
		{ "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64", X64, 440,
		  ENOSYS_ },
		{ "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64",
		  AUDIT_ARCH_AARCH64, 440, ENOSYS_ },
		{ "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64",
		  AUDIT_ARCH_AARCH64, 63, ALLOW },
		{ "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_AARCH64", AUDIT_ARCH_ARM,
		  440, KILL },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, rows[i].archs);
		struct host_seccomp_program c;

		t_add(&p, t_rule("read openat2 faccessat2", SPEC_ACT_ALLOW, NULL, 0));
		c = compile(&p);
		cr_expect(t_call(&c, rows[i].arch, rows[i].nr, 0, 0) == rows[i].expected,
			  "row %zu (%s, %x): %x", i, rows[i].archs, rows[i].nr,
			  t_call(&c, rows[i].arch, rows[i].nr, 0, 0));
		host_seccomp_program_fini(&c);
	}
}

/* x32 has a larger number than x86-64 here: rt_sigaction is 512 there. */
Test(seccomp, enosys_x32_largest)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_X32");
	struct host_seccomp_program c;

	t_add(&p, t_rule("rt_sigaction", SPEC_ACT_ALLOW, NULL, 0));
	c = compile(&p);
	T_INT(t_call(&c, X64, SYS_rt_sigaction, 0, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_rt_sigaction + 1, 0, 0), ==, ENOSYS_);
	T_INT(t_call(&c, X64, T_X32 | 512, 0, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, T_X32 | 511, 0, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, T_X32 | 513, 0, 0), ==, ENOSYS_);
	host_seccomp_program_fini(&c);
}

Test(seccomp, enosys_by_default_action)
{
	static const struct {
		enum spec_seccomp_action action;
		struct spec_u64 err;
		uint32_t unlisted, newer;
	} rows[] = {
		{ SPEC_ACT_ERRNO, { true, EACCES }, T_ERRNO(EACCES), ENOSYS_ },
		{ SPEC_ACT_ERRNO, { true, ENOSYS }, ENOSYS_, ENOSYS_ },
		{ SPEC_ACT_KILL, { 0 }, SECCOMP_RET_KILL_THREAD, ENOSYS_ },
		{ SPEC_ACT_KILL_PROCESS, { 0 }, SECCOMP_RET_KILL_PROCESS, ENOSYS_ },
		{ SPEC_ACT_TRAP, { 0 }, SECCOMP_RET_TRAP, ENOSYS_ },
		{ SPEC_ACT_ALLOW, { 0 }, ALLOW, ALLOW },
		{ SPEC_ACT_LOG, { 0 }, SECCOMP_RET_LOG, SECCOMP_RET_LOG },
		{ SPEC_ACT_TRACE, { 0 }, SECCOMP_RET_TRACE | EPERM, SECCOMP_RET_TRACE | EPERM },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_seccomp p = t_profile(rows[i].action, "");
		struct host_seccomp_program c;

		p.default_errno_ret = rows[i].err;
		t_add(&p, t_rule("openat2", SPEC_ACT_ERRNO, NULL, 0));
		c = compile(&p);
		T_INT(t_call(&c, X64, SYS_openat2, 0, 0), ==, EPERM_);
		T_INT(t_call(&c, X64, SYS_getpid, 0, 0), ==, rows[i].unlisted);
		T_INT(t_call(&c, X64, SYS_openat2 + 1, 0, 0), ==, rows[i].newer);
		host_seccomp_program_fini(&c);
	}
}

/* No call at all: nothing is newer than nothing. */
Test(seccomp, empty_profile)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "");
	struct host_seccomp_program c = compile(&p);

	T_INT(t_call(&c, X64, SYS_getpid, 0, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, 10000, 0, 0), ==, EPERM_);
	host_seccomp_program_fini(&c);
}

/* libseccomp cannot mix byte orders, so the prologue for s390x is tried alone. */
Test(seccomp, prologue_of_s390x)
{
	struct sock_filter insns[BPF_PROLOGUE_MAX + 1];
	struct spec_seccomp p =
		t_profile(SPEC_ACT_ERRNO,
			  "SCMP_ARCH_S390X SCMP_ARCH_S390 SCMP_ARCH_PPC64LE SCMP_ARCH_RISCV64 "
			  "SCMP_ARCH_MIPS SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32 SCMP_ARCH_ARM "
			  "SCMP_ARCH_AARCH64 SCMP_ARCH_LOONGARCH64 SCMP_ARCH_X86 SCMP_ARCH_X32 "
			  "SCMP_ARCH_PPC SCMP_ARCH_PPC64 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 "
			  "SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_X86_64");
	static const struct {
		uint32_t arch;
		unsigned nr;
		bool is_enosys;
	} rows[] = {
		{ AUDIT_ARCH_S390X, 0, true },
		{ AUDIT_ARCH_S390X, 1, false },
		{ AUDIT_ARCH_S390X, 437, false },
		{ AUDIT_ARCH_S390X, 438, true },
		{ AUDIT_ARCH_S390, 0, true },
		{ AUDIT_ARCH_S390, 3, false },
		{ AUDIT_ARCH_PPC64LE, 0, false },
		{ AUDIT_ARCH_PPC64LE, 438, true },
		{ AUDIT_ARCH_RISCV64, 437, false },
		{ AUDIT_ARCH_RISCV64, 438, true },
		{ AUDIT_ARCH_MIPS, 4437, false },
		{ AUDIT_ARCH_MIPS, 4438, true },
		{ X64, 0, false },
		{ X64, 438, true },
		{ X64, T_X32 | 437, false },
		{ X64, T_X32 | 438, true },
		{ AUDIT_ARCH_PARISC, 438, false },
	};
	size_t n;

	t_add(&p, t_rule("read openat2", SPEC_ACT_ALLOW, NULL, 0));
	n = bpf_enosys_prologue(&p, NULL, insns);
	cr_assert(n > 0 && n <= BPF_PROLOGUE_MAX);
	insns[n] = (struct sock_filter){ .code = BPF_RET | BPF_K, .k = 42 };
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct seccomp_data d = { .nr = (int)rows[i].nr, .arch = rows[i].arch };

		cr_expect(t_run(insns, n + 1, &d) == (rows[i].is_enosys ? ENOSYS_ : 42), "row %zu",
			  i);
	}
}

Test(seccomp, flags)
{
	enum { LOG = 2, SSB = 4, LISTENER = 8, KILLABLE = 32 };
	static const struct {
		bool has_flags;
		unsigned flags;
		bool notifies;
		unsigned expected;
	} rows[] = {
		{ false, 0, false, SSB },
		{ true, 0, false, 0 },
		{ true, SPEC_SECCOMP_TSYNC, false, 0 },
		{ true, SPEC_SECCOMP_LOG, false, LOG },
		{ true, SPEC_SECCOMP_SPEC_ALLOW, false, SSB },
		{ true, SPEC_SECCOMP_LOG | SPEC_SECCOMP_SPEC_ALLOW | SPEC_SECCOMP_TSYNC, false,
		  LOG | SSB },
		{ true, SPEC_SECCOMP_WAIT_KILLABLE_RECV, false, 0 },
		{ true, SPEC_SECCOMP_WAIT_KILLABLE_RECV, true, LISTENER | KILLABLE },
		{ true, 0, true, LISTENER },
		{ false, 0, true, LISTENER | SSB },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		struct spec_seccomp p = t_profile(SPEC_ACT_ALLOW, "");
		struct host_seccomp_program c;

		p.has_flags = rows[i].has_flags;
		p.flags = rows[i].flags;
		t_add(&p, t_rule("getpid", rows[i].notifies ? SPEC_ACT_NOTIFY : SPEC_ACT_ERRNO,
				 NULL, 0));
		c = compile(&p);
		cr_expect(c.load_flags == rows[i].expected, "row %zu: %u", i, c.load_flags);
		host_seccomp_program_fini(&c);
	}
}

Test(seccomp, errors)
{
	static const struct spec_seccomp_arg bad_index = { 6, 0, 0, SPEC_CMP_EQ };
	struct spec_seccomp p = t_profile(SPEC_ACT_NOTIFY, "");

	expect_error(&p, DV_INVALID, "SCMP_ACT_NOTIFY cannot be used as default action");
	p = t_profile(SPEC_ACT_ALLOW, "");
	t_add(&p, t_rule("read", SPEC_ACT_ERRNO, NULL, 0));
	t_add(&p, t_rule("getpid write", SPEC_ACT_NOTIFY, NULL, 0));
	expect_error(&p, DV_INVALID, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	p = t_profile(SPEC_ACT_ALLOW, "");
	t_add(&p, t_rule("read", SPEC_ACT_ERRNO, &bad_index, 1));
	expect_error(
		&p, DV_INVALID,
		"linux.seccomp.syscalls[0]: error adding seccomp rule for syscall read: syscalls only "
		"have up to 6 arguments, there is none at index 6");
	p.rules[0].n_args = 0;
	p.rules[0].errno_ret = (struct spec_u64){ true, 4095 };
	expect_error(&p, DV_INVALID, "linux.seccomp.syscalls[0]: errnoRet 4095 is more than 4094");
	p = t_profile(SPEC_ACT_ERRNO, "");
	p.default_errno_ret = (struct spec_u64){ true, 70000 };
	expect_error(&p, DV_INVALID,
		     "linux.seccomp.defaultAction: errnoRet 70000 is more than 4094");
	p = t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_Z80");
	expect_error(&p, DV_INVALID, "string SCMP_ARCH_Z80 is not a valid arch for seccomp");
	p = t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_S390X");
	expect_error(
		&p, DV_INTERNAL,
		"error adding architecture SCMP_ARCH_S390X to seccomp filter: numerical argument "
		"out of domain");
}

Test(seccomp, too_long)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_ERRNO, "");

	for (unsigned i = 0; i < 1100; i++) {
		struct spec_seccomp_arg a = { .value = (uint64_t)i << 32 | i, .op = SPEC_CMP_EQ };

		t_add(&p, t_rule("kill", SPEC_ACT_ALLOW, &a, 1));
	}
	expect_error(&p, DV_INVALID,
		     "the profile needs more than the 4096 instructions that the kernel takes");
}

Test(seccomp, docker)
{
	struct spec_seccomp p = t_docker_profile();
	struct host_seccomp_program c = compile(&p);
	int largest = 0;

	for (size_t i = 0; i < p.rules[0].n_names; i++) {
		int nr = seccomp_syscall_resolve_name(p.rules[0].names[i]);

		largest = DV_MAX(largest, nr);
		if (nr >= 0)
			cr_expect(t_call(&c, X64, (unsigned)nr, 0, 0) == ALLOW, "%s",
				  p.rules[0].names[i]);
		nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, p.rules[0].names[i]);
		if (nr >= 0)
			cr_expect(t_call(&c, AUDIT_ARCH_I386, (unsigned)nr, 0, 0) == ALLOW,
				  "i386 %s", p.rules[0].names[i]);
	}
	T_INT(t_call(&c, X64, SYS_mount, 0, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_bpf, 0, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_clone, 0x11, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_clone, 0x10000011, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_clone3, 0, 0), ==, ENOSYS_);
	T_INT(t_call(&c, X64, SYS_socket, 40, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, SYS_socket, 2, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_personality, 8, 0), ==, ALLOW);
	T_INT(t_call(&c, X64, SYS_personality, 9, 0), ==, EPERM_);
	T_INT(t_call(&c, X64, (unsigned)largest + 1, 0, 0), ==, ENOSYS_);
	T_INT(t_call(&c, X64, 5000, 0, 0), ==, ENOSYS_);
	T_INT(t_call(&c, AUDIT_ARCH_I386, 5000, 0, 0), ==, ENOSYS_);
	T_INT(t_call(&c, X64, T_X32 | 5000, 0, 0), ==, ENOSYS_);
	T_INT(c.load_flags, ==, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	host_seccomp_program_fini(&c);
}

/* The kernel's opinion. */
Test(seccomp, docker_loaded)
{
	struct spec_seccomp p = t_docker_profile();
	struct host_seccomp_program c = compile(&p);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    sys_seccomp_load(c.insns, c.n_insns, c.load_flags) < 0)
			_exit(1);
		if (syscall(SYS_getpid) <= 0)
			_exit(2);
		if (syscall(SYS_mount, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
			_exit(3);
		if (syscall(5000) != -1 || errno != ENOSYS)
			_exit(4);
		if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
			_exit(5);
		_exit(0);
	}
	T_INT(waitpid(pid, &status, 0), ==, pid);
	T_INT(status, ==, 0);
	host_seccomp_program_fini(&c);
}

Test(seccomp, listener_loaded)
{
	struct spec_seccomp p = t_profile(SPEC_ACT_ALLOW, "");
	struct host_seccomp_program c;
	int status;
	pid_t pid;

	p.has_flags = true;
	p.flags = SPEC_SECCOMP_WAIT_KILLABLE_RECV;
	t_add(&p, t_rule("getppid", SPEC_ACT_NOTIFY, NULL, 0));
	c = compile(&p);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			_exit(1);
		_exit(sys_seccomp_load(c.insns, c.n_insns, c.load_flags) >= 3 ? 0 : 2);
	}
	T_INT(waitpid(pid, &status, 0), ==, pid);
	T_INT(status, ==, 0);
	host_seccomp_program_fini(&c);
}

Test(seccomp, features)
{
	const char *supported[8];
	char version[32];
	size_t n;
	const char *const *names = host_seccomp_known_actions(&n);

	T_INT(n, ==, SPEC_ACT__N);
	for (size_t i = 1; i < n; i++)
		T_INT(strcmp(names[i - 1], names[i]), <, 0);
	names = host_seccomp_known_operators(&n);
	T_INT(n, ==, SPEC_CMP__N);
	for (size_t i = 1; i < n; i++)
		T_INT(strcmp(names[i - 1], names[i]), <, 0);
	names = host_seccomp_known_archs(&n);
	T_INT(n, ==, 18);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			T_INT(strcmp(names[i - 1], names[i]), <, 0);
		T_NOT_NULL(bpf_arch_find(names[i]));
	}
	names = host_seccomp_known_flags(&n);
	T_INT(n, ==, 4);
	T_INT(host_seccomp_supported_flags(supported), ==, 4); /* a kernel since 5.19 */
	T_STR(supported[0], "SECCOMP_FILTER_FLAG_TSYNC");
	T_FALSE(bpf_kernel_has_flags(1u << 31));
	host_seccomp_libseccomp_version(version, sizeof(version));
	T_INT(version[0], ==, '2');
	T_NOT_NULL(bpf_arch_native());
}
