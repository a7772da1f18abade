/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers. The bytes of an archive go over a stream of their own, which the call of Transfer names;
 * progress comes over another one. Whoever receives bytes tells the sender how many more it may send.
 * See client/transfer.h.
 */

#include "client/transfer.h"

#include <string.h>

#include "api/containerd/streaming.pb-c.h"
#include "api/containerd/transfer.pb-c.h"
#include "base/str.h"
#include "client-private.h"
#include "client/services.h"
#include "client/unique.h"
#include "rpc/pb.h"
#include "sys/file.h"

#define MSG(name) Containerd__Types__Transfer__##name

/* Of a message, and what we let davitd send ahead. */
enum { PIECE = 32 << 10, WINDOW = 512 << 10, START_WINDOW = 64 << 10 };

/* One stream of the Streaming service, and what came over it. */
struct channel {
	const struct client_transfer *t;
	struct client_stream *st;
	char id[CLIENT_ID_SIZE];
	bool is_open; /* davitd has answered */
	bool is_ended; /* it sends no more */
	int64_t window; /* bytes that we may send */
	uint64_t n_bytes; /* received */
	int r; /* of writing them: the first errno */
};

static struct dv_err *send_any(struct channel *ch, const ProtobufCMessage *msg)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	any.type_url = (char *)pb_any_url(msg);
	any.value = pb_pack_arena(msg, &arena);
	e = client_stream_send(ch->st, &any.base);
	dv_arena_fini(&arena);
	return e;
}

static struct dv_err *allow(struct channel *ch, int32_t n)
{
	MSG(WindowUpdate) update = CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;

	update.update = n;
	return send_any(ch, &update.base);
}

/* ---- What davitd says ---- */

static void take_progress(struct channel *ch, const ProtobufCMessage *msg)
{
	if (ch->t->on_progress)
		ch->t->on_progress(ch->t->arg, (const MSG(Progress) *)msg);
}

static void take_window(struct channel *ch, const ProtobufCMessage *msg)
{
	ch->window += ((const MSG(WindowUpdate) *)msg)->update;
}

static void take_data(struct channel *ch, const ProtobufCMessage *msg)
{
	const MSG(Data) *data = (const MSG(Data) *)msg;
	int r = sys_write_all(ch->t->fd, data->data.data, data->data.len);

	if (r < 0 && ch->r == 0)
		ch->r = r;
	ch->n_bytes += data->data.len;
	if (ch->t->on_bytes)
		ch->t->on_bytes(ch->t->arg, ch->n_bytes);
}

static void on_message(void *arg, const ProtobufCMessage *msg)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		void (*take)(struct channel *ch, const ProtobufCMessage *msg);
	} kinds[] = {
		{ &containerd__types__transfer__progress__descriptor, take_progress },
		{ &containerd__types__transfer__window_update__descriptor, take_window },
		{ &containerd__types__transfer__data__descriptor, take_data },
	};
	const Google__Protobuf__Any *any = (const Google__Protobuf__Any *)msg;
	struct channel *ch = arg;
	ProtobufCMessage *inner;
	struct dv_arena arena;

	ch->is_ended |= !any;
	if (!any || !ch->is_open) { /* the first one is empty: the stream is there */
		ch->is_open = true;
		return;
	}
	dv_arena_init(&arena);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		struct dv_err *e;

		if (!pb_any_is(any->type_url, kinds[i].type))
			continue;
		e = pb_unpack(kinds[i].type, any->value.data, any->value.len, &arena, 0, &inner);
		if (!e)
			kinds[i].take(ch, inner);
		dv_err_free(e);
	}
	dv_arena_fini(&arena);
}

/* ---- A channel's life ---- */

static struct dv_err *channel_open(struct client *c, const struct client_transfer *t,
				   struct channel *ch)
{
	Containerd__Services__Streaming__V1__StreamInit init =
		CONTAINERD__SERVICES__STREAMING__V1__STREAM_INIT__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct dv_arena arena;

	*ch = (struct channel){ .t = t, .window = START_WINDOW };
	client_unique_id(ch->id);
	init.id = ch->id;
	dv_arena_init(&arena);
	any.type_url = (char *)pb_any_url(&init.base);
	any.value = pb_pack_arena(&init.base, &arena);
	ch->st = client_stream_open(c, CLIENT_STREAMING("Stream", &any), true);
	client_stream_on_message(ch->st, on_message, ch);
	dv_arena_fini(&arena);
	while (!ch->is_open && !ch->is_ended)
		client_turn(c);
	return ch->is_ended ? client_stream_receive(ch->st, NULL) : NULL;
}

struct transfer {
	struct client *c;
	struct channel bytes, progress;
	struct client_pending *call;
};

static struct dv_err *begin(struct client *c, const struct client_transfer *t, struct transfer *tr)
{
	struct dv_err *e;

	*tr = (struct transfer){ .c = c };
	e = channel_open(c, t, &tr->bytes);
	if (!e)
		e = channel_open(c, t, &tr->progress);
	return dv_err_wrap(e, "open a stream");
}

static void start(struct transfer *tr, const ProtobufCMessage *source,
		  const ProtobufCMessage *destination)
{
	Containerd__Services__Transfer__V1__TransferRequest request =
		CONTAINERD__SERVICES__TRANSFER__V1__TRANSFER_REQUEST__INIT;
	Containerd__Services__Transfer__V1__TransferOptions options =
		CONTAINERD__SERVICES__TRANSFER__V1__TRANSFER_OPTIONS__INIT;
	Google__Protobuf__Any from = GOOGLE__PROTOBUF__ANY__INIT, to = from;
	struct dv_arena arena;

	dv_arena_init(&arena);
	from.type_url = (char *)pb_any_url(source);
	from.value = pb_pack_arena(source, &arena);
	to.type_url = (char *)pb_any_url(destination);
	to.value = pb_pack_arena(destination, &arena);
	options.progress_stream = tr->progress.id;
	request.source = &from;
	request.destination = &to;
	request.options = &options;
	tr->call = client_start(tr->c, CLIENT_TRANSFER("Transfer", &request), NULL, NULL);
	dv_arena_fini(&arena);
}

/* Accepts one that has not begun. What is still under way of the progress of a success is told. */
static void finish(struct transfer *tr, bool is_success)
{
	while (is_success && !tr->progress.is_ended)
		client_turn(tr->c);
	client_pending_free(tr->call);
	client_stream_close(tr->bytes.st);
	client_stream_close(tr->progress.st);
}

/* ---- Import ---- */

/* One piece, if there is room for it; else something happens. *ret_is_end: the archive is all sent. */
static struct dv_err *send_piece(struct transfer *tr, bool *ret_is_end)
{
	MSG(Data) data = CONTAINERD__TYPES__TRANSFER__DATA__INIT;
	const struct client_transfer *t = tr->bytes.t;
	uint8_t buf[PIECE];
	ssize_t n;

	if (tr->bytes.window <= 0) {
		client_turn(tr->c);
		return NULL;
	}
	n = sys_read(t->fd, buf, (size_t)DV_MIN(tr->bytes.window, (int64_t)sizeof(buf)));
	if (n < 0)
		return dv_err_sys((int)n, "read the archive");
	*ret_is_end = n == 0;
	if (n == 0)
		return NULL;
	data.data = (ProtobufCBinaryData){ (size_t)n, buf };
	tr->bytes.window -= n;
	tr->bytes.n_bytes += (uint64_t)n;
	if (t->on_bytes)
		t->on_bytes(t->arg, tr->bytes.n_bytes);
	return send_any(&tr->bytes, &data.base);
}

static struct dv_err *send_archive(struct transfer *tr)
{
	bool is_end = false;

	while (!is_end && !tr->bytes.is_ended && !client_pending_is_done(tr->call)) {
		struct dv_err *e = send_piece(tr, &is_end);

		if (e && dv_err_code(e) != DV_CANCELLED)
			return e;
		if (e) { /* davitd wants no more: the call says why */
			dv_err_free(e);
			break;
		}
	}
	client_stream_end(tr->bytes.st);
	return NULL;
}

struct dv_err *client_import(struct client *c, const struct client_transfer *t,
			     const Containerd__Types__Transfer__ImageStore *store)
{
	MSG(ImageImportStream) from = CONTAINERD__TYPES__TRANSFER__IMAGE_IMPORT_STREAM__INIT;
	struct transfer tr;
	struct dv_err *e = begin(c, t, &tr);

	if (!e) {
		from.stream = tr.bytes.id;
		start(&tr, &from.base, &store->base);
		e = send_archive(&tr);
	}
	if (!e)
		e = client_pending_finish(dv_steal(&tr.call), NULL, NULL);
	finish(&tr, !e);
	return e;
}

/* ---- Export ---- */

/* Until davitd has sent everything, or its call has ended, which may be earlier. */
static struct dv_err *receive(struct transfer *tr, uint64_t *allowed)
{
	struct channel *ch = &tr->bytes;
	struct dv_err *e = NULL;

	while (!e && ch->r == 0 && !ch->is_ended &&
	       !(tr->call && client_pending_is_done(tr->call))) {
		if (*allowed - ch->n_bytes <= WINDOW / 2) {
			e = allow(ch, WINDOW / 2);
			*allowed += WINDOW / 2;
		} else {
			client_turn(tr->c);
		}
	}
	if (e && dv_err_code(e) == DV_CANCELLED)
		e = dv_err_free(e); /* the call says why */
	return !e && ch->r < 0 ? dv_err_sys(ch->r, "write the archive") : e;
}

static struct dv_err *receive_archive(struct transfer *tr)
{
	uint64_t allowed = 0;
	struct dv_err *e = receive(tr, &allowed);

	if (!e)
		e = client_pending_finish(dv_steal(&tr->call), NULL, NULL);
	return e ? e : receive(tr, &allowed);
}

struct dv_err *client_export(struct client *c, const struct client_transfer *t,
			     const Containerd__Types__Transfer__ImageStore *from,
			     const Containerd__Types__Transfer__ImageExportStream *to)
{
	MSG(ImageExportStream) stream = *to;
	struct transfer tr;
	struct dv_err *e = begin(c, t, &tr);

	if (!e) {
		stream.stream = tr.bytes.id;
		start(&tr, &from->base, &stream.base);
		e = receive_archive(&tr);
	}
	finish(&tr, !e);
	return e;
}
