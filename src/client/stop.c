/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal, a while, SIGKILL. The wait is begun before the signal, so the end cannot be missed; many
 * containers can be stopping at a time. See client/stop.h.
 */

#include "client/stop.h"

#include <signal.h>
#include <stdlib.h>

#include "api/containerd/tasks.pb-c.h"
#include "base/signame.h"
#include "base/str.h"
#include "client-private.h"
#include "client/container.h"
#include "client/services.h"
#include "client/task.h"

#define SECOND 1000000000LL

enum { DEFAULT_S = 10, LAST_S = 20 };

struct client_stopping {
	struct client *client;
	const struct client_record *record;
	struct client_pending *wait; /* NULL: nothing to wait for */
	struct client_pending *kill; /* the last signal; what comes of it does not matter */
	uv_timer_t *timer;
	bool is_killed, is_late;
	struct dv_err *e;
};

/* ---- what the container says of it ---------------------------------------------------------------- */

static int own_signal(const struct client_record *r)
{
	const char *text = client_record_label(r, CLIENT_LABEL_STOP_SIGNAL);
	int signo;

	if (!text)
		text = client_record_label(r, "io.containerd.image.config.stop-signal");
	return text && dv_signal_parse(text, &signo) && signo > 0 ? signo : SIGTERM;
}

static int64_t own_timeout(const struct client_record *r)
{
	const char *text = client_record_label(r, CLIENT_LABEL_STOP_TIMEOUT);
	uint32_t seconds;

	return text && dv_parse_u32(text, &seconds) ? seconds * SECOND : DEFAULT_S * SECOND;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void on_timer(uv_timer_t *timer)
{
	struct client_stopping *s = timer->data;

	if (s->is_killed) {
		s->is_late = true;
		return;
	}
	s->is_killed = true;
	s->kill = client_task_kill_start(s->client, s->record->container->id, NULL, SIGKILL);
	(void)uv_timer_start(timer, on_timer, LAST_S * 1000, 0);
}

static void set_timer(struct client_stopping *s, int64_t timeout_ns)
{
	s->timer = dv_new(uv_timer_t);
	(void)uv_timer_init(client_loop(s->client), s->timer);
	s->timer->data = s;
	(void)uv_timer_start(s->timer, on_timer, (uint64_t)(timeout_ns / 1000000), 0);
}

/* Frozen processes take no signal. */
static void resume(struct client_stopping *s)
{
	Containerd__Services__Tasks__V1__ResumeTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__RESUME_TASK_REQUEST__INIT;

	r.container_id = s->record->container->id;
	if (s->record->state == CLIENT_PAUSED)
		dv_err_free(client_call(s->client, CLIENT_TASKS("Resume", &r), NULL, NULL));
}

static bool is_gone(const struct dv_err *e)
{
	return dv_err_code(e) == DV_NOT_FOUND || dv_err_code(e) == DV_PRECONDITION;
}

struct client_stopping *client_stop_begin(struct client *c, const struct client_record *record,
					  const struct client_stop_opts *opts)
{
	struct client_stopping *s = dv_new(struct client_stopping);
	int64_t timeout_ns = opts->timeout_ns >= 0 ? opts->timeout_ns : own_timeout(record);
	int signo = opts->signo > 0 ? opts->signo : own_signal(record);

	s->client = c;
	s->record = record;
	if (record->state != CLIENT_RUNNING && record->state != CLIENT_PAUSED)
		return s;
	s->wait = client_task_wait_start(c, record->container->id, NULL, NULL, NULL);
	if (timeout_ns == 0)
		signo = SIGKILL;
	s->e = client_task_kill(c, record->container->id, NULL, signo);
	if (s->e && is_gone(s->e))
		s->e = dv_err_free(s->e);
	s->is_killed = signo == SIGKILL;
	resume(s);
	set_timer(s, s->is_killed ? LAST_S * SECOND : timeout_ns);
	return s;
}

struct dv_err *client_stop_finish(struct client_stopping *take)
{
	struct client_stopping *s = take;
	struct dv_err *e = dv_steal(&s->e);

	while (s->wait && !e && !client_pending_is_done(s->wait) && !s->is_late)
		client_turn(s->client);
	if (s->wait && client_pending_is_done(s->wait) && !e) {
		e = client_pending_finish(dv_steal(&s->wait), NULL, NULL);
		if (e && is_gone(e))
			e = dv_err_free(e);
	} else if (s->is_late && !e) {
		e = dv_err_new(DV_DEADLINE, "it has not ended %d seconds after SIGKILL", LAST_S);
	}
	if (s->timer)
		uv_close((uv_handle_t *)s->timer, on_closed);
	client_pending_free(s->wait);
	client_pending_free(s->kill);
	free(s);
	return e;
}
