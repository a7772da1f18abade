/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait, to a server of ours in another thread. */

#include "client/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/events-grpc.pb-c.h"
#include "api/containerd/namespaces.pb-c.h"
#include "api/containerd/version.pb-c.h"
#include "base/test.h"
#include "client/services.h"
#include "rpc/grpc.h"
#include "sys/sock.h"

enum { N_EVENTS = 300 };

static char dir[] = "/tmp/davit-client-XXXXXX", *path;
static pthread_t thread;
static uv_async_t stop;
static struct client *c;
static struct dv_arena arena;

/* ---- The server ---- */

static void version(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	Containerd__Services__Version__V1__VersionResponse reply =
		CONTAINERD__SERVICES__VERSION__V1__VERSION_RESPONSE__INIT;
	const char *lease = grpc_call_metadata(call, "containerd-lease");

	(void)req;
	(void)arg;
	reply.version = (char *)grpc_call_metadata(call, "containerd-namespace");
	reply.revision = (char *)(lease ? lease : "");
	grpc_reply(call, &reply.base);
}

static struct grpc_call *calls[8]; /* the server's thread */
static size_t n_held;

static void get_namespace(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Services__Namespaces__V1__GetNamespaceRequest *r = (const void *)req;

	(void)arg;
	if (strcmp(r->name, "hold") == 0) {
		dv_assert(n_held < DV_ARRAY_SIZE(calls));
		calls[n_held++] = call; /* until the server closes */
		return;
	}
	grpc_fail(call, dv_err_new(DV_NOT_FOUND, "no namespace \"%s\"", r->name));
}

static void subscribe(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Services__Events__V1__SubscribeRequest *r = (const void *)req;
	Containerd__Types__Envelope reply = CONTAINERD__TYPES__ENVELOPE__INIT;
	struct dv_err *e = NULL;

	(void)arg;
	for (int i = 0; i < N_EVENTS && !e; i++) {
		reply.topic = dv_arena_printf(grpc_call_arena(call), "/%d", i);
		e = grpc_send(call, &reply.base);
	}
	if (!e && r->n_filters)
		e = dv_err_new(DV_INVALID, "filter \"%s\"", r->filters[0]);
	if (e)
		grpc_fail(call, e);
	else
		grpc_reply(call, NULL);
}

static void on_write(void *arg, const ProtobufCMessage *msg)
{
	const Containerd__Services__Content__V1__WriteContentRequest *r = (const void *)msg;
	Containerd__Services__Content__V1__WriteContentResponse reply =
		CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_RESPONSE__INIT;
	struct grpc_call *call = arg;

	if (!msg) {
		grpc_reply(call, NULL);
		return;
	}
	reply.offset = r->offset + (int64_t)r->data.len;
	dv_err_free(grpc_send(call, &reply.base));
	grpc_call_next(call);
}

static void write_content(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)req;
	(void)arg;
	grpc_call_on_data(call, on_write, call);
}

static const struct grpc_service services[] = {
	{ .name = "containerd.services.version.v1.Version",
	  .methods =
		  (const struct grpc_method[]){ { .name = "Version",
						  .request = &google__protobuf__empty__descriptor,
						  .fn = version } },
	  .n_methods = 1 },
	{ .name = "containerd.services.namespaces.v1.Namespaces",
	  .methods =
		  (const struct grpc_method[]){
			  { .name = "Get",
			    .request =
				    &containerd__services__namespaces__v1__get_namespace_request__descriptor,
			    .fn = get_namespace } },
	  .n_methods = 1 },
	{ .name = "containerd.services.events.v1.Events",
	  .methods =
		  (const struct grpc_method[]){
			  { .name = "Subscribe",
			    .request =
				    &containerd__services__events__v1__subscribe_request__descriptor,
			    .fn = subscribe,
			    .is_server_stream = true } },
	  .n_methods = 1 },
	{ .name = "containerd.services.content.v1.Content",
	  .methods =
		  (const struct grpc_method[]){
			  { .name = "Write",
			    .request =
				    &containerd__services__content__v1__write_content_request__descriptor,
			    .fn = write_content,
			    .is_client_stream = true,
			    .is_server_stream = true } },
	  .n_methods = 1 },
};

static void on_stop(uv_async_t *a)
{
	while (n_held > 0)
		grpc_fail(calls[--n_held], dv_err_new(DV_CANCELLED, "the end"));
	grpc_server_close(a->data, 0, NULL, NULL);
	uv_close((uv_handle_t *)a, NULL);
}

static void *serve(void *arg)
{
	uv_loop_t *loop = arg;

	uv_run(loop, UV_RUN_DEFAULT);
	return NULL;
}

static uv_loop_t loop;

static void setup(void)
{
	struct grpc_server *s = NULL;
	int fd;

	cr_assert(mkdtemp(dir));
	path = dv_printf("%s/sock", dir);
	fd = sys_unix_socket();
	cr_assert(fd >= 0 && sys_unix_bind(fd, path, 0600) == 0 && sys_listen(fd, 5) == 0);
	cr_assert(uv_loop_init(&loop) == 0);
	T_NULL(grpc_server_new(&(struct grpc_server_opts){ .loop = &loop }, &s));
	T_NULL(grpc_server_listen(s, &(struct grpc_listen_opts){ .take_fd = fd }));
	for (size_t i = 0; i < DV_ARRAY_SIZE(services); i++)
		grpc_server_add(s, &services[i], NULL);
	cr_assert(uv_async_init(&loop, &stop, on_stop) == 0);
	stop.data = s;
	cr_assert(pthread_create(&thread, NULL, serve, &loop) == 0);
	T_NULL(client_new(&(struct client_opts){ .address = path, .ns = "n" }, &c));
	dv_arena_init(&arena);
}

static void teardown(void)
{
	client_free(c);
	dv_arena_fini(&arena);
	uv_async_send(&stop);
	pthread_join(thread, NULL);
	uv_loop_close(&loop);
	unlink(path);
	rmdir(dir);
	free(path);
}

TestSuite(client, .init = setup, .fini = teardown);

typedef Containerd__Services__Version__V1__VersionResponse version_reply;

static void expect_error(struct dv_err *take_e, enum dv_code code, const char *message)
{
	T_NOT_NULL(take_e);
	T_INT(dv_err_code(take_e), ==, code);
	if (message)
		T_STR(dv_err_message(take_e), message);
	dv_err_free(take_e);
}

static struct dv_err *get(const char *name, uint64_t timeout_ns)
{
	Containerd__Services__Namespaces__V1__GetNamespaceRequest r =
		CONTAINERD__SERVICES__NAMESPACES__V1__GET_NAMESPACE_REQUEST__INIT;
	struct client_request request;

	r.name = (char *)name;
	request = *CLIENT_NAMESPACES("Get", &r);
	request.timeout_ns = timeout_ns;
	return client_call(c, &request, NULL, NULL);
}

Test(client, call)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct client_request r = *CLIENT_VERSION("Version", &empty);
	const version_reply *reply = NULL;

	T_NULL(client_call(c, &r, &arena, &reply));
	T_STR(reply->version, "n");
	T_STR(reply->revision, "");
	r.ns = "other";
	r.lease = "l";
	T_NULL(client_call(c, &r, &arena, &reply));
	T_STR(reply->version, "other");
	T_STR(reply->revision, "l");
}

Test(client, errors)
{
	expect_error(get("x", 0), DV_NOT_FOUND, "no namespace \"x\"");
	expect_error(get("hold", 20000000), DV_DEADLINE, NULL);
}

Test(client, nobody_listens)
{
	struct client *other = NULL;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	T_NULL(client_new(&(struct client_opts){ .address = "/nonexistent/sock" }, &other));
	T_STR(client_namespace(other), "default");
	expect_error(client_call(other, CLIENT_VERSION("Version", &empty), NULL, NULL),
		     DV_UNAVAILABLE, NULL);
	client_free(other);
}

static void count(void *arg)
{
	++*(int *)arg;
}

Test(client, in_the_background)
{
	Containerd__Services__Namespaces__V1__GetNamespaceRequest hold =
		CONTAINERD__SERVICES__NAMESPACES__V1__GET_NAMESPACE_REQUEST__INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct client_pending *held, *p;
	const version_reply *reply = NULL;
	int n_done = 0;

	hold.name = (char *)"hold";
	held = client_start(c, CLIENT_NAMESPACES("Get", &hold), count, &n_done);
	p = client_start(c, CLIENT_VERSION("Version", &empty), count, &n_done);
	T_INT(n_done, ==, 0);
	expect_error(get("x", 0), DV_NOT_FOUND, NULL); /* the loop runs */
	T_NULL(client_pending_finish(p, &arena, &reply));
	T_STR(reply->version, "n");
	T_INT(n_done, ==, 1);
	T_FALSE(client_pending_is_done(held));
	T_NULL(client_pending_free(held));
	T_INT(n_done, ==, 1);
}

static struct client_stream *subscribe_to(const char *filter)
{
	Containerd__Services__Events__V1__SubscribeRequest r =
		CONTAINERD__SERVICES__EVENTS__V1__SUBSCRIBE_REQUEST__INIT;
	char *filters[] = { (char *)filter };

	if (filter) {
		r.n_filters = 1;
		r.filters = filters;
	}
	return client_stream_open(c, CLIENT_EVENTS("Subscribe", &r), false);
}

Test(client, stream_of_the_server)
{
	struct client_stream *st = subscribe_to("f");
	const Containerd__Types__Envelope *msg = NULL;
	char topic[16];

	for (int i = 0; i < N_EVENTS; i++) {
		T_NULL(client_stream_receive(st, &msg));
		T_NOT_NULL(msg);
		(void)snprintf(topic, sizeof(topic), "/%d", i);
		T_STR(msg->topic, topic);
	}
	expect_error(client_stream_receive(st, &msg), DV_INVALID, "filter \"f\"");
	T_NULL(client_stream_close(st));

	st = subscribe_to(NULL);
	T_NULL(client_stream_receive(st, &msg));
	T_STR(msg->topic, "/0");
	T_NULL(client_stream_close(st)); /* in the middle */
}

struct seen {
	int n, n_ends;
};

static void on_event(void *arg, const ProtobufCMessage *msg)
{
	struct seen *s = arg;

	s->n += msg != NULL;
	s->n_ends += msg == NULL;
}

Test(client, stream_with_a_callback)
{
	struct client_stream *st = subscribe_to(NULL);
	const Containerd__Types__Envelope *msg = (const void *)&c;
	struct seen seen = { 0 };

	client_stream_on_message(st, on_event, &seen);
	T_NULL(client_stream_receive(st, &msg));
	T_NULL(msg);
	T_INT(seen.n, ==, N_EVENTS);
	T_INT(seen.n_ends, ==, 1);
	T_NULL(client_stream_close(st));
}

Test(client, stream_of_both)
{
	Containerd__Services__Content__V1__WriteContentRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
	const Containerd__Services__Content__V1__WriteContentResponse *reply = NULL;
	static uint8_t bytes[100000];
	struct client_stream *st = client_stream_open(c, CLIENT_CONTENT("Write", &r), true);

	for (int i = 0; i < 50; i++) {
		r.data = (ProtobufCBinaryData){ .data = bytes, .len = sizeof(bytes) };
		T_NULL(client_stream_send(st, &r.base));
		r.offset += (int64_t)sizeof(bytes);
	}
	client_stream_end(st);
	for (int i = 0; i <= 50; i++) { /* the first message was empty */
		T_NULL(client_stream_receive(st, &reply));
		T_NOT_NULL(reply);
		T_INT(reply->offset, ==, (int64_t)sizeof(bytes) * i);
	}
	T_NULL(client_stream_receive(st, &reply));
	T_NULL(reply);
	T_NULL(client_stream_close(st));
}
