/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Protobuf messages in arenas. A message that was unpacked here is freed with its arena, never by
 * the generated ..._free_unpacked(). Bytes from outside cost bounded memory, and what passes
 * is text: strings are UTF-8 without NUL bytes, so that a C string is the whole string.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* Memory that one message may take once it is unpacked, where the caller has no opinion. */
#define PB_MEMORY_MAX ((size_t)16 << 20)

/*
 * @max: bytes of the arena that the message may take; 0 means PB_MEMORY_MAX.
 * DV_INVALID: not a message of this type, cut off, or a string that is not text. The error names
 * the field. DV_EXHAUSTED: it would take more than @max.
 */
struct dv_err *pb_unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
			 struct dv_arena *arena, size_t max, ProtobufCMessage **ret) DV_CHECK;

/* Appends the encoded message. */
void pb_pack(const ProtobufCMessage *msg, struct dv_strbuf *b);

/* The encoded message in @arena; empty messages have a pointer, too. */
ProtobufCBinaryData pb_pack_arena(const ProtobufCMessage *msg, struct dv_arena *arena);

/*
 * google.protobuf.Any, by the members of the generated struct, whose header is not included here:
 *
 *	any.type_url = (char *)pb_any_url(&event->base);
 *	any.value = pb_pack_arena(&event->base, arena);
 */

/* The type URL in containerd's style: the bare name, "containerd.events.TaskExit". */
const char *pb_any_url(const ProtobufCMessage *msg);

/* Does the URL, bare or behind slashes ("type.googleapis.com/..."), name the type? */
bool pb_any_is(const char *type_url, const ProtobufCMessageDescriptor *type);
/* The same for types that have no descriptor, such as "opencontainers/runtime-spec/1/Spec". */
bool pb_any_is_named(const char *type_url, const char *name);

/* google.protobuf.Timestamp is { int64_t seconds; int32_t nanos; }; before 1970 nanos count up. */
#define PB_TIMESTAMP_SET(pb, ts) \
	do { \
		(pb)->seconds = (ts)->tv_sec; \
		(pb)->nanos = (int32_t)(ts)->tv_nsec; \
	} while (0)

/* False when a field is out of range: 0001-01-01 to 9999-12-31, nanos 0..999999999. */
bool pb_timestamp_to(int64_t seconds, int32_t nanos, struct timespec *ret) DV_CHECK;
