/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Requests in short: client_call(c, CLIENT_TASKS("Kill", &request), NULL, NULL), where request is the
 * generated struct. The header of the service, "api/containerd/tasks.pb-c.h", is the caller's to include.
 */

#include "client/client.h"

#define CLIENT_REQUEST(descriptor, name, request) \
	(&(const struct client_request){ \
		.service = &(descriptor), .method = (name), .msg = &(request)->base })

#define CLIENT_CONTAINERS(name, request) \
	CLIENT_REQUEST(containerd__services__containers__v1__containers__descriptor, name, request)
#define CLIENT_CONTENT(name, request) \
	CLIENT_REQUEST(containerd__services__content__v1__content__descriptor, name, request)
#define CLIENT_DIFF(name, request) \
	CLIENT_REQUEST(containerd__services__diff__v1__diff__descriptor, name, request)
#define CLIENT_EVENTS(name, request) \
	CLIENT_REQUEST(containerd__services__events__v1__events__descriptor, name, request)
#define CLIENT_IMAGES(name, request) \
	CLIENT_REQUEST(containerd__services__images__v1__images__descriptor, name, request)
#define CLIENT_INTROSPECTION(name, request) \
	CLIENT_REQUEST(containerd__services__introspection__v1__introspection__descriptor, name, \
		       request)
#define CLIENT_LEASES(name, request) \
	CLIENT_REQUEST(containerd__services__leases__v1__leases__descriptor, name, request)
#define CLIENT_NAMESPACES(name, request) \
	CLIENT_REQUEST(containerd__services__namespaces__v1__namespaces__descriptor, name, request)
#define CLIENT_SNAPSHOTS(name, request) \
	CLIENT_REQUEST(containerd__services__snapshots__v1__snapshots__descriptor, name, request)
#define CLIENT_STREAMING(name, request) \
	CLIENT_REQUEST(containerd__services__streaming__v1__streaming__descriptor, name, request)
#define CLIENT_SYSTEM(name, request) \
	CLIENT_REQUEST(davit__system__v1__system__descriptor, name, request)
#define CLIENT_TASKS(name, request) \
	CLIENT_REQUEST(containerd__services__tasks__v1__tasks__descriptor, name, request)
#define CLIENT_TRANSFER(name, request) \
	CLIENT_REQUEST(containerd__services__transfer__v1__transfer__descriptor, name, request)
#define CLIENT_VERSION(name, request) \
	CLIENT_REQUEST(containerd__services__version__v1__version__descriptor, name, request)
