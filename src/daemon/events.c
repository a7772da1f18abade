/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event is one block of memory with a counter, made by whoever publishes and posted to the loop.
 * Listeners that go away while one is being delivered are only marked then.
 */

#include "events.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "events-private.h"
#include "store/meta.h"

enum { TOPIC_MAX = 1024 };

struct events_listener {
	struct events *ev;
	struct events_listener *next;
	struct dv_filter *filter;
	events_fn fn; /* NULL: it has gone */
	void *arg;
};

struct events {
	struct io_work_pool *post;
	struct events_listener *listeners, **end;
	size_t n_listeners;
	uint64_t n_published;
	unsigned depth; /* of deliveries */
	bool has_gone; /* some listener, while depth > 0 */
};

/* What events.h shows, and what is behind it in memory. */
struct item {
	struct event event;
	struct events *ev;
	unsigned n_refs; /* the loop's alone */
	char bytes[];
};

struct event *event_ref(struct event *event)
{
	dv_container_of(event, struct item, event)->n_refs++;
	return event;
}

struct event *event_unref(struct event *event)
{
	struct item *item;

	if (!event)
		return NULL;
	item = dv_container_of(event, struct item, event);
	if (--item->n_refs == 0)
		free(item);
	return NULL;
}

struct events *events_new(struct io_work_pool *post)
{
	struct events *ev = dv_new(struct events);

	ev->post = post;
	ev->end = &ev->listeners;
	return ev;
}

struct events *events_free(struct events *ev)
{
	if (!ev)
		return NULL;
	dv_assert(!ev->listeners);
	free(ev);
	return NULL;
}

static void sweep(struct events *ev)
{
	struct events_listener **at = &ev->listeners, *l;

	while ((l = *at)) {
		if (l->fn) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
	}
	ev->end = at;
	ev->has_gone = false;
}

static void deliver(void *arg)
{
	struct item *item = arg;
	struct events *ev = item->ev;
	struct event_fields fields = { .event = &item->event };

	item->n_refs = 1;
	ev->n_published++;
	ev->depth++;
	for (struct events_listener *l = ev->listeners; l; l = l->next) {
		if (l->fn && (!l->filter || dv_filter_match(l->filter, event_field, &fields)))
			l->fn(l->arg, &item->event);
	}
	if (--ev->depth == 0 && ev->has_gone)
		sweep(ev);
	event_fields_fini(&fields);
	event_unref(&item->event);
}

/* "/tasks/exit": parts with the rule of names behind slashes. */
static struct dv_err *topic_check(const char *topic)
{
	char part[TOPIC_MAX];
	struct dv_err *e;

	if (*topic != '/')
		return dv_err_new(DV_INVALID, "topic \"%s\" must start with '/'", topic);
	if (!topic[1] || strlen(topic) >= TOPIC_MAX)
		return dv_err_new(DV_INVALID, "topic is empty, or longer than %d bytes", TOPIC_MAX);
	while (*topic == '/') {
		size_t n = strcspn(topic + 1, "/");

		memcpy(part, topic + 1, n);
		part[n] = '\0';
		e = meta_id_check("part of a topic", part);
		if (e)
			return e;
		topic += n + 1;
	}
	return NULL;
}

static struct dv_err *check(const struct event *event)
{
	struct dv_err *e = meta_id_check("namespace", event->ns);

	if (!e)
		e = topic_check(event->topic);
	if (!e && (!event->type_url || !*event->type_url))
		e = dv_err_new(DV_INVALID, "event of topic %s has no type", event->topic);
	return dv_err_wrap(e, "publish an event");
}

static const char *put(char **at, const void *p, size_t n)
{
	char *to = *at;

	if (n > 0)
		memcpy(to, p, n);
	*at += n;
	return to;
}

struct dv_err *events_publish(struct events *ev, const struct event *event)
{
	size_t n_ns, n_topic, n_type;
	struct item *item;
	struct dv_err *e;
	char *at;

	e = check(event);
	if (e)
		return e;
	n_ns = strlen(event->ns) + 1;
	n_topic = strlen(event->topic) + 1;
	n_type = strlen(event->type_url) + 1;
	item = dv_alloc(sizeof(*item) + n_ns + n_topic + n_type + event->n_payload);
	at = item->bytes;
	item->ev = ev;
	item->event.at = event->at;
	item->event.ns = put(&at, event->ns, n_ns);
	item->event.topic = put(&at, event->topic, n_topic);
	item->event.type_url = put(&at, event->type_url, n_type);
	item->event.payload = put(&at, event->payload, event->n_payload);
	item->event.n_payload = event->n_payload;
	io_work_post(ev->post, deliver, item);
	return NULL;
}

struct events_listener *events_listen(struct events *ev, struct dv_filter *take_filter,
				      events_fn fn, void *arg)
{
	struct events_listener *l = dv_new(struct events_listener);

	l->ev = ev;
	l->filter = take_filter;
	l->fn = fn;
	l->arg = arg;
	*ev->end = l;
	ev->end = &l->next;
	ev->n_listeners++;
	return l;
}

struct events_listener *events_unlisten(struct events_listener *l)
{
	struct events *ev;

	if (!l)
		return NULL;
	ev = l->ev;
	l->fn = NULL;
	l->filter = dv_filter_free(l->filter);
	ev->n_listeners--;
	ev->has_gone = true;
	if (ev->depth == 0)
		sweep(ev);
	return NULL;
}

void events_stats(const struct events *ev, struct events_stats *ret)
{
	*ret = (struct events_stats){ .published = ev->n_published, .listeners = ev->n_listeners };
}
