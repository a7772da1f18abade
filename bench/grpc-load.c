/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for a daemon that speaks containerd's gRPC API, the same for ours and for Debian's.
 *
 *	grpc-load SOCKET calls METHOD N PARALLEL    METHOD: version, containers, images, namespaces
 *	grpc-load SOCKET events LISTENERS N         N events to as many connections
 *	grpc-load SOCKET make N PARALLEL BYTES      grpc-peer alone: answers of so many bytes
 *
 * Prints one line of JSON. CPU is that of the server's process, by /proc/PID/stat, and of this one.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "api/containerd/containers.pb-c.h"
#include "api/containerd/events-grpc.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "api/containerd/namespaces.pb-c.h"
#include "api/google/rpc/status.pb-c.h"
#include "rpc/grpc.h"
#include "rpc/pb.h"
#include "sys/file.h"
#include "sys/sock.h"

static const struct grpc_metadata metadata = { "containerd-namespace", "davit-bench" };

static uv_loop_t loop;
static const char *path;
static pid_t server;
static size_t n_left, n_running, n_failed;
static uint64_t *times; /* of calls, ns */
static size_t n_times;

static void die(const char *why)
{
	fprintf(stderr, "grpc-load: %s\n", why);
	exit(1);
}

/* ---- CPU ---- */

static uint64_t server_cpu_us(void)
{
	char name[64], text[1024], *p;
	unsigned long long user, kernel;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)server);
	if (sys_read_file_at(AT_FDCWD, name, text, sizeof(text)) < 0)
		return 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			 &kernel) != 2)
		return 0;
	return (user + kernel) * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t own_cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static long server_rss_kib(void)
{
	char name[64], text[256];
	long pages = 0;

	snprintf(name, sizeof(name), "/proc/%d/statm", (int)server);
	if (sys_read_file_at(AT_FDCWD, name, text, sizeof(text)) > 0)
		(void)!sscanf(text, "%*d %ld", &pages);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void find_server(void)
{
	int fd = sys_unix_connect(path);

	if (fd < 0 || sys_peer_pid(fd, &server) < 0)
		die("nobody listens there");
	sys_close(fd);
}

/* ---- Calls ---- */

struct slot {
	struct grpc_client *client;
	const struct grpc_request *request;
	uint64_t begin;
	bool is_due;
};

static void call_done(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply);

static void call(struct slot *s)
{
	n_left--;
	n_running++;
	s->begin = uv_hrtime();
	grpc_client_call(s->client, s->request, call_done, s);
}

static void call_done(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct slot *s = arg;

	(void)reply;
	n_running--;
	times[n_times++] = uv_hrtime() - s->begin;
	if (take_e && !n_failed++)
		fprintf(stderr, "grpc-load: %s\n", dv_err_message(take_e));
	dv_err_free(take_e);
	if (n_left)
		call(s);
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double microseconds(double quantile)
{
	return (double)times[(size_t)((double)(n_times - 1) * quantile)] / 1000;
}

static void run_calls(const char *what, const struct grpc_request *request, size_t n,
		      size_t parallel)
{
	struct grpc_client_opts opts = { .loop = &loop, .path = path };
	struct grpc_client *client = grpc_client_new(&opts);
	struct slot *slots = dv_new_n(struct slot, parallel);
	uint64_t begin, end, cpu, own;

	times = dv_new_n(uint64_t, n + parallel);
	n_left = parallel; /* connects, and warms up */
	for (size_t i = 0; i < parallel; i++) {
		slots[i] = (struct slot){ .client = client, .request = request };
		call(&slots[i]);
	}
	while (n_running)
		uv_run(&loop, UV_RUN_ONCE);
	n_times = 0;
	n_left = n;
	cpu = server_cpu_us();
	own = own_cpu_us();
	begin = uv_hrtime();
	for (size_t i = 0; i < parallel && n_left; i++)
		call(&slots[i]);
	while (n_running)
		uv_run(&loop, UV_RUN_ONCE);
	end = uv_hrtime();
	qsort(times, n_times, sizeof(*times), by_time);
	printf("{\"what\": \"%s\", \"calls\": %zu, \"parallel\": %zu, \"failed\": %zu, \"calls_per_s\": %.0f, "
	       "\"us_p50\": %.1f, \"us_p99\": %.1f, \"us_max\": %.1f, \"server_cpu_us\": %.2f, "
	       "\"client_cpu_us\": %.2f, \"server_rss_kib\": %ld}\n",
	       what, n, parallel, n_failed, (double)n * 1e9 / (double)(end - begin),
	       microseconds(.5), microseconds(.99), microseconds(1),
	       (double)(server_cpu_us() - cpu) / (double)n,
	       (double)(own_cpu_us() - own) / (double)n, server_rss_kib());
	grpc_client_free(client);
	uv_run(&loop, UV_RUN_DEFAULT);
	free(slots);
	free(times);
}

static const struct {
	const char *name, *service, *method;
} methods[] = {
	{ "version", "containerd.services.version.v1.Version", "Version" },
	{ "containers", "containerd.services.containers.v1.Containers", "List" },
	{ "images", "containerd.services.images.v1.Images", "List" },
	{ "namespaces", "containerd.services.namespaces.v1.Namespaces", "List" },
};

static void measure_calls(const char *name, size_t n, size_t parallel)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(methods); i++) {
		struct grpc_request r = { .service = methods[i].service,
					  .method = methods[i].method,
					  .metadata = &metadata,
					  .n_metadata = 1 };

		if (strcmp(methods[i].name, name) == 0) {
			run_calls(name, &r, n, parallel);
			return;
		}
	}
	die("no such method");
}

static void measure_make(size_t n, size_t parallel, int32_t bytes)
{
	Google__Rpc__Status msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_request r = { .service = "davit.test.Peer",
				  .method = "Make",
				  .msg = &msg.base };

	msg.code = bytes;
	run_calls("make", &r, n, parallel);
}

/* ---- Events ---- */

struct listener {
	struct grpc_client *client;
	struct grpc_stream *st;
	size_t n;
};

static size_t n_events, n_complete;

static void got_event(void *arg, const ProtobufCMessage *msg)
{
	struct listener *l = arg;

	(void)msg;
	if (++l->n == n_events)
		n_complete++;
	grpc_stream_next(l->st);
}

static void listening_ended(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	(void)arg;
	(void)reply;
	if (take_e && dv_err_code(take_e) != DV_CANCELLED) {
		n_failed++;
		fprintf(stderr, "grpc-load: listener: %s\n", dv_err_message(take_e));
	}
	dv_err_free(take_e);
}

static void listen_to(struct listener *l)
{
	static char filter[] = "topic==\"/bench/event\"";
	static char *filters[] = { filter };
	Containerd__Services__Events__V1__SubscribeRequest msg =
		CONTAINERD__SERVICES__EVENTS__V1__SUBSCRIBE_REQUEST__INIT;
	struct grpc_client_opts opts = { .loop = &loop, .path = path };
	struct grpc_stream_opts o = {
		.request = { .service = "containerd.services.events.v1.Events",
			     .method = "Subscribe",
			     .msg = &msg.base,
			     .reply = &containerd__types__envelope__descriptor },
		.is_server_stream = true,
		.data = got_event,
		.result = listening_ended,
		.arg = l,
	};

	msg.n_filters = 1;
	msg.filters = filters;
	*l = (struct listener){ .client = grpc_client_new(&opts) };
	l->st = grpc_client_stream(l->client, &o);
}

static void measure_events(size_t n_listeners, size_t n)
{
	Containerd__Events__TaskDelete deleted = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Containerd__Services__Events__V1__PublishRequest msg =
		CONTAINERD__SERVICES__EVENTS__V1__PUBLISH_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct grpc_request r = { .service = "containerd.services.events.v1.Events",
				  .method = "Publish",
				  .msg = &msg.base,
				  .metadata = &metadata,
				  .n_metadata = 1 };
	struct listener *listeners = dv_new_n(struct listener, n_listeners);
	struct grpc_client_opts opts = { .loop = &loop, .path = path };
	struct slot slot = { .client = grpc_client_new(&opts), .request = &r };
	uint64_t begin, end, cpu, own;
	struct dv_arena arena;

	dv_arena_init(&arena);
	deleted.container_id = (char *)"a-container-with-a-name-of-usual-length";
	any.type_url = (char *)pb_any_url(&deleted.base);
	any.value = pb_pack_arena(&deleted.base, &arena);
	msg.topic = (char *)"/bench/event";
	msg.event = &any;
	n_events = n + 1;
	times = dv_new_n(uint64_t, 2 * n + 100);
	for (size_t i = 0; i < n_listeners; i++)
		listen_to(&listeners[i]);
	/* Subscribed is who has got an event. */
	for (size_t i = 0; i < n_listeners;) {
		for (i = 0; i < n_listeners && listeners[i].n; i++)
			;
		if (!n_running && i < n_listeners) {
			n_times = 0;
			n_left = 1;
			call(&slot);
		}
		uv_run(&loop, n_running ? UV_RUN_ONCE : UV_RUN_NOWAIT);
	}
	for (size_t i = 0; i < 1000; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < n_listeners; i++)
		listeners[i].n = 1;
	n_complete = n_times = 0;
	cpu = server_cpu_us();
	own = own_cpu_us();
	begin = uv_hrtime();
	n_left = n;
	call(&slot);
	while (n_complete < n_listeners && !n_failed)
		uv_run(&loop, UV_RUN_ONCE);
	end = uv_hrtime();
	printf("{\"what\": \"events\", \"listeners\": %zu, \"events\": %zu, \"failed\": %zu, "
	       "\"deliveries_per_s\": %.0f, \"us_per_event\": %.1f, \"server_cpu_us_per_delivery\": %.2f, "
	       "\"client_cpu_us_per_delivery\": %.2f, \"server_rss_kib\": %ld}\n",
	       n_listeners, n, n_failed, (double)(n * n_listeners) * 1e9 / (double)(end - begin),
	       (double)(end - begin) / 1e3 / (double)n,
	       (double)(server_cpu_us() - cpu) / (double)(n * n_listeners),
	       (double)(own_cpu_us() - own) / (double)(n * n_listeners), server_rss_kib());
	for (size_t i = 0; i < n_listeners; i++)
		grpc_client_free(listeners[i].client);
	grpc_client_free(slot.client);
	uv_run(&loop, UV_RUN_DEFAULT);
	dv_arena_fini(&arena);
	free(listeners);
	free(times);
}

static size_t number(int argc, char **argv, int i)
{
	return argc > i ? strtoul(argv[i], NULL, 10) : 1;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		die("usage: grpc-load SOCKET calls METHOD N PARALLEL | events LISTENERS N | make N PARALLEL BYTES");
	path = argv[1];
	find_server();
	uv_loop_init(&loop);
	if (strcmp(argv[2], "calls") == 0)
		measure_calls(argv[3], number(argc, argv, 4), number(argc, argv, 5));
	else if (strcmp(argv[2], "events") == 0)
		measure_events(number(argc, argv, 3), number(argc, argv, 4));
	else if (strcmp(argv[2], "make") == 0)
		measure_make(number(argc, argv, 3), number(argc, argv, 4),
			     (int32_t)number(argc, argv, 5));
	else
		die("what?");
	uv_loop_close(&loop);
	return n_failed ? 1 : 0;
}
