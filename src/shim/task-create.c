/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container: mount, open the streams, have the runtime create it, take on its init.
 * Each step's failure undoes those before it.
 *
 * To undo takes the runtime a moment, and a client whose deadline has passed may ask again at once:
 * then the new container waits until there is nothing left of the old one.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"
#include "task-private.h"

#define INIT_PID_FILE "init.pid"

struct create {
	struct task *task; /* its init is a reference */
	uint64_t deadline;
	task_done_fn done;
	void *arg;
	struct task_console console; /* listen_fd -1: no terminal */
	bool is_mounted, is_undoing;
	bool is_abandoned;
	struct dv_err *error; /* while it is being undone */
};

/* ---- the end of it ----------------------------------------------------------------------------- */

static void create_free(struct create *c)
{
	task_console_close(&c->console);
	task_proc_unref(c->task->init);
	free(c);
}

static void begin(struct create *c);

/* Its task is not to be any more; c->error is the answer. */
static void drop(struct create *c)
{
	struct task *task = c->task;

	task->create = NULL;
	task_remove(task);
	task_proc_remove(task->init);
	c->done(c->arg, dv_steal(&c->error), NULL);
	create_free(c);
}

/* The one that has waited longest for @id. */
static struct create *next_waiting(const struct task_set *set, const char *id)
{
	struct create *found = NULL;

	for (struct task *task = set->tasks; task; task = task->next) {
		if (task->is_waiting && dv_streq(task->id, id))
			found = task->create;
	}
	return found;
}

static struct dv_err *exists(const char *id)
{
	return dv_err_new(DV_EXISTS, "container %s already exists", id);
}

static void undo(struct create *c)
{
	DV_CLEANUP(dv_freep) char *id = dv_strdup(c->task->id);
	struct task_set *set = c->task->set;
	struct task *task = c->task;
	struct create *next;
	struct dv_err *e;

	if (c->is_mounted) {
		e = rootfs_unmount(task->bundle);
		if (e)
			dv_log(task->set->env->log, DV_WARN, "container %s: %s", task->id,
			       dv_err_message(e));
		dv_err_free(e);
	}
	drop(c);
	next = next_waiting(set, id);
	if (next) {
		next->task->is_waiting = false;
		begin(next);
	}
}

static void runtime_undone(void *arg, struct dv_err *take_e)
{
	struct create *c = arg;

	/* Most often it knows of no such container, which is as it should be. */
	if (take_e && !strstr(dv_err_message(take_e), "does not exist"))
		dv_log(c->task->set->env->log, DV_WARN, "container %s: undo its creation: %s",
		       c->task->id, dv_err_message(take_e));
	dv_err_free(take_e);
	undo(c);
}

/* The runtime was there: whatever it made goes, too. */
static void fail_with_runtime(struct create *c, struct dv_err *take_e)
{
	struct task *task = c->task;

	c->error = take_e;
	c->is_undoing = true;
	task->init->watch = io_pidfd_free(task->init->watch);
	oci_call(task->set->env, &task->oci,
		 &(struct oci_call){ .verb = "delete",
				     .args = { "--force", task->id },
				     .deadline = uv_hrtime() + TASK_OWN_CALL_NS },
		 runtime_undone, c);
}

static void fail(struct create *c, struct dv_err *take_e)
{
	c->error = take_e;
	undo(c);
}

/* ---- forward ------------------------------------------------------------------------------------- */

/* It was in time after all: those who waited for its end have come too late. */
static void refuse_waiting(const struct task_set *set, const char *id)
{
	struct create *c;

	while ((c = next_waiting(set, id))) {
		c->error = exists(id);
		drop(c);
	}
}

void task_create_abandon(struct create *c)
{
	c->is_abandoned = true;
}

static struct dv_err *check_wanted(const struct create *c)
{
	return c->is_abandoned
		       ? dv_err_new(DV_PRECONDITION,
				    "container %s: its sandbox was stopped while it was created",
				    c->task->id)
		       : NULL;
}

/* With a terminal, if there is one. */
static void created(struct create *c, struct dv_err *take_e)
{
	struct task_proc *init = c->task->init;
	struct task_info info;

	if (!take_e)
		take_e = check_wanted(c);
	if (take_e) /* in case that the runtime cannot undo it */
		task_proc_disown(init, INIT_PID_FILE);
	io_orphans_release(c->task->set->env->orphans);
	if (take_e) {
		fail_with_runtime(c, take_e);
		return;
	}
	c->task->is_created = true;
	c->task->create = NULL;
	task_oom_open(c->task);
	task_publish(init, TASK_EVENT_CREATE);
	task_proc_started(init);
	task_info(init, &info);
	c->done(c->arg, NULL, &info);
	refuse_waiting(c->task->set, c->task->id);
	create_free(c);
}

static void terminal_came(void *arg, struct dv_err *take_e, int take_master)
{
	struct create *c = arg;

	if (!take_e)
		shim_stdio_set_console(c->task->init->stdio, take_master);
	created(c, take_e);
}

static void runtime_created(void *arg, struct dv_err *take_e)
{
	struct create *c = arg;
	struct task_proc *init = c->task->init;
	struct dv_err *e = take_e;

	shim_stdio_started(init->stdio);
	if (!e)
		e = task_proc_adopt(init, INIT_PID_FILE);
	if (!e && c->console.listen_fd >= 0)
		task_console_receive(&c->console, c->task->set->env->loop, terminal_came, c);
	else
		created(c, e);
}

static void call_runtime(struct create *c)
{
	struct task *task = c->task;
	struct oci_call call = { .verb = "create",
				 .stdio = shim_stdio_child_fds(task->init->stdio),
				 .deadline = c->deadline };
	DV_CLEANUP(dv_freep) char *pid_file = dv_printf("%s/" INIT_PID_FILE, task->bundle);
	size_t n = 0;

	(void)sys_unlinkat(task->bundle_fd, INIT_PID_FILE, 0);
	call.args[n++] = "--bundle";
	call.args[n++] = task->bundle;
	call.args[n++] = "--pid-file";
	call.args[n++] = pid_file;
	if (c->console.listen_fd >= 0) {
		call.args[n++] = "--console-socket";
		call.args[n++] = c->console.path;
	}
	if (task->options->no_pivot_root)
		call.args[n++] = "--no-pivot";
	if (task->options->no_new_keyring)
		call.args[n++] = "--no-new-keyring";
	call.args[n++] = task->id;
	task->init->is_starting = true;
	io_orphans_hold(task->set->env->orphans);
	oci_call(task->set->env, &task->oci, &call, runtime_created, c);
}

static void stdio_opened(void *arg, struct dv_err *take_e, struct shim_stdio *take)
{
	struct create *c = arg;
	struct task *task = c->task;
	struct dv_err *e = take_e;

	task->init->stdio = take;
	if (!e && task->init->is_terminal)
		e = task_console_open(task, &c->console);
	if (e)
		fail(c, e);
	else
		call_runtime(c);
}

/* With the defaults filled in, so that containerd's own shim can clean up after us, too. */
static struct dv_err *save_options(struct task *task)
{
	struct shim_options all = *task->options;

	all.binary_name = task->oci.binary;
	if (!all.root)
		all.root = (char *)OCI_DEFAULT_ROOT;
	return shim_options_save(&all, task->bundle_fd);
}

static struct dv_err *prepare(struct create *c)
{
	struct task *task = c->task;
	struct dv_err *e;

	task->bundle_fd = sys_openat(AT_FDCWD, task->bundle, O_PATH | O_DIRECTORY, 0);
	if (task->bundle_fd < 0)
		return dv_err_sys(task->bundle_fd, "open bundle %s", task->bundle);
	e = oci_init(&task->oci, task->set->env, task->options, task->bundle);
	if (e)
		return e;
	e = save_options(task);
	if (e)
		return dv_err_wrap(e, "bundle %s", task->bundle);
	e = rootfs_mount(task->bundle, task->mounts, task->n_mounts);
	c->is_mounted = !e && task->n_mounts > 0;
	return e;
}

static bool is_being_undone(const struct task *task)
{
	const struct create *c = task->create;

	return c && (c->is_undoing || (c->deadline && c->deadline <= uv_hrtime()));
}

static void begin(struct create *c)
{
	struct dv_err *e = check_wanted(c);

	if (!e)
		e = prepare(c);

	if (e)
		fail(c, dv_err_wrap(e, "container %s", c->task->id));
	else
		task_stdio_open(c->task->init, stdio_opened, c);
}

static struct dv_err *check(struct task_set *set, const struct task_create *create)
{
	const struct task *old;

	if (!task_id_is_valid(create->id))
		return dv_err_new(DV_INVALID, "container id \"%.100s\" is not an identifier",
				  create->id);
	if (create->bundle[0] != '/')
		return dv_err_new(DV_INVALID, "container %s: bundle \"%s\" is no absolute path",
				  create->id, create->bundle);
	if (create->is_restore)
		return dv_err_new(DV_UNIMPLEMENTED, "container %s: restore is not supported yet",
				  create->id);
	old = task_find(set, create->id);
	return old && !is_being_undone(old) ? exists(create->id) : NULL;
}

void task_create(struct task_set *set, const struct task_create *create, task_done_fn done,
		 void *arg)
{
	struct dv_err *e = check(set, create);
	bool has_old = task_find(set, create->id) != NULL;
	struct create *c;

	if (e) {
		done(arg, e, NULL);
		return;
	}
	c = dv_new(struct create);
	*c = (struct create){ .task = task_new(set, create),
			      .deadline = create->deadline,
			      .done = done,
			      .arg = arg,
			      .console.listen_fd = -1 };
	(void)task_proc_ref(c->task->init);
	c->task->create = c;
	c->task->is_waiting = has_old;
	if (!has_old)
		begin(c);
}
