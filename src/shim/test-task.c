/* SPDX-License-Identifier: Apache-2.0 */
/* The task machine, with a runtime of the test's own. */

#include "test-task.h"

TestSuite(task, .init = fixture_open, .fini = fixture_close, .timeout = 60);

Test(task, a_whole_life)
{
	T_INT(create("c1"), ==, 0);
	T_INT(fx.info.pid, >, 0);
	T_INT(fx.info.state, ==, TASK_CREATED);
	T_INT(ask("c1", "", TASK_START), ==, 0);
	T_INT(fx.info.state, ==, TASK_RUNNING);
	T_INT(ask("c1", "", TASK_PAUSE), ==, 0);
	T_INT(ask("c1", "", TASK_RESUME), ==, 0);
	T_INT(ask("c1", "", TASK_UPDATE), ==, 0);
	T_INT(sys_fstatat(fx.fd, "updated", &(struct stat){ 0 }, 0), ==, 0);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
	T_INT(fx.info.exit_status, ==, 128 + SIGKILL);
	T_INT(fx.info.exited_at.tv_sec, >, 0);
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
	T_INT(fx.info.exit_status, ==, 128 + SIGKILL);
	T_INT(task_set_count(fx.set), ==, 0);
	T_STR(fx.events.data, "create c1, start c1, paused c1, resumed c1, exit c1=137, delete c1");
}

/* ---- every operation in every state, for real ---------------------------------------------------- */

static void bring_to(const char *id, enum task_state state)
{
	T_INT(create(id), ==, 0);
	if (state != TASK_CREATED)
		T_INT(ask(id, "", TASK_START), ==, 0);
	if (state == TASK_PAUSED)
		T_INT(ask(id, "", TASK_PAUSE), ==, 0);
	if (state == TASK_STOPPED) {
		T_INT(ask(id, "", TASK_KILL), ==, 0);
		wait_for(id, "");
	}
}

static void clean_up(const char *id, const char *exec_id)
{
	struct task_proc *p;
	struct task_info info;
	struct dv_err *e = task_lookup(fx.set, id, exec_id, &p);

	if (e) {
		dv_err_free(e);
		return;
	}
	task_info(p, &info);
	if (info.state == TASK_RUNNING || info.state == TASK_PAUSED) {
		(void)ask(id, exec_id, TASK_KILL); /* which may have been what was tested */
		wait_for(id, exec_id);
	}
	if (!*exec_id)
		T_INT(ask(id, "", TASK_DELETE), ==, 0);
}

static const enum task_op asked[] = { TASK_START,  TASK_PAUSE,	    TASK_RESUME,
				      TASK_UPDATE, TASK_CHECKPOINT, TASK_KILL,
				      TASK_RESIZE, TASK_CLOSE_IO,   TASK_DELETE };

Test(task, init_in_every_state)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(asked); i++) {
		for (int state = 0; state < TASK_STATE__N; state++) {
			struct dv_err *want =
				task_rule(false, asked[i], (enum task_state)state, "");
			struct task_info before, after;
			enum dv_code code;

			bring_to("c1", (enum task_state)state);
			task_info(proc("c1", ""), &before);
			cr_expect_eq(before.state, (enum task_state)state);
			code = ask("c1", "", asked[i]);
			cr_expect_eq(code, want ? dv_err_code(want) : 0, "op %d in %s: %s",
				     asked[i], task_state_name((enum task_state)state), fx.message);
			if (want) { /* refused: nothing has changed */
				task_info(proc("c1", ""), &after);
				cr_expect_eq(after.state, before.state);
				cr_expect_eq(after.pid, before.pid);
			}
			dv_err_free(want);
			clean_up("c1", "");
			T_INT(task_set_count(fx.set), ==, 0);
		}
	}
}

Test(task, exec_in_every_state)
{
	static const enum task_state states[] = { TASK_CREATED, TASK_RUNNING, TASK_STOPPED };

	bring_to("c1", TASK_RUNNING);
	for (size_t i = 0; i < DV_ARRAY_SIZE(asked); i++) {
		for (size_t k = 0; k < DV_ARRAY_SIZE(states); k++) {
			struct dv_err *want = task_rule(true, asked[i], states[k], "");

			T_INT(add_exec("c1", "e1"), ==, 0);
			if (states[k] != TASK_CREATED)
				T_INT(ask("c1", "e1", TASK_START), ==, 0);
			if (states[k] == TASK_STOPPED) {
				T_INT(ask("c1", "e1", TASK_KILL), ==, 0);
				wait_for("c1", "e1");
			}
			cr_expect_eq(ask("c1", "e1", asked[i]), want ? dv_err_code(want) : 0,
				     "op %d in %s: %s", asked[i], task_state_name(states[k]),
				     fx.message);
			dv_err_free(want);
			clean_up("c1", "e1");
			if (task_find(fx.set, "c1")->execs)
				T_INT(ask("c1", "e1", TASK_DELETE), ==, 0);
		}
	}
	clean_up("c1", "");
}

/* ---- exits --------------------------------------------------------------------------------------------- */

Test(task, exit_of_init_comes_last)
{
	bring_to("c1", TASK_RUNNING);
	T_INT(add_exec("c1", "e1"), ==, 0);
	T_INT(ask("c1", "e1", TASK_START), ==, 0);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	/* The process of the exec is not in a pid namespace of init's here: it is ended by hand. */
	while (!proc("c1", "")->has_exited)
		uv_run(&fx.loop, UV_RUN_ONCE);
	T_INT(proc("c1", "")->state, ==, TASK_RUNNING);
	T_INT(add_exec("c1", "e2"), ==, 0);
	T_INT(ask("c1", "e2", TASK_START), ==, DV_PRECONDITION);
	T_TRUE(strstr(fx.message, "init process is not running"));
	T_INT(ask("c1", "e1", TASK_KILL), ==, 0);
	wait_for("c1", "");
	T_STR(fx.events.data, "create c1, start c1, exec-added e1, exec-started e1, exec-added e2, "
			      "exit e1=137, exit c1=137");
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
}

Test(task, short_life_is_reported_in_order)
{
	put("short", "", 0600);
	T_INT(create("c1"), ==, 0);
	wait_for("c1", "");
	T_STR(fx.events.data, "create c1, exit c1=143");
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
}

Test(task, killed_from_outside)
{
	bring_to("c1", TASK_RUNNING);
	T_INT(kill(proc("c1", "")->pid, SIGTERM), ==, 0);
	wait_for("c1", "");
	T_INT(fx.info.exit_status, ==, 128 + SIGTERM);
	T_INT(ask("c1", "", TASK_KILL), ==, DV_NOT_FOUND);
}

Test(task, created_is_deleted)
{
	T_INT(create("c1"), ==, 0);
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
	T_STR(fx.events.data, "create c1, exit c1=137, delete c1");
}

/* ---- runtimes that fail or hang ------------------------------------------------------------------------- */

Test(task, runtime_that_fails)
{
	static const struct {
		const char *file;
		enum task_op op;
		enum task_state state;
	} table[] = {
		{ "fail-start", TASK_START, TASK_CREATED },
		{ "fail-pause", TASK_PAUSE, TASK_RUNNING },
		{ "fail-resume", TASK_RESUME, TASK_PAUSED },
		{ "fail-update", TASK_UPDATE, TASK_RUNNING },
		{ "fail-delete", TASK_DELETE, TASK_STOPPED },
		{ "fail-kill", TASK_KILL, TASK_RUNNING },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		bring_to("c1", table[i].state);
		put(table[i].file, "", 0600);
		cr_expect_eq(ask("c1", "", table[i].op), DV_UNKNOWN, "%s", table[i].file);
		cr_expect(strstr(fx.message, "no luck with"), "%s", fx.message);
		cr_expect_null(strstr(fx.message, "not this"));
		T_INT(proc("c1", "")->state, ==, table[i].state);
		(void)sys_unlinkat(fx.fd, table[i].file, 0);
		clean_up("c1", "");
	}
}

Test(task, exec_that_fails_is_over)
{
	bring_to("c1", TASK_RUNNING);
	put("fail-exec", "", 0600);
	T_INT(add_exec("c1", "e1"), ==, 0);
	T_INT(ask("c1", "e1", TASK_START), ==, DV_UNKNOWN);
	T_STR(fx.message, "OCI runtime exec failed: no luck with exec");
	T_INT(proc("c1", "e1")->state, ==, TASK_STOPPED);
	T_INT(proc("c1", "e1")->exit_status, ==, 255);
	T_INT(ask("c1", "e1", TASK_DELETE), ==, 0);
	T_STR(fx.events.data, "create c1, start c1, exec-added e1");
}

Test(task, create_that_fails_leaves_nothing)
{
	put("fail-create", "", 0600);
	T_INT(create("c1"), ==, DV_UNKNOWN);
	T_STR(fx.message, "OCI runtime create failed: no luck with create");
	T_INT(task_set_count(fx.set), ==, 0);
	T_STR(fx.events.data, "");
	(void)sys_unlinkat(fx.fd, "fail-create", 0);
	T_INT(create("c1"), ==, 0);
	T_INT(create("c1"), ==, DV_EXISTS);
}

Test(task, hanging_runtime_meets_the_deadline)
{
	bring_to("c1", TASK_RUNNING);
	put("hang-pause", "", 0600);
	T_INT(request("c1", "",
		      (struct task_request){ .op = TASK_PAUSE,
					     .deadline = uv_hrtime() + 100 * 1000000 }),
	      ==, DV_DEADLINE);
	T_INT(proc("c1", "")->state, ==, TASK_RUNNING);
	T_INT(ask("c1", "", TASK_UPDATE), ==, 0); /* the next one is not held up */
}

Test(task, a_hanging_runtime_holds_up_neither_kill_nor_exit)
{
	bool is_done = false;

	(void)is_done;
	bring_to("c1", TASK_RUNNING);
	put("hang-update", "", 0600);
	task_submit(proc("c1", ""),
		    &(struct task_request){ .op = TASK_UPDATE,
					    .resources = "{}",
					    .n_resources = 2,
					    .deadline = uv_hrtime() + 3000000000 },
		    on_done, NULL);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
	T_INT(fx.info.exit_status, ==, 128 + SIGKILL);
}

/* The rest of its processes live on, as far as the shim can know, but that is no reason to wait. */
Test(task, a_hanging_runtime_does_not_hide_the_exit)
{
	bring_to("c1", TASK_RUNNING);
	put("hang-kill", "", 0600);
	proc("c1", "")->task->shares_pids = true;
	T_INT(kill(proc("c1", "")->pid, SIGKILL), ==, 0);
	fx.is_done = false;
	wait_for("c1", "");
	T_INT(fx.info.exit_status, ==, 128 + SIGKILL);
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
}

static void note(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	(void)info;
	*(enum dv_code *)arg = take_e ? dv_err_code(take_e) : 0;
	dv_err_free(take_e);
}

/* It joins the container after all others of it were ended. */
Test(task, exec_that_comes_too_late_is_ended)
{
	enum dv_code code = DV_UNKNOWN;

	bring_to("c1", TASK_RUNNING);
	proc("c1", "")->task->shares_pids = true;
	put("wait-exec", "", 0600);
	T_INT(add_exec("c1", "e1"), ==, 0);
	task_submit(proc("c1", "e1"), &(struct task_request){ .op = TASK_START }, note, &code);
	T_INT(kill(proc("c1", "")->pid, SIGKILL), ==, 0);
	while (!proc("c1", "")->has_exited || proc("c1", "")->task->is_killing)
		uv_run(&fx.loop, UV_RUN_ONCE);
	(void)sys_unlinkat(fx.fd, "wait-exec", 0);
	wait_for("c1", "");
	T_STR(fx.events.data, "create c1, start c1, exec-added e1, exec-started e1, exit e1=137, "
			      "exit c1=137");
}

/* A logger that does not read, so that what is in its pipe is waited for, for seconds. */
Test(task, delete_of_init_ends_that_of_an_exec)
{
	DV_CLEANUP(dv_freep) char *logger = dv_printf("binary://%s/logger", fx.dir);
	enum dv_code code = DV_UNKNOWN;

	put("logger", "#!/bin/sh\nexec 5>&-\nexec sleep 1000\n", 0700);
	put("talk", "", 0600);
	bring_to("c1", TASK_RUNNING);
	T_NULL(task_exec(proc("c1", ""), &(struct task_exec){ .exec_id = "e1",
							      .stdio = { "", logger, "", false },
							      .process = "{}",
							      .n_process = 2 }));
	T_INT(ask("c1", "e1", TASK_START), ==, 0);
	T_INT(ask("c1", "e1", TASK_KILL), ==, 0);
	wait_for("c1", "e1");
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
	task_submit(proc("c1", "e1"), &(struct task_request){ .op = TASK_DELETE }, note, &code);
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
	T_INT(code, ==, 0);
}

Test(task, exec_whose_terminal_never_comes_is_over)
{
	bring_to("c1", TASK_RUNNING);
	T_NULL(task_exec(proc("c1", ""), &(struct task_exec){ .exec_id = "e1",
							      .stdio = { "", "", "", true },
							      .process = "{}",
							      .n_process = 2 }));
	T_INT(ask("c1", "e1", TASK_START), ==, DV_INTERNAL);
	T_INT(proc("c1", "e1")->state, ==, TASK_STOPPED);
	T_INT(proc("c1", "e1")->exit_status, ==, 255);
	T_NULL(proc("c1", "e1")->process);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
	T_STR(fx.events.data, "create c1, start c1, exec-added e1, exit c1=137");
}

/* Nothing else waits for it. */
Test(task, terminal_is_waited_for_in_the_loop)
{
	enum dv_code code = DV_UNKNOWN;
	struct task_proc *e1;

	bring_to("c1", TASK_RUNNING);
	T_NULL(task_exec(proc("c1", ""), &(struct task_exec){ .exec_id = "e1",
							      .stdio = { "", "", "", true },
							      .process = "{}",
							      .n_process = 2 }));
	e1 = proc("c1", "e1");
	task_submit(e1, &(struct task_request){ .op = TASK_START }, note, &code);
	while (e1->pid == 0)
		uv_run(&fx.loop, UV_RUN_ONCE);
	T_INT(code, ==, DV_UNKNOWN); /* it has ended, and so has the runtime's call */
	T_TRUE(e1->is_starting);
	while (code == DV_UNKNOWN)
		uv_run(&fx.loop, UV_RUN_ONCE);
	T_INT(code, ==, DV_INTERNAL);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
}

/* The pid file has it, and then the runtime is stopped by the deadline. */
Test(task, exec_that_was_in_time_but_not_its_runtime)
{
	char text[32] = "";
	pid_t pid;

	bring_to("c1", TASK_RUNNING);
	put("late", "", 0600);
	/* The time must not be up before the runtime has got as far as the process. */
	for (uint64_t ms = 500; !*text && ms < 20000; ms *= 2) {
		T_INT(add_exec("c1", "e1"), ==, 0);
		T_INT(request("c1", "e1",
			      (struct task_request){ .op = TASK_START,
						     .deadline = uv_hrtime() + ms * 1000000 }),
		      ==, DV_DEADLINE);
		T_INT(sys_read_file_at(fx.fd, "late", text, sizeof(text)), >=, 0);
		T_INT(proc("c1", "e1")->state, ==, TASK_STOPPED);
		T_INT(ask("c1", "e1", TASK_DELETE), ==, 0);
	}
	pid = (pid_t)strtol(text, NULL, 10);
	cr_assert_gt(pid, 0);
	while (kill(pid, 0) == 0)
		uv_run(&fx.loop, UV_RUN_NOWAIT);
}

Test(task, undoing_ends_although_the_runtime_hangs)
{
	put("fail-create", "", 0600);
	put("hang-delete", "", 0600);
	T_INT(create("c1"), ==, DV_UNKNOWN);
	T_STR(fx.message, "OCI runtime create failed: no luck with create");
	T_INT(task_set_count(fx.set), ==, 0);
}

/* Its init was there already, and the runtime can neither finish nor undo it. */
Test(task, create_that_cannot_be_undone_leaves_no_process)
{
	DV_CLEANUP(dv_freep) char *binary = dv_printf("%s/runtime-under-test", fx.dir);
	struct shim_options options = { .binary_name = binary };
	char text[32] = "";
	pid_t pid;

	put("late", "", 0600);
	put("fail-delete", "", 0600);
	/* The time must not be up before the runtime has got as far as its init. */
	for (uint64_t ms = 500; !*text && ms < 20000; ms *= 2) {
		fx.is_done = false;
		task_create(fx.set,
			    &(struct task_create){ .id = "c1",
						   .bundle = fx.dir,
						   .stdio = { "", "", "", false },
						   .options = &options,
						   .deadline = uv_hrtime() + ms * 1000000 },
			    on_done, NULL);
		turn_until(&fx.is_done);
		T_INT(fx.code, ==, DV_DEADLINE);
		T_INT(task_set_count(fx.set), ==, 0);
		T_INT(sys_read_file_at(fx.fd, "late", text, sizeof(text)), >=, 0);
	}
	pid = (pid_t)strtol(text, NULL, 10);
	cr_assert_gt(pid, 0);
	while (kill(pid, 0) == 0)
		uv_run(&fx.loop, UV_RUN_NOWAIT);
}

Test(task, stdin_closed_before_the_start)
{
	DV_CLEANUP(dv_freep) char *fifo = dv_printf("%s/in", fx.dir);
	char byte;
	int fd;

	T_INT(mkfifo(fifo, 0600), ==, 0);
	bring_to("c1", TASK_RUNNING);
	T_NULL(task_exec(proc("c1", ""), &(struct task_exec){ .exec_id = "e1",
							      .stdio = { fifo, "", "", false },
							      .process = "{}",
							      .n_process = 2 }));
	T_INT(ask("c1", "e1", TASK_CLOSE_IO), ==, 0);
	T_INT(ask("c1", "e1", TASK_START), ==, 0);
	/* Nobody has it open for writing. */
	fd = sys_openat(AT_FDCWD, fifo, O_RDONLY | O_NONBLOCK, 0);
	T_INT(sys_read(fd, &byte, 1), ==, 0);
	sys_close(fd);
}

/* A client whose deadline has passed asks again at once, while the runtime still undoes. */
Test(task, create_again_waits_until_the_first_is_undone)
{
	DV_CLEANUP(dv_freep) char *binary = dv_printf("%s/runtime-under-test", fx.dir);
	struct shim_options options = { .binary_name = binary };
	uint64_t deadline = uv_hrtime() + 100 * 1000000;

	put("hang-create", "", 0600);
	task_create(fx.set,
		    &(struct task_create){ .id = "c1",
					   .bundle = fx.dir,
					   .stdio = { "", "", "", false },
					   .options = &options,
					   .deadline = deadline },
		    on_done, NULL);
	T_INT(create("c1"), ==, DV_EXISTS); /* in time still: of these two one is wrong */
	while (uv_hrtime() <= deadline)
		uv_run(&fx.loop, UV_RUN_NOWAIT);
	(void)sys_unlinkat(fx.fd, "hang-create", 0);
	fx.is_done = false;
	fx.code = DV_UNKNOWN;
	T_INT(create("c1"), ==, DV_DEADLINE); /* the answer to the first one comes first */
	fx.is_done = false;
	turn_until(&fx.is_done);
	T_INT(fx.code, ==, 0);
	T_INT(task_set_count(fx.set), ==, 1);
	T_STR(fx.events.data, "create c1");
	T_INT(ask("c1", "", TASK_DELETE), ==, 0);
}

/* ---- requests that are wrong -------------------------------------------------------------------------------- */

Test(task, bad_ids)
{
	static const char long_id[] = {
		[0 ... 76] = 'a',
		'\0',
	};
	static const char *const ids[] = {
		"", "-a", "a-", "a..b", "a/b", "../a", "a b", "ä", long_id,
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(ids); i++)
		cr_expect_eq(create(ids[i]), DV_INVALID, "%s", ids[i]);
	T_INT(create("a.b_c-D9"), ==, 0);
	for (size_t i = 0; i < DV_ARRAY_SIZE(ids); i++)
		cr_expect_eq(add_exec("a.b_c-D9", ids[i]), DV_INVALID, "%s", ids[i]);
	T_INT(add_exec("a.b_c-D9", "e"), ==, 0);
	T_INT(add_exec("a.b_c-D9", "e"), ==, DV_EXISTS);
}

Test(task, unknown)
{
	struct task_proc *p;
	struct dv_err *e = task_lookup(fx.set, "nobody", "", &p);

	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	T_INT(create("c1"), ==, 0);
	e = task_lookup(fx.set, "c1", "nobody", &p);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
}

Test(task, terminal_is_for_the_request_to_say)
{
	T_INT(create("c1"), ==, 0);
	T_INT(add_exec("c1", "e1"), ==, 0);
	T_STR(proc("c1", "e1")->process, "{\"terminal\":false,\"args\":[\"x\"]}");
}

Test(task, too_many_requests_in_a_queue)
{
	unsigned n_refused = 0;

	bring_to("c1", TASK_RUNNING);
	put("hang-update", "", 0600);
	for (int i = 0; i < 100; i++) {
		fx.is_done = false;
		task_submit(proc("c1", ""),
			    &(struct task_request){ .op = TASK_UPDATE,
						    .resources = "{}",
						    .n_resources = 2,
						    .deadline = uv_hrtime() + 200 * 1000000 },
			    on_done, NULL);
		n_refused += fx.is_done && fx.code == DV_EXHAUSTED;
	}
	T_INT(n_refused, ==, 100 - 64);
	T_INT(ask("c1", "", TASK_KILL), ==, 0);
	wait_for("c1", "");
}
