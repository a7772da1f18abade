/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tables of the files in grpc/, one for each service. */

#include "rpc/grpc.h"

extern const struct grpc_service daemon_content_service;
extern const struct grpc_service daemon_mounts_service;
extern const struct grpc_service daemon_sandbox_controller_service;
extern const struct grpc_service daemon_sandbox_store_service;
extern const struct grpc_service daemon_snapshots_service;
extern const struct grpc_service daemon_events_service;
extern const struct grpc_service daemon_diff_service;
extern const struct grpc_service daemon_introspection_service;
extern const struct grpc_service daemon_tasks_service;
extern const struct grpc_service daemon_transfer_service;
extern const struct grpc_service daemon_streaming_service;
extern const struct grpc_service daemon_system_service;
extern const struct grpc_service daemon_version_service;
extern const struct grpc_service daemon_containers_service;
extern const struct grpc_service daemon_images_service;
extern const struct grpc_service daemon_leases_service;
extern const struct grpc_service daemon_namespaces_service;

/* Of the i-th; NULL: there are no more. */
const char *daemon_service_name(size_t i);
