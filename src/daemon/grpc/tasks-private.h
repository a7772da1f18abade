/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the methods of the Tasks service share. All of them are on the loop. */

#include "api/containerd/tasks.pb-c.h"
#include "service.h"
#include "task-private.h"

struct tasks_op;

/* What a method makes of a call. Static data. */
struct tasks_method {
	void (*go)(struct tasks_op *op); /* with the task, which is LIVE */
	/* In place of DV_NOT_FOUND: there is no task. May be NULL. */
	void (*missing)(struct tasks_op *op);
	bool takes_ending; /* `go` is for one that is ENDING, too */
};

/* A call for one task; in the call's arena. */
struct tasks_op {
	struct daemon_call c;
	const ProtobufCMessage *req;
	const char *id;
	const struct tasks_method *method;
	struct task *t; /* with a reference, from the moment that `go` is called */
	struct tasks_sleeper sleeper;
	void (*awake)(struct tasks_op *op);
	struct tasks_passed *passed; /* a call to the shim that is in flight */
};

/* Finds the task, if need be when it was loaded, and goes on with the method. DV_NOT_FOUND. */
void tasks_op_begin(struct grpc_call *call, struct daemon *d, const ProtobufCMessage *req,
		    const char *id, const struct tasks_method *method);
void tasks_op_fail(struct tasks_op *op, struct dv_err *take_e);
void tasks_op_reply(struct tasks_op *op, const ProtobufCMessage *msg);
struct dv_err *tasks_not_found(const char *id) DV_CHECK;

/* @awake after the next change (tasks_sleep()), if the client is still there then. */
void tasks_op_sleep(struct tasks_op *op, void (*awake)(struct tasks_op *op));

/*
 * Makes the reply (NULL: an empty one) of the shim's answer; may keep notes in op->t of what is
 * known now.
 */
typedef const ProtobufCMessage *(*tasks_convert_fn)(struct tasks_op *op,
						    const ProtobufCMessage *reply);
/*
 * Hands the call on to the shim, with the client's deadline. When the client goes, its call ends at
 * once, whatever the shim does.
 */
void tasks_op_pass(struct tasks_op *op, const struct task_call *call, tasks_convert_fn convert);
uint64_t tasks_op_timeout(const struct tasks_op *op, uint64_t max); /* 0: none */

/*
 * TASKS_METHOD(StartRequest, start): the function of the table, which finds the task and calls
 * start_go(), whose op->req is the request. More members of struct tasks_method may follow.
 */
#define TASKS_METHOD(Type, name, ...) \
	static void name##_go(struct tasks_op *op); \
	static void name(struct grpc_call *call, const ProtobufCMessage *req, void *arg) \
	{ \
		static const struct tasks_method method = { .go = name##_go, ##__VA_ARGS__ }; \
		const Containerd__Services__Tasks__V1__##Type *from = (const void *)req; \
\
		tasks_op_begin(call, arg, req, from->container_id, &method); \
	} \
	static void name##_go(struct tasks_op *op)

/* What a Create has on disk, and what the shim is told (tasks-prepare.c). */
struct tasks_prepared {
	const char *tasks_dir; /* given */
	char *shim_binary; /* heap, also after a failure; NULL: not known, and the shim is there */
	const char *sandbox; /* "": the container belongs to none */
	ProtobufCBinaryData options; /* an encoded Any */
	const struct meta_any *any; /* the same; NULL: none */
	bool is_managed;
};
/* For workers. The bundle, and for a managed container the beginning of managed.h; or nothing. */
struct dv_err *tasks_prepare(struct daemon_call *c,
			     const Containerd__Services__Tasks__V1__CreateTaskRequest *req,
			     struct tasks_prepared *ret) DV_CHECK;

void tasks_create(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_delete(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_delete_process(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_get(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_list(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_metrics(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_wait(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
