/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Protobuf messages as JSON, for people: names as in the schema, times in RFC 3339, nothing empty. */

#include <protobuf-c/protobuf-c.h>

#include "codec/json.h"

/* Members of the object that is open. */
void cli_pb_json(const ProtobufCMessage *msg, struct dv_jw *w);

/* @fn for each member that is text, a number or a boolean, and not empty, as text. */
void cli_pb_each(const ProtobufCMessage *msg,
		 void (*fn)(void *arg, const char *name, const char *value), void *arg);
