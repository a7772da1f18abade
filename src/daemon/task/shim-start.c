/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of a shim, with containerd's command line. It is told which daemon it works for in two
 * ways: by arguments and environment, and for `start` on its standard input. There it gets the
 * options alone (an Any), as daemons up to 2.2 do: every shim reads that, and those of 2.3 do, too.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/containerd/bootstrap.pb-c.h"
#include "base/str.h"
#include "codec/json.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "rpc/pb.h"
#include "shim.h"
#include "sys/file.h"

typedef Containerd__Runtime__Bootstrap__V1__BootstrapResult BootstrapResult;

enum { OUTPUT_MAX = 256 << 10, ENV_MAX = 256, EXCERPT = 1024 };

/* ---- its answer ------------------------------------------------------------------------------- */

static const char *strip(const char *address)
{
	return dv_starts_with(address, "unix://") ? address + strlen("unix://") : address;
}

static bool parse_protobuf(const char *text, size_t n, struct dv_arena *arena,
			   struct shim_answer *ret)
{
	ProtobufCMessage *msg;
	const BootstrapResult *r;
	struct dv_err *e;

	e = pb_unpack(&containerd__runtime__bootstrap__v1__bootstrap_result__descriptor, text, n,
		      arena, 0, &msg);
	if (e) {
		dv_err_free(e);
		return false;
	}
	r = (const BootstrapResult *)msg;
	if (!*r->address || r->version < 2 || r->version > 3)
		return false;
	*ret = (struct shim_answer){ strip(r->address), (unsigned)r->version,
				     dv_streq(r->protocol, "ttrpc") };
	return true;
}

static bool parse_json(const char *text, size_t n, struct dv_arena *arena, struct shim_answer *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *address, *protocol;
	struct dv_err *e = dv_json_parse(text, n, &doc);
	uint64_t version;

	if (e) {
		dv_err_free(e);
		return false;
	}
	address = dv_json_get(doc, "address");
	protocol = dv_json_get(doc, "protocol");
	if (dv_json_type(address) != DV_JSON_STRING || dv_json_type(protocol) != DV_JSON_STRING ||
	    !dv_json_uint(dv_json_get(doc, "version"), &version) || version < 2 || version > 3)
		return false;
	ret->address = dv_arena_strdup(arena, strip(dv_json_string(address, NULL)));
	ret->version = (unsigned)version;
	ret->is_ttrpc = dv_streq(dv_json_string(protocol, NULL), "ttrpc");
	return true;
}

struct dv_err *shim_answer_parse(const char *text, size_t n, struct dv_arena *arena,
				 struct shim_answer *ret)
{
	const char *plain;

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n == 0)
		return dv_err_new(DV_INVALID, "the shim printed no address");
	plain = dv_arena_strndup(arena, text, n);
	if (dv_starts_with(plain, "unix://"))
		*ret = (struct shim_answer){ strip(plain), 2, true };
	else if (*plain == '{' ? !parse_json(text, n, arena, ret)
			       : !parse_protobuf(text, n, arena, ret))
		return dv_err_new(DV_INVALID, "the shim's answer is none: %.*s", EXCERPT, plain);
	if (!ret->is_ttrpc)
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: a shim that speaks gRPC");
	if (*ret->address != '/' && *ret->address != '@')
		return dv_err_new(DV_INVALID, "the shim's address is not a path: %.*s", EXCERPT,
				  ret->address);
	return NULL;
}

/* ---- running it --------------------------------------------------------------------------------- */

struct run {
	struct shim_at at;
	struct dv_arena arena;
	const char *action;
	int input;
	shim_started_fn started;
	shim_deleted_fn deleted;
	void *arg;
	struct io_child **ret_child; /* NULL: nobody wants it */
	struct dv_err *failure; /* of a run that did not begin */
};

static bool is_ours(const char *entry)
{
	static const char *const names[] = { "GOMAXPROCS=",   "MAX_SHIM_VERSION=", "TTRPC_ADDRESS=",
					     "GRPC_ADDRESS=", "NAMESPACE=",	   "NOTIFY_SOCKET=",
					     "LISTEN_FDS=",   "LISTEN_PID=" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (dv_starts_with(entry, names[i]))
			return true;
	}
	return false;
}

static const char *const *make_env(struct run *run)
{
	struct daemon *d = run->at.d;
	const struct daemon_strings *more = &d->config->shim_env;
	const char **envp = dv_arena_new_n(&run->arena, const char *, ENV_MAX + more->n_items + 6);
	size_t n = 0;

	for (const char *const *from = d->envp; from && *from && n < ENV_MAX; from++) {
		if (!is_ours(*from))
			envp[n++] = *from;
	}
	for (size_t i = 0; i < more->n_items; i++) {
		if (!is_ours(more->items[i]))
			envp[n++] = more->items[i];
	}
	envp[n++] = "GOMAXPROCS=2";
	envp[n++] = "MAX_SHIM_VERSION=2";
	envp[n++] = dv_arena_printf(&run->arena, "TTRPC_ADDRESS=%s", d->ttrpc_address);
	envp[n++] = dv_arena_printf(&run->arena, "GRPC_ADDRESS=%s", d->config->address);
	envp[n++] = dv_arena_printf(&run->arena, "NAMESPACE=%s", run->at.ns);
	return envp;
}

static const char *const *make_argv(struct run *run)
{
	const struct shim_at *at = &run->at;
	struct daemon *d = at->d;
	const char **argv = dv_arena_new_n(&run->arena, const char *, 16);
	size_t n = 0;

	argv[n++] = at->binary;
	argv[n++] = "-namespace";
	argv[n++] = at->ns;
	argv[n++] = "-address";
	argv[n++] = d->config->address;
	argv[n++] = "-publish-binary";
	argv[n++] = dv_arena_printf(&run->arena, "%s/davitd", d->program_dir);
	argv[n++] = "-id";
	argv[n++] = at->id;
	if (dv_streq(run->action, "delete")) {
		argv[n++] = "-bundle";
		argv[n++] = at->bundle;
	}
	if (dv_log_enabled(d->log, DV_DEBUG))
		argv[n++] = "-debug";
	argv[n++] = run->action;
	return argv;
}

static void run_free(struct run *run)
{
	sys_closep(&run->input);
	dv_arena_fini(&run->arena);
	free(run);
}

/* What it printed when it failed, in one line. */
static struct dv_err *failed(const struct run *run, const struct io_child_result *r)
{
	const char *text = r->n_err ? r->err : r->out;
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (r->is_timed_out)
		return dv_err_new(DV_DEADLINE, "shim %s of %s: it took too long and was killed",
				  run->action, run->at.id);
	return dv_err_new(DV_UNKNOWN, "shim %s of %s: exit status %d: %.*s", run->action,
			  run->at.id, io_exit_status(&r->si), (int)DV_MIN(n, (size_t)EXCERPT),
			  text);
}

static void start_ended(struct run *run, const struct io_child_result *r)
{
	struct shim_answer answer = {};
	struct dv_err *e;

	if (r->is_timed_out || io_exit_status(&r->si) != 0)
		e = failed(run, r);
	else
		e = shim_answer_parse(r->out, r->n_out, &run->arena, &answer);
	run->started(run->arg, dv_err_wrap(e, "start shim %s", run->at.binary), e ? NULL : &answer);
}

static void delete_ended(struct run *run, const struct io_child_result *r)
{
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	if (r->is_timed_out || io_exit_status(&r->si) != 0)
		e = failed(run, r);
	else
		e = pb_unpack(&containerd__task__v2__delete_response__descriptor, r->out, r->n_out,
			      &run->arena, 0, &msg);
	run->deleted(run->arg, e, e ? NULL : (const Containerd__Task__V2__DeleteResponse *)msg);
}

static void ended(void *arg, const struct io_child_result *r)
{
	struct run *run = arg;

	if (run->ret_child)
		*run->ret_child = NULL;
	if (run->started)
		start_ended(run, r);
	else
		delete_ended(run, r);
	run_free(run);
}

static struct run *run_new(const struct shim_at *at, const char *action)
{
	struct run *run = dv_new(struct run);

	run->at = *at;
	run->action = action;
	run->input = -1;
	dv_arena_init(&run->arena);
	return run;
}

static struct dv_err *run_begin(struct run *run, uint64_t timeout_ns, struct io_child **ret_child)
{
	struct io_child_opts opts = {
		.path = run->at.binary,
		.argv = make_argv(run),
		.envp = make_env(run),
		.cwd = run->at.bundle,
		.stdio = { run->input, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE },
		.timeout_ns = timeout_ns,
		.capture_max = OUTPUT_MAX,
		.has_new_group = true,
	};

	return io_child_run(run->at.d->loop, &opts, ended, run, ret_child);
}

/* No pipe: somebody would have to fill it. */
struct dv_err *shim_input(const void *p, size_t n, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = sys_memfd("options", 0);
	int r = fd < 0 ? fd : sys_write_all(fd, p, n);

	if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return dv_err_sys(r, "make the shim's standard input");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

struct dv_err *shim_start(const struct shim_at *at, const struct shim_start *how)
{
	struct run *run = run_new(at, "start");
	struct dv_err *e;

	run->started = how->fn;
	run->arg = how->arg;
	run->ret_child = how->ret_child;
	e = shim_input(how->options, how->n_options, &run->input);
	if (!e)
		e = run_begin(run, at->d->config->shim_start_ns, how->ret_child);
	if (e)
		run_free(run);
	return dv_err_wrap(e, "start shim %s", at->binary);
}

static void not_begun(void *arg)
{
	struct run *run = arg;

	run->deleted(run->arg, run->failure, NULL);
	run_free(run);
}

void shim_delete(const struct shim_at *at, shim_deleted_fn fn, void *arg)
{
	struct run *run = run_new(at, "delete");

	run->deleted = fn;
	run->arg = arg;
	if (at->binary)
		run->failure = run_begin(run, at->d->config->shim_cleanup_ns, NULL);
	else
		run->failure = dv_err_new(DV_NOT_FOUND, "the shim's program is not known");
	if (run->failure)
		io_work_post(at->d->fast, not_begun, run);
}
