/* SPDX-License-Identifier: Apache-2.0 */
/* Which services there are. */

#include "services.h"

#include "service.h"

/* One a line, so that each can be added by itself. */
/* clang-format off */
static const struct grpc_service *const services[] = {
	&daemon_containers_service,
	&daemon_content_service,
	&daemon_diff_service,
	&daemon_events_service,
	&daemon_images_service,
	&daemon_introspection_service,
	&daemon_leases_service,
	&daemon_mounts_service,
	&daemon_namespaces_service,
	&daemon_sandbox_controller_service,
	&daemon_sandbox_store_service,
	&daemon_snapshots_service,
	&daemon_streaming_service,
	&daemon_system_service,
	&daemon_tasks_service,
	&daemon_transfer_service,
	&daemon_version_service,
};
/* clang-format on */

void daemon_services_add(struct daemon *d, struct grpc_server *server)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(services); i++)
		grpc_server_add(server, services[i], d);
}

const char *daemon_service_name(size_t i)
{
	return i < DV_ARRAY_SIZE(services) ? services[i]->name : NULL;
}
