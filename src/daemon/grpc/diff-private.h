/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "service.h"

/* Diff.Diff (diff-make.c): a layer of what differs between two snapshots. */
struct dv_err *diff_make(struct daemon_call *c, const ProtobufCMessage *msg,
			 const ProtobufCMessage **ret) DV_CHECK;
