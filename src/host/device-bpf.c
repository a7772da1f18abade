/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules for v2: the program and its attachment.
 *
 * The program is straight: a block per exception that ends with the decision, skipped when
 * something does not match; the default at the end. r2 holds the device type, r3 the access
 * asked for, r4 and r5 major and minor; r1, the context, is free after that.
 */

#include "device-bpf.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/process.h"

#ifndef BPF_F_REPLACE
#define BPF_F_REPLACE (1U << 2)
#endif

enum { PROLOGUE = 6, BLOCK_MAX = 8, EPILOGUE = 2, OLD_MAX = 64 };

/* ---- the program ---------------------------------------------------------------------- */

#define LOAD(dst, offset) \
	((struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, \
			    .dst_reg = (dst), \
			    .src_reg = BPF_REG_1, \
			    .off = (offset) })
#define ALU32_IMM(op, dst, value) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_K | (op), .dst_reg = (dst), .imm = (value) })
#define MOV32_REG(dst, src) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_X | BPF_MOV, .dst_reg = (dst), .src_reg = (src) })
/* 64-bit comparison would sign-extend the number; all registers hold 32 bits. */
#define JNE_IMM(dst, value) \
	((struct bpf_insn){ .code = BPF_JMP | BPF_K | BPF_JNE, .dst_reg = (dst), .imm = (value) })
#define JNE_REG(dst, src) \
	((struct bpf_insn){ .code = BPF_JMP | BPF_X | BPF_JNE, .dst_reg = (dst), .src_reg = (src) })
#define JEQ_IMM(dst, value) \
	((struct bpf_insn){ .code = BPF_JMP | BPF_K | BPF_JEQ, .dst_reg = (dst), .imm = (value) })
#define EXIT() ((struct bpf_insn){ .code = BPF_JMP | BPF_EXIT })

static size_t make_prologue(struct bpf_insn *p)
{
	/* struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor. */
	p[0] = LOAD(BPF_REG_2, 0);
	p[1] = ALU32_IMM(BPF_AND, BPF_REG_2, 0xffff);
	p[2] = LOAD(BPF_REG_3, 0);
	p[3] = ALU32_IMM(BPF_RSH, BPF_REG_3, 16);
	p[4] = LOAD(BPF_REG_4, 4);
	p[5] = LOAD(BPF_REG_5, 8);
	return PROLOGUE;
}

/* Numbers above INT32_MAX need a register: an immediate would be sign-extended. */
static size_t compare_number(struct bpf_insn *p, unsigned reg, int64_t value)
{
	size_t n = 0;

	if (value > INT32_MAX) {
		p[n++] = ALU32_IMM(BPF_MOV, BPF_REG_1, (int32_t)(uint32_t)value);
		p[n++] = JNE_REG(reg, BPF_REG_1);
	} else {
		p[n++] = JNE_IMM(reg, (int32_t)value);
	}
	return n;
}

static bool is_jump(const struct bpf_insn *p)
{
	return BPF_CLASS(p->code) == BPF_JMP && BPF_OP(p->code) != BPF_EXIT;
}

static size_t make_block(struct bpf_insn *p, const struct device_exception *x, bool allows)
{
	size_t n = 0;

	p[n++] = JNE_IMM(BPF_REG_2, x->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (x->access != DEVICE_RWM) {
		p[n++] = MOV32_REG(BPF_REG_1, BPF_REG_3);
		p[n++] = ALU32_IMM(BPF_AND, BPF_REG_1, (int32_t)x->access);
		p[n++] = allows ? JEQ_IMM(BPF_REG_1, 0) : JNE_REG(BPF_REG_1, BPF_REG_3);
	}
	if (x->major >= 0)
		n += compare_number(p + n, BPF_REG_4, x->major);
	if (x->minor >= 0)
		n += compare_number(p + n, BPF_REG_5, x->minor);
	p[n++] = ALU32_IMM(BPF_MOV, BPF_REG_0, allows ? 0 : 1);
	p[n++] = EXIT();
	/* A mismatch goes on behind the block. */
	for (size_t i = 0; i < n; i++) {
		if (is_jump(&p[i]))
			p[i].off = (int16_t)(n - i - 1);
	}
	return n;
}

void device_bpf_make(const struct device_rules *r, struct bpf_insn **ret, size_t *ret_n)
{
	struct bpf_insn *p =
		dv_new_n(struct bpf_insn, PROLOGUE + r->n * (BLOCK_MAX + 2) + EPILOGUE);
	size_t n = make_prologue(p);

	for (size_t i = 0; i < r->n; i++)
		n += make_block(p + n, &r->items[i], r->allows);
	p[n++] = ALU32_IMM(BPF_MOV, BPF_REG_0, r->allows ? 1 : 0);
	p[n++] = EXIT();
	*ret = p;
	*ret_n = n;
}

/* ---- attachment ----------------------------------------------------------------------- */

static int load_once(const struct bpf_insn *insns, size_t n)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)insns,
		.insn_cnt = (uint32_t)n,
		.license = (uintptr_t) "Apache-2.0",
		.prog_name = "davit_devices",
	};

	return sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

/*
 * Before 5.11 programs count as locked memory, of which there may be none left. The limit is
 * put back, as the container inherits it.
 */
static int load(const struct bpf_insn *insns, size_t n)
{
	const struct rlimit64 unlimited = { RLIM64_INFINITY, RLIM64_INFINITY };
	struct rlimit64 old;
	int fd = load_once(insns, n);

	if (fd != -EPERM || sys_prlimit(0, RLIMIT_MEMLOCK, &unlimited, &old) < 0)
		return fd;
	fd = load_once(insns, n);
	(void)sys_prlimit(0, RLIMIT_MEMLOCK, &old, NULL);
	return fd;
}

static int attach(int dirfd, int prog, uint32_t flags, int replaced)
{
	union bpf_attr attr = {
		.target_fd = (uint32_t)dirfd,
		.attach_bpf_fd = (uint32_t)prog,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = flags,
	};

	if (flags & BPF_F_REPLACE)
		attr.replace_bpf_fd = (uint32_t)replaced;
	return sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
}

static int detach(int dirfd, int prog)
{
	union bpf_attr attr = {
		.target_fd = (uint32_t)dirfd,
		.attach_bpf_fd = (uint32_t)prog,
		.attach_type = BPF_CGROUP_DEVICE,
	};

	return sys_bpf(BPF_PROG_DETACH, &attr, sizeof(attr));
}

struct old_programs {
	int fds[OLD_MAX];
	size_t n;
};

static void old_programs_fini(struct old_programs *o)
{
	while (o->n > 0)
		sys_close(o->fds[--o->n]);
}

static int find_old(int dirfd, struct old_programs *o)
{
	uint32_t ids[OLD_MAX];
	union bpf_attr attr = { 0 };
	int r;

	attr.query.target_fd = (uint32_t)dirfd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = OLD_MAX; /* the kernel allows no more */
	r = sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < OLD_MAX; i++) {
		union bpf_attr get = { .prog_id = ids[i] };
		int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &get, sizeof(get));

		/*
		 * One that an LSM hides from us stays: programs can only add restrictions.
		 * One that is gone needs no removal.
		 */
		if (fd == -EPERM || fd == -EACCES || fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		o->fds[o->n++] = fd;
	}
	return 0;
}

static struct dv_err *attach_over(int dirfd, int prog, const struct dv_log *log)
{
	DV_CLEANUP(old_programs_fini) struct old_programs old = { .n = 0 };
	int r = find_old(dirfd, &old);

	if (r < 0)
		return dv_err_sys(r, "bpf_prog_query(BPF_CGROUP_DEVICE) failed");
	/* A single one is exchanged, without a moment that has none or both (5.6). */
	if (old.n == 1 && attach(dirfd, prog, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, old.fds[0]) == 0)
		return NULL;
	r = attach(dirfd, prog, BPF_F_ALLOW_MULTI, -1);
	if (r < 0)
		return dv_err_sys(r, "failed to call BPF_PROG_ATTACH (BPF_CGROUP_DEVICE, "
				     "BPF_F_ALLOW_MULTI)");
	if (old.n > 1)
		dv_log(log, DV_INFO,
		       "found more than one filter (%zu) attached to a cgroup -- removing extra "
		       "filters!",
		       old.n);
	for (size_t i = 0; i < old.n; i++) {
		r = detach(dirfd, old.fds[i]);
		if (r < 0)
			return dv_err_sys(r,
					  "failed to call BPF_PROG_DETACH (BPF_CGROUP_DEVICE) on "
					  "old filter program");
	}
	return NULL;
}

struct dv_err *device_bpf_apply(int dirfd, const struct bpf_insn *insns, size_t n, bool is_new,
				const struct dv_log *log)
{
	DV_CLEANUP(sys_closep) int prog = load(insns, n);
	int r;

	if (prog < 0)
		return dv_err_sys(prog, "load device filter program");
	if (!is_new)
		return attach_over(dirfd, prog, log);
	r = attach(dirfd, prog, BPF_F_ALLOW_MULTI, -1);
	if (r < 0)
		return dv_err_sys(r, "failed to call BPF_PROG_ATTACH (BPF_CGROUP_DEVICE, "
				     "BPF_F_ALLOW_MULTI)");
	return NULL;
}
