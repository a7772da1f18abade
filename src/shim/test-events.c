/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher against a daemon that comes, goes and refuses. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/containerd/events-ttrpc.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "events.h"
#include "rpc/pb.h"
#include "rpc/ttrpc.h"
#include "sys/file.h"
#include "sys/sock.h"

typedef Containerd__Services__Events__Ttrpc__V1__ForwardRequest Forward;

/* ---- the daemon -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/davit-test-XXXXXX";
static char *socket_path, *spool_path;
static uv_loop_t loop;
static struct ttrpc_server *server;
static bool is_closed;
static struct dv_strbuf got = DV_STRBUF_INIT; /* "start:c1 exit:c1 " */
static size_t n_calls;
static enum dv_code refuse; /* the container "bad" with this code, as often as n_refuse */
static size_t n_refuse;
static struct ttrpc_call *held; /* the container "hold" */
static struct timespec last_time;

static const char *container_of(const Google__Protobuf__Any *any, struct dv_arena *arena)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&containerd__events__task_start__descriptor,
		&containerd__events__task_exit__descriptor,
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		ProtobufCMessage *msg = NULL;

		if (!dv_streq(any->type_url, types[i]->name))
			continue;
		T_NULL(pb_unpack(types[i], any->value.data, any->value.len, arena, 0, &msg));
		/* container_id is the first field of both. */
		return ((Containerd__Events__TaskStart *)msg)->container_id;
	}
	cr_expect(false, "unexpected type %s", any->type_url);
	return "?";
}

static void on_forward(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Types__Envelope *env = ((const Forward *)req)->envelope;
	const char *id = container_of(env->event, ttrpc_call_arena(call));

	(void)arg;
	n_calls++;
	T_STR(env->namespace_, "ns");
	T_STR(ttrpc_call_metadata(call, "containerd-namespace-ttrpc"), "ns");
	T_TRUE(pb_timestamp_to(env->timestamp->seconds, env->timestamp->nanos, &last_time));
	if (dv_streq(id, "bad") && n_refuse > 0) {
		n_refuse--;
		ttrpc_fail(call, dv_err_new(refuse, "no"));
		return;
	}
	dv_strbuf_addf(&got, "%s:%s ", env->topic + strlen("/tasks/"), id);
	if (dv_streq(id, "hold"))
		held = call;
	else
		ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	{ .name = "Forward",
	  .request = &containerd__services__events__ttrpc__v1__forward_request__descriptor,
	  .fn = on_forward },
};
static const struct ttrpc_service service = { "containerd.services.events.ttrpc.v1.Events", methods,
					      DV_ARRAY_SIZE(methods) };

static void daemon_comes(void)
{
	struct ttrpc_server_opts opts = { .loop = &loop, .is_any_uid = true };

	(void)unlink(socket_path);
	opts.listen_fd = sys_unix_socket();
	T_INT(sys_unix_bind(opts.listen_fd, socket_path, 0600), ==, 0);
	T_INT(sys_listen(opts.listen_fd, 8), ==, 0);
	T_NULL(ttrpc_server_new(&opts, &server));
	ttrpc_server_add(server, &service, NULL);
}

static void on_server_closed(void *arg)
{
	(void)arg;
	is_closed = true;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Runs the loop until @cond; the tick keeps it from sleeping for good. */
#define RUN_UNTIL(cond) \
	do { \
		uint64_t end_ = uv_hrtime() + UINT64_C(15000000000); \
		uv_timer_t tick_; \
		uv_timer_init(&loop, &tick_); \
		uv_timer_start(&tick_, on_tick, 10, 10); \
		while (!(cond) && uv_hrtime() < end_) \
			uv_run(&loop, UV_RUN_ONCE); \
		uv_close((uv_handle_t *)&tick_, NULL); \
		uv_run(&loop, UV_RUN_NOWAIT); \
		cr_assert((cond), "never came true: %s (got %s)", #cond, got.data); \
	} while (0)

static void daemon_goes(void)
{
	if (!server)
		return;
	is_closed = false;
	ttrpc_server_close(server, on_server_closed, NULL);
	if (held)
		ttrpc_fail(dv_steal(&held), dv_err_new(DV_CANCELLED, "going"));
	server = NULL;
	RUN_UNTIL(is_closed);
	(void)unlink(socket_path);
}

/* ---- the publisher ----------------------------------------------------------------------------- */

static struct shim_events *events;
static struct shim_events_opts opts;

static void init(void)
{
	cr_assert_not_null(mkdtemp(dir));
	socket_path = dv_printf("%s/sock", dir);
	spool_path = dv_printf("%s/spool", dir);
	T_INT(uv_loop_init(&loop), ==, 0);
	opts = (struct shim_events_opts){
		.loop = &loop, .ns = "ns", .ttrpc_address = socket_path, .spool = spool_path
	};
}

static void fini(void)
{
	shim_events_free(events);
	daemon_goes();
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	(void)sys_remove_tree(AT_FDCWD, dir);
	dv_strbuf_fini(&got);
	free(socket_path);
	free(spool_path);
}

TestSuite(events, .init = init, .fini = fini, .timeout = 60);

static void publish_start(const char *id)
{
	Containerd__Events__TaskStart e = CONTAINERD__EVENTS__TASK_START__INIT;

	e.container_id = (char *)id;
	shim_events_publish(events, &e.base);
}

static void publish_exit(const char *id)
{
	Containerd__Events__TaskExit e = CONTAINERD__EVENTS__TASK_EXIT__INIT;

	e.container_id = (char *)id;
	shim_events_publish(events, &e.base);
}

#define DONE (shim_events_pending(events) == 0)

Test(events, order_and_envelope)
{
	struct timespec before, after;

	daemon_comes();
	events = shim_events_new(&opts);
	clock_gettime(CLOCK_REALTIME, &before);
	publish_start("c1");
	publish_exit("c1");
	publish_start("c2");
	T_STR(got.data, ""); /* never from within */
	RUN_UNTIL(DONE);
	clock_gettime(CLOCK_REALTIME, &after);
	T_STR(got.data, "start:c1 exit:c1 start:c2 ");
	T_INT(last_time.tv_sec, >=, before.tv_sec);
	T_INT(last_time.tv_sec, <=, after.tv_sec);
}

Test(events, the_time_is_that_of_publishing)
{
	struct timespec before;

	events = shim_events_new(&opts);
	publish_start("c1");
	clock_gettime(CLOCK_REALTIME, &before);
	daemon_comes();
	RUN_UNTIL(DONE);
	T_TRUE(last_time.tv_sec < before.tv_sec ||
	       (last_time.tv_sec == before.tv_sec && last_time.tv_nsec <= before.tv_nsec));
}

Test(events, kept_while_nobody_listens)
{
	struct stat st;

	events = shim_events_new(&opts);
	publish_start("c1");
	publish_exit("c1");
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_ONCE);
	T_INT(shim_events_pending(events), ==, 2);
	T_INT(stat(spool_path, &st), ==, 0);
	T_INT(st.st_size, >, 0);
	T_INT(st.st_mode & 0777, ==, 0600);
	daemon_comes();
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 exit:c1 ");
	T_INT(stat(spool_path, &st), ==, 0);
	T_INT(st.st_size, ==, 0);
	events = shim_events_free(events);
	T_INT(access(spool_path, F_OK), ==, -1);
}

Test(events, the_next_process_sends_what_is_left)
{
	events = shim_events_new(&opts);
	publish_start("c1");
	publish_exit("c1");
	uv_run(&loop, UV_RUN_NOWAIT);
	shim_events_free(events);
	uv_run(&loop, UV_RUN_NOWAIT);
	T_INT(access(spool_path, F_OK), ==, 0);
	daemon_comes();
	events = shim_events_new(&opts);
	publish_start("c2");
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 exit:c1 start:c2 ");
}

Test(events, daemon_killed_before_it_answers)
{
	daemon_comes();
	events = shim_events_new(&opts);
	publish_start("c1");
	publish_start("hold");
	publish_exit("c2");
	RUN_UNTIL(held);
	T_STR(got.data, "start:c1 start:hold ");
	daemon_goes();
	T_INT(shim_events_pending(events), ==, 2);
	dv_strbuf_clear(&got);
	daemon_comes();
	RUN_UNTIL(held);
	ttrpc_reply(dv_steal(&held), NULL);
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:hold exit:c2 ");
}

Test(events, refused_for_good_is_dropped)
{
	daemon_comes();
	refuse = DV_INVALID;
	n_refuse = 1000;
	events = shim_events_new(&opts);
	publish_start("bad");
	publish_start("c1");
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 ");
	T_INT(n_calls, ==, 2);
}

Test(events, refused_for_now_is_sent_again)
{
	daemon_comes();
	refuse = DV_INTERNAL;
	n_refuse = 3;
	events = shim_events_new(&opts);
	publish_start("bad");
	publish_start("c1");
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:bad start:c1 ");
	T_INT(n_calls, ==, 5);
}

/* A daemon that is there but never takes an event must not hold up the others for ever. */
Test(events, refused_too_often_is_dropped)
{
	daemon_comes();
	refuse = DV_UNKNOWN;
	n_refuse = 1000;
	events = shim_events_new(&opts);
	publish_start("bad");
	publish_start("c1");
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 ");
	T_INT(n_calls, <, 20);
}

Test(events, without_a_spool)
{
	opts.spool = NULL;
	events = shim_events_new(&opts);
	publish_start("c1");
	publish_exit("c1");
	T_INT(shim_events_pending(events), ==, 2);
	daemon_comes();
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 exit:c1 ");
}

Test(events, spool_that_cannot_be_made)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/no/such/dir", dir);

	opts.spool = path;
	events = shim_events_new(&opts);
	publish_start("c1");
	publish_exit("c1");
	daemon_comes();
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 exit:c1 ");
}

/* While something younger is in memory, the spool gets nothing, or the order would be lost. */
Test(events, order_when_the_spool_recovers)
{
	DV_CLEANUP(dv_freep) char *sub = dv_printf("%s/sub", dir);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/spool", sub);

	opts.spool = path;
	events = shim_events_new(&opts);
	publish_start("c1");
	T_INT(mkdir(sub, 0700), ==, 0);
	publish_start("c2");
	publish_start("c3");
	T_INT(access(path, F_OK), ==, -1);
	daemon_comes();
	RUN_UNTIL(DONE);
	T_STR(got.data, "start:c1 start:c2 start:c3 ");
	publish_start("c4");
	T_INT(access(path, F_OK), ==, 0);
	RUN_UNTIL(DONE);
}

Test(events, memory_is_bounded)
{
	char id[1001];

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	opts.spool = NULL;
	events = shim_events_new(&opts);
	for (int i = 0; i < 1000; i++)
		publish_start(id);
	T_INT(shim_events_pending(events), <, 256);
	T_INT(shim_events_pending(events), >, 200);
}

Test(events, nobody_to_be_told)
{
	opts.ttrpc_address = "";
	events = shim_events_new(&opts);
	publish_start("c1");
	T_INT(shim_events_pending(events), ==, 0);
	T_INT(access(spool_path, F_OK), ==, -1);
}

/* ---- flush ------------------------------------------------------------------------------------ */

static int flushed = -1;

static void on_flushed(void *arg, bool is_empty)
{
	(void)arg;
	flushed = is_empty;
}

static void flush(uint64_t timeout_ms, bool is_once)
{
	const struct shim_events_flush f = { .timeout_ms = timeout_ms,
					     .is_once = is_once,
					     .done = on_flushed };

	flushed = -1;
	shim_events_flush(events, &f);
	T_INT(flushed, ==, -1); /* not from within */
}

Test(events, flush)
{
	daemon_comes();
	events = shim_events_new(&opts);
	flush(10000, false);
	RUN_UNTIL(flushed == 1);
	publish_start("c1");
	publish_start("c2");
	flush(10000, false);
	RUN_UNTIL(flushed == 1);
	T_STR(got.data, "start:c1 start:c2 ");
}

Test(events, flush_that_takes_too_long)
{
	events = shim_events_new(&opts);
	publish_start("c1");
	flush(120, false);
	RUN_UNTIL(flushed == 0);
	T_INT(shim_events_pending(events), ==, 1);
}

Test(events, flush_that_tries_once)
{
	uint64_t begin = uv_hrtime();

	events = shim_events_new(&opts);
	publish_start("c1");
	flush(60000, true);
	RUN_UNTIL(flushed == 0);
	flush(60000, true); /* while it waits for the next try */
	RUN_UNTIL(flushed == 0);
	T_INT((uv_hrtime() - begin) / 1000000000, <, 10);
}

/* ---- the program -------------------------------------------------------------------------------- */

static char *make_program(int status)
{
	char *path = dv_printf("%s/publish", dir);
	FILE *f = fopen(path, "w");

	fprintf(f, "#!/bin/sh\necho \"$@\" >>%s/args\ncat >>%s/stdin\nexit %d\n", dir, dir, status);
	fclose(f);
	chmod(path, 0700);
	return path;
}

static void expect_file(const char *name, const char *expected, size_t n)
{
	char buf[1024];
	int fd = sys_openat(AT_FDCWD, dir, O_PATH, 0);
	ssize_t len = sys_read_file_at(fd, name, buf, sizeof(buf));

	cr_expect(len == (ssize_t)n && memcmp(buf, expected, n) == 0, "%s: got \"%.*s\"", name,
		  (int)len, buf);
	sys_close(fd);
}

Test(events, by_the_program)
{
	static const char any[] = "\x0a\x1b"
				  "containerd.events.TaskStart"
				  "\x12\x04\x0a\x02"
				  "c1";
	static const char args[] =
		"--address /g.sock publish --topic /tasks/start --namespace ns\n";
	DV_CLEANUP(dv_freep) char *program = make_program(0);

	opts.ttrpc_address = NULL;
	opts.publish_binary = program;
	opts.grpc_address = "/g.sock";
	events = shim_events_new(&opts);
	publish_start("c1");
	T_INT(shim_events_pending(events), ==, 1);
	RUN_UNTIL(DONE);
	expect_file("args", args, strlen(args));
	expect_file("stdin", any, sizeof(any) - 1);
}

Test(events, by_a_program_that_fails)
{
	DV_CLEANUP(dv_freep) char *program = make_program(1);

	opts.ttrpc_address = NULL;
	opts.publish_binary = program;
	events = shim_events_new(&opts);
	publish_start("c1");
	flush(60000, true);
	RUN_UNTIL(flushed == 0);
	free(make_program(0));
	RUN_UNTIL(DONE);
}

/* ---- topics ------------------------------------------------------------------------------------- */

Test(topics, are_those_of_containerd)
{
	T_STR(shim_events_topic(&containerd__events__task_create__descriptor), "/tasks/create");
	T_STR(shim_events_topic(&containerd__events__task_oom__descriptor), "/tasks/oom");
	T_STR(shim_events_topic(&containerd__events__task_exec_started__descriptor),
	      "/tasks/exec-started");
	T_NULL(shim_events_topic(&containerd__events__task_io__descriptor));
}
