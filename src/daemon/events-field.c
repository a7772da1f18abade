/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "event.container_id" and the like, by protobuf-c's descriptors: of strings, booleans, messages
 * in messages, and maps of strings, whose keys may have dots.
 */

#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "events-private.h"
#include "rpc/pb.h"

#define EVENT(name) &containerd__events__##name##__descriptor
#define IMAGE(name) &containerd__services__images__v1__##name##__descriptor

static const ProtobufCMessageDescriptor *const types[] = {
	EVENT(task_create),	  EVENT(task_start),	   EVENT(task_delete),
	EVENT(task_exit),	  EVENT(task_oom),	   EVENT(task_exec_added),
	EVENT(task_exec_started), EVENT(task_paused),	   EVENT(task_resumed),
	EVENT(task_checkpointed), EVENT(sandbox_create),   EVENT(sandbox_start),
	EVENT(sandbox_exit),	  EVENT(container_create), EVENT(container_update),
	EVENT(container_delete),  EVENT(content_create),   EVENT(content_delete),
	EVENT(snapshot_prepare),  EVENT(snapshot_commit),  EVENT(snapshot_remove),
	EVENT(namespace_create),  EVENT(namespace_update), EVENT(namespace_delete),
	IMAGE(image_create),	  IMAGE(image_update),	   IMAGE(image_delete),
};

/* The layout of each generated entry of a map<string, string>. */
struct entry {
	ProtobufCMessage base;
	char *key;
	char *value;
};

static const void *member(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	return (const char *)msg + f->offset;
}

static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *type = f->descriptor;

	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       type->sizeof_message == sizeof(struct entry) && type->n_fields == 2 &&
	       dv_streq(type->fields[0].name, "key");
}

static const char *map_value(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f,
			     const char *key)
{
	size_t n = *(const size_t *)(const void *)((const char *)msg + f->quantifier_offset);
	struct entry *const *entries = *(struct entry *const *const *)member(msg, f);

	for (size_t i = 0; i < n; i++) {
		if (dv_streq(entries[i]->key, key))
			return entries[i]->value;
	}
	return NULL;
}

static const char *joined(struct dv_arena *arena, const char *const *parts, size_t n)
{
	const char *text = parts[0];

	for (size_t i = 1; i < n; i++)
		text = dv_arena_printf(arena, "%s.%s", text, parts[i]);
	return text;
}

static const char *find(struct event_fields *fields, const ProtobufCMessage *msg,
			const char *const *parts, size_t n_parts)
{
	const ProtobufCFieldDescriptor *f;

	if (n_parts == 0)
		return NULL;
	f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, parts[0]);
	if (!f)
		return NULL;
	if (is_map(f))
		return n_parts == 1
			       ? NULL
			       : map_value(msg, f, joined(&fields->arena, parts + 1, n_parts - 1));
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return NULL;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)member(msg, f);

		return inner ? find(fields, inner, parts + 1, n_parts - 1) : NULL;
	}
	if (n_parts > 1)
		return NULL;
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *text = *(const char *const *)member(msg, f);

		return *text ? text : NULL;
	}
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return *(const protobuf_c_boolean *)member(msg, f) ? "true" : "false";
	return NULL;
}

static void decode(struct event_fields *fields)
{
	const struct event *event = fields->event;
	ProtobufCMessage *msg;
	struct dv_err *e;

	fields->is_decoded = true;
	dv_arena_init(&fields->arena);
	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		if (!pb_any_is(event->type_url, types[i]))
			continue;
		e = pb_unpack(types[i], event->payload, event->n_payload, &fields->arena, 0, &msg);
		/* What is not what it says it is has no fields. */
		fields->msg = e ? NULL : msg;
		dv_err_free(e);
		return;
	}
}

const char *event_field(const void *object, const struct dv_filter_path *path)
{
	struct event_fields *fields = (struct event_fields *)object;

	if (dv_streq(path->parts[0], "namespace"))
		return path->n_parts == 1 ? fields->event->ns : NULL;
	if (dv_streq(path->parts[0], "topic"))
		return path->n_parts == 1 ? fields->event->topic : NULL;
	if (!dv_streq(path->parts[0], "event"))
		return NULL;
	if (!fields->is_decoded)
		decode(fields);
	return fields->msg ? find(fields, fields->msg, path->parts + 1, path->n_parts - 1) : NULL;
}

void event_fields_fini(struct event_fields *fields)
{
	if (fields->is_decoded)
		dv_arena_fini(&fields->arena);
}
