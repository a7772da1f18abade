/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks as real processes: what they get, what is said about them, and that none hangs us. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "launch-private.h"
#include "state-private.h"
#include "sys/file.h"

static struct dv_arena arena; /* of what one test makes */
static char dir[] = "/tmp/test-hooks-XXXXXX";

static void make_dir(void)
{
	dv_arena_init(&arena);
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	setenv("INHERITED", "yes", 1);
}

static void remove_dir(void)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(sys_remove_tree(tmp, dir + 5), 0);
	dv_arena_fini(&arena);
}

TestSuite(hooks, .init = make_dir, .fini = remove_dir, .timeout = 30);

static struct spec_hook shell(const char *script)
{
	struct spec_hook h = { .path = "/bin/sh", .n_args = 3 };

	h.args = dv_arena_new_n(&arena, const char *, 3);
	h.args[0] = "sh";
	h.args[1] = "-c";
	h.args[2] = script;
	return h;
}

static struct dv_err *run(struct spec_hook *items, size_t n, enum spec_hook_kind kind,
			  const char *state)
{
	struct spec_hook_list list = { .items = items, .n_items = n };
	struct dv_log log = { .fd = -1 };

	return rt_hooks_run(&list, kind, state, &log);
}

static void fails(struct spec_hook h, const char *message)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;

	e = run(&h, 1, SPEC_HOOK_CREATE_RUNTIME, "{}");
	cr_assert_not_null(e, "expected: %s", message);
	cr_assert_str_eq(dv_err_message(e), message);
}

/* Valid until the next call. */
static char *contents(const char *path)
{
	static char buf[4 << 20];

	cr_assert_geq(sys_read_file_at(AT_FDCWD, path, buf, sizeof(buf)), 0, "%s", path);
	return buf;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

Test(hooks, get_the_state_and_their_own_environment_only)
{
	struct spec_hook h = shell("cat >state; env >env");
	const char *env[] = { "ONE=1", "PATH=/usr/bin:/bin" };

	h.env = env;
	h.n_env = 2;
	cr_assert_null(run(&h, 1, SPEC_HOOK_CREATE_RUNTIME, "{\"id\":\"x\"}"));
	cr_assert_str_eq(contents("state"), "{\"id\":\"x\"}");
	cr_assert_not_null(strstr(contents("env"), "ONE=1\n"));
	cr_assert_null(strstr(contents("env"), "INHERITED"));
}

Test(hooks, without_environment_get_none)
{
	struct spec_hook h = { .path = "/usr/bin/env" };

	fails(shell("test -z \"$INHERITED\" || exit 1; exit 2"),
	      "error running createRuntime hook #0: exit status 2, stdout: , stderr: ");
	cr_assert_null(run(&h, 1, SPEC_HOOK_PRESTART, "{}"));
}

Test(hooks, argv_is_as_given)
{
	const char *args[] = { "zero", "-c", "echo $0 $1", "a", "b c" };
	struct spec_hook h = { .path = "/bin/sh", .args = args, .n_args = 5 };

	args[2] = "echo \"$0|$1\" >args";
	cr_assert_null(run(&h, 1, SPEC_HOOK_PRESTART, "{}"));
	cr_assert_str_eq(contents("args"), "a|b c\n");
}

Test(hooks, failures_are_told_as_runc_does)
{
	struct spec_hook none = { .path = "/nonexistent" }, relative = { .path = "bin/true" };

	fails(shell("echo out; echo err >&2; exit 3"),
	      "error running createRuntime hook #0: exit status 3, stdout: out, stderr: err");
	fails(shell("kill -SYS $$"),
	      "error running createRuntime hook #0: signal: bad system call, stdout: , stderr: ");
	fails(shell("kill -KILL $$"),
	      "error running createRuntime hook #0: signal: killed, stdout: , stderr: ");
	fails(none,
	      "error running createRuntime hook #0: fork/exec /nonexistent: no such file or directory");
	fails(relative,
	      "error running createRuntime hook #0: path of the hook is not absolute: bin/true");
}

Test(hooks, the_first_failure_ends_the_list)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	struct spec_hook h[] = { shell("touch 0"), shell("exit 1"), shell("touch 2") };

	e = run(h, 3, SPEC_HOOK_POSTSTART, "{}");
	cr_assert_not_null(e);
	cr_assert(dv_starts_with(dv_err_message(e),
				 "error running poststart hook #1: exit status 1"));
	cr_assert_eq(access("0", F_OK), 0);
	cr_assert_neq(access("2", F_OK), 0);
}

Test(hooks, poststop_failures_are_warnings)
{
	struct spec_hook h[] = { shell("exit 1"), shell("touch 1") };
	struct spec_hook_list list = { .items = h, .n_items = 2 };
	struct dv_log log = { .format = DV_LOG_TEXT, .level = DV_INFO };

	log.fd = sys_openat(AT_FDCWD, "log", O_WRONLY | O_CREAT, 0600);
	cr_assert_null(rt_hooks_run(&list, SPEC_HOOK_POSTSTOP, "{}", &log));
	cr_assert_eq(access("1", F_OK), 0);
	cr_assert_not_null(strstr(contents("log"), "level=warning"));
	cr_assert_not_null(
		strstr(contents("log"), "error running poststop hook #0: exit status 1"));
}

Test(hooks, may_leave_a_large_state_unread)
{
	struct spec_hook deaf = shell("exec <&-; exit 0"), cat = shell("cat >state");
	size_t n = 3 << 20;
	char *state = dv_arena_alloc(&arena, n + 1);

	memset(state, 'x', n);
	cr_assert_null(run(&deaf, 1, SPEC_HOOK_PRESTART, state));
	cr_assert_null(run(&cat, 1, SPEC_HOOK_PRESTART, state));
	cr_assert_str_eq(contents("state"), state);

	/* At the capacity of a pipe, and one off. */
	for (size_t len = 65535; len <= 65537; len++) {
		state[len] = '\0';
		cr_assert_null(run(&cat, 1, SPEC_HOOK_PRESTART, state));
		cr_assert_str_eq(contents("state"), state);
		state[len] = 'x';
	}
}

Test(hooks, may_write_a_lot)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	struct spec_hook h = shell("yes a | head -c 1000000; yes b | head -c 300000 >&2; exit 9");

	e = run(&h, 1, SPEC_HOOK_PRESTART, "{}");
	cr_assert_not_null(e);
	cr_assert_not_null(strstr(dv_err_message(e), "exit status 9, stdout: a\na\na\n"));
	cr_assert_not_null(strstr(dv_err_message(e), ", stderr: b\nb\n"));
	cr_assert_lt(strlen(dv_err_message(e)), (size_t)2 * 65536 + 200);
}

Test(hooks, past_their_time_are_killed)
{
	struct spec_hook h = shell("exec sleep 20");
	double start = seconds();

	h.timeout = 1;
	fails(h, "error running createRuntime hook #0: hook ran past specified timeout of 1.0s");
	cr_assert_lt(seconds() - start, 5.0);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
	cr_assert_eq(errno, ECHILD);
}

Test(hooks, background_processes_do_not_hold_us)
{
	struct spec_hook h = shell("sleep 20 & echo $! >pid; echo early");
	struct spec_hook busy = shell("yes & echo $! >busy");
	double start = seconds();

	cr_assert_null(run(&h, 1, SPEC_HOOK_PRESTART, "{}"));
	cr_assert_null(run(&busy, 1, SPEC_HOOK_PRESTART, "{}"));
	cr_assert_lt(seconds() - start, 10.0);
	cr_assert_eq(kill((pid_t)strtol(contents("pid"), NULL, 10), SIGKILL), 0);
	(void)kill((pid_t)strtol(contents("busy"), NULL, 10), SIGKILL);
}

Test(hooks, see_no_descriptor_of_ours)
{
	struct spec_hook h = shell("exec ls /proc/self/fd >fds");
	int leak = open("/", O_RDONLY); /* not close-on-exec, as if inherited */

	cr_assert_geq(leak, 3);
	cr_assert_null(run(&h, 1, SPEC_HOOK_PRESTART, "{}"));
	cr_assert_str_eq(contents("fds"), "0\n1\n2\n3\n"); /* 3: ls opened it */
}

/* ---- in a child ------------------------------------------------------------------------------- */

Test(hooks, in_a_child_use_the_default_environment)
{
	char *const env[] = { (char[]){ "TWO=2" }, NULL };
	struct spec_hook h = shell("echo \"$TWO\" >two");
	char text[RT_TEXT_MAX] = "";

	cr_assert_eq(rt_hook_run(&h, env, "{}", 2, text), 0);
	cr_assert_str_eq(contents("two"), "2\n");

	const char *own[] = { "TWO=3" };

	h.env = own;
	h.n_env = 1;
	cr_assert_eq(rt_hook_run(&h, env, "{}", 2, text), 0);
	cr_assert_str_eq(contents("two"), "3\n");
}

Test(hooks, in_a_child_explain)
{
	struct spec_hook h = shell("yes | head -c 9000; echo why >&2; exit 4");
	struct spec_hook none = { .path = "/nonexistent" };
	char text[RT_TEXT_MAX] = "";

	cr_assert_eq(rt_hook_run(&h, NULL, "{}", 2, text), -RT_NO_ERRNO);
	cr_assert(dv_starts_with(text, "exit status 4, stdout: y\ny\n"));
	cr_assert(dv_ends_with(text, ", stderr: why"));
	cr_assert_eq(rt_hook_run(&none, NULL, "{}", 2, text), -ENOENT);
	cr_assert_str_eq(text, "fork/exec /nonexistent");
}

Test(hooks, with_too_many_arguments_are_refused)
{
	struct spec_hook h = { .path = "/bin/true", .n_args = 100000 };
	char text[RT_TEXT_MAX] = "";

	h.args = dv_arena_alloc(&arena, h.n_args * sizeof(*h.args));
	cr_assert_eq(rt_hook_run(&h, NULL, "{}", 2, text), -E2BIG);
}

/* ---- on disk ------------------------------------------------------------------------------------ */

Test(hooks, late_ones_survive_on_disk)
{
	struct spec_hook start = shell("exit 0"), stop[] = { shell("a"), shell("b") };
	struct spec_hook_list hooks[SPEC_HOOK__N] = {
		[SPEC_HOOK_PRESTART] = { &start, 1 },
		[SPEC_HOOK_POSTSTART] = { &start, 1 },
		[SPEC_HOOK_POSTSTOP] = { stop, 2 },
	};
	struct rt_state st = { .has_hooks = true };
	struct rt_container c = { .id = "x", .state = &st };
	struct spec_hook_list ret[SPEC_HOOK__N];

	dv_arena_init(&st.arena);
	st.dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stop[1].timeout = 7;
	cr_assert_null(rt_hooks_save(&c, hooks));
	cr_assert_null(rt_hooks_load(&c, ret));
	cr_assert_eq(ret[SPEC_HOOK_PRESTART].n_items, 0);
	cr_assert_eq(ret[SPEC_HOOK_POSTSTART].n_items, 1);
	cr_assert_eq(ret[SPEC_HOOK_POSTSTOP].n_items, 2);
	cr_assert_str_eq(ret[SPEC_HOOK_POSTSTOP].items[1].args[2], "b");
	cr_assert_eq(ret[SPEC_HOOK_POSTSTOP].items[1].timeout, 7);
	dv_arena_fini(&st.arena);
	close(st.dirfd);
}
