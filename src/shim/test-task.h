/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Containers for tests, without privileges: a runtime that is a shell script, whose containers
 * are processes that sleep. A file "fail-VERB" in the bundle makes that verb fail with a line in its
 * log, "hang-VERB" makes it hang, "wait-VERB" wait until the file is gone.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/file.h"
#include "task-private.h"

static const char fake_runtime[] =
	"#!/bin/sh\n"
	"while :; do case $1 in\n"
	"--root) root=$2; shift 2;; --log) log=$2; shift 2;; --log-format) shift 2;;\n"
	"*) break;; esac; done\n"
	"verb=$1; shift; bundle=${log%/*}\n"
	"while :; do case $1 in\n"
	"--bundle|--process|--console-socket|--resources) shift 2;; --pid-file) pid=$2; shift 2;;\n"
	"--detach|--all|--force|--no-pivot|--no-new-keyring) shift;; *) break;; esac; done\n"
	"echo $verb $* >>$bundle/calls\n"
	"[ ! -e $bundle/hang-$verb ] || exec sleep 1000\n"
	"while [ -e $bundle/wait-$verb ]; do sleep 0.01; done\n"
	"if [ -e $bundle/fail-$verb ]; then\n"
	"  echo '{\"level\":\"warning\",\"msg\":\"not this\"}' >>$log\n"
	"  echo '{\"level\":\"error\",\"msg\":\"no luck with '$verb'\"}' >>$log; exit 1; fi\n"
	"case $verb in\n"
	"create|exec) [ ! -e $bundle/talk ] || echo x; (setsid sleep 1000 & echo $! >$pid)\n"
	"  [ ! -e $bundle/late ] || { cp $pid $bundle/late; sleep 1000; }\n"
	"  [ $verb = exec ] || cp $pid $bundle/pid\n"
	"  [ ! -e $bundle/short ] || { p=$(cat $pid); kill $p; while [ -e /proc/$p/exe ]; do :; done; } ;;\n"
	"kill) [ -e $bundle/pid ] || { echo container does not exist >&2; exit 1; }\n"
	"  kill -$2 $(cat $bundle/pid) 2>/dev/null || { echo process already finished >&2; exit 1; } ;;\n"
	"delete) [ ! -e $bundle/pid ] || kill -9 $(cat $bundle/pid) 2>/dev/null; rm -f $bundle/pid ;;\n"
	"update) cat >$bundle/updated ;;\n"
	"esac; exit 0\n";

static struct fixture {
	char dir[64]; /* is the bundle, too */
	int fd;
	uv_loop_t loop;
	struct shim_env env;
	struct task_set *set;
	struct dv_strbuf events; /* "create c1, start c1" */
	/* of the last request */
	bool is_done;
	enum dv_code code; /* 0: success */
	char *message;
	struct task_info info;
} fx;

static inline void put(const char *name, const char *text, mode_t mode)
{
	int fd = sys_openat(fx.fd, name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(sys_write_all(fd, text, strlen(text)), 0);
	sys_close(fd);
}

static inline void on_test_event(void *arg, enum task_event event, const struct task_info *info)
{
	static const char *const names[] = { "create", "start",	     "exit",
					     "delete", "exec-added", "exec-started",
					     "oom",    "paused",     "resumed" };

	(void)arg;
	dv_strbuf_addf(&fx.events, "%s%s %s", fx.events.len ? ", " : "", names[event],
		       *info->exec_id ? info->exec_id : info->id);
	if (event == TASK_EVENT_EXIT)
		dv_strbuf_addf(&fx.events, "=%u", info->exit_status);
}

static inline void fixture_open(void)
{
	static struct dv_log log = { .fd = -1 };

	snprintf(fx.dir, sizeof(fx.dir), "/tmp/davit-task-XXXXXX");
	cr_assert_not_null(mkdtemp(fx.dir));
	fx.fd = sys_openat(AT_FDCWD, fx.dir, O_PATH | O_DIRECTORY, 0);
	put("runtime-under-test", fake_runtime, 0700);
	cr_assert_eq(uv_loop_init(&fx.loop), 0);
	shim_env_init(&fx.env, &fx.loop, &log);
	fx.env.ns = "test";
	static const char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	fx.env.envp = envp;
	T_NULL(io_orphans_new(&fx.loop, true, &fx.env.orphans));
	fx.events = (struct dv_strbuf)DV_STRBUF_INIT;
	fx.set = task_set_new(&fx.env, on_test_event, NULL);
}

/* Whoever is left is our child, or becomes it when its parent goes. */
static inline void kill_children(void)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	for (;;) {
		char *p = text, *end;
		long pid;

		if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
			return;
		while ((pid = strtol(p, &end, 10)) > 0) {
			(void)kill((pid_t)pid, SIGKILL);
			(void)waitpid((pid_t)pid, NULL, 0);
			p = end;
		}
	}
}

static inline void fixture_close(void)
{
	kill_children();
	fx.set = task_set_free(fx.set);
	shim_env_fini(&fx.env);
	dv_strbuf_fini(&fx.events);
	free(fx.message);
	sys_close(fx.fd);
	(void)sys_remove_tree(AT_FDCWD, fx.dir);
}

static inline void on_done(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	(void)arg;
	fx.is_done = true;
	fx.code = take_e ? dv_err_code(take_e) : 0;
	free(fx.message);
	fx.message = dv_strdup(take_e ? dv_err_message(take_e) : "");
	if (info)
		fx.info = *info;
	dv_err_free(take_e);
}

static inline void turn_until(const bool *is_done)
{
	while (!*is_done) {
		int n_left = uv_run(&fx.loop, UV_RUN_ONCE);

		cr_assert(*is_done || n_left, "nothing left to wait for");
	}
}

static inline enum dv_code create(const char *id)
{
	DV_CLEANUP(dv_freep) char *binary = dv_printf("%s/runtime-under-test", fx.dir);
	struct shim_options options = { .binary_name = binary };

	fx.is_done = false;
	task_create(fx.set,
		    &(struct task_create){ .id = id,
					   .bundle = fx.dir,
					   .stdio = { "", "", "", false },
					   .options = &options },
		    on_done, NULL);
	turn_until(&fx.is_done);
	return fx.code;
}

static inline struct task_proc *proc(const char *id, const char *exec_id)
{
	struct task_proc *p = NULL;

	T_NULL(task_lookup(fx.set, id, exec_id, &p));
	cr_assert_not_null(p);
	return p;
}

static inline enum dv_code request(const char *id, const char *exec_id, struct task_request r)
{
	fx.is_done = false;
	task_submit(proc(id, exec_id), &r, on_done, NULL);
	turn_until(&fx.is_done);
	return fx.code;
}

static inline enum dv_code ask(const char *id, const char *exec_id, enum task_op op)
{
	return request(id, exec_id,
		       (struct task_request){
			       .op = op, .signo = SIGKILL, .resources = "{}", .n_resources = 2 });
}

static inline enum dv_code add_exec(const char *id, const char *exec_id)
{
	static const char process[] = "{\"terminal\":true,\"args\":[\"x\"]}";
	struct dv_err *e =
		task_exec(proc(id, ""), &(struct task_exec){ .exec_id = exec_id,
							     .stdio = { "", "", "", false },
							     .process = process,
							     .n_process = sizeof(process) - 1 });
	enum dv_code code = e ? dv_err_code(e) : 0;

	dv_err_free(e);
	return code;
}

static inline void wait_for(const char *id, const char *exec_id)
{
	struct task_info info;

	task_info(proc(id, exec_id), &info);
	if (info.state == TASK_STOPPED)
		return;
	fx.is_done = false;
	task_wait(proc(id, exec_id), on_done, NULL);
	turn_until(&fx.is_done);
}
