/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.events.v1. A listener that does not read is cut off when 16 MiB wait for it: an
 * event that is missing without a word would be worse.
 */

#include "events.h"

#include "api/containerd/events-grpc.pb-c.h"
#include "convert.h"
#include "rpc/pb.h"
#include "service.h"
#include "services.h"

typedef Containerd__Services__Events__V1__PublishRequest PublishRequest;
typedef Containerd__Services__Events__V1__ForwardRequest ForwardRequest;
typedef Containerd__Services__Events__V1__SubscribeRequest SubscribeRequest;

void daemon_publish(struct daemon *d, const char *ns, const char *topic,
		    const ProtobufCMessage *msg)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf payload = DV_STRBUF_INIT;
	struct event event = { .ns = ns, .topic = topic, .type_url = pb_any_url(msg) };
	struct dv_err *e;

	clock_gettime(CLOCK_REALTIME, &event.at);
	pb_pack(msg, &payload);
	event.payload = payload.data;
	event.n_payload = payload.len;
	e = events_publish(d->events, &event);
	if (e)
		dv_log(d->log, DV_ERROR, "%s", dv_err_message(e));
	dv_err_free(e);
}

static void publish(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const PublishRequest *req = (const PublishRequest *)msg;
	struct daemon *d = arg;
	struct daemon_call c;
	struct event event = {};
	struct dv_err *e;

	e = daemon_call_begin(call, d, true, &c);
	if (!e && !req->event)
		e = dv_err_new(DV_INVALID, "publish: no event");
	if (!e) {
		clock_gettime(CLOCK_REALTIME, &event.at);
		event.ns = c.ns;
		event.topic = req->topic;
		event.type_url = req->event->type_url;
		event.payload = req->event->value.data;
		event.n_payload = req->event->value.len;
		e = events_publish(d->events, &event);
	}
	if (e)
		grpc_fail(call, e);
	else
		grpc_reply(call, NULL);
}

struct dv_err *daemon_forward(struct daemon *d, const Containerd__Types__Envelope *envelope)
{
	struct event event;
	struct dv_err *e;

	if (!envelope || !envelope->event)
		return dv_err_new(DV_INVALID, "forward: no event");
	e = convert_time_in(envelope->timestamp, &event.at);
	if (e)
		return e;
	event.ns = envelope->namespace_;
	event.topic = envelope->topic;
	event.type_url = envelope->event->type_url;
	event.payload = envelope->event->value.data;
	event.n_payload = envelope->event->value.len;
	return events_publish(d->events, &event);
}

static void forward(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct dv_err *e = daemon_forward(arg, ((const ForwardRequest *)msg)->envelope);

	if (e)
		grpc_fail(call, e);
	else
		grpc_reply(call, NULL);
}

struct subscriber {
	struct grpc_call *call;
	struct events_listener *listener;
};

static void subscriber_end(struct subscriber *s, struct dv_err *take_e)
{
	s->listener = events_unlisten(s->listener);
	grpc_call_on_cancel(s->call, NULL, NULL);
	grpc_fail(s->call, take_e);
}

static void on_cancel(void *arg)
{
	subscriber_end(arg, dv_err_new(DV_CANCELLED, "the listener has gone"));
}

static void on_event(void *arg, struct event *event)
{
	struct subscriber *s = arg;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Containerd__Types__Envelope envelope = CONTAINERD__TYPES__ENVELOPE__INIT;
	struct dv_err *e;

	PB_TIMESTAMP_SET(&at, &event->at);
	any.type_url = (char *)event->type_url;
	any.value.data = (uint8_t *)event->payload;
	any.value.len = event->n_payload;
	envelope.timestamp = &at;
	envelope.namespace_ = (char *)event->ns;
	envelope.topic = (char *)event->topic;
	envelope.event = &any;
	e = grpc_send(s->call, &envelope.base);
	if (e)
		subscriber_end(s, dv_err_wrap(e, "events"));
}

static void subscribe(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const SubscribeRequest *req = (const SubscribeRequest *)msg;
	struct daemon *d = arg;
	struct dv_filter *filter;
	struct subscriber *s;
	struct dv_err *e;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	s = dv_arena_new(grpc_call_arena(call), struct subscriber);
	s->call = call;
	s->listener = events_listen(d->events, filter, on_event, s);
	grpc_call_on_cancel(call, on_cancel, s);
}

static const struct grpc_method methods[] = {
	{ .name = "Publish",
	  .request = &containerd__services__events__v1__publish_request__descriptor,
	  .fn = publish },
	{ .name = "Forward",
	  .request = &containerd__services__events__v1__forward_request__descriptor,
	  .fn = forward },
	{ .name = "Subscribe",
	  .request = &containerd__services__events__v1__subscribe_request__descriptor,
	  .fn = subscribe,
	  .is_server_stream = true,
	  .is_read_only = true },
};

const struct grpc_service daemon_events_service = {
	.name = "containerd.services.events.v1.Events",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
