/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rpc/pb.h"

/* As pb_unpack(); *ret_used: the bytes of the arena that it took. */
struct dv_err *pb_unpack_counted(const ProtobufCMessageDescriptor *type, const void *bytes,
				 size_t n, struct dv_arena *arena, size_t max, size_t *ret_used,
				 ProtobufCMessage **ret) DV_CHECK;
