/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the methods of the Controller share. All of them are on the loop. */

#include "sandbox-private.h"
#include "service.h"

/* A call for one sandbox; in the call's arena. */
struct sandbox_op {
	struct daemon_call c;
	const ProtobufCMessage *req;
	struct sandbox *s; /* with a reference */
};

/*
 * The controller that the client means: "" and "shim" are ours. DV_NOT_FOUND: another one;
 * DV_UNIMPLEMENTED: containerd has it and we have not.
 */
struct dv_err *sandbox_check_sandboxer(const char *name) DV_CHECK;

void sandbox_create(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
