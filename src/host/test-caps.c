/* SPDX-License-Identifier: Apache-2.0 */
/* Capability plans, the warnings, and applying them in children. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "host/caps.h"
#include "sys/file.h"
#include "sys/process.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static int log_fd;
static struct dv_log logger;
static struct dv_arena arena;

static void setup(void)
{
	log_fd = sys_memfd("log", 0);
	logger = (struct dv_log){ .fd = log_fd, .format = DV_LOG_TEXT, .level = DV_DEBUG };
	dv_arena_init(&arena);
}

static void teardown(void)
{
	sys_close(log_fd);
	dv_arena_fini(&arena);
}

TestSuite(caps, .init = setup, .fini = teardown);

static void expect_log(const char *text)
{
	char buf[4096];
	ssize_t n = pread(log_fd, buf, sizeof(buf) - 1, 0);

	cr_assert(n >= 0);
	buf[n] = '\0';
	if (*text)
		cr_expect(strstr(buf, text), "log: %s", buf);
	else
		T_STR(buf, "");
}

Test(caps, last)
{
	char text[16];
	unsigned long last;

	T_INT(sys_read_file_at(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", text, sizeof(text)), >,
	      0);
	last = strtoul(text, NULL, 10);
	T_INT(host_caps_last(), ==, last);
}

Test(caps, plan)
{
	struct spec_capabilities spec = {
		.bounding = BIT(0) | BIT(1),
		.effective = BIT(2),
		.inheritable = BIT(3),
		.permitted = BIT(4),
		.ambient = BIT(5),
	};
	struct host_caps c;

	host_caps_plan(&spec, &logger, &c);
	T_INT(c.bounding, ==, spec.bounding);
	T_INT(c.effective, ==, spec.effective);
	T_INT(c.inheritable, ==, spec.inheritable);
	T_INT(c.permitted, ==, spec.permitted);
	T_INT(c.ambient, ==, spec.ambient);
	T_INT(c.last, ==, host_caps_last());
	expect_log("");
	host_caps_plan(NULL, &logger, &c);
	T_INT(c.bounding | c.effective | c.inheritable | c.permitted | c.ambient, ==, 0);
	expect_log("");
}

Test(caps, unknown)
{
	const char *unknown[] = { "CAP_ZZZ", "CAP_AAA", "CAP_ZZZ" };
	struct spec_capabilities spec = {
		.bounding = BIT(0) | BIT(63), /* no kernel has 63 */
		.ambient = BIT(63),
		.unknown = unknown,
		.n_unknown = 3,
	};
	struct host_caps c;

	host_caps_plan(&spec, &logger, &c);
	T_INT(c.bounding, ==, BIT(0));
	T_INT(c.ambient, ==, 0);
	expect_log("level=warning msg=\"ignoring unknown or unavailable capabilities: "
		   "[CAP_AAA CAP_ZZZ]\"");
	host_caps_plan(&spec, NULL, &c);
}

Test(caps, warn_unraised)
{
	host_caps_warn_unraised(&logger, BIT(CAP_CHOWN) | BIT(CAP_NET_RAW), EPERM);
	expect_log("msg=\"can't raise ambient capability CAP_CHOWN: operation not permitted\"");
	expect_log("msg=\"can't raise ambient capability CAP_NET_RAW: operation not permitted\"");
}

Test(caps, add)
{
	static const char *const names[] = { "CAP_KILL", "CAP_NOSUCH", "CAP_CHOWN" };
	const uint64_t two = BIT(CAP_KILL) | BIT(CAP_CHOWN);
	struct spec_capabilities spec = { .bounding = BIT(7) };

	host_caps_add(&arena, &spec, names, 3);
	T_INT(spec.bounding, ==, two | BIT(7));
	T_INT(spec.effective, ==, two);
	T_INT(spec.permitted, ==, two);
	T_INT(spec.inheritable, ==, 0);
	T_INT(spec.ambient, ==, 0);
	T_INT(spec.n_unknown, ==, 1);
	T_STR(spec.unknown[0], "CAP_NOSUCH");

	spec = (struct spec_capabilities){ .inheritable = BIT(7) };
	host_caps_add(&arena, &spec, names, 1);
	T_INT(spec.ambient, ==, BIT(CAP_KILL));
	T_INT(spec.inheritable, ==, BIT(7));
}

/* Runs @fn in a child; its result is the exit status. */
static int in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static bool bounding_is(uint64_t set, unsigned last)
{
	for (unsigned cap = 0; cap <= last; cap++) {
		if ((sys_prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1) != (set >> cap & 1))
			return false;
	}
	return true;
}

static int apply_all(void)
{
	struct host_caps c = {
		.bounding = BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_SETUID),
		.effective = BIT(CAP_KILL),
		.permitted = BIT(CAP_KILL) | BIT(CAP_CHOWN),
		.inheritable = BIT(CAP_CHOWN),
		.ambient = BIT(CAP_CHOWN) | BIT(CAP_KILL), /* KILL is not inheritable */
		.last = host_caps_last(),
	};
	struct sys_cap_set now;
	uint64_t unraised;
	unsigned failed;
	int err;

	if (host_caps_apply_bounding(&c, &failed) != 0 || !bounding_is(c.bounding, c.last))
		return 1;
	if (host_caps_apply(&c, &unraised, &err) != 0)
		return 2;
	if (sys_capget(&now) != 0 || now.effective != c.effective || now.permitted != c.permitted ||
	    now.inheritable != c.inheritable)
		return 3;
	if (unraised != BIT(CAP_KILL) || err != EPERM)
		return 4;
	if (sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0) != 1)
		return 5;
	/* A second time: nothing left to drop with. */
	if (host_caps_apply_bounding(&(struct host_caps){ .last = c.last }, &failed) != 0 ||
	    !bounding_is(c.bounding, c.last))
		return 6;
	/* More than is permitted. */
	c.permitted |= BIT(CAP_SYS_ADMIN);
	return host_caps_apply(&c, &unraised, &err) == -EPERM ? 0 : 7;
}

Test(caps, apply)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	T_INT(in_child(apply_all), ==, 0);
}

static int apply_none(void)
{
	struct host_caps c;
	struct sys_cap_set now;
	uint64_t unraised;
	unsigned failed;
	int err;

	host_caps_plan(NULL, NULL, &c);
	if (host_caps_apply_bounding(&c, &failed) != 0 || host_caps_apply(&c, &unraised, &err) != 0)
		return 1;
	if (sys_capget(&now) != 0 || now.permitted || now.effective || now.inheritable || unraised)
		return 2;
	return bounding_is(0, c.last) ? 0 : 3;
}

Test(caps, apply_none)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	T_INT(in_child(apply_none), ==, 0);
}
