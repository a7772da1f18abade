/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container that is being made. */

#include "api/davit/system.pb-c.h"
#include "client/container.h"
#include "client/image.h"
#include "host/user.h"

struct making {
	struct client *c;
	struct dv_arena *arena;
	const struct client_container_opts *opts;
	struct client_container *out;
	const Davit__System__V1__InfoResponse *info;
	const char *lease;
	const char *snapshotter;
	const char *hostname;
	struct client_image image; /* .name NULL: a rootfs of the host's */
	struct spec_container spec;
	struct spec_mount *mounts; /* the caller's, and the files of the data directory */
	struct host_user_found user;
	int dir; /* data directory, -1: not made yet */
	bool has_lease, has_snapshot, has_record; /* to be undone */
};

/* container-files.c: the data directory, hostname, hosts, resolv.conf, and their mounts. */
struct dv_err *making_files(struct making *m) DV_CHECK;
void making_remove_files(struct making *m);

/* container-user.c: who runs in it, by the files of its tree. */
struct dv_err *making_user(struct making *m) DV_CHECK;

/* container-process.c: arguments, environment and directory, of the image and the caller. */
struct dv_err *making_process(struct making *m) DV_CHECK;

/* container-record.c: Containers.Create. */
struct dv_err *making_record(struct making *m) DV_CHECK;
