/* SPDX-License-Identifier: Apache-2.0 */
/* See cleanup.h. The shim goes first: it could get in the way of all the rest. */

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/containerd/task.pb-c.h"
#include "base/mem.h"
#include "cleanup-private.h"
#include "oci.h"
#include "options.h"
#include "rootfs.h"
#include "rpc/pb.h"
#include "sandbox-private.h"
#include "start-private.h"
#include "sys/file.h"

#define RUNTIME_NS (UINT64_C(2500) * 1000 * 1000)

enum { EXIT_KILLED = 128 + 9 };

/* ---- what the bundle says --------------------------------------------------------------------- */

/* Logs an error that does not stop the clean-up. */
static void warn(const struct cleanup *c, struct dv_err *take_e)
{
	if (take_e)
		dv_log(c->opts->env->log, DV_WARN, "container %s: %s", c->opts->id,
		       dv_err_message(take_e));
	dv_err_free(take_e);
}

static pid_t read_pid(int bundle_fd)
{
	char text[32];
	uint32_t pid;

	if (sys_read_file_at(bundle_fd, "init.pid", text, sizeof(text)) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return dv_parse_u32(text, &pid) && pid <= INT_MAX ? (pid_t)pid : 0;
}

static struct dv_err *find_socket(struct cleanup *c)
{
	char dir[PATH_MAX], path[SHIM_SOCKET_SIZE];
	struct shim_socket_name name = {
		.dir = c->opts->socket_dir,
		.address = c->opts->address,
		.ns = c->opts->env->ns,
	};
	struct dv_err *e;

	if (!name.dir && sys_readlinkat(c->bundle_fd, "s", dir, sizeof(dir)) > 0)
		name.dir = dir;
	e = shim_group_read(c->bundle_fd, c->opts->id, &c->group);
	if (e) {
		warn(c, e);
		c->group = dv_strdup(c->opts->id);
	}
	name.group = c->group;
	e = shim_socket_path(&name, path);
	if (!e)
		c->socket_path = dv_strdup(path);
	return e;
}

/* ---- the runtime ------------------------------------------------------------------------------ */

struct call {
	bool is_done;
	struct dv_err *e;
};

static void on_deleted(void *arg, struct dv_err *take_e)
{
	struct call *call = arg;

	call->is_done = true;
	call->e = take_e;
}

static struct dv_err *run_delete(struct cleanup *c, const struct oci *oci)
{
	const struct oci_call delete = {
		.verb = "delete",
		.args = { "--force", c->opts->id },
		.deadline = uv_hrtime() + RUNTIME_NS,
	};
	struct shim_env *env = c->opts->env;
	struct call call = { 0 };

	oci_call(env, oci, &delete, on_deleted, &call);
	while (!call.is_done)
		(void)uv_run(env->loop, UV_RUN_ONCE);
	return call.e;
}

static struct dv_err *delete_container(struct cleanup *c)
{
	DV_CLEANUP(shim_options_freep) struct shim_options *options = NULL;
	struct oci oci = { 0 };
	struct dv_err *e;

	e = shim_options_load(c->bundle_fd, &options);
	if (e) {
		warn(c, e);
		options = shim_options_new();
	}
	e = oci_init(&oci, c->opts->env, options, c->opts->bundle);
	if (!e)
		e = run_delete(c, &oci);
	oci_fini(&oci);
	return e;
}

/* ---- all of it -------------------------------------------------------------------------------- */

static struct dv_err *clean(struct cleanup *c)
{
	struct dv_err *e, *left = NULL;

	e = find_socket(c);
	if (!e)
		cleanup_shim(c);
	warn(c, e);
	e = delete_container(c);
	if (e) {
		warn(c, e);
		left = cleanup_cgroup(c);
	}
	warn(c, sandbox_pod_cleanup(c->bundle_fd, c->opts->id));
	warn(c, rootfs_unmount(c->opts->bundle));
	if (c->socket_path)
		cleanup_events(c);
	return dv_err_wrap(left, "container %s", c->opts->id);
}

struct dv_err *shim_cleanup(const struct shim_cleanup_opts *opts, struct shim_cleanup_result *ret)
{
	struct cleanup c = { .opts = opts };
	struct dv_err *e = NULL;

	c.bundle_fd = sys_openat(AT_FDCWD, opts->bundle, O_RDONLY | O_DIRECTORY, 0);
	if (c.bundle_fd >= 0) {
		c.pid = read_pid(c.bundle_fd);
		e = clean(&c);
	} else if (c.bundle_fd != -ENOENT) {
		e = dv_err_sys(c.bundle_fd, "open the bundle %s", opts->bundle);
	}
	if (c.bundle_fd >= 0)
		sys_close(c.bundle_fd);
	free(c.group);
	free(c.socket_path);
	if (e)
		return e;
	ret->pid = c.pid;
	ret->exit_status = EXIT_KILLED;
	(void)clock_gettime(CLOCK_REALTIME, &ret->exited_at);
	return NULL;
}

void shim_cleanup_answer(const struct shim_cleanup_result *result, struct dv_strbuf *out)
{
	Google__Protobuf__Timestamp when = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__DeleteResponse r = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;

	PB_TIMESTAMP_SET(&when, &result->exited_at);
	r.pid = (uint32_t)result->pid;
	r.exit_status = result->exit_status;
	r.exited_at = &when;
	pb_pack(&r.base, out);
}
