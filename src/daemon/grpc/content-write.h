/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rpc/grpc.h"

/* The handler of Content.Write. */
void content_write_call(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
