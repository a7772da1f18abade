/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of the seccomp compiler, see host/seccomp.h. */

#include <stdint.h>

#include "host/seccomp.h"

/* Counts up whenever another program would come out for the same profile. */
#define SECCOMP_COMPILER_VERSION 1

/* An architecture of config.json, in libseccomp's words and in the kernel's. */
struct bpf_arch {
	const char *name;
	uint32_t scmp; /* SCMP_ARCH_*, 0: this libseccomp does not know it */
	uint32_t audit; /* AUDIT_ARCH_*; x32 shares that of x86_64 */
};

/* NULL for an unknown name. */
const struct bpf_arch *bpf_arch_find(const char *name);
const struct bpf_arch *bpf_arch_native(void);

enum { BPF_PROLOGUE_MAX = 256 };

/*
 * The instructions that go in front of a program for @profile, 0 when it needs none. Falls
 * through to what follows. See seccomp-enosys.c.
 */
size_t bpf_enosys_prologue(const struct spec_seccomp *profile, const struct dv_log *log,
			   struct sock_filter insns[BPF_PROLOGUE_MAX]);

/* Whether the kernel takes these SECCOMP_FILTER_FLAG_*. */
bool bpf_kernel_has_flags(unsigned flags);
