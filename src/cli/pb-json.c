/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf messages as JSON. See pb-json.h. */

#include "pb-json.h"

#include <string.h>

#include "api/google/protobuf/timestamp.pb-c.h"
#include "base/clock.h"
#include "rpc/pb.h"

enum { DEPTH_MAX = 16 };

static void add_members(const ProtobufCMessage *msg, unsigned depth, struct dv_jw *w);

/* Maps are lists of messages of two fields. */
static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *type = f->descriptor;
	const char *suffix = "Entry";

	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       type->n_fields == 2 && dv_ends_with(type->short_name, suffix) &&
	       dv_streq(type->fields[0].name, "key") &&
	       type->fields[0].type == PROTOBUF_C_TYPE_STRING;
}

static void add_time(const Google__Protobuf__Timestamp *t, const char *key, struct dv_jw *w)
{
	struct timespec ts;
	char text[DV_CLOCK_SIZE];

	if (!pb_timestamp_to(t->seconds, t->nanos, &ts))
		return;
	dv_clock_format(&ts, DV_CLOCK_NANOS, text);
	dv_jw_string(w, key, text);
}

static void add_message(const ProtobufCMessage *msg, const char *key, unsigned depth,
			struct dv_jw *w)
{
	if (msg->descriptor == &google__protobuf__timestamp__descriptor) {
		add_time((const Google__Protobuf__Timestamp *)msg, key, w);
		return;
	}
	dv_jw_object_begin(w, key);
	add_members(msg, depth + 1, w);
	dv_jw_object_end(w);
}

static int64_t integer_at(const ProtobufCFieldDescriptor *f, const void *p)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)p;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return *(const uint32_t *)p;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		return *(const int32_t *)p;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return *(const int64_t *)p;
	default:
		return 0;
	}
}

static void add_value(const ProtobufCFieldDescriptor *f, const void *p, const char *key,
		      unsigned depth, struct dv_jw *w)
{
	const ProtobufCEnumValue *name;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		dv_jw_string(w, key, *(char *const *)p);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		add_message(*(ProtobufCMessage *const *)p, key, depth, w);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		dv_jw_bool(w, key, *(const protobuf_c_boolean *)p);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		name = protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);
		dv_jw_string(w, key, name ? name->name : "?");
		break;
	case PROTOBUF_C_TYPE_BYTES:
		dv_jw_uint(w, key, ((const ProtobufCBinaryData *)p)->len);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		dv_jw_double(w, key, (double)*(const float *)p);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		dv_jw_double(w, key, *(const double *)p);
		break;
	default:
		dv_jw_int(w, key, integer_at(f, p));
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(int64_t);
	default:
		return sizeof(int32_t);
	}
}

static void add_repeated(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f,
			 unsigned depth, struct dv_jw *w)
{
	size_t n = *(const size_t *)((const char *)msg + f->quantifier_offset);
	const char *items = *(const char *const *)((const char *)msg + f->offset);

	if (n == 0)
		return;
	if (is_map(f))
		dv_jw_object_begin(w, f->name);
	else
		dv_jw_array_begin(w, f->name);
	for (size_t i = 0; i < n; i++) {
		const void *p = items + i * size_of(f);

		if (is_map(f)) {
			const ProtobufCMessage *entry = *(ProtobufCMessage *const *)p;
			const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
			const char *e = (const char *)entry;

			add_value(&fields[1], e + fields[1].offset,
				  *(char *const *)(e + fields[0].offset), depth, w);
		} else {
			add_value(f, p, NULL, depth, w);
		}
	}
	if (is_map(f))
		dv_jw_object_end(w);
	else
		dv_jw_array_end(w);
}

/* Of a field that is not repeated. */
static bool is_empty(const ProtobufCFieldDescriptor *f, const void *p)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return !**(char *const *)p;
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(ProtobufCMessage *const *)p;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)p)->len == 0;
	case PROTOBUF_C_TYPE_FLOAT:
		return *(const float *)p == 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		return *(const double *)p == 0;
	default:
		return integer_at(f, p) == 0;
	}
}

static void add_members(const ProtobufCMessage *msg, unsigned depth, struct dv_jw *w)
{
	if (depth > DEPTH_MAX)
		return;
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		const void *p = (const char *)msg + f->offset;

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			add_repeated(msg, f, depth, w);
		else if (!is_empty(f, p))
			add_value(f, p, f->name, depth, w);
	}
}

void cli_pb_json(const ProtobufCMessage *msg, struct dv_jw *w)
{
	add_members(msg, 0, w);
}

void cli_pb_each(const ProtobufCMessage *msg,
		 void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		const void *p = (const char *)msg + f->offset;
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

		if (f->label == PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_MESSAGE ||
		    f->type == PROTOBUF_C_TYPE_BYTES || is_empty(f, p))
			continue;
		if (f->type == PROTOBUF_C_TYPE_STRING)
			dv_strbuf_add(&text, *(char *const *)p);
		else
			dv_strbuf_addf(&text, "%lld", (long long)integer_at(f, p));
		fn(arg, f->name, text.data);
	}
}
