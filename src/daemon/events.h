/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The exchange of events: whoever publishes, whoever listens. Everybody sees the events in one
 * order, that of publishing. There is no replay.
 *
 * Publishing may be done from any thread; the rest is for the loop's.
 */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"
#include "codec/filter.h"
#include "io/work.h"

struct events;

/* Shared by all listeners, who take a reference if they keep it. */
struct event {
	struct timespec at;
	const char *ns, *topic;
	const char *type_url;
	const void *payload; /* an encoded message of that type */
	size_t n_payload;
};

struct events *events_new(struct io_work_pool *post);
/* No listener may be left. Accepts NULL; always returns NULL. */
struct events *events_free(struct events *ev);
DV_DEFINE_CLEANUP(struct events *, events_free);

/*
 * @event is copied. DV_INVALID: a topic that is not "/a/b", a namespace that is none, no type. From
 * any thread; delivered from the loop, never from within.
 */
struct dv_err *events_publish(struct events *ev, const struct event *event) DV_CHECK;

struct event *event_ref(struct event *event);
struct event *event_unref(struct event *event); /* accepts NULL; always returns NULL */
DV_DEFINE_CLEANUP(struct event *, event_unref);

struct events_listener;

/* @event is borrowed for the call. */
typedef void (*events_fn)(void *arg, struct event *event);

/* @take_filter: over namespace, topic and event.<field>; NULL is all. */
struct events_listener *events_listen(struct events *ev, struct dv_filter *take_filter,
				      events_fn fn, void *arg);
/* May be called from within @fn. Accepts NULL; always returns NULL. */
struct events_listener *events_unlisten(struct events_listener *l);

struct events_stats {
	uint64_t published;
	size_t listeners;
};
void events_stats(const struct events *ev, struct events_stats *ret);
