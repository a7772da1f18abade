/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the methods of the Tasks service share. All of them are on the loop. */

#include "service.h"
#include "task-private.h"

/* A call for one task; in the call's arena. */
struct tasks_op {
	struct daemon_call c;
	const ProtobufCMessage *req;
	const char *id;
	struct task *t; /* with a reference, from the moment that `go` is called */
	void (*go)(struct tasks_op *op);
	/* Of tasks_op_pass(). */
	const ProtobufCMessage *(*convert)(struct tasks_op *op, const ProtobufCMessage *reply);
	struct tasks_loaded loaded;
};

/* Finds the task, and calls @go when it can be asked. DV_NOT_FOUND. */
void tasks_op_begin(struct grpc_call *call, struct daemon *d, const ProtobufCMessage *req,
		    const char *id, void (*go)(struct tasks_op *op));
void tasks_op_fail(struct tasks_op *op, struct dv_err *take_e);
void tasks_op_reply(struct tasks_op *op, const ProtobufCMessage *msg);

/*
 * Hands the call on to the shim, with the client's deadline. @convert makes the answer of the
 * shim's, NULL: an empty one; it may keep notes of what is known now.
 */
void tasks_op_pass(struct tasks_op *op, const struct task_call *call,
		   const ProtobufCMessage *(*convert)(struct tasks_op *op,
						      const ProtobufCMessage *reply));
uint64_t tasks_op_timeout(const struct tasks_op *op, uint64_t max); /* 0: none */

void tasks_create(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_get(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_list(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_metrics(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
void tasks_wait(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
