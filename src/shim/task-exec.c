/* SPDX-License-Identifier: Apache-2.0 */
/* Exec'ed processes: added, started by the runtime, their files in the bundle. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "sys/file.h"
#include "task-private.h"

enum { EXECS_MAX = 4096, NAME_SIZE = 128 };

/* ---- adding ------------------------------------------------------------------------------------ */

/* Members of the document that the requests decide. */
struct rewrite {
	struct dv_jw w;
	bool has_size; /* "consoleSize" is replaced, too */
};

static struct dv_err *copy_member(void *arg, const char *key, const struct dv_json *v)
{
	struct rewrite *r = arg;
	DV_CLEANUP(dv_freep) char *text = NULL;

	if (dv_streq(key, "terminal") || (r->has_size && dv_streq(key, "consoleSize")))
		return NULL;
	text = dv_json_text(v);
	dv_jw_raw(&r->w, key, text);
	return NULL;
}

/* Makes proc->process of @text: whether there is a terminal, and of what size, is ours to say. */
static struct dv_err *set_process(struct task_proc *proc, const char *text, size_t n)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct rewrite r = { .has_size = proc->is_terminal && proc->width && proc->height };
	struct dv_err *e;

	e = dv_json_parse(text, n, &doc);
	if (!e && dv_json_type(doc) != DV_JSON_OBJECT)
		e = dv_err_new(DV_INVALID, "it is not an object");
	if (e)
		return dv_err_wrap(e, "process specification");
	dv_jw_init(&r.w, &out, NULL);
	dv_jw_object_begin(&r.w, NULL);
	dv_jw_bool(&r.w, "terminal", proc->is_terminal);
	if (r.has_size) {
		dv_jw_object_begin(&r.w, "consoleSize");
		dv_jw_uint(&r.w, "height", proc->height);
		dv_jw_uint(&r.w, "width", proc->width);
		dv_jw_object_end(&r.w);
	}
	e = dv_json_each(doc, copy_member, &r);
	dv_jw_object_end(&r.w);
	free(proc->process);
	proc->n_process = out.len;
	proc->process = dv_strbuf_steal(&out);
	return e;
}

static size_t n_execs(const struct task *task)
{
	size_t n = 0;

	for (const struct task_proc *proc = task->execs; proc; proc = proc->next)
		n++;
	return n;
}

struct dv_err *task_exec(struct task_proc *init, const struct task_exec *exec)
{
	struct task *task = init->task;
	struct task_proc *proc;
	struct dv_err *e;

	e = task_check(init, TASK_EXEC);
	if (e)
		return e;
	if (!task_id_is_valid(exec->exec_id))
		return dv_err_new(DV_INVALID,
				  "container %s: exec id \"%.100s\" is not an identifier", task->id,
				  exec->exec_id);
	for (proc = task->execs; proc; proc = proc->next) {
		if (dv_streq(proc->exec_id, exec->exec_id))
			return dv_err_new(DV_EXISTS, "container %s: process %s already exists",
					  task->id, exec->exec_id);
	}
	if (n_execs(task) >= EXECS_MAX)
		return dv_err_new(DV_EXHAUSTED, "container %s: it has %d exec'ed processes already",
				  task->id, EXECS_MAX);
	proc = task_proc_new(task, exec->exec_id, &exec->stdio);
	proc->next = task->execs;
	task->execs = proc;
	e = set_process(proc, exec->process, exec->n_process);
	if (e) {
		task_proc_remove(proc);
		return dv_err_wrap(e, "container %s: process %s", task->id, exec->exec_id);
	}
	task_publish(proc, TASK_EVENT_EXEC_ADDED);
	return NULL;
}

/* ---- its files ----------------------------------------------------------------------------------- */

/* Names in the bundle that no container's own file has. */
static void file_name(const struct task_proc *proc, const char *suffix, char buf[NAME_SIZE])
{
	snprintf(buf, NAME_SIZE, "exec-%s%s", proc->exec_id, suffix);
}

static void remove_file(const struct task_proc *proc, const char *suffix)
{
	char name[NAME_SIZE];

	file_name(proc, suffix, name);
	(void)sys_unlinkat(proc->task->bundle_fd, name, 0);
}

void task_exec_forget(struct task_proc *proc)
{
	remove_file(proc, ".json");
	remove_file(proc, ".pid");
}

/* ---- starting ------------------------------------------------------------------------------------- */

struct start {
	struct task_proc *proc; /* a reference */
	uint64_t deadline;
	task_step_fn done;
	void *arg;
	struct task_console console;
};

static void end(struct start *s, struct dv_err *take_e)
{
	struct task_proc *proc = s->proc;

	task_console_close(&s->console);
	free(dv_steal(&proc->process));
	if (!proc->is_gone) {
		task_exec_forget(proc);
		if (take_e)
			task_proc_start_failed(proc);
	}
	s->done(s->arg, take_e);
	task_proc_unref(proc);
	free(s);
}

/* With a terminal, if there is one. */
static void started(struct start *s, struct dv_err *take_e)
{
	io_orphans_release(s->proc->task->set->env->orphans);
	end(s, take_e);
}

static void terminal_came(void *arg, struct dv_err *take_e, int take_master)
{
	struct start *s = arg;

	if (!take_e)
		shim_stdio_set_console(s->proc->stdio, take_master);
	started(s, take_e);
}

static void runtime_started(void *arg, struct dv_err *take_e)
{
	struct start *s = arg;
	struct dv_err *e = take_e;
	char pid_file[NAME_SIZE];

	file_name(s->proc, ".pid", pid_file);
	shim_stdio_started(s->proc->stdio);
	if (e)
		task_proc_disown(s->proc, pid_file);
	else
		e = task_proc_adopt(s->proc, pid_file);
	if (!e && s->console.listen_fd >= 0)
		task_console_receive(&s->console, s->proc->task->set->env->loop, terminal_came, s);
	else
		started(s, e);
}

static struct dv_err *write_process(struct task_proc *proc)
{
	char name[NAME_SIZE];
	struct dv_err *e;
	int r;

	if (proc->width && proc->height) { /* came after the specification */
		DV_CLEANUP(dv_freep) char *text = dv_steal(&proc->process);

		e = set_process(proc, text, proc->n_process);
		if (e)
			return e;
	}
	file_name(proc, ".json", name);
	r = sys_openat(proc->task->bundle_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
		       0600);
	if (r >= 0) {
		DV_CLEANUP(sys_closep) int fd = r;

		r = sys_write_all(fd, proc->process, proc->n_process);
	}
	return r < 0 ? dv_err_sys(r, "write %s/%s", proc->task->bundle, name) : NULL;
}

static void call_runtime(struct start *s)
{
	struct task_proc *proc = s->proc;
	struct task *task = proc->task;
	DV_CLEANUP(dv_freep) char *base = dv_printf("%s/exec-%s", task->bundle, proc->exec_id);
	DV_CLEANUP(dv_freep) char *process = dv_printf("%s.json", base);
	DV_CLEANUP(dv_freep) char *pid_file = dv_printf("%s.pid", base);
	DV_CLEANUP(dv_freep) char *log = dv_printf("%s.log", base);
	struct oci_call call = { .verb = "exec",
				 .stdio = shim_stdio_child_fds(proc->stdio),
				 .log = log,
				 .deadline = s->deadline };
	size_t n = 0;

	call.args[n++] = "--process";
	call.args[n++] = process;
	call.args[n++] = "--detach";
	call.args[n++] = "--pid-file";
	call.args[n++] = pid_file;
	if (s->console.listen_fd >= 0) {
		call.args[n++] = "--console-socket";
		call.args[n++] = s->console.path;
	}
	call.args[n++] = task->id;
	io_orphans_hold(task->set->env->orphans);
	oci_call(task->set->env, &task->oci, &call, runtime_started, s);
}

static void stdio_opened(void *arg, struct dv_err *take_e, struct shim_stdio *take)
{
	struct start *s = arg;
	struct task_proc *proc = s->proc;
	struct dv_err *e = take_e;

	proc->stdio = take;
	if (!e && proc->is_stdin_closed)
		shim_stdio_close_stdin(take);
	if (!e && proc->is_terminal)
		e = task_console_open(proc->task, &s->console);
	if (!e)
		e = write_process(proc);
	if (e)
		end(s, e);
	else
		call_runtime(s);
}

void task_exec_start(struct task_proc *proc, uint64_t deadline, task_step_fn done, void *arg)
{
	struct start *s = dv_new(struct start);

	*s = (struct start){ .proc = task_proc_ref(proc),
			     .deadline = deadline,
			     .done = done,
			     .arg = arg,
			     .console.listen_fd = -1 };
	task_stdio_open(proc, stdio_opened, s);
}
