/* SPDX-License-Identifier: Apache-2.0 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "sys/file.h"

#define DEFAULT_BINARY "davit-oci"

enum {
	LOG_MAX = 64 * 1024, /* of one call's log is read */
	OUTPUT_MAX = 4096,
	ARGV_MAX = OCI_ARGS_MAX + 12,
	SLOW_MS = 1000,
};

/* One call that is in flight. */
struct run {
	struct shim_env *env;
	const char *verb;
	char *log; /* our own copy: the container may be gone before the runtime is */
	off_t log_offset;
	bool has_own_log;
	uv_timer_t *slow;
	void (*on_slow)(void *arg);
	oci_done_fn done;
	void *arg;
};

/* ---- the runtime's own words ------------------------------------------------------------------- */

static off_t log_size(const char *path)
{
	struct stat st;

	return sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_size;
}

/* The message of a line of the log, if it is an error's; heap. */
static char *error_of_line(const char *line, size_t n)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *level, *msg;

	dv_err_free(dv_json_parse(line, n, &doc));
	if (!doc || dv_json_type(doc) != DV_JSON_OBJECT)
		return NULL;
	level = dv_json_get(doc, "level");
	msg = dv_json_get(doc, "msg");
	if (!level || !msg || dv_json_type(level) != DV_JSON_STRING ||
	    dv_json_type(msg) != DV_JSON_STRING)
		return NULL;
	if (!dv_streq(dv_json_string(level, NULL), "error") &&
	    !dv_streq(dv_json_string(level, NULL), "fatal"))
		return NULL;
	return dv_strdup(dv_json_string(msg, NULL));
}

/* The last error that was logged from @offset on; heap, NULL: none. */
static char *last_error(const char *path, off_t offset)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0);
	DV_CLEANUP(dv_freep) char *text = NULL;
	char *found = NULL, *line, *next;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (log_size(path) - offset > LOG_MAX)
		offset = log_size(path) - LOG_MAX;
	if (lseek(fd, offset, SEEK_SET) < 0)
		return NULL;
	text = dv_alloc(LOG_MAX + 1);
	n = sys_read(fd, text, LOG_MAX);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	for (line = text; *line; line = next) {
		size_t len = strcspn(line, "\n");
		char *error = error_of_line(line, len);

		if (error) {
			free(found);
			found = error;
		}
		next = line + len + (line[len] == '\n');
	}
	return found;
}

/* What the runtime printed, in one line without an end; NULL: nothing. */
static char *printed(const struct io_child_result *result)
{
	const char *text = result->n_err ? result->err : result->out;
	size_t n = strlen(text);
	char *copy;

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n == 0)
		return NULL;
	copy = dv_strndup(text, n);
	for (char *p = copy; *p; p++) {
		if (*p == '\n')
			*p = ' ';
	}
	return copy;
}

static struct dv_err *make_error(const struct run *run, const struct io_child_result *result)
{
	DV_CLEANUP(dv_freep) char *text = last_error(run->log, run->log_offset);
	int status = io_exit_status(&result->si);

	if (result->is_timed_out)
		return dv_err_new(DV_DEADLINE,
				  "OCI runtime %s: the time was up before it was done%s%s",
				  run->verb, text ? ": " : "", text ? text : "");
	if (status == 0)
		return NULL;
	if (!text)
		text = printed(result);
	if (text)
		return dv_err_new(DV_UNKNOWN, "OCI runtime %s failed: %s", run->verb, text);
	if (result->si.si_code != CLD_EXITED)
		return dv_err_new(DV_UNKNOWN, "OCI runtime %s failed: killed by signal %d",
				  run->verb, result->si.si_status);
	return dv_err_new(DV_UNKNOWN, "OCI runtime %s failed: exit status %d, without a word",
			  run->verb, status);
}

/* ---- a call ------------------------------------------------------------------------------------- */

static void free_timer(uv_handle_t *handle)
{
	free(handle);
}

static void run_free(struct run *run)
{
	if (run->slow)
		uv_close((uv_handle_t *)run->slow, free_timer);
	if (run->has_own_log)
		(void)sys_unlinkat(AT_FDCWD, run->log, 0);
	free(run->log);
	free(run);
}

static void ended(void *arg, const struct io_child_result *result)
{
	struct run *run = arg;
	struct dv_err *e = make_error(run, result);

	run->done(run->arg, e);
	run_free(run);
}

/* A runtime that hangs is told of at once, since nothing else may come for a long time. */
static void on_slow(uv_timer_t *timer)
{
	const struct run *run = timer->data;

	dv_log(run->env->log, DV_WARN, "OCI runtime %s is not done after %d s; its log is %s",
	       run->verb, SLOW_MS / 1000, run->log);
	if (run->on_slow)
		run->on_slow(run->arg);
}

struct failure {
	uv_timer_t timer;
	oci_done_fn done;
	void *arg;
	struct dv_err *e;
};

static void free_failure(uv_handle_t *handle)
{
	free(dv_container_of((uv_timer_t *)handle, struct failure, timer));
}

static void on_failure(uv_timer_t *timer)
{
	struct failure *f = dv_container_of(timer, struct failure, timer);

	f->done(f->arg, dv_steal(&f->e));
	uv_close((uv_handle_t *)timer, free_failure);
}

/* @done is not to be called from within. */
static void fail_later(struct shim_env *env, struct dv_err *take_e, oci_done_fn done, void *arg)
{
	struct failure *f = dv_new(struct failure);

	f->done = done;
	f->arg = arg;
	f->e = take_e;
	(void)uv_timer_init(env->loop, &f->timer);
	(void)uv_timer_start(&f->timer, on_failure, 0, 0);
}

static size_t make_argv(const struct oci *oci, const struct oci_call *call, const char *log,
			const char *argv[ARGV_MAX])
{
	size_t n = 0;

	argv[n++] = oci->binary;
	argv[n++] = "--root";
	argv[n++] = oci->root;
	argv[n++] = "--log";
	argv[n++] = log;
	argv[n++] = "--log-format";
	argv[n++] = "json";
	if (oci->has_systemd_cgroup)
		argv[n++] = "--systemd-cgroup";
	argv[n++] = call->verb;
	for (size_t i = 0; call->args[i]; i++)
		argv[n++] = call->args[i];
	argv[n] = NULL;
	return n;
}

/* Of a container whose bundle is gone there still is something to be ended and deleted. */
static const char *log_of(const struct oci *oci, const struct oci_call *call)
{
	struct stat st;

	if (sys_fstatat(AT_FDCWD, oci->bundle, &st, 0) == -ENOENT)
		return "/dev/null";
	return call->log ? call->log : oci->log;
}

void oci_call(struct shim_env *env, const struct oci *oci, const struct oci_call *call,
	      oci_done_fn done, void *arg)
{
	const char *log = log_of(oci, call);
	uint64_t now = uv_hrtime();
	const char *argv[ARGV_MAX];
	struct io_child_opts opts = { .path = oci->binary,
				      .argv = argv,
				      .envp = env->envp,
				      .capture_max = OUTPUT_MAX,
				      .has_new_group = true };
	struct run *run;
	struct dv_err *e;

	if (call->deadline && call->deadline <= now) {
		fail_later(env,
			   dv_err_new(DV_DEADLINE, "OCI runtime %s: the time is up", call->verb),
			   done, arg);
		return;
	}
	(void)make_argv(oci, call, log, argv);
	opts.timeout_ns = call->deadline ? call->deadline - now : 0;
	opts.stdio[0] = call->stdio ? call->stdio[0] : call->has_stdin ? call->stdin_fd : -1;
	opts.stdio[1] = call->stdio ? call->stdio[1] : IO_CHILD_CAPTURE;
	opts.stdio[2] = call->stdio ? call->stdio[2] : IO_CHILD_CAPTURE;
	run = dv_new(struct run);
	*run = (struct run){ .env = env,
			     .verb = call->verb,
			     .log = dv_strdup(log),
			     .log_offset = log_size(log),
			     .has_own_log = log == call->log,
			     .on_slow = call->slow,
			     .done = done,
			     .arg = arg };
	e = io_child_run(env->loop, &opts, ended, run, NULL);
	if (e) {
		fail_later(env, dv_err_wrap(e, "OCI runtime %s", call->verb), done, arg);
		run_free(run);
		return;
	}
	run->slow = dv_new(uv_timer_t);
	run->slow->data = run;
	(void)uv_timer_init(env->loop, run->slow);
	(void)uv_timer_start(run->slow, on_slow, SLOW_MS, 0);
	uv_unref((uv_handle_t *)run->slow);
}

/* ---- the runtime of a container --------------------------------------------------------------------- */

struct dv_err *oci_init(struct oci *oci, const struct shim_env *env,
			const struct shim_options *options, const char *bundle)
{
	const char *name = options->binary_name ? options->binary_name : DEFAULT_BINARY;
	const char *root = options->root ? options->root : OCI_DEFAULT_ROOT;
	struct dv_err *e;

	e = io_path_find(name, env->path, &oci->binary);
	if (e)
		return dv_err_wrap(e, "OCI runtime \"%s\"", name);
	oci->root = dv_printf("%s/%s", root, env->ns ? env->ns : "default");
	oci->bundle = dv_strdup(bundle);
	oci->log = dv_printf("%s/log.json", bundle);
	oci->has_systemd_cgroup = options->systemd_cgroup;
	return NULL;
}

void oci_fini(struct oci *oci)
{
	free(oci->binary);
	free(oci->root);
	free(oci->bundle);
	free(oci->log);
	*oci = (struct oci){ 0 };
}
