/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The connection and its loop, as calls and streams see them. */

#include "client/client.h"
#include "rpc/grpc.h"

enum { CLIENT_METADATA_MAX = 2 };

struct client {
	uv_loop_t loop;
	struct grpc_client *grpc;
	char *address, *ns;
	bool is_turning; /* within client_turn() */
};

/* @r as gRPC's; @metadata is where its metadata are. */
struct grpc_request client_request_grpc(const struct client *c, const struct client_request *r,
					struct grpc_metadata metadata[CLIENT_METADATA_MAX]);
const ProtobufCMessageDescriptor *client_request_reply(const struct client_request *r);
/* Something happens: runs the loop once, waiting if need be. */
void client_turn(struct client *c);
