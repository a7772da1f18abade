/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in arenas. */

#include "api/containerd/events.pb-c.h"
#include "api/containerd/task.pb-c.h"
#include "base/test.h"
#include "rpc/pb.h"

typedef Containerd__Task__V2__CreateTaskRequest Create;

static const ProtobufCMessageDescriptor *const create_type =
	&containerd__task__v2__create_task_request__descriptor;

static struct dv_arena arena;

static void init(void)
{
	dv_arena_init(&arena);
}

static void fini(void)
{
	dv_arena_fini(&arena);
}

TestSuite(pb, .init = init, .fini = fini);

Test(pb, there_and_back)
{
	Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT, *mounts[] = { &mount };
	Create msg = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	char *options[] = { (char *)"ro", (char *)"nosuid" };
	struct dv_strbuf b = DV_STRBUF_INIT;
	ProtobufCMessage *got = NULL;
	ProtobufCBinaryData data;
	const Create *back;

	mount.type = (char *)"overlay";
	mount.options = options;
	mount.n_options = 2;
	msg.id = (char *)"c1";
	msg.bundle = (char *)"/b\xc3\xbcndel";
	msg.rootfs = mounts;
	msg.n_rootfs = 1;
	msg.terminal = true;
	any.type_url = (char *)"containerd.runc.v1.Options";
	any.value.data = (uint8_t *)"\0\1\2";
	any.value.len = 3;
	msg.options = &any;
	pb_pack(&msg.base, &b);
	data = pb_pack_arena(&msg.base, &arena);
	T_INT(data.len, ==, b.len);
	T_INT(memcmp(data.data, b.data, b.len), ==, 0);

	T_NULL(pb_unpack(create_type, b.data, b.len, &arena, 0, &got));
	dv_strbuf_fini(&b);
	back = (const Create *)got;
	T_STR(back->id, "c1");
	T_STR(back->bundle, "/b\xc3\xbcndel");
	T_INT(back->n_rootfs, ==, 1);
	T_STR(back->rootfs[0]->options[1], "nosuid");
	T_TRUE(back->terminal);
	T_STR(back->stdin, "");
	T_INT(back->options->value.len, ==, 3);
}

Test(pb, nothing_is_an_empty_message)
{
	ProtobufCMessage *got = NULL;

	T_NULL(pb_unpack(create_type, NULL, 0, &arena, 0, &got));
	T_STR(((const Create *)got)->id, "");
}

Test(pb, unknown_fields_are_skipped)
{
	static const char bytes[] = "\xba\x3e\x02\xff\xff\x0a\x02"
				    "c1"; /* 999: bytes, 1: c1 */
	ProtobufCMessage *got = NULL;

	T_NULL(pb_unpack(create_type, bytes, sizeof(bytes) - 1, &arena, 0, &got));
	T_STR(((const Create *)got)->id, "c1");
}

#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *bytes;
	size_t n;
	const char *message;
} bad[] = {
	{ BYTES("\x0a\x05"
		"c1"),
	  "containerd.task.v2.CreateTaskRequest: malformed or cut off after 2 of 4 bytes" },
	{ BYTES("\x0a\x02"
		"c\xff"),
	  "containerd.task.v2.CreateTaskRequest: field id: not UTF-8 text" },
	{ BYTES("\x0a\x03"
		"c\0"
		"1"),
	  "containerd.task.v2.CreateTaskRequest: field id: not UTF-8 text" },
	{ BYTES("\x1a\x04\x22\x02\xc0\x80"),
	  "containerd.task.v2.CreateTaskRequest: field rootfs: field options: not UTF-8 text" },
	{ BYTES("\x1a\x04\x22\x09rw"),
	  "containerd.task.v2.CreateTaskRequest: field rootfs: malformed or cut off after 2 of 4 bytes" },
	{ BYTES("\x0a"),
	  "containerd.task.v2.CreateTaskRequest: malformed or cut off after 1 of 1 bytes" },
	/* A number where text belongs. */
	{ BYTES("\x08\x01"), "containerd.task.v2.CreateTaskRequest: malformed" },
};

Test(pb, bad_bytes)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		ProtobufCMessage *got = NULL;
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e = pb_unpack(create_type, bad[i].bytes, bad[i].n, &arena, 0, &got);

		T_NOT_NULL(e);
		T_INT(dv_err_code(e), ==, DV_INVALID);
		T_STR(dv_err_message(e), bad[i].message);
		T_NULL((void *)got);
	}
}

/* Two bytes for an empty mount, which takes a hundred in memory. */
Test(pb, few_bytes_do_not_take_all_memory)
{
	enum { N = 100000 };
	DV_CLEANUP(dv_freep) char *bytes = dv_new_n(char, 2 * N);
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	ProtobufCMessage *got = NULL;

	for (size_t i = 0; i < N; i++)
		memcpy(bytes + 2 * i, "\x1a\x00", 2);
	e = pb_unpack(create_type, bytes, 2 * (size_t)N, &arena, 1 << 20, &got);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	T_NULL((void *)got);
}

Test(pb, any)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	const ProtobufCMessageDescriptor *type = &containerd__events__task_exit__descriptor;

	T_STR(pb_any_url(&event.base), "containerd.events.TaskExit");
	T_TRUE(pb_any_is("containerd.events.TaskExit", type));
	T_TRUE(pb_any_is("type.googleapis.com/containerd.events.TaskExit", type));
	T_TRUE(pb_any_is("/containerd.events.TaskExit", type));
	T_FALSE(pb_any_is("xcontainerd.events.TaskExit", type));
	T_FALSE(pb_any_is("containerd.events.TaskExit/", type));
	T_FALSE(pb_any_is("TaskExit", type));
	T_FALSE(pb_any_is("", type));
	T_TRUE(pb_any_is_named("types.containerd.io/opencontainers/runtime-spec/1/Spec",
			       "opencontainers/runtime-spec/1/Spec"));
}

static const struct {
	int64_t seconds;
	int32_t nanos;
	bool is_good;
} times[] = {
	{ 0, 0, true },
	{ 1700000000, 999999999, true },
	{ -1, 5, true },
	{ -62135596800, 0, true },
	{ -62135596801, 999999999, false },
	{ 253402300799, 0, true },
	{ 253402300800, 0, false },
	{ 0, -1, false },
	{ 0, 1000000000, false },
};

Test(pb, timestamps)
{
	Google__Protobuf__Timestamp pb = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	struct timespec ts;

	for (size_t i = 0; i < DV_ARRAY_SIZE(times); i++) {
		ts = (struct timespec){ 0 };
		cr_expect(pb_timestamp_to(times[i].seconds, times[i].nanos, &ts) ==
				  times[i].is_good,
			  "time %zu", i);
		if (!times[i].is_good)
			continue;
		PB_TIMESTAMP_SET(&pb, &ts);
		T_INT(pb.seconds, ==, times[i].seconds);
		T_INT(pb.nanos, ==, times[i].nanos);
	}
}
