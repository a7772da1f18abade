/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.version.v1: which daemon this is. */

#include "api/containerd/version.pb-c.h"
#include "api/google/protobuf/empty.pb-c.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "service.h"
#include "services.h"

static void version(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	Containerd__Services__Version__V1__VersionResponse reply =
		CONTAINERD__SERVICES__VERSION__V1__VERSION_RESPONSE__INIT;

	(void)req;
	(void)arg;
	reply.version = (char *)DAVIT_VERSION;
	reply.revision = (char *)DAVIT_COMMIT;
	grpc_reply(call, &reply.base);
}

static const struct grpc_method methods[] = {
	{ .name = "Version",
	  .request = &google__protobuf__empty__descriptor,
	  .fn = version,
	  .is_read_only = true },
};

const struct grpc_service daemon_version_service = {
	.name = "containerd.services.version.v1.Version",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
