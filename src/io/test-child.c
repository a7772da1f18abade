/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are run, and looked up. */

#include "io/child.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/pidfd.h"
#include "sys/file.h"
#include "test-io.h"

struct outcome {
	bool is_done, is_timed_out;
	int status;
	char out[256], err[256];
	size_t n_out;
};

static void on_done(void *arg, const struct io_child_result *r)
{
	struct outcome *o = arg;

	cr_assert(!o->is_done);
	o->is_done = true;
	o->is_timed_out = r->is_timed_out;
	o->status = io_exit_status(&r->si);
	o->n_out = r->n_out;
	snprintf(o->out, sizeof(o->out), "%s", r->out);
	snprintf(o->err, sizeof(o->err), "%s", r->err);
}

static const char *const env[] = { "PATH=/usr/bin:/bin", "WHO=you", NULL };

/* Runs a shell script and waits for its end. */
static struct outcome run_sh(struct io_child_opts *opts, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct outcome o = { 0 };
	struct io_child *child = NULL;
	uv_loop_t loop;
	struct dv_err *e;

	opts->path = "/bin/sh";
	opts->argv = argv;
	opts->envp = env;
	uv_loop_init(&loop);
	e = io_child_run(&loop, opts, on_done, &o, &child);
	cr_assert(e == NULL, "%s", dv_err_message(e));
	T_FALSE(o.is_done);
	RUN_UNTIL(&loop, o.is_done);
	loop_fini(&loop);
	return o;
}

Test(child, output_is_captured)
{
	struct io_child_opts opts = { .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE } };
	int before = count_fds();
	struct outcome o = run_sh(&opts, "echo hello $WHO; echo oops >&2; exit 3");

	T_INT(o.status, ==, 3);
	T_FALSE(o.is_timed_out);
	T_STR(o.out, "hello you\n");
	T_STR(o.err, "oops\n");
	T_INT(count_fds(), ==, before);
}

Test(child, both_streams_into_one)
{
	struct io_child_opts opts = { .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_SAME } };
	struct outcome o = run_sh(&opts, "echo a; echo b >&2; echo c");

	T_STR(o.out, "a\nb\nc\n");
	T_STR(o.err, "");
}

Test(child, more_than_the_limit_is_dropped)
{
	struct io_child_opts opts = { .stdio = { -1, IO_CHILD_CAPTURE, -1 }, .capture_max = 10 };
	struct outcome o = run_sh(&opts, "head -c 300000 /dev/zero | tr '\\0' x; echo end >&2");

	T_INT(o.status, ==, 0);
	T_INT(o.n_out, ==, 10);
	T_STR(o.out, "xxxxxxxxxx");
}

Test(child, a_grandchild_with_the_pipe_is_not_waited_for)
{
	struct io_child_opts opts = { .stdio = { -1, IO_CHILD_CAPTURE, -1 },
				      .has_new_group = true };
	struct outcome o = run_sh(&opts, "sleep 1000 & echo $!");

	T_INT(o.status, ==, 0);
	T_INT((int)strtol(o.out, NULL, 10), >, 1);
	T_INT(kill((int)strtol(o.out, NULL, 10), SIGKILL), ==, 0);
}

Test(child, a_time_limit_kills_the_group)
{
	struct io_child_opts opts = { .stdio = { -1, IO_CHILD_CAPTURE, -1 },
				      .has_new_group = true,
				      .timeout_ns = 100000000 };
	struct outcome o = run_sh(&opts, "sleep 1000 & echo $!; wait");
	char path[64], text[256] = "";

	T_TRUE(o.is_timed_out);
	T_INT(o.status, ==, 128 + SIGKILL);
	/* The other one is dead, too, or a zombie until its new parent has noticed. */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)strtol(o.out, NULL, 10));
	if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0)
		T_TRUE(strstr(text, ") Z ") || strstr(text, ") X "));
}

Test(child, directory_and_descriptors)
{
	int pipe[2];
	char text[64] = "";
	struct io_child_opts opts = {
		.stdio = { -1, IO_CHILD_CAPTURE, -1 },
		.cwd = "/usr",
		.n_fds = 2,
	};
	struct outcome o;

	cr_assert_eq(sys_pipe(pipe), 0);
	opts.fds = (const int[]){ pipe[1], -1 };
	o = run_sh(&opts, "pwd; echo three >&3; ls -l /proc/self/fd/4 | sed 's/.*-> //'; "
			  "test -e /proc/self/fd/5 || echo none");
	sys_close(pipe[1]);
	T_STR(o.out, "/usr\n/dev/null\nnone\n");
	T_INT(sys_read_all(pipe[0], text, sizeof(text)), ==, 6);
	T_STR(text, "three\n");
}

Test(child, ignored_signals_are_default_again)
{
	struct io_child_opts opts = { .stdio = { -1, -1, -1 } };

	signal(SIGPIPE, SIG_IGN);
	T_INT(run_sh(&opts, "kill -PIPE $$").status, ==, 128 + SIGPIPE);
}

Test(child, what_cannot_be_executed)
{
	static const struct {
		const char *path, *cwd;
		enum dv_code code;
	} cases[] = {
		{ "/nonexistent", NULL, DV_NOT_FOUND },
		{ "/etc/passwd", NULL, DV_PERMISSION },
		{ "/bin/true", "/nonexistent", DV_NOT_FOUND },
	};
	int before = count_fds();

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		const char *argv[] = { "x", NULL };
		struct io_child_opts opts = { .path = cases[i].path,
					      .argv = argv,
					      .cwd = cases[i].cwd,
					      .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE } };
		struct io_child *child = NULL;
		struct outcome o = { 0 };
		uv_loop_t loop;
		struct dv_err *e;

		uv_loop_init(&loop);
		e = io_child_run(&loop, &opts, on_done, &o, &child);
		cr_assert(e != NULL);
		T_INT(dv_err_code(e), ==, cases[i].code);
		dv_err_free(e);
		T_NULL(child);
		loop_fini(&loop);
		T_FALSE(o.is_done);
	}
	T_INT(count_fds(), ==, before);
	T_INT(waitpid(-1, NULL, WNOHANG), ==, -1);
}

/* With room for 0, 1, 2 ... descriptors: it fails cleanly until it succeeds. */
Test(child, no_descriptors_left)
{
	const char *argv[] = { "true", NULL };
	struct io_child_opts opts = { .path = "/bin/true",
				      .argv = argv,
				      .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE } };
	struct dv_err *e;
	int before, failures = 0;
	uv_loop_t loop;

	uv_loop_init(&loop);
	before = count_fds();
	for (int n = 0;; n++) {
		struct outcome o = { 0 };

		limit_fds(n);
		e = io_child_run(&loop, &opts, on_done, &o, NULL);
		unlimit_fds();
		if (!e) {
			RUN_UNTIL(&loop, o.is_done);
			break;
		}
		failures++;
		dv_err_free(e);
		while (uv_run(&loop, UV_RUN_NOWAIT))
			;
		T_FALSE(o.is_done);
		T_INT(count_fds(), ==, before);
	}
	T_INT(failures, >, 3);
	loop_fini(&loop);
}

Test(child, forgotten_and_killed)
{
	const char *argv[] = { "sleep", "1000", NULL };
	struct io_child_opts opts = { .path = "/bin/sleep", .argv = argv, .stdio = { -1, -1, -1 } };
	struct io_child *child;
	struct outcome o = { 0 };
	uv_loop_t loop;
	pid_t pid;
	int status;

	uv_loop_init(&loop);
	cr_assert(io_child_run(&loop, &opts, on_done, &o, &child) == NULL);
	T_INT(io_child_kill(child, SIGTERM), ==, 0);
	RUN_UNTIL(&loop, o.is_done);
	T_INT(o.status, ==, 128 + SIGTERM);

	o.is_done = false;
	cr_assert(io_child_run(&loop, &opts, on_done, &o, &child) == NULL);
	pid = io_child_pid(child);
	T_NULL(io_child_forget(child));
	loop_fini(&loop);
	T_FALSE(o.is_done);
	T_INT(kill(pid, SIGKILL), ==, 0);
	T_INT(waitpid(pid, &status, 0), ==, pid);
}

Test(path, search)
{
	char dir[] = "/tmp/test-path-XXXXXX";
	DV_CLEANUP(dv_freep) char *path = NULL, *file = NULL;
	char *found = NULL;
	struct dv_err *e;
	int fd;

	cr_assert(mkdtemp(dir) != NULL);
	file = dv_printf("%s/tool", dir);
	path = dv_printf("relative::/nonexistent:%s:/usr/bin:/bin", dir);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	cr_assert(fd >= 0);
	close(fd);

	e = io_path_find("tool", path, &found);
	cr_assert(e != NULL);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	T_STR(dv_err_message(e), "program tool in PATH: permission denied");
	dv_err_free(e);

	cr_assert(chmod(file, 0755) == 0);
	T_NULL(io_path_find("tool", path, &found));
	T_STR(found, file);
	free(found);
	T_NULL(io_path_find("sh", path, &found));
	T_TRUE(dv_ends_with(found, "/sh"));
	free(found);
	T_NULL(io_path_find("/bin/sh", NULL, &found));
	T_STR(found, "/bin/sh");
	free(found);
	unlink(file);
	rmdir(dir);
}

Test(path, nothing_there)
{
	static const struct {
		const char *name, *path, *message;
	} cases[] = {
		{ "", "/bin", "program \"\": no such file or directory" },
		{ "sh", NULL, "program sh in PATH: no such file or directory" },
		{ "sh", "", "program sh in PATH: no such file or directory" },
		{ "sh", "bin:.", "program sh in PATH: no such file or directory" },
		{ "./nope", "/bin", "program ./nope: no such file or directory" },
		{ "/tmp", "/bin", "program /tmp: permission denied" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		char *found = NULL;
		struct dv_err *e = io_path_find(cases[i].name, cases[i].path, &found);

		cr_assert(e != NULL);
		T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
		T_STR(dv_err_message(e), cases[i].message);
		dv_err_free(e);
		T_NULL(found);
	}
}
