/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue is the spool, and behind it, where that fails, a list in memory; so what is in memory
 * is always younger. An event stays in its queue until the daemon has it:
 *
 *	idle --publish--> sending --taken--> next one, or idle
 *	                     |  ^
 *	              failed |  | time is up
 *	                     v  |
 *	                   waiting (50 ms, doubled up to 1 s)
 */

#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/containerd/events-ttrpc.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "base/mem.h"
#include "events-private.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "rpc/pb.h"
#include "rpc/ttrpc.h"
#include "sys/file.h"

typedef Containerd__Services__Events__Ttrpc__V1__ForwardRequest Forward;

#define TRY_NS (5 * UINT64_C(1000000000))

enum {
	DELAY_MIN_MS = 50,
	DELAY_MAX_MS = 1000,
	REFUSALS_MAX = 10, /* of one event, by a daemon that is there and gives no good reason */
	MEMORY_MAX = 256 * 1024,
};

struct item {
	struct item *next;
	size_t n;
	uint8_t bytes[];
};

struct shim_events {
	uv_loop_t *loop;
	const struct dv_log *log;
	char *ns, *binary, *address;
	const char *const *envp;
	struct ttrpc_client *client; /* NULL: by the binary, or nobody wants events */

	struct spool spool;
	struct item *items, **items_end;
	size_t n_items, n_bytes;

	bool is_sending, is_freed;
	struct io_child *child;
	uv_timer_t retry, flush_timer;
	unsigned n_handles;
	unsigned n_tries; /* of the first event */
	bool is_away, has_spool_warning, has_drop_warning;

	bool is_flushing;
	struct shim_events_flush flush;
};

/* ---- topics ----------------------------------------------------------------------------------- */

#define EVENT(name) &containerd__events__##name##__descriptor

static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *topic;
} topics[] = {
	{ EVENT(task_create), "/tasks/create" },
	{ EVENT(task_start), "/tasks/start" },
	{ EVENT(task_delete), "/tasks/delete" },
	{ EVENT(task_exit), "/tasks/exit" },
	{ EVENT(task_oom), "/tasks/oom" },
	{ EVENT(task_exec_added), "/tasks/exec-added" },
	{ EVENT(task_exec_started), "/tasks/exec-started" },
	{ EVENT(task_paused), "/tasks/paused" },
	{ EVENT(task_resumed), "/tasks/resumed" },
	{ EVENT(task_checkpointed), "/tasks/checkpointed" },
	{ EVENT(sandbox_create), "/sandboxes/create" },
	{ EVENT(sandbox_start), "/sandboxes/start" },
	{ EVENT(sandbox_exit), "/sandboxes/exit" },
};

const char *shim_events_topic(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(topics); i++) {
		if (topics[i].type == type)
			return topics[i].topic;
	}
	return NULL;
}

static void encode(const struct shim_events *ev, const ProtobufCMessage *event, const char *topic,
		   struct dv_strbuf *out)
{
	Google__Protobuf__Timestamp when = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Containerd__Types__Envelope envelope = CONTAINERD__TYPES__ENVELOPE__INIT;
	Forward forward = CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	struct dv_arena arena;
	struct timespec now;

	dv_arena_init(&arena);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	PB_TIMESTAMP_SET(&when, &now);
	any.type_url = (char *)pb_any_url(event);
	any.value = pb_pack_arena(event, &arena);
	envelope.timestamp = &when;
	envelope.namespace_ = ev->ns;
	envelope.topic = (char *)topic;
	envelope.event = &any;
	forward.envelope = &envelope;
	pb_pack(&forward.base, out);
	dv_arena_fini(&arena);
}

/* ---- the two queues -------------------------------------------------------------------------- */

static void warn_dropped(struct shim_events *ev, const char *what, const char *why)
{
	dv_log(ev->log, ev->has_drop_warning ? DV_DEBUG : DV_WARN, "event %s dropped: %s", what,
	       why);
	ev->has_drop_warning = true;
}

static struct dv_err *open_spool(struct shim_events *ev, bool is_made)
{
	bool is_damaged;
	struct dv_err *e;

	if (ev->spool.fd >= 0)
		return NULL;
	e = spool_open(&ev->spool, is_made, &is_damaged);
	if (!e && is_damaged)
		dv_log(ev->log, DV_WARN, "%s was damaged; the events in it are lost",
		       ev->spool.path);
	return e;
}

static bool add_to_spool(struct shim_events *ev, const struct dv_strbuf *record)
{
	struct dv_err *e;

	if (!ev->spool.path || ev->n_items > 0)
		return false;
	e = open_spool(ev, true);
	if (!e)
		e = spool_append(&ev->spool, record->data, record->len);
	if (!e) {
		ev->has_spool_warning = false;
		return true;
	}
	if (!ev->has_spool_warning)
		dv_log(ev->log, DV_WARN, "keep events: %s", dv_err_message(e));
	ev->has_spool_warning = true;
	dv_err_free(e);
	return false;
}

static bool add_to_memory(struct shim_events *ev, const struct dv_strbuf *record)
{
	struct item *item;

	if (record->len > MEMORY_MAX - ev->n_bytes)
		return false;
	item = dv_alloc(sizeof(*item) + record->len);
	item->n = record->len;
	memcpy(item->bytes, record->data, record->len);
	*ev->items_end = item;
	ev->items_end = &item->next;
	ev->n_items++;
	ev->n_bytes += item->n;
	return true;
}

static void drop_item(struct shim_events *ev)
{
	struct item *item = ev->items;

	ev->items = item->next;
	if (!ev->items)
		ev->items_end = &ev->items;
	ev->n_items--;
	ev->n_bytes -= item->n;
	free(item);
}

static void drop_first(struct shim_events *ev)
{
	struct dv_err *e;

	ev->n_tries = 0;
	if (ev->spool.n_records == 0) {
		drop_item(ev);
		return;
	}
	e = spool_drop(&ev->spool);
	if (e)
		dv_log(ev->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);
}

/* The first event as a message in @arena; one that is none is dropped: NULL. */
static const Forward *first(struct shim_events *ev, struct dv_arena *arena)
{
	DV_CLEANUP(dv_freep) void *from_spool = NULL;
	const void *p = NULL;
	ProtobufCMessage *msg = NULL;
	struct dv_err *e = NULL;
	size_t n = 0;

	if (ev->spool.n_records > 0) {
		e = spool_first(&ev->spool, &from_spool, &n);
		p = from_spool;
	} else {
		p = ev->items->bytes;
		n = ev->items->n;
	}
	if (!e)
		e = pb_unpack(&containerd__services__events__ttrpc__v1__forward_request__descriptor,
			      p, n, arena, 0, &msg);
	if (!e && !(((Forward *)msg)->envelope && ((Forward *)msg)->envelope->event))
		e = dv_err_new(DV_DATA_LOSS, "not an event");
	if (!e)
		return (const Forward *)msg;
	warn_dropped(ev, "of an earlier process", dv_err_message(e));
	dv_err_free(e);
	drop_first(ev);
	return NULL;
}

size_t shim_events_pending(const struct shim_events *ev)
{
	return ev->spool.n_records + ev->n_items;
}

/* ---- flush ------------------------------------------------------------------------------------ */

static void end_flush(struct shim_events *ev)
{
	if (!ev->is_flushing)
		return;
	ev->is_flushing = false;
	(void)uv_timer_stop(&ev->flush_timer);
	ev->flush.done(ev->flush.arg, shim_events_pending(ev) == 0);
}

static void on_flush_timer(uv_timer_t *timer)
{
	end_flush(dv_container_of(timer, struct shim_events, flush_timer));
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void pump(struct shim_events *ev);

static bool is_refused_for_good(enum dv_code code)
{
	return code == DV_INVALID || code == DV_OUT_OF_RANGE || code == DV_UNIMPLEMENTED;
}

/* The daemon is not there, or has no time. */
static bool is_away(enum dv_code code)
{
	return code == DV_UNAVAILABLE || code == DV_DEADLINE || code == DV_CANCELLED ||
	       code == DV_EXHAUSTED;
}

static void on_retry(uv_timer_t *timer)
{
	pump(dv_container_of(timer, struct shim_events, retry));
}

static void wait_and_retry(struct shim_events *ev, const struct dv_err *e)
{
	unsigned shift = DV_MIN(ev->n_tries - 1, 8U);

	if (!ev->is_away)
		dv_log(ev->log, DV_WARN, "the daemon takes no events, they are kept: %s",
		       dv_err_message(e));
	ev->is_away = true;
	(void)uv_timer_start(&ev->retry, on_retry, DV_MIN(DELAY_MIN_MS << shift, DELAY_MAX_MS), 0);
}

static void taken(struct shim_events *ev)
{
	drop_first(ev);
	ev->has_drop_warning = false;
	if (ev->is_away)
		dv_log(ev->log, DV_INFO, "the daemon takes events again");
	ev->is_away = false;
}

/* One try is over. Consumes @take_e. */
static void tried(struct shim_events *ev, struct dv_err *take_e)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	enum dv_code code;

	ev->is_sending = false;
	if (ev->is_freed)
		return;
	if (!e) {
		taken(ev);
		pump(ev);
		return;
	}
	code = dv_err_code(e);
	ev->n_tries++;
	if (is_refused_for_good(code) || (!is_away(code) && ev->n_tries >= REFUSALS_MAX)) {
		warn_dropped(ev, "that the daemon refuses", dv_err_message(e));
		drop_first(ev);
		pump(ev);
		return;
	}
	wait_and_retry(ev, e);
	if (ev->is_flushing && ev->flush.is_once)
		end_flush(ev);
}

static void on_forwarded(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	(void)reply;
	tried(arg, take_e);
}

static void send_by_ttrpc(struct shim_events *ev, const Forward *forward)
{
	const struct ttrpc_metadata metadata[] = {
		{ "containerd-namespace-ttrpc", forward->envelope->namespace_ },
	};
	const struct ttrpc_request request = {
		.service = "containerd.services.events.ttrpc.v1.Events",
		.method = "Forward",
		.msg = &forward->base,
		.timeout_ns = TRY_NS,
		.metadata = metadata,
		.n_metadata = DV_ARRAY_SIZE(metadata),
	};

	ttrpc_client_call(ev->client, &request, on_forwarded, ev);
}

static void on_published(void *arg, const struct io_child_result *result)
{
	struct shim_events *ev = arg;
	int status = io_exit_status(&result->si);
	struct dv_err *e = NULL;

	ev->child = NULL;
	if (result->is_timed_out)
		e = dv_err_new(DV_DEADLINE, "%s publish: not done in time", ev->binary);
	else if (status != 0)
		e = dv_err_new(DV_UNAVAILABLE, "%s publish: status %d: %.*s", ev->binary, status,
			       (int)strcspn(result->err, "\n"), result->err);
	tried(ev, e);
}

static int memfd_of(const ProtobufCMessage *msg)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	DV_CLEANUP(sys_closep) int fd = sys_memfd("event", 0);
	int r;

	if (fd < 0)
		return fd;
	pb_pack(msg, &b);
	r = sys_write_all(fd, b.data, b.len);
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : dv_steal_fd(&fd);
}

/* What shims did before daemons had ttrpc: the event on standard input. */
static struct dv_err *send_by_program(struct shim_events *ev, const Forward *forward)
{
	const Containerd__Types__Envelope *env = forward->envelope;
	const char *const argv[] = { ev->binary,    "--address",     ev->address,
				     "publish",	    "--topic",	     env->topic,
				     "--namespace", env->namespace_, NULL };
	DV_CLEANUP(sys_closep) int fd = memfd_of(&env->event->base);
	const struct io_child_opts opts = {
		.path = ev->binary,
		.argv = argv,
		.envp = ev->envp,
		.stdio = { fd, -1, IO_CHILD_CAPTURE },
		.timeout_ns = TRY_NS,
		.capture_max = 4096,
		.has_new_group = true,
	};

	if (fd < 0)
		return dv_err_sys(fd, "keep an event in memory");
	return io_child_run(ev->loop, &opts, on_published, ev, &ev->child);
}

static void send_first(struct shim_events *ev, const Forward *forward)
{
	struct dv_err *e;

	ev->is_sending = true;
	if (ev->client) {
		send_by_ttrpc(ev, forward);
		return;
	}
	e = send_by_program(ev, forward);
	if (e)
		tried(ev, e);
}

static void pump(struct shim_events *ev)
{
	struct dv_arena arena;
	const Forward *forward = NULL;

	if (ev->is_sending || uv_is_active((uv_handle_t *)&ev->retry))
		return;
	dv_arena_init(&arena);
	while (!forward && shim_events_pending(ev) > 0)
		forward = first(ev, &arena);
	if (forward)
		send_first(ev, forward);
	dv_arena_fini(&arena);
	if (!forward)
		end_flush(ev);
}

/* ---- the object ------------------------------------------------------------------------------- */

static bool can_send(const struct shim_events *ev)
{
	return ev->client || ev->binary;
}

void shim_events_publish(struct shim_events *ev, const ProtobufCMessage *event)
{
	const char *topic = shim_events_topic(event->descriptor);
	struct dv_strbuf record = DV_STRBUF_INIT;

	dv_assert(topic);
	if (!can_send(ev)) {
		dv_log(ev->log, DV_DEBUG, "event %s: there is no daemon to be told", topic);
		return;
	}
	encode(ev, event, topic, &record);
	if (!add_to_spool(ev, &record) && !add_to_memory(ev, &record))
		warn_dropped(ev, topic, "there is no room for it");
	dv_strbuf_fini(&record);
	pump(ev);
}

void shim_events_flush(struct shim_events *ev, const struct shim_events_flush *flush)
{
	bool is_waiting = uv_is_active((uv_handle_t *)&ev->retry);
	bool is_over = shim_events_pending(ev) == 0 || (is_waiting && flush->is_once);

	dv_assert(!ev->is_flushing);
	ev->is_flushing = true;
	ev->flush = *flush;
	/* Without anything to be done the timer calls back at once, but not from within. */
	(void)uv_timer_start(&ev->flush_timer, on_flush_timer, is_over ? 0 : flush->timeout_ms, 0);
	if (is_waiting && !is_over) {
		(void)uv_timer_stop(&ev->retry);
		pump(ev);
	}
}

static char *given(const char *s)
{
	return s && *s ? dv_strdup(s) : NULL;
}

struct shim_events *shim_events_new(const struct shim_events_opts *opts)
{
	struct shim_events *ev = dv_new(struct shim_events);
	struct dv_err *e;

	ev->loop = opts->loop;
	ev->log = opts->log;
	ev->ns = dv_strdup(opts->ns ? opts->ns : "");
	ev->envp = opts->envp;
	ev->items_end = &ev->items;
	if (opts->ttrpc_address && *opts->ttrpc_address) {
		ev->client = ttrpc_client_new(opts->loop, opts->ttrpc_address);
	} else {
		ev->binary = given(opts->publish_binary);
		ev->address = dv_strdup(opts->grpc_address ? opts->grpc_address : "");
	}
	(void)uv_timer_init(ev->loop, &ev->retry);
	(void)uv_timer_init(ev->loop, &ev->flush_timer);
	ev->n_handles = 2;
	spool_init(&ev->spool, can_send(ev) ? opts->spool : NULL);
	if (ev->spool.path) {
		e = open_spool(ev, false);
		if (e)
			dv_log(ev->log, DV_WARN, "events of an earlier process: %s",
			       dv_err_message(e));
		dv_err_free(e);
		pump(ev);
	}
	return ev;
}

static void on_closed(uv_handle_t *handle)
{
	struct shim_events *ev = handle->data;

	if (--ev->n_handles == 0)
		free(ev);
}

struct shim_events *shim_events_free(struct shim_events *ev)
{
	if (!ev)
		return NULL;
	ev->is_freed = true;
	ev->client = ttrpc_client_free(ev->client);
	ev->child = io_child_forget(ev->child);
	spool_fini(&ev->spool);
	while (ev->items)
		drop_item(ev);
	free(ev->ns);
	free(ev->binary);
	free(ev->address);
	ev->retry.data = ev->flush_timer.data = ev;
	uv_close((uv_handle_t *)&ev->retry, on_closed);
	uv_close((uv_handle_t *)&ev->flush_timer, on_closed);
	return NULL;
}
