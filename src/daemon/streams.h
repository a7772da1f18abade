/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams that clients open with containerd.services.streaming.v1 and that calls of other services
 * refer to by their id: Transfer's archives, its progress, its questions for credentials.
 *
 * A client registers (namespace, id) and sends or receives Any messages. The other service opens
 * the stream by its id and uses it from a worker thread, as bytes or as messages:
 *
 *	e = stream_open(d->streams, ns, id, &st);
 *	while (!(e = stream_read(st, buf, sizeof(buf), &n)) && n) ...
 *	st = stream_close(st);
 *
 * Bytes are flow-controlled by WindowUpdate messages, as Transfer's clients expect it, and messages
 * by HTTP/2. Memory is bounded: a writer waits for its reader.
 *
 * Threads: all functions may be called from any thread; those that are said to wait not from the
 * loop's. One reader and one writer at a time for each stream.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/meta.h"

struct daemon;
struct stream;
struct streams;

/* The registry. @d is borrowed; needs d->loop and d->fast. Loop's thread. */
struct streams *streams_new(struct daemon *d);
/* When the server has closed, which ends all streams, and no worker runs. Accepts NULL. */
struct streams *streams_free(struct streams *s);

/* A reference, until stream_close(). DV_NOT_FOUND: no such stream; clients open it first. */
struct dv_err *stream_open(struct streams *s, const char *ns, const char *id, struct stream **ret)
	DV_CHECK;

/*
 * The end: what was written is still sent, then the client sees the end of the stream. The id is
 * free again. Does not wait. Accepts NULL; always returns NULL.
 */
struct stream *stream_close(struct stream *st);
DV_DEFINE_CLEANUP(struct stream *, stream_close);

/* Whoever waits, now or later, gets DV_CANCELLED: for the on_cancel of the call that uses it. */
void stream_interrupt(struct stream *st);

/* ---- Bytes ---- */

/* Waits for at least one byte; *ret_n 0: the end. DV_CANCELLED: the client is gone. */
struct dv_err *stream_read(struct stream *st, void *buf, size_t n, size_t *ret_n) DV_CHECK;
/* Waits until there is room; the bytes may still be under way when it returns. */
struct dv_err *stream_write(struct stream *st, const void *p, size_t n) DV_CHECK;

/* ---- Messages ---- */

/* As an Any with the message's name. Waits until there is room. */
struct dv_err *stream_send(struct stream *st, const ProtobufCMessage *msg) DV_CHECK;
/* The same for those who must not wait, such as progress: dropped when there is no room. */
void stream_try_send(struct stream *st, const ProtobufCMessage *msg);

/*
 * The next Any in @arena; type_url NULL at the end. @timeout_ns 0: no limit. DV_DEADLINE: none came
 * in time. DV_CANCELLED: the client is gone.
 */
struct dv_err *stream_receive(struct stream *st, uint64_t timeout_ns, struct dv_arena *arena,
			      struct meta_any *ret) DV_CHECK;
