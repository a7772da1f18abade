/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between the wire's messages and the structs of the stores. What goes in is borrowed: it points
 * into the message that it was made from; what goes out is made in the arena given.
 */

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <time.h>

#include "api/containerd/types.pb-c.h"
#include "api/google/protobuf/any.pb-c.h"
#include "api/google/protobuf/field_mask.pb-c.h"
#include "api/google/protobuf/timestamp.pb-c.h"
#include "base/mem.h"
#include "codec/mask.h"
#include "store/meta-image.h"
#include "store/meta.h"
#include "store/snapshot.h"

/*
 * map<string, string>: an array of entries, whose generated types differ in their names alone.
 *
 *	image.labels = convert_labels_in(msg->labels, msg->n_labels, arena);
 *	CONVERT_LABELS_OUT(msg, labels, &image.labels, arena);
 */
#define convert_labels_in(entries, n, arena) convert_entries_in((void *const *)(entries), n, arena)
struct meta_labels convert_entries_in(void *const *entries, size_t n, struct dv_arena *arena);

/* Sets msg->field and msg->n_field of a message that was made with its INIT macro. */
#define CONVERT_LABELS_OUT(msg, field, from, arena) \
	do { \
		(msg)->n_##field = (from)->n_items; \
		(msg)->field = convert_entries_out(&(msg)->base, #field, (from), (arena)); \
	} while (0)
void *convert_entries_out(const ProtobufCMessage *msg, const char *field,
			  const struct meta_labels *labels, struct dv_arena *arena);

/* NULL: the zero time. DV_INVALID: out of range. */
struct dv_err *convert_time_in(const Google__Protobuf__Timestamp *from, struct timespec *ret)
	DV_CHECK;
/* NULL for the zero time. */
Google__Protobuf__Timestamp *convert_time_out(const struct timespec *from, struct dv_arena *arena);

struct meta_any convert_any_in(const Google__Protobuf__Any *from); /* NULL is fine */
Google__Protobuf__Any *convert_any_out(const struct meta_any *from, struct dv_arena *arena);

struct dv_mask convert_mask_in(const Google__Protobuf__FieldMask *from); /* NULL is fine */

struct meta_descriptor convert_descriptor_in(const Containerd__Types__Descriptor *from,
					     struct dv_arena *arena);
Containerd__Types__Descriptor *convert_descriptor_out(const struct meta_descriptor *from,
						      struct dv_arena *arena);

struct snapshot_mounts convert_mounts_in(Containerd__Types__Mount *const *from, size_t n,
					 struct dv_arena *arena);
Containerd__Types__Mount **convert_mounts_out(const struct snapshot_mounts *from,
					      struct dv_arena *arena);
