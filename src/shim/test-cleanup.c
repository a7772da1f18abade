/* SPDX-License-Identifier: Apache-2.0 */
/* delete, with a script for a runtime. What needs processes and cgroups is in tests/e2e/test_shim_start.py. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/containerd/events-ttrpc.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "api/containerd/task.pb-c.h"
#include "base/mem.h"
#include "base/test.h"
#include "cleanup.h"
#include "events.h"
#include "rpc/pb.h"
#include "rpc/ttrpc.h"
#include "start-private.h"
#include "sys/file.h"
#include "sys/sock.h"

static char dir[] = "/tmp/davit-test-XXXXXX";
static char *bundle, *sockets, *runtime, *socket_path;
static uv_loop_t loop;
static struct shim_env env;
static struct dv_log log_nowhere = { .fd = -1, .level = DV_ERROR };
static struct shim_cleanup_opts opts;

static void write_text(const char *parent, const char *name, const char *text, mode_t mode)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", parent, name);
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static char *read_text(const char *parent, const char *name)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", parent, name);
	char *buf = dv_alloc(4096);

	if (sys_read_file_at(AT_FDCWD, path, buf, 4096) < 0)
		*buf = '\0';
	return buf;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static char *make_dir(const char *name)
{
	char *path = dv_printf("%s/%s", dir, name);

	T_INT(mkdir(path, 0700), ==, 0);
	return path;
}

/* A runtime that writes down how it was called, then does what @more says. */
static void make_runtime(const char *more)
{
	DV_CLEANUP(dv_freep)
	char *text = dv_printf("#!/bin/sh\necho \"$@\" >>%s/calls\n%s\n", dir, more);

	write_text(dir, "runtime.sh", text, 0700);
}

static void init(void)
{
	char path[SHIM_SOCKET_SIZE];
	struct shim_socket_name name;

	cr_assert_not_null(mkdtemp(dir));
	bundle = make_dir("c1");
	sockets = make_dir("s");
	runtime = dv_printf("%s/runtime.sh", dir);
	make_runtime("");
	write_text(bundle, "config.json", "{}", 0600);
	write_text(bundle, "runtime", runtime, 0600);
	write_text(bundle, "init.pid", "4194303", 0600);
	T_INT(uv_loop_init(&loop), ==, 0);
	shim_env_init(&env, &loop, &log_nowhere);
	env.ns = "ns";
	opts = (struct shim_cleanup_opts){ .env = &env,
					   .id = "c1",
					   .bundle = bundle,
					   .address = "/g.sock",
					   .socket_dir = sockets };
	name = (struct shim_socket_name){ sockets, "/g.sock", "ns", "c1" };
	T_NULL(shim_socket_path(&name, path));
	socket_path = dv_strdup(path);
}

static void fini(void)
{
	shim_env_fini(&env);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	(void)sys_remove_tree(AT_FDCWD, dir);
	free(bundle);
	free(sockets);
	free(runtime);
	free(socket_path);
}

TestSuite(cleanup, .init = init, .fini = fini, .timeout = 60);

static void clean(void)
{
	struct shim_cleanup_result result = { 0 };
	struct dv_err *e = shim_cleanup(&opts, &result);

	cr_expect_null(e, "%s", e ? dv_err_message(e) : "");
	dv_err_free(e);
	T_INT(result.exit_status, ==, 137);
	T_INT(result.exited_at.tv_sec, >, 0);
}

static void expect_calls(const char *expected)
{
	DV_CLEANUP(dv_freep) char *calls = read_text(dir, "calls");

	T_STR(calls, expected);
}

/* ---- the runtime ------------------------------------------------------------------------------ */

Test(cleanup, deletes_by_force_and_again)
{
	DV_CLEANUP(dv_freep)
	char *call = dv_printf("--root /run/containerd/davit-oci/ns --log %s/log.json "
			       "--log-format json delete --force c1\n",
			       bundle);
	DV_CLEANUP(dv_freep) char *twice = dv_printf("%s%s", call, call);

	clean();
	expect_calls(call);
	clean();
	expect_calls(twice);
}

Test(cleanup, with_the_options_of_the_bundle)
{
	DV_CLEANUP(dv_freep)
	char *call = dv_printf("--root /r/ns --log %s/log.json --log-format json --systemd-cgroup "
			       "delete --force c1\n",
			       bundle);

	/* As containerd's own shim writes them. */
	write_text(bundle, "options.json", "{\"root\":\"/r\",\"systemd_cgroup\":true}", 0600);
	clean();
	expect_calls(call);
}

Test(cleanup, pid_and_answer)
{
	struct shim_cleanup_result result = { 0 };
	struct dv_strbuf out = DV_STRBUF_INIT;
	Containerd__Task__V2__DeleteResponse *r;
	ProtobufCMessage *msg = NULL;
	struct dv_arena arena;

	dv_arena_init(&arena);
	T_NULL(shim_cleanup(&opts, &result));
	T_INT(result.pid, ==, 4194303);
	shim_cleanup_answer(&result, &out);
	T_NULL(pb_unpack(&containerd__task__v2__delete_response__descriptor, out.data, out.len,
			 &arena, 0, &msg));
	r = (Containerd__Task__V2__DeleteResponse *)msg;
	T_INT(r->pid, ==, 4194303);
	T_INT(r->exit_status, ==, 137);
	T_INT(r->exited_at->seconds, ==, result.exited_at.tv_sec);
	dv_strbuf_fini(&out);
	dv_arena_fini(&arena);
}

Test(cleanup, without_a_bundle)
{
	T_INT(sys_remove_tree(AT_FDCWD, bundle), ==, 0);
	clean();
	expect_calls("");
}

Test(cleanup, of_an_empty_bundle)
{
	T_INT(sys_remove_tree(AT_FDCWD, bundle), ==, 0);
	T_INT(mkdir(bundle, 0700), ==, 0);
	env.path = "/nowhere";
	clean();
}

Test(cleanup, with_files_that_make_no_sense)
{
	write_text(bundle, "config.json", "{", 0600);
	write_text(bundle, "options.json", "[", 0600);
	write_text(bundle, "init.pid", "-1x", 0600);
	env.path = "/nowhere";
	clean();
}

Test(cleanup, runtime_that_is_not_there)
{
	T_INT(unlink(runtime), ==, 0);
	clean();
}

Test(cleanup, runtime_that_fails)
{
	make_runtime("exit 1");
	clean();
}

Test(cleanup, runtime_that_hangs)
{
	uint64_t begin = uv_hrtime();

	make_runtime("exec sleep 60");
	clean();
	T_INT((uv_hrtime() - begin) / 1000000, <, 4500);
}

/* ---- mounts ------------------------------------------------------------------------------------ */

Test(cleanup, mounts_are_gone)
{
	DV_CLEANUP(dv_freep) char *rootfs = make_dir("c1/rootfs");
	DV_CLEANUP(dv_freep) char *inner = dv_printf("%s/inner", rootfs);
	struct stat before, after;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("needs to be able to mount");
	T_INT(stat(rootfs, &before), ==, 0);
	T_INT(mount("tmpfs", rootfs, "tmpfs", 0, NULL), ==, 0);
	T_INT(mkdir(inner, 0700), ==, 0);
	T_INT(mount("tmpfs", inner, "tmpfs", 0, NULL), ==, 0);
	T_INT(mount("tmpfs", rootfs, "tmpfs", 0, NULL), ==, 0); /* on top of the first */
	clean();
	T_INT(stat(rootfs, &after), ==, 0);
	T_INT(before.st_dev, ==, after.st_dev);
	T_FALSE(is_there(inner));
}

Test(cleanup, never_through_a_link)
{
	DV_CLEANUP(dv_freep) char *rootfs = dv_printf("%s/rootfs", bundle);
	DV_CLEANUP(dv_freep) char *other = make_dir("other");
	DV_CLEANUP(dv_freep) char *file = dv_printf("%s/file", other);

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("needs to be able to mount");
	T_INT(mount("tmpfs", other, "tmpfs", 0, NULL), ==, 0);
	write_text(other, "file", "", 0600);
	T_INT(symlink(other, rootfs), ==, 0);
	clean();
	T_TRUE(is_there(file));
	T_INT(umount(other), ==, 0);
}

/* ---- the socket --------------------------------------------------------------------------------- */

static int listen_there(void)
{
	int fd = sys_unix_socket();

	T_NULL(shim_socket_listen(fd, socket_path));
	T_INT(shim_socket_commit(socket_path), ==, 0);
	return fd;
}

Test(cleanup, stale_socket_is_removed)
{
	sys_close(listen_there());
	clean();
	T_FALSE(is_there(socket_path));
}

Test(cleanup, socket_of_a_directory_that_the_bundle_names)
{
	DV_CLEANUP(dv_freep) char *link = dv_printf("%s/s", bundle);

	opts.socket_dir = NULL;
	T_INT(symlink(sockets, link), ==, 0);
	sys_close(listen_there());
	clean();
	T_FALSE(is_there(socket_path));
}

Test(cleanup, socket_of_others_stays)
{
	static const char config[] = "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"c1\"}}";
	DV_CLEANUP(dv_freep) char *other = make_dir("c2");
	int fd = listen_there();

	write_text(bundle, "config.json", config, 0600);
	write_text(other, "config.json", config, 0600);
	clean();
	T_TRUE(is_there(socket_path));
	sys_close(fd);
}

/* Who listens is this test: not what a shim looks like, so it is not killed. */
Test(cleanup, strangers_are_not_killed)
{
	int fd = listen_there();

	clean();
	T_TRUE(is_there(socket_path));
	sys_close(fd);
}

/* ---- events ------------------------------------------------------------------------------------ */

static size_t n_events;

static void on_forward(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)req;
	(void)arg;
	n_events++;
	ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	{ .name = "Forward",
	  .request = &containerd__services__events__ttrpc__v1__forward_request__descriptor,
	  .fn = on_forward },
};
static const struct ttrpc_service service = { "containerd.services.events.ttrpc.v1.Events", methods,
					      DV_ARRAY_SIZE(methods) };

static void leave_events(const char *daemon, const char *spool)
{
	const struct shim_events_opts o = {
		.loop = &loop, .ns = "ns", .ttrpc_address = daemon, .spool = spool
	};
	Containerd__Events__TaskOOM oom = CONTAINERD__EVENTS__TASK_OOM__INIT;
	struct shim_events *events = shim_events_new(&o);

	oom.container_id = (char *)"c1";
	shim_events_publish(events, &oom.base);
	shim_events_publish(events, &oom.base);
	shim_events_free(events);
	uv_run(&loop, UV_RUN_NOWAIT);
	T_TRUE(is_there(spool));
}

Test(cleanup, events_that_were_kept_are_sent)
{
	DV_CLEANUP(dv_freep) char *daemon = dv_printf("%s/daemon", dir);
	DV_CLEANUP(dv_freep) char *spool = shim_spool_path(socket_path);
	struct ttrpc_server_opts o = { .loop = &loop, .is_any_uid = true };
	struct ttrpc_server *server;

	leave_events(daemon, spool);
	o.listen_fd = sys_unix_socket();
	T_INT(sys_unix_bind(o.listen_fd, daemon, 0600), ==, 0);
	T_INT(sys_listen(o.listen_fd, 8), ==, 0);
	T_NULL(ttrpc_server_new(&o, &server));
	ttrpc_server_add(server, &service, NULL);
	opts.ttrpc_address = daemon;
	clean();
	T_INT(n_events, ==, 2);
	T_FALSE(is_there(spool));
	ttrpc_server_close(server, NULL, NULL);
}

Test(cleanup, events_are_kept_for_a_daemon_that_is_away)
{
	DV_CLEANUP(dv_freep) char *daemon = dv_printf("%s/daemon", dir);
	DV_CLEANUP(dv_freep) char *spool = shim_spool_path(socket_path);

	leave_events(daemon, spool);
	opts.ttrpc_address = daemon;
	clean();
	T_TRUE(is_there(spool));
}
