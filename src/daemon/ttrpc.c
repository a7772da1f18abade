/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.events.ttrpc.v1, for root's shims alone. */

#include "ttrpc.h"

#include <unistd.h>

#include "api/containerd/events-ttrpc.pb-c.h"
#include "rpc/ttrpc.h"
#include "socket.h"

typedef Containerd__Services__Events__Ttrpc__V1__ForwardRequest ForwardRequest;

static void forward(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct dv_err *e = daemon_forward(arg, ((const ForwardRequest *)msg)->envelope);

	if (e)
		ttrpc_fail(call, e);
	else
		ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	{ .name = "Forward",
	  .request = &containerd__services__events__ttrpc__v1__forward_request__descriptor,
	  .fn = forward },
};

static const struct ttrpc_service service = {
	.name = "containerd.services.events.ttrpc.v1.Events",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};

struct dv_err *daemon_ttrpc_listen(struct daemon *d)
{
	struct daemon_socket s = { d->ttrpc_address, geteuid(), getegid(), 0600 };
	struct ttrpc_server_opts opts = {
		.loop = d->loop,
		.uid = geteuid(),
		.log = d->log,
		/* One connection for each shim. */
		.limits = { .max_connections = 16384 },
	};
	struct dv_err *e;

	e = daemon_socket_listen(&s, &opts.listen_fd);
	if (!e)
		e = ttrpc_server_new(&opts, &d->ttrpc);
	if (!e)
		ttrpc_server_add(d->ttrpc, &service, d);
	return e;
}
