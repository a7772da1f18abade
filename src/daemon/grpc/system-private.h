/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A method of davit.system.v1 that has a file of its own. */

#include "service.h"

void system_info(struct grpc_call *call, const ProtobufCMessage *req, void *arg);
