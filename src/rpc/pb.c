/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf-c's messages in arenas. See rpc/pb.h.
 *
 * protobuf-c makes C strings of string fields without looking, and reports nothing but failure. So
 * the bytes are walked once before: strings must be text, and errors name the field.
 */

#include "rpc/pb.h"

#include "pb-private.h"
#include "wire-private.h"

/* Deeper than any schema of ours. */
enum { DEPTH_MAX = 32 };

/* What protobuf-c allocates comes from the arena until the limit is reached. */
struct pb_memory {
	struct dv_arena *arena;
	size_t used, max;
	bool is_short;
};

static void *memory_alloc(void *data, size_t n)
{
	struct pb_memory *m = data;
	void *p;

	if (n > m->max - m->used) {
		m->is_short = true;
		return NULL;
	}
	m->used += n;
	p = dv_arena_try(m->arena, n);
	m->is_short = !p;
	return p;
}

static void memory_free(void *data, void *p)
{
	(void)data;
	(void)p; /* with the arena */
}

static struct dv_err *check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n,
			    int depth);

static struct dv_err *check_field(const ProtobufCFieldDescriptor *field, const struct wire_field *f,
				  int depth)
{
	if (f->type != WIRE_BYTES)
		return NULL;
	if (field->type == PROTOBUF_C_TYPE_STRING && !wire_is_text(f->bytes, f->n))
		return dv_err_new(DV_INVALID, "field %s: not UTF-8 text", field->name);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return dv_err_wrap(check(field->descriptor, f->bytes, f->n, depth + 1), "field %s",
				   field->name);
	return NULL;
}

static struct dv_err *check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n,
			    int depth)
{
	struct wire_reader r = { .p = bytes, .end = bytes + n };
	struct wire_field f;
	enum wire_next next;
	struct dv_err *e;

	if (depth > DEPTH_MAX)
		return dv_err_new(DV_INVALID, "nested too deeply");
	while ((next = wire_next(&r, &f)) == WIRE_FIELD) {
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field(type, f.number);

		e = field ? check_field(field, &f, depth) : NULL;
		if (e)
			return e;
	}
	if (next == WIRE_BROKEN)
		return dv_err_new(DV_INVALID, "malformed or cut off after %zu of %zu bytes",
				  (size_t)(r.p - bytes), n);
	return NULL;
}

struct dv_err *pb_unpack_counted(const ProtobufCMessageDescriptor *type, const void *bytes,
				 size_t n, struct dv_arena *arena, size_t max, size_t *ret_used,
				 ProtobufCMessage **ret)
{
	struct pb_memory memory = { .arena = arena, .max = max ? max : PB_MEMORY_MAX };
	ProtobufCAllocator allocator = { .alloc = memory_alloc,
					 .free = memory_free,
					 .allocator_data = &memory };
	static const uint8_t nothing[1];
	ProtobufCMessage *msg;
	struct dv_err *e;

	if (!n)
		bytes = nothing;
	e = check(type, bytes, n, 0);
	if (e)
		return dv_err_wrap(e, "%s", type->name);
	msg = protobuf_c_message_unpack(type, &allocator, n, bytes);
	*ret_used = memory.used;
	if (!msg && memory.is_short)
		return dv_err_new(DV_EXHAUSTED,
				  "%s: %zu bytes take more memory than there is, or than %zu",
				  type->name, n, memory.max);
	if (!msg)
		return dv_err_new(DV_INVALID, "%s: malformed", type->name);
	*ret = msg;
	return NULL;
}

struct dv_err *pb_unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n,
			 struct dv_arena *arena, size_t max, ProtobufCMessage **ret)
{
	size_t used;

	return pb_unpack_counted(type, bytes, n, arena, max, &used, ret);
}

struct pb_buffer {
	ProtobufCBuffer base;
	struct dv_strbuf *b;
};

static void buffer_append(ProtobufCBuffer *base, size_t n, const uint8_t *bytes)
{
	struct pb_buffer *pb = dv_container_of(base, struct pb_buffer, base);

	dv_strbuf_add_n(pb->b, bytes, n);
}

void pb_pack(const ProtobufCMessage *msg, struct dv_strbuf *b)
{
	struct pb_buffer pb = { .base.append = buffer_append, .b = b };

	protobuf_c_message_pack_to_buffer(msg, &pb.base);
}

ProtobufCBinaryData pb_pack_arena(const ProtobufCMessage *msg, struct dv_arena *arena)
{
	ProtobufCBinaryData data = { .len = protobuf_c_message_get_packed_size(msg) };

	data.data = dv_arena_alloc(arena, data.len);
	protobuf_c_message_pack(msg, data.data);
	return data;
}

const char *pb_any_url(const ProtobufCMessage *msg)
{
	return msg->descriptor->name;
}

bool pb_any_is_named(const char *type_url, const char *name)
{
	size_t n_url = strlen(type_url), n = strlen(name);

	if (n > n_url || !dv_streq(type_url + n_url - n, name))
		return false;
	return n == n_url || type_url[n_url - n - 1] == '/';
}

bool pb_any_is(const char *type_url, const ProtobufCMessageDescriptor *type)
{
	return pb_any_is_named(type_url, type->name);
}

bool pb_timestamp_to(int64_t seconds, int32_t nanos, struct timespec *ret)
{
	/* 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as the well-known type has it. */
	if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799))
		return false;
	if (nanos < 0 || nanos > 999999999)
		return false;
	*ret = (struct timespec){ .tv_sec = seconds, .tv_nsec = nanos };
	return true;
}
