/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the seccomp world: architectures, and what `features` shows. */

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "seccomp-private.h"
#include "sys/process.h"

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef AUDIT_ARCH_LOONGARCH64
#define AUDIT_ARCH_LOONGARCH64 (EM_LOONGARCH | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif
#ifndef SCMP_ARCH_LOONGARCH64 /* libseccomp 2.6 */
#define SCMP_ARCH_LOONGARCH64 0
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Sorted by name. */
#define SECCOMP_ARCHS(X) \
	X("SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64) \
	X("SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM) \
	X("SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64, AUDIT_ARCH_LOONGARCH64) \
	X("SCMP_ARCH_MIPS", SCMP_ARCH_MIPS, AUDIT_ARCH_MIPS) \
	X("SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64, AUDIT_ARCH_MIPS64) \
	X("SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32, AUDIT_ARCH_MIPS64N32) \
	X("SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL, AUDIT_ARCH_MIPSEL) \
	X("SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64, AUDIT_ARCH_MIPSEL64) \
	X("SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32, AUDIT_ARCH_MIPSEL64N32) \
	X("SCMP_ARCH_PPC", SCMP_ARCH_PPC, AUDIT_ARCH_PPC) \
	X("SCMP_ARCH_PPC64", SCMP_ARCH_PPC64, AUDIT_ARCH_PPC64) \
	X("SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE, AUDIT_ARCH_PPC64LE) \
	X("SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64) \
	X("SCMP_ARCH_S390", SCMP_ARCH_S390, AUDIT_ARCH_S390) \
	X("SCMP_ARCH_S390X", SCMP_ARCH_S390X, AUDIT_ARCH_S390X) \
	X("SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64) \
	X("SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386) \
	X("SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64)

#define ARCH_ROW(name, scmp, audit)  { name, scmp, audit },
#define ARCH_NAME(name, scmp, audit) name,

static const struct bpf_arch archs[] = { SECCOMP_ARCHS(ARCH_ROW) };
static const char *const arch_names[] = { SECCOMP_ARCHS(ARCH_NAME) };

static const char *const action_names[] = {
	"SCMP_ACT_ALLOW",	 "SCMP_ACT_ERRNO",	 "SCMP_ACT_KILL",
	"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	 "SCMP_ACT_TRACE",	 "SCMP_ACT_TRAP",
};

static const char *const operator_names[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE",	     "SCMP_CMP_GT", "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
};

static const char *const flag_names[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};

/* What to ask the kernel about the flag of the same index; 0: nothing, it is a no-op here. */
static const unsigned flag_probes[] = {
	0,
	SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	SECCOMP_FILTER_FLAG_LOG,
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER,
};

_Static_assert(DV_ARRAY_SIZE(flag_names) == DV_ARRAY_SIZE(flag_probes), "one probe per flag");

const struct bpf_arch *bpf_arch_find(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(archs); i++) {
		if (dv_streq(archs[i].name, name))
			return &archs[i];
	}
	return NULL;
}

const struct bpf_arch *bpf_arch_native(void)
{
	uint32_t native = seccomp_arch_native();

	for (size_t i = 0; i < DV_ARRAY_SIZE(archs); i++) {
		if (archs[i].scmp == native)
			return &archs[i];
	}
	return NULL;
}

bool bpf_kernel_has_flags(unsigned flags)
{
	/*
	 * Flags are looked at first (EINVAL), then the privilege (EACCES), then the address,
	 * where nothing can be mapped: nothing is ever loaded.
	 */
	int r = sys_seccomp_load((const void *)(uintptr_t)8, 1, flags);

	return r == -EFAULT || r == -EACCES;
}

const char *const *host_seccomp_known_actions(size_t *ret_n)
{
	*ret_n = DV_ARRAY_SIZE(action_names);
	return action_names;
}

const char *const *host_seccomp_known_operators(size_t *ret_n)
{
	*ret_n = DV_ARRAY_SIZE(operator_names);
	return operator_names;
}

const char *const *host_seccomp_known_archs(size_t *ret_n)
{
	*ret_n = DV_ARRAY_SIZE(arch_names);
	return arch_names;
}

const char *const *host_seccomp_known_flags(size_t *ret_n)
{
	*ret_n = DV_ARRAY_SIZE(flag_names);
	return flag_names;
}

size_t host_seccomp_supported_flags(const char **names)
{
	size_t n = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(flag_names); i++) {
		if (!flag_probes[i] || bpf_kernel_has_flags(flag_probes[i]))
			names[n++] = flag_names[i];
	}
	return n;
}

void host_seccomp_libseccomp_version(char *buf, size_t size)
{
	const struct scmp_version *v = seccomp_version();

	snprintf(buf, size, "%u.%u.%u", v->major, v->minor, v->micro);
}
