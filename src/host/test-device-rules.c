/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules: what a list of rules boils down to, and that the eBPF program made from it
 * decides as the v1 devices cgroup would. The program is run by a small interpreter. Needs no
 * privilege.
 */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "device-bpf.h"
#include "device-rules.h"

/* "+c 1:3 rwm": a rule in the notation of the rows below. */
static struct spec_device_rule parse_rule(const char *s)
{
	struct spec_device_rule r = { .is_allowed = s[0] == '+', .type = s[1] };
	char *at;

	s += 3;
	r.major = *s == '*' ? -1 : strtoll(s, NULL, 10);
	at = strchr(s, ':') + 1;
	r.minor = *at == '*' ? -1 : strtoll(at, NULL, 10);
	at = strchr(at, ' ') + 1;
	r.reads = strchr(at, 'r');
	r.writes = strchr(at, 'w');
	r.mknods = strchr(at, 'm');
	return r;
}

static struct dv_err *add_all(struct device_rules *rules, const char *const *list)
{
	for (; *list; list++) {
		struct spec_device_rule r = parse_rule(*list);
		struct dv_err *e = device_rules_add(rules, &r);

		if (e)
			return e;
	}
	return NULL;
}

static char *render(struct device_rules *rules)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	device_rules_sort(rules);
	dv_strbuf_add(&out, rules->allows ? "allow all" : "deny all");
	for (size_t i = 0; i < rules->n; i++) {
		dv_strbuf_add(&out, ", ");
		device_exception_format(&rules->items[i], &out);
	}
	return dv_strbuf_steal(&out);
}

/* ---- boiling down --------------------------------------------------------------------- */

static const struct {
	const char *rules[8];
	const char *want; /* NULL: an error that contains `error` */
	const char *error;
} boil[] = {
	{ { NULL }, "deny all", NULL },
	{ { "+a *:* rwm" }, "allow all", NULL },
	{ { "+a *:* rwm", "-a *:* rwm" }, "deny all", NULL },
	{ { "-a *:* rwm", "+c 1:3 rwm" }, "deny all, c 1:3 rwm", NULL },
	/* a wildcard of all types forgets what was before */
	{ { "+c 1:3 rwm", "-a *:* rwm" }, "deny all", NULL },
	{ { "+c 1:3 rwm", "+a *:* rwm", "-b 8:0 w" }, "allow all, b 8:0 w", NULL },
	/* 'a' with numbers is still everything, as in the kernel */
	{ { "+a 1:3 r" }, "allow all", NULL },
	/* merging and taking back */
	{ { "+c 1:3 r", "+c 1:3 w" }, "deny all, c 1:3 rw", NULL },
	{ { "+c 1:3 rwm", "-c 1:3 w" }, "deny all, c 1:3 rm", NULL },
	{ { "+c 1:3 rwm", "-c 1:3 rwm" }, "deny all", NULL },
	{ { "-c 1:3 rwm" }, "deny all", NULL },
	{ { "+a *:* rwm", "+c 1:3 r" }, "allow all", NULL },
	{ { "+a *:* rwm", "-c 1:3 rw", "+c 1:3 r" }, "allow all, c 1:3 w", NULL },
	{ { "+c *:* m", "+c 1:3 m", "-c *:* m" }, "deny all, c 1:3 m", NULL },
	/* sorted by major, minor, type, wildcards first */
	{ { "+c 5:1 r", "+b 1:* r", "+c 1:* r", "+c *:* m", "+c 1:3 r" },
	  "deny all, c *:* m, b 1:* r, c 1:* r, c 1:3 r, c 5:1 r",
	  NULL },
	/* holes */
	{ { "+c 1:* rw", "-c 1:3 r" }, NULL, "cannot punch hole" },
	{ { "+c *:3 rw", "-c 1:3 r" }, NULL, "cannot punch hole" },
	{ { "+c *:* rw", "-c 1:3 r" }, NULL, "cannot punch hole" },
	{ { "+c *:* rw", "-c 1:* r" }, NULL, "cannot punch hole" },
	{ { "+c *:* rw", "-c 1:3 m" }, "deny all, c *:* rw", NULL },
	{ { "+c *:* rw", "-b 1:3 r" }, "deny all, c *:* rw", NULL },
	{ { "+a *:* rwm", "-c 1:* rw", "+c 1:3 r" }, NULL, "unable to remove 'deny' exception" },
	{ { "+c 4294967296:0 r" }, NULL, "invalid device number" },
};

Test(rules, boil_down)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(boil); i++) {
		DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
		DV_CLEANUP(dv_err_freep) struct dv_err *e = add_all(&rules, boil[i].rules);
		DV_CLEANUP(dv_freep) char *got = render(&rules);

		if (boil[i].error) {
			cr_assert_not_null(e, "row %zu: %s", i, got);
			cr_expect(strstr(dv_err_message(e), boil[i].error), "row %zu: %s", i,
				  dv_err_message(e));
			continue;
		}
		cr_assert_null(e, "row %zu: %s", i, e ? dv_err_message(e) : "");
		cr_expect_str_eq(got, boil[i].want, "row %zu: %s", i, got);
	}
}

Test(rules, defaults)
{
	static const char want[] = "deny all, b *:* m, c *:* m, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, "
				   "c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:2 rwm, c 10:200 rwm, "
				   "c 136:* rwm";
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	DV_CLEANUP(dv_freep) char *got = NULL;

	cr_assert_null(device_rules_add_defaults(&rules, NULL, 0));
	got = render(&rules);
	cr_expect_str_eq(got, want, "%s", got);
}

Test(rules, redefined_device_is_no_default)
{
	const struct spec_device devices[] = { { .path = "/dev/null" }, { .path = "/dev/x" } };
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	DV_CLEANUP(dv_freep) char *got = NULL;

	cr_assert_null(device_rules_add_defaults(&rules, devices, DV_ARRAY_SIZE(devices)));
	got = render(&rules);
	cr_expect_null(strstr(got, "c 1:3"), "%s", got);
	cr_expect_not_null(strstr(got, "c 1:5"), "%s", got);
}

Test(rules, unknown_type)
{
	const struct spec_device_rule rule = { .is_allowed = true, .type = 'p', .reads = true };
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	DV_CLEANUP(dv_err_freep) struct dv_err *e = device_rules_add(&rules, &rule);

	cr_assert_not_null(e);
	cr_expect_eq(dv_err_code(e), DV_INVALID);
}

/* ---- the program ---------------------------------------------------------------------- */

static uint64_t alu32(unsigned op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_AND:
		return (uint32_t)(a & b);
	case BPF_RSH:
		return (uint32_t)a >> b;
	case BPF_MOV:
		return (uint32_t)b;
	default:
		cr_assert_fail("unexpected operation %#x", op);
		return 0;
	}
}

/* Runs @p as the kernel would; fails the test on anything but what the emitter should use. */
static int run(const struct bpf_insn *p, size_t n, const uint32_t ctx[3])
{
	uint64_t r[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *x = &p[pc];
		/* Immediates are sign-extended to 64 bits. */
		uint64_t b = BPF_SRC(x->code) == BPF_X ? r[x->src_reg] : (uint64_t)(int64_t)x->imm;
		bool jumps;

		switch (BPF_CLASS(x->code)) {
		case BPF_LDX:
			cr_assert_eq(x->src_reg, BPF_REG_1);
			cr_assert_eq(x->off % 4, 0);
			r[x->dst_reg] = ctx[x->off / 4];
			break;
		case BPF_ALU:
			r[x->dst_reg] = alu32(BPF_OP(x->code), r[x->dst_reg], b);
			break;
		case BPF_JMP:
			if (BPF_OP(x->code) == BPF_EXIT)
				return (int)r[0];
			cr_assert(BPF_OP(x->code) == BPF_JNE || BPF_OP(x->code) == BPF_JEQ);
			jumps = (r[x->dst_reg] == b) == (BPF_OP(x->code) == BPF_JEQ);
			cr_assert(x->off > 0 && pc + (size_t)x->off + 1 < n);
			pc += jumps ? (size_t)x->off : 0;
			break;
		default:
			cr_assert_fail("unexpected class %#x", x->code);
		}
	}
	cr_assert_fail("fell off the end");
	return -1;
}

/* The kernel's own decision on v1 (security/device_cgroup.c, legacy check). */
static bool v1_decides(const struct device_rules *rules, char type, uint32_t major, uint32_t minor,
		       unsigned access)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct device_exception *x = &rules->items[i];

		if (x->type != type || (x->major >= 0 && x->major != major) ||
		    (x->minor >= 0 && x->minor != minor))
			continue;
		if (rules->allows ? (access & x->access) != 0 : (access & ~x->access) == 0)
			return !rules->allows;
	}
	return rules->allows;
}

static const char *const programs[][8] = {
	{ NULL },
	{ "+a *:* rwm" },
	{ "+c 1:3 rwm", "+c 1:5 r", "+b 8:0 w", "+c 5:* rw", "+b *:* m" },
	{ "+a *:* rwm", "-c 1:3 rwm", "-c 1:5 w", "-b 8:* rw", "-c *:200 m" },
	{ "+c 4294967295:4294967295 rw", "+c 2147483648:1 r", "+b 2147483647:0 w" },
	{ "+a *:* rwm", "-c 4294967295:4294967295 w" },
	{ "+c *:* rwm" },
	{ "+c *:* m", "+b *:* m", "+c 1:3 rwm", "+c 136:* rwm" },
};

static const uint32_t numbers[] = { 0, 1, 3, 5, 8, 136, 200, 0x7fffffff, 0x80000000, 0xffffffff };

Test(program, decides_as_v1_does)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(programs); i++) {
		DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
		DV_CLEANUP(dv_freep) struct bpf_insn *p = NULL;
		size_t n;

		cr_assert_null(add_all(&rules, programs[i]));
		device_rules_sort(&rules);
		device_bpf_make(&rules, &p, &n);
		for (size_t k = 0; k < 2 * 7 * DV_ARRAY_SIZE(numbers) * DV_ARRAY_SIZE(numbers);
		     k++) {
			size_t at = k;
			bool block = at % 2;
			unsigned access = 1 + (unsigned)((at /= 2) % 7);
			uint32_t major = numbers[(at /= 7) % DV_ARRAY_SIZE(numbers)];
			uint32_t minor = numbers[at / DV_ARRAY_SIZE(numbers)];
			const uint32_t ctx[3] = { access << 16 |
							  (uint32_t)(block ? BPF_DEVCG_DEV_BLOCK
									   : BPF_DEVCG_DEV_CHAR),
						  major, minor };

			cr_assert_eq(run(p, n, ctx),
				     v1_decides(&rules, block ? 'b' : 'c', major, minor, access),
				     "program %zu: %c %u:%u access %u", i, block ? 'b' : 'c', major,
				     minor, access);
		}
	}
}

/* runc's program lets a deny of "w" slip when both reading and writing are asked for. */
Test(program, partial_deny_is_a_deny)
{
	static const char *const list[] = { "+a *:* rwm", "-b 8:0 w", NULL };
	const uint32_t read_write[3] = { (DEVICE_READ | DEVICE_WRITE) << 16 | BPF_DEVCG_DEV_BLOCK,
					 8, 0 };
	const uint32_t read_only[3] = { DEVICE_READ << 16 | BPF_DEVCG_DEV_BLOCK, 8, 0 };
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	DV_CLEANUP(dv_freep) struct bpf_insn *p = NULL;
	size_t n;

	cr_assert_null(add_all(&rules, list));
	device_bpf_make(&rules, &p, &n);
	cr_expect_eq(run(p, n, read_write), 0);
	cr_expect_eq(run(p, n, read_only), 1);
}
