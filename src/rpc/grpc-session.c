/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between nghttp2 and flows: its callbacks, and the settings of both ends.
 *
 * Flow control: credit for the connection is given back as bytes come, so that one stream that is
 * held back does not hold back the others; credit for a stream is given back when its owner wants
 * a message (grpc-flow.c).
 */

#include <errno.h>

#include "grpc-private.h"

/* Streams that a peer may reset at once, and in a second; more is an attack (CVE-2023-44487). */
enum { RESETS_MAX = 8192, RESETS_SECOND = 256 };

/* To go on, or not. */
static int verdict(const struct grpc_h2 *h)
{
	return grpc_h2_is_dead(h) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static struct grpc_flow *flow_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- In ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	static const nghttp2_extpri fair = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
	struct grpc_h2 *h = arg;
	int32_t id = frame->hd.stream_id;

	h->headers_since = uv_hrtime();
	if (!h->is_server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return verdict(h);
	/* All streams in turn; else the first one with much to say keeps the others waiting. */
	nghttp2_session_change_extpri_stream_priority(session, id, &fair, 1);
	if (!h->ops->begin(h, id))
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
	return verdict(h);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	struct grpc_flow *f = flow_of(session, frame->hd.stream_id);

	(void)flags;
	if (f)
		f->ops->header(f, (struct grpc_text){ (const char *)name, n_name },
			       (struct grpc_text){ (const char *)value, n_value });
	return verdict(arg);
}

static void got_headers(nghttp2_session *session, const nghttp2_frame *frame)
{
	bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct grpc_flow *f = flow_of(session, frame->hd.stream_id);

	if (f)
		f->ops->headers(f, is_end);
	f = flow_of(session, frame->hd.stream_id); /* the owner may have left it */
	if (f && is_end)
		grpc_flow_input_end(f);
}

static void got_settings(struct grpc_h2 *h, const nghttp2_frame *frame)
{
	if (frame->hd.flags & NGHTTP2_FLAG_ACK || h->is_ready)
		return;
	h->is_ready = true;
	if (h->ops->ready)
		h->ops->ready(h);
}

/* Frames that bring nothing, or next to nothing. */
static bool is_cheap_talk(const nghttp2_frame *frame)
{
	switch (frame->hd.type) {
	case NGHTTP2_SETTINGS:
	case NGHTTP2_PING:
	case NGHTTP2_PRIORITY:
		return true;
	case NGHTTP2_DATA:
		return frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
	default:
		return false;
	}
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_h2 *h = arg;
	struct grpc_flow *f;

	if (is_cheap_talk(frame) && !grpc_h2_charge_frame(h)) {
		nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
		return verdict(h);
	}
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		h->headers_since = 0;
		got_headers(session, frame);
		break;
	case NGHTTP2_DATA:
		f = flow_of(session, frame->hd.stream_id);
		if (f && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			grpc_flow_input_end(f);
		break;
	case NGHTTP2_SETTINGS:
		got_settings(h, frame);
		break;
	case NGHTTP2_GOAWAY:
		h->is_goaway = true;
		if (h->ops->goaway)
			h->ops->goaway(h);
		break;
	default:
		break;
	}
	return verdict(h);
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
			 size_t n, void *arg)
{
	struct grpc_flow *f = flow_of(session, id);

	(void)flags;
	nghttp2_session_consume_connection(session, n);
	if (f)
		grpc_flow_input(f, p, n);
	return verdict(arg);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *arg)
{
	struct grpc_flow *f = flow_of(session, id);

	if (f)
		grpc_flow_closed(f, error_code);
	return verdict(arg);
}

/* ---- Out ---- */

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
			size_t n, nghttp2_data_source *source, void *arg)
{
	struct grpc_flow *f = flow_of(session, frame->hd.stream_id);

	(void)source;
	if (!f) /* its owner left, and the RST_STREAM is queued behind this */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return grpc_h2_gather(arg, head, f, n) ? 0 : NGHTTP2_ERR_WOULDBLOCK;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_h2 *h = arg;
	int32_t id = frame->hd.stream_id;

	/* An answer before the request's end: the rest is not wanted. */
	if (h->is_server && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
	    nghttp2_session_get_stream_remote_close(session, id) == 0)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
	return verdict(h);
}

/* Headers that could not be sent: a request after GOAWAY, say. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
			     void *arg)
{
	struct grpc_h2 *h = arg;
	struct grpc_flow *f = h->flows;

	(void)error;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return verdict(h);
	while (f && f->id != frame->hd.stream_id)
		f = f->next;
	if (f && flow_of(session, f->id) == f) /* it was open: closed() comes from the reset */
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, f->id,
					  NGHTTP2_INTERNAL_ERROR);
	else if (f)
		grpc_flow_closed(f, NGHTTP2_REFUSED_STREAM);
	return verdict(h);
}

/* ---- Life ---- */

void grpc_session_init(struct grpc_hub *hub)
{
	nghttp2_session_callbacks *cb;

	dv_assert(nghttp2_session_callbacks_new(&hub->callbacks) == 0);
	cb = hub->callbacks;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
	dv_assert(nghttp2_option_new(&hub->options) == 0);
	nghttp2_option_set_no_auto_window_update(hub->options, 1);
	nghttp2_option_set_no_closed_streams(hub->options, 1);
	nghttp2_option_set_stream_reset_rate_limit(hub->options, RESETS_MAX, RESETS_SECOND);
}

static int submit_settings(struct grpc_h2 *h, uint32_t max_streams, uint32_t max_headers)
{
	nghttp2_settings_entry server[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_headers },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	nghttp2_settings_entry client[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_headers },
	};

	return h->is_server ? nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, server,
						      DV_ARRAY_SIZE(server))
			    : nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, client,
						      DV_ARRAY_SIZE(client));
}

int grpc_session_new(struct grpc_h2 *h, uint32_t max_streams, uint32_t max_headers)
{
	struct grpc_hub *hub = h->hub;
	int r;

	if (h->is_server)
		r = nghttp2_session_server_new2(&h->session, hub->callbacks, h, hub->options);
	else
		r = nghttp2_session_client_new2(&h->session, hub->callbacks, h, hub->options);
	if (r != 0)
		return -ENOMEM;
	if (submit_settings(h, max_streams, max_headers) == 0 &&
	    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
						  GRPC_CONN_WINDOW) == 0)
		return 0;
	nghttp2_session_del(h->session);
	return -ENOMEM;
}
