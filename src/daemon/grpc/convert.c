/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings of messages made here are borrowed from the stores' structs, which are in the same arena
 * or live longer: protobuf-c's members are not const, but packing does not change them.
 */

#include "convert.h"

#include "rpc/pb.h"

/* The layout of each generated entry of a map<string, string>. */
struct entry {
	ProtobufCMessage base;
	char *key;
	char *value;
};

struct meta_labels convert_entries_in(void *const *entries, size_t n, struct dv_arena *arena)
{
	struct meta_label *items;

	if (n == 0)
		return (struct meta_labels){};
	items = dv_arena_new_n(arena, struct meta_label, n);
	for (size_t i = 0; i < n; i++) {
		const struct entry *entry = entries[i];

		items[i] = (struct meta_label){ entry->key, entry->value };
	}
	return (struct meta_labels){ items, n };
}

void *convert_entries_out(const ProtobufCMessage *msg, const char *field,
			  const struct meta_labels *labels, struct dv_arena *arena)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, field);
	const ProtobufCMessageDescriptor *type;
	struct entry **entries;

	dv_assert(f && f->type == PROTOBUF_C_TYPE_MESSAGE);
	type = f->descriptor;
	dv_assert(type->sizeof_message == sizeof(struct entry));
	if (labels->n_items == 0)
		return NULL;
	entries = dv_arena_new_n(arena, struct entry *, labels->n_items);
	for (size_t i = 0; i < labels->n_items; i++) {
		entries[i] = dv_arena_new(arena, struct entry);
		protobuf_c_message_init(type, entries[i]);
		entries[i]->key = (char *)labels->items[i].key;
		entries[i]->value = (char *)labels->items[i].value;
	}
	return entries;
}

struct dv_err *convert_time_in(const Google__Protobuf__Timestamp *from, struct timespec *ret)
{
	*ret = (struct timespec){};
	if (from && !pb_timestamp_to(from->seconds, from->nanos, ret))
		return dv_err_new(DV_INVALID, "a timestamp is out of range");
	return NULL;
}

Google__Protobuf__Timestamp *convert_time_out(const struct timespec *from, struct dv_arena *arena)
{
	Google__Protobuf__Timestamp *to;

	if (from->tv_sec == 0 && from->tv_nsec == 0)
		return NULL;
	to = dv_arena_new(arena, Google__Protobuf__Timestamp);
	google__protobuf__timestamp__init(to);
	PB_TIMESTAMP_SET(to, from);
	return to;
}

struct meta_any convert_any_in(const Google__Protobuf__Any *from)
{
	if (!from)
		return (struct meta_any){};
	return (struct meta_any){ from->type_url, from->value.data, from->value.len };
}

Google__Protobuf__Any *convert_any_out(const struct meta_any *from, struct dv_arena *arena)
{
	Google__Protobuf__Any *to;

	if (!from->type_url)
		return NULL;
	to = dv_arena_new(arena, Google__Protobuf__Any);
	google__protobuf__any__init(to);
	to->type_url = (char *)from->type_url;
	to->value.data = (uint8_t *)from->value;
	to->value.len = from->n_value;
	return to;
}

struct dv_mask convert_mask_in(const Google__Protobuf__FieldMask *from)
{
	if (!from)
		return (struct dv_mask){};
	return (struct dv_mask){ (const char *const *)from->paths, from->n_paths };
}

struct meta_descriptor convert_descriptor_in(const Containerd__Types__Descriptor *from,
					     struct dv_arena *arena)
{
	if (!from)
		return (struct meta_descriptor){ .media_type = "", .digest = "" };
	return (struct meta_descriptor){ .media_type = from->media_type,
					 .digest = from->digest,
					 .size = from->size,
					 .annotations = convert_labels_in(
						 from->annotations, from->n_annotations, arena) };
}

Containerd__Types__Descriptor *convert_descriptor_out(const struct meta_descriptor *from,
						      struct dv_arena *arena)
{
	Containerd__Types__Descriptor *to = dv_arena_new(arena, Containerd__Types__Descriptor);

	containerd__types__descriptor__init(to);
	to->media_type = (char *)from->media_type;
	to->digest = (char *)from->digest;
	to->size = from->size;
	CONVERT_LABELS_OUT(to, annotations, &from->annotations, arena);
	return to;
}

struct snapshot_mounts convert_mounts_in(Containerd__Types__Mount *const *from, size_t n,
					 struct dv_arena *arena)
{
	struct snapshot_mount *items;

	if (n == 0)
		return (struct snapshot_mounts){};
	items = dv_arena_new_n(arena, struct snapshot_mount, n);
	for (size_t i = 0; i < n; i++)
		items[i] =
			(struct snapshot_mount){ .type = from[i]->type,
						 .source = from[i]->source,
						 .target = from[i]->target,
						 .options = (const char *const *)from[i]->options,
						 .n_options = from[i]->n_options };
	return (struct snapshot_mounts){ items, n };
}

Containerd__Types__Mount **convert_mounts_out(const struct snapshot_mounts *from,
					      struct dv_arena *arena)
{
	Containerd__Types__Mount **to;

	if (from->n_items == 0)
		return NULL;
	to = dv_arena_new_n(arena, Containerd__Types__Mount *, from->n_items);
	for (size_t i = 0; i < from->n_items; i++) {
		const struct snapshot_mount *m = &from->items[i];

		to[i] = dv_arena_new(arena, Containerd__Types__Mount);
		containerd__types__mount__init(to[i]);
		to[i]->type = (char *)m->type;
		to[i]->source = (char *)m->source;
		to[i]->target = (char *)(m->target ? m->target : "");
		to[i]->options = (char **)m->options;
		to[i]->n_options = m->n_options;
	}
	return to;
}
