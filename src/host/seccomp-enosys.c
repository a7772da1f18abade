/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ENOSYS for system calls that are newer than the profile.
 *
 * A profile that lists what is allowed answers EPERM for the rest. For a call that did not
 * exist when the profile was written that is wrong: a C library tries the new call and
 * falls back only on ENOSYS (clone3, faccessat2 ...). So, for each architecture, numbers
 * above the largest one that the profile mentions get ENOSYS before libseccomp's part is
 * asked; everything up to it is libseccomp's business. Not done when the default action
 * lets calls pass (ALLOW, LOG, TRACE).
 *
 * Two architectures are special. x32 calls come with x86-64's audit number and bit 30 set,
 * and have a largest number of their own. On s390, a call that the kernel does not know
 * arrives as number 0 (setup(2), which is long gone), so 0 gets ENOSYS too.
 *
 *	   ld  [arch]
 *	   jeq #A, 0, next	; one section per architecture, the native one first
 *	   ld  [nr]
 *	   jgt #largest, 0, 1
 *	   ret ENOSYS
 *	   ja  filter
 *	next:
 *	   ...
 *	filter:
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#include "base/str.h"
#include "seccomp-private.h"

#define X32_SYSCALL_BIT (1u << 30)
#define RET_ENOSYS	(SECCOMP_RET_ERRNO | ENOSYS)

/* A jump that is going to lead behind the prologue; no real one is that long. */
#define TO_FILTER UINT32_MAX

enum { ARCHS_MAX = 20, SECTION_MAX = 12 };

_Static_assert(ARCHS_MAX *SECTION_MAX < BPF_PROLOGUE_MAX, "room for all architectures");

/* What is known of one audit architecture; 0: no call of it is in the profile. */
struct limit {
	uint32_t audit;
	uint32_t largest;
	uint32_t largest_x32;
};

struct limits {
	struct limit items[ARCHS_MAX];
	size_t n_items;
};

struct program {
	struct sock_filter *insns;
	size_t n;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	dv_assert(p->n < BPF_PROLOGUE_MAX);
	p->insns[p->n++] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_jump_to_filter(struct program *p)
{
	emit(p, BPF_JMP | BPF_JA, TO_FILTER, 0, 0);
}

/* Nothing to compare with: straight on. */
static void emit_limit(struct program *p, uint32_t largest)
{
	if (largest) {
		emit(p, BPF_JMP | BPF_JGT | BPF_K, largest, 0, 1);
		emit(p, BPF_RET | BPF_K, RET_ENOSYS, 0, 0);
	}
	emit_jump_to_filter(p);
}

static void emit_section(struct program *p, const struct limit *l)
{
	size_t start = p->n;

	emit(p, BPF_JMP | BPF_JEQ | BPF_K, l->audit, 0, 0);
	emit_load(p, offsetof(struct seccomp_data, nr));
	if (l->audit == AUDIT_ARCH_S390 || l->audit == AUDIT_ARCH_S390X) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		emit(p, BPF_RET | BPF_K, RET_ENOSYS, 0, 0);
	}
	if (l->audit == AUDIT_ARCH_X86_64) {
		size_t test = p->n;

		emit(p, BPF_JMP | BPF_JSET | BPF_K, X32_SYSCALL_BIT, 0, 0);
		emit_limit(p, l->largest);
		p->insns[test].jt = (uint8_t)(p->n - test - 1);
		emit_limit(p, l->largest_x32);
	} else {
		emit_limit(p, l->largest);
	}
	p->insns[start].jf = (uint8_t)(p->n - start - 1);
}

static uint32_t largest_syscall(const struct spec_seccomp *profile, uint32_t scmp)
{
	int largest = 0;

	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct spec_seccomp_rule *r = &profile->rules[i];

		for (size_t k = 0; k < r->n_names; k++) {
			/* Unknown names and pseudo calls of libseccomp are negative. */
			int nr = seccomp_syscall_resolve_name_arch(scmp, r->names[k]);

			largest = DV_MAX(largest, nr);
		}
	}
	return (uint32_t)largest;
}

static void add_arch(struct limits *l, const struct spec_seccomp *profile,
		     const struct bpf_arch *arch, const struct dv_log *log)
{
	uint32_t largest;
	size_t i;

	if (!arch || !arch->scmp)
		return;
	largest = largest_syscall(profile, arch->scmp);
	if (!largest) {
		dv_log(log, DV_WARN, "could not find any syscalls for arch %s", arch->name);
		return;
	}
	for (i = 0; i < l->n_items; i++) {
		if (l->items[i].audit == arch->audit)
			break;
	}
	if (i == ARCHS_MAX)
		return; /* more than exist: only by repetition, which ends above */
	if (i == l->n_items)
		l->items[l->n_items++].audit = arch->audit;
	if (arch->scmp == SCMP_ARCH_X32)
		l->items[i].largest_x32 = largest;
	else
		l->items[i].largest = largest;
}

static bool lets_pass(enum spec_seccomp_action a)
{
	/* A tracer is expected to deal with new calls by itself. */
	return a == SPEC_ACT_ALLOW || a == SPEC_ACT_LOG || a == SPEC_ACT_TRACE;
}

size_t bpf_enosys_prologue(const struct spec_seccomp *profile, const struct dv_log *log,
			   struct sock_filter insns[BPF_PROLOGUE_MAX])
{
	struct program p = { .insns = insns };
	struct limits l = { .n_items = 0 };

	if (lets_pass(profile->default_action)) {
		dv_log(log, DV_DEBUG, "seccomp: skipping -ENOSYS stub filter generation");
		return 0;
	}
	if (profile->default_action == SPEC_ACT_ERRNO && profile->default_errno_ret.is_set &&
	    profile->default_errno_ret.value == ENOSYS)
		return 0;

	/* Also when it is not listed: Docker leaves it out on some machines. */
	add_arch(&l, profile, bpf_arch_native(), log);
	for (size_t i = 0; i < profile->n_architectures; i++) {
		const struct bpf_arch *arch = bpf_arch_find(profile->architectures[i]);

		if (arch != bpf_arch_native())
			add_arch(&l, profile, arch, log);
	}
	if (l.n_items == 0)
		return 0;
	emit_load(&p, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < l.n_items; i++)
		emit_section(&p, &l.items[i]);
	for (size_t i = 0; i < p.n; i++) {
		if (p.insns[i].code == (BPF_JMP | BPF_JA) && p.insns[i].k == TO_FILTER)
			p.insns[i].k = (uint32_t)(p.n - i - 1);
	}
	return p.n;
}
