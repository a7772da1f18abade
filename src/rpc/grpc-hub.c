/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and things to do soon, for any number of calls and connections with three handles of
 * libuv. The alarms are a binary heap; the timer is set to the first, and fires in vain when that
 * was taken back. See grpc-private.h.
 */

#include "grpc-private.h"

static void timer_fired(uv_timer_t *timer);
static void idle_ran(uv_idle_t *idle);

/* ---- Alarms ---- */

static void place(struct grpc_hub *hub, struct grpc_alarm *a, size_t slot)
{
	hub->heap[slot] = a;
	a->slot = slot;
}

static void sift_up(struct grpc_hub *hub, size_t slot)
{
	struct grpc_alarm *a = hub->heap[slot];

	for (; slot > 1 && hub->heap[slot / 2]->at > a->at; slot /= 2)
		place(hub, hub->heap[slot / 2], slot);
	place(hub, a, slot);
}

static void sift_down(struct grpc_hub *hub, size_t slot)
{
	struct grpc_alarm *a = hub->heap[slot];

	for (size_t child; (child = 2 * slot) <= hub->n_alarms; slot = child) {
		if (child < hub->n_alarms && hub->heap[child + 1]->at < hub->heap[child]->at)
			child++;
		if (hub->heap[child]->at >= a->at)
			break;
		place(hub, hub->heap[child], slot);
	}
	place(hub, a, slot);
}

static void alarm_remove(struct grpc_hub *hub, struct grpc_alarm *a)
{
	struct grpc_alarm *last = hub->heap[hub->n_alarms--];
	size_t slot = a->slot;

	a->slot = 0;
	if (last == a)
		return;
	place(hub, last, slot);
	sift_up(hub, slot);
	sift_down(hub, last->slot);
}

static void alarm_add(struct grpc_hub *hub, struct grpc_alarm *a)
{
	if (hub->n_alarms + 2 > hub->size) {
		hub->size = DV_MAX(2 * hub->size, (size_t)16);
		hub->heap = dv_realloc_n(hub->heap, hub->size, sizeof(*hub->heap));
	}
	hub->heap[++hub->n_alarms] = a;
	sift_up(hub, hub->n_alarms);
}

static void arm(struct grpc_hub *hub)
{
	uint64_t now, at;

	if (!hub->n_alarms || uv_is_closing((uv_handle_t *)&hub->timer))
		return;
	at = hub->heap[1]->at;
	if (hub->due && hub->due <= at)
		return;
	now = uv_hrtime();
	hub->due = at;
	/* Rounded up: a timer that fires early has to be set again. */
	uv_timer_start(&hub->timer, timer_fired, at > now ? (at - now) / 1000000 + 1 : 0, 0);
}

void grpc_alarm_set(struct grpc_hub *hub, struct grpc_alarm *a, uint64_t at)
{
	if (a->slot)
		alarm_remove(hub, a);
	if (!at)
		return;
	a->at = at;
	alarm_add(hub, a);
	arm(hub);
}

void grpc_alarm_by(struct grpc_hub *hub, struct grpc_alarm *a, uint64_t at)
{
	if (!a->slot || a->at > at)
		grpc_alarm_set(hub, a, at);
}

static void timer_fired(uv_timer_t *timer)
{
	struct grpc_hub *hub = dv_container_of(timer, struct grpc_hub, timer);
	uint64_t now = uv_hrtime();

	hub->due = 0;
	while (hub->n_alarms && hub->heap[1]->at <= now) {
		struct grpc_alarm *a = hub->heap[1];

		alarm_remove(hub, a);
		a->fn(a);
	}
	arm(hub);
}

/* ---- Tasks ---- */

void grpc_task_post(struct grpc_hub *hub, struct grpc_task *t)
{
	if (t->prev || uv_is_closing((uv_handle_t *)&hub->idle))
		return;
	if (!hub->tasks)
		uv_idle_start(&hub->idle, idle_ran);
	t->next = NULL;
	t->prev = hub->last_task;
	*hub->last_task = t;
	hub->last_task = &t->next;
}

void grpc_task_cancel(struct grpc_hub *hub, struct grpc_task *t)
{
	if (!t->prev)
		return;
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		hub->last_task = t->prev;
	t->prev = NULL;
}

/* Those that are posted meanwhile wait for the loop's next round. */
static void idle_ran(uv_idle_t *idle)
{
	struct grpc_hub *hub = dv_container_of(idle, struct grpc_hub, idle);
	struct grpc_task mark = { 0 };

	grpc_task_post(hub, &mark);
	while (hub->tasks && hub->tasks != &mark) {
		struct grpc_task *t = hub->tasks;

		grpc_task_cancel(hub, t);
		t->fn(t);
	}
	grpc_task_cancel(hub, &mark);
	if (!hub->tasks && !uv_is_closing((uv_handle_t *)idle))
		uv_idle_stop(idle);
}

/* ---- Life ---- */

void grpc_hub_init(struct grpc_hub *hub, uv_loop_t *loop, void (*closed)(struct grpc_hub *hub))
{
	hub->loop = loop;
	hub->closed = closed;
	hub->last_task = &hub->tasks;
	uv_timer_init(loop, &hub->timer);
	uv_idle_init(loop, &hub->idle);
	hub->n_handles = 2;
	grpc_session_init(hub);
}

void grpc_hub_unref(struct grpc_hub *hub)
{
	if (--hub->n_handles)
		return;
	free(hub->heap);
	nghttp2_session_callbacks_del(hub->callbacks);
	nghttp2_option_del(hub->options);
	hub->closed(hub);
}

static void timer_closed(uv_handle_t *handle)
{
	grpc_hub_unref(dv_container_of((uv_timer_t *)handle, struct grpc_hub, timer));
}

static void idle_closed(uv_handle_t *handle)
{
	grpc_hub_unref(dv_container_of((uv_idle_t *)handle, struct grpc_hub, idle));
}

void grpc_hub_close(struct grpc_hub *hub)
{
	while (hub->n_alarms)
		alarm_remove(hub, hub->heap[1]);
	while (hub->tasks)
		grpc_task_cancel(hub, hub->tasks);
	uv_close((uv_handle_t *)&hub->timer, timer_closed);
	uv_close((uv_handle_t *)&hub->idle, idle_closed);
}
