/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on one stream, in both directions.
 *
 * Out: a queue of encoded messages, which nghttp2's DATA frames take their bytes from without a
 * copy. In: a message that comes in one piece is handed on where it is; one in pieces, or one that
 * nobody wants yet, is gathered in a buffer that grows as the bytes come and not as the prefix
 * promises. What nobody wants is held back by flow control: a window of it at most is buffered.
 */

#include "grpc-private.h"

/* Writable below the first; no more is queued above the second. */
enum { OUT_LOW = 256 << 10, OUT_MAX = 16 << 20 };
enum { IN_MIN = 512 };

static void flow_task(struct grpc_task *t);

/* ---- Out ---- */

void grpc_messages_free(struct grpc_message *m)
{
	while (m) {
		struct grpc_message *next = m->next;

		free(m);
		m = next;
	}
}

/* It may be part of a write that has not happened yet. */
static void message_release(struct grpc_flow *f, struct grpc_message *m)
{
	grpc_budget_give(f->out_budget, m->n);
	m->next = NULL;
	if (f->h2 && f->h2->is_flushing) {
		m->next = f->h2->spent;
		f->h2->spent = m;
	} else {
		free(m);
	}
}

static void out_drop(struct grpc_flow *f)
{
	while (f->first) {
		struct grpc_message *m = f->first;

		f->first = m->next;
		message_release(f, m);
	}
	f->last = &f->first;
	f->n_out = 0;
}

struct dv_err *grpc_flow_send(struct grpc_flow *f, const ProtobufCMessage *msg, bool is_last)
{
	size_t n = msg ? protobuf_c_message_get_packed_size(msg) : 0;
	struct grpc_message *m;

	dv_assert(!f->is_out_end);
	if (n > GRPC_MESSAGE_MAX)
		return dv_err_new(DV_EXHAUSTED,
				  "grpc: trying to send message larger than max (%zu vs. %zu)", n,
				  GRPC_MESSAGE_MAX);
	if (f->n_out >= OUT_MAX)
		return dv_err_new(DV_EXHAUSTED, "the peer does not take what is sent to it");
	if (!grpc_budget_take(f->out_budget, GRPC_PREFIX + n))
		return dv_err_new(DV_EXHAUSTED, "too much is waiting to be sent");
	m = dv_realloc_try(NULL, sizeof(*m) + GRPC_PREFIX + n);
	if (!m) {
		grpc_budget_give(f->out_budget, GRPC_PREFIX + n);
		return dv_err_new(DV_EXHAUSTED, "no memory for an answer of %zu bytes", n);
	}
	m->next = NULL;
	m->n = GRPC_PREFIX + n;
	m->n_sent = 0;
	m->data[0] = 0;
	for (int i = 0; i < 4; i++)
		m->data[1 + i] = (uint8_t)(n >> (24 - 8 * i));
	if (msg)
		protobuf_c_message_pack(msg, m->data + GRPC_PREFIX);
	*f->last = m;
	f->last = &m->next;
	f->n_out += m->n;
	f->is_full = f->n_out >= OUT_LOW;
	f->is_out_end = is_last;
	grpc_flow_resume(f);
	return NULL;
}

/* Keeps the messages that are begun, or that a frame which is about to leave takes bytes from. */
static void drop_unbegun(struct grpc_flow *f)
{
	struct grpc_message **end = &f->first, *rest;
	size_t n = 0;

	while (*end && ((*end)->n_sent || n < f->n_promised)) {
		n += (*end)->n - (*end)->n_sent;
		end = &(*end)->next;
	}
	rest = *end;
	*end = NULL;
	f->last = end;
	f->n_out = n;
	while (rest) {
		struct grpc_message *next = rest->next;

		message_release(f, rest);
		rest = next;
	}
}

void grpc_flow_send_end(struct grpc_flow *f, bool is_drop)
{
	if (is_drop)
		drop_unbegun(f);
	f->is_out_end = true;
	grpc_flow_resume(f);
}

bool grpc_flow_is_writable(const struct grpc_flow *f)
{
	return f->n_out < OUT_LOW;
}

void grpc_flow_resume(struct grpc_flow *f)
{
	if (!f->h2)
		return;
	if (f->is_deferred) {
		f->is_deferred = false;
		nghttp2_session_resume_data(f->h2->session, f->id);
	}
	grpc_h2_touch(f->h2);
}

/* How much can leave in one frame. */
static size_t frame_size(const struct grpc_flow *f, size_t max)
{
	const struct grpc_message *m = f->first;
	size_t n = 0;

	for (int i = 0; i < GRPC_PIECES && m && n < max; i++, m = m->next)
		n += m->n - m->n_sent;
	return DV_MIN(n, max);
}

static ssize_t provide(nghttp2_session *session, int32_t id, uint8_t *buf, size_t max,
		       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_flow *f = nghttp2_session_get_stream_user_data(session, id);
	size_t n;

	(void)buf;
	(void)source;
	(void)arg;
	if (!f)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = frame_size(f, max);
	if (!n && !f->is_out_end) {
		f->is_deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n)
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	f->n_promised = n; /* the frame may have to wait; its length is fixed */
	if (n == f->n_out && f->is_out_end) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (f->ops->trailers) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			f->ops->trailers(f);
		}
	}
	return (ssize_t)n;
}

nghttp2_data_provider grpc_flow_provider(struct grpc_flow *f)
{
	return (nghttp2_data_provider){ .source.ptr = f, .read_callback = provide };
}

size_t grpc_flow_take(struct grpc_flow *f, size_t n, struct iovec pieces[GRPC_PIECES])
{
	size_t n_pieces = 0;

	f->n_promised = 0;
	f->n_out -= n;
	while (n) {
		struct grpc_message *m = f->first;
		size_t part = DV_MIN(n, m->n - m->n_sent);

		dv_assert(n_pieces < GRPC_PIECES);
		pieces[n_pieces++] =
			(struct iovec){ .iov_base = m->data + m->n_sent, .iov_len = part };
		m->n_sent += part;
		n -= part;
		if (m->n_sent < m->n)
			break;
		f->first = m->next;
		if (!f->first)
			f->last = &f->first;
		message_release(f, m);
	}
	if (f->is_full && f->n_out < OUT_LOW) {
		f->is_full = false;
		f->is_writable_due = true;
		grpc_task_post(f->hub, &f->task);
	}
	return n_pieces;
}

/* ---- In ---- */

static void in_drop(struct grpc_flow *f)
{
	free(f->in);
	f->in = NULL;
	if (f->in_size)
		grpc_budget_give(f->in_budget, f->in_size);
	f->n_in = f->in_at = f->in_size = 0;
}

/* The peer may send as much again. */
static void credit(struct grpc_flow *f, size_t n)
{
	if (!f->h2 || !n)
		return;
	nghttp2_session_consume_stream(f->h2->session, f->id, n);
	grpc_h2_touch(f->h2);
}

static void broken(struct grpc_flow *f, struct dv_err *take_e)
{
	f->is_broken = true;
	in_drop(f);
	f->ops->broken(f, take_e);
}

/* Length of the message at @p with its prefix, as soon as that is there; else 0. */
static size_t message_size(const uint8_t *p, size_t n)
{
	if (n < GRPC_PREFIX)
		return 0;
	return GRPC_PREFIX + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
}

static struct dv_err *check_prefix(const struct grpc_flow *f, const uint8_t *p, size_t n)
{
	size_t size = message_size(p, n);

	if (n && p[0] == 1 && !f->is_gzip)
		return dv_err_new(DV_INTERNAL, "grpc: compressed flag set with identity or empty "
					       "encoding");
	if (n && p[0] > 1)
		return dv_err_new(DV_INTERNAL, "malformed message: its first byte is %u", p[0]);
	if (size && size - GRPC_PREFIX > f->max_message)
		return dv_err_new(DV_EXHAUSTED,
				  "grpc: received message larger than max (%zu vs. %zu)",
				  size - GRPC_PREFIX, f->max_message);
	return NULL;
}

static void deliver_compressed(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	DV_CLEANUP(dv_freep) uint8_t *out = NULL;
	size_t n_out = 0;
	struct dv_err *e = grpc_inflate(f, p, n, &out, &n_out);

	if (e) {
		broken(f, e);
		return;
	}
	f->is_wanted = false;
	f->ops->message(f, out, n_out);
}

/* Hands on the messages that are wanted and whole; the bytes used, SIZE_MAX: the flow is gone. */
static size_t deliver(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (f->is_wanted && !f->is_broken) {
		struct dv_err *e = check_prefix(f, p + used, n - used);
		size_t size = message_size(p + used, n - used);
		bool gone = false;

		if (!e && (!size || size > n - used))
			break;
		f->gone = &gone;
		if (e) {
			broken(f, e);
		} else if (p[used] == 1) {
			deliver_compressed(f, p + used + GRPC_PREFIX, size - GRPC_PREFIX);
			used += size;
		} else {
			f->is_wanted = false;
			f->ops->message(f, p + used + GRPC_PREFIX, size - GRPC_PREFIX);
			used += size;
		}
		if (gone)
			return SIZE_MAX;
		f->gone = NULL;
	}
	return used;
}

static struct dv_err *append(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	size_t want, whole;
	uint8_t *in;

	if (f->in_at) {
		memmove(f->in, f->in + f->in_at, f->n_in - f->in_at);
		f->n_in -= f->in_at;
		f->in_at = 0;
	}
	want = f->n_in + n;
	if (want > f->in_size) {
		whole = message_size(f->n_in ? f->in : p, f->n_in ? f->n_in : n);
		want = DV_MAX(want, DV_MIN(DV_MAX(whole, (size_t)IN_MIN),
					   DV_MAX(2 * f->in_size, (size_t)IN_MIN)));
		if (!grpc_budget_take(f->in_budget, want - f->in_size))
			return dv_err_new(DV_EXHAUSTED,
					  "too much was received and not processed yet");
		in = dv_realloc_try(f->in, want);
		if (!in) {
			grpc_budget_give(f->in_budget, want - f->in_size);
			return dv_err_new(DV_EXHAUSTED, "no memory for a message of %zu bytes",
					  DV_MAX(want, whole));
		}
		f->in = in;
		f->in_size = want;
	}
	memcpy(f->in + f->n_in, p, n);
	f->n_in += n;
	return NULL;
}

static void deliver_end(struct grpc_flow *f)
{
	if (!f->is_end || !f->is_wanted || f->is_end_told || f->is_broken)
		return;
	f->is_wanted = false;
	f->is_end_told = true;
	if (f->n_in)
		broken(f, dv_err_new(DV_INTERNAL, "the stream ended within a message"));
	else
		f->ops->end(f);
}

/* What is in the buffer, then the end. The flow may be gone behind this. */
static void deliver_more(struct grpc_flow *f)
{
	size_t used;

	if (f->n_in) {
		f->is_delivering = true;
		used = deliver(f, f->in + f->in_at, f->n_in - f->in_at);
		if (used == SIZE_MAX)
			return;
		f->is_delivering = false;
		f->in_at += used;
		if (f->is_broken || f->in_at >= f->n_in)
			in_drop(f);
	}
	deliver_end(f);
}

void grpc_flow_input(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	struct dv_err *e;
	size_t used = 0;

	if (f->is_broken)
		return;
	if (f->is_wanted)
		credit(f, n);
	else
		f->n_held += n;
	if (!f->n_in) {
		f->is_delivering = true;
		used = deliver(f, p, n);
		if (used == SIZE_MAX)
			return;
		f->is_delivering = false;
	}
	if (used == n || f->is_broken)
		return;
	e = append(f, p + used, n - used);
	if (e) {
		broken(f, e);
		return;
	}
	deliver_more(f);
}

void grpc_flow_input_end(struct grpc_flow *f)
{
	f->is_end = true;
	deliver_more(f);
}

void grpc_flow_want(struct grpc_flow *f)
{
	if (f->is_wanted || f->is_broken)
		return;
	f->is_wanted = true;
	credit(f, f->n_held);
	f->n_held = 0;
	if (!f->is_delivering && (f->n_in || f->is_end))
		grpc_task_post(f->hub, &f->task);
}

static void flow_task(struct grpc_task *t)
{
	struct grpc_flow *f = dv_container_of(t, struct grpc_flow, task);
	bool gone = false;

	if (f->is_writable_due) {
		f->is_writable_due = false;
		f->gone = &gone;
		f->ops->writable(f);
		if (gone)
			return;
		f->gone = NULL;
	}
	deliver_more(f);
}

/* ---- Life ---- */

void grpc_flow_init(struct grpc_flow *f, struct grpc_hub *hub, const struct grpc_flow_ops *ops)
{
	f->hub = hub;
	f->ops = ops;
	f->last = &f->first;
	f->task.fn = flow_task;
}

void grpc_flow_attach(struct grpc_flow *f, struct grpc_h2 *h, int32_t id)
{
	f->h2 = h;
	f->id = id;
	f->next = h->flows;
	f->prev = &h->flows;
	if (f->next)
		f->next->prev = &f->next;
	h->flows = f;
	h->n_flows++;
	nghttp2_session_set_stream_user_data(h->session, id, f);
}

static void unlink_flow(struct grpc_flow *f)
{
	out_drop(f);
	nghttp2_session_set_stream_user_data(f->h2->session, f->id, NULL);
	*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	f->h2->n_flows--;
	f->h2 = NULL;
}

void grpc_flow_detach(struct grpc_flow *f, uint32_t error_code)
{
	struct grpc_h2 *h = f->h2;
	bool is_over;

	if (!h)
		return;
	/* With both ends closed nghttp2 is about to drop the stream. */
	is_over = f->is_end && nghttp2_session_get_stream_local_close(h->session, f->id) != 0;
	unlink_flow(f);
	if (is_over)
		return;
	nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, f->id, error_code);
	grpc_h2_touch(h);
}

void grpc_flow_closed(struct grpc_flow *f, uint32_t error_code)
{
	unlink_flow(f);
	f->ops->closed(f, error_code);
}

void grpc_flow_fini(struct grpc_flow *f, uint32_t error_code)
{
	if (f->gone)
		*f->gone = true;
	f->gone = NULL;
	grpc_flow_detach(f, error_code);
	out_drop(f);
	in_drop(f);
	grpc_task_cancel(f->hub, &f->task);
}
