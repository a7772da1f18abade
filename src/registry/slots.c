/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that were talked to once stay in the list: there are as many as somebody configured. */

#include "slots.h"

#include <stdlib.h>

#include "base/str.h"

struct slots {
	struct slots *next;
	char *server;
	unsigned n_held;
	struct slot *first, **last;
};

static struct slots *slots_of(struct registry *r, const char *server)
{
	struct slots *s = r->slots;

	while (s && !dv_streq(s->server, server))
		s = s->next;
	if (s)
		return s;
	s = dv_new(struct slots);
	s->server = dv_strdup(server);
	s->last = &s->first;
	s->next = r->slots;
	r->slots = s;
	return s;
}

static void granted_task(struct http_task *task)
{
	struct slot *slot = dv_container_of(task, struct slot, task);

	slot->granted(slot);
}

static void grant(struct registry *r, struct slot *slot)
{
	slot->owner->n_held++;
	slot->is_held = true;
	http_post(r->http, &slot->task, granted_task);
}

static void unlink_waiting(struct slots *s, struct slot *slot)
{
	*slot->prev = slot->next;
	if (slot->next)
		slot->next->prev = slot->prev;
	else
		s->last = slot->prev;
	slot->prev = NULL;
}

void slot_request(struct registry *r, const char *server, struct slot *slot,
		  void (*granted)(struct slot *slot))
{
	struct slots *s = slots_of(r, server);

	slot->owner = s;
	slot->granted = granted;
	if (s->n_held < r->opts.max_per_host) {
		grant(r, slot);
		return;
	}
	slot->next = NULL;
	slot->prev = s->last;
	*s->last = slot;
	s->last = &slot->next;
}

void slot_release(struct registry *r, struct slot *slot)
{
	struct slots *s = slot->owner;
	struct slot *next;

	if (!s)
		return;
	http_unpost(&slot->task);
	slot->owner = NULL;
	if (!slot->is_held) {
		unlink_waiting(s, slot);
		return;
	}
	slot->is_held = false;
	s->n_held--;
	next = s->first;
	if (next && s->n_held < r->opts.max_per_host) {
		unlink_waiting(s, next);
		grant(r, next);
	}
}

void slots_free(struct slots *s)
{
	while (s) {
		struct slots *next = s->next;

		free(s->server);
		free(s);
		s = next;
	}
}
