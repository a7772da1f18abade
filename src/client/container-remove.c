/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what a container without a task consists of. See client/container.h. */

#include "api/containerd/containers.pb-c.h"
#include "client/container.h"
#include "client/services.h"

/* Absent is as good as removed. */
static struct dv_err *removed(struct dv_err *take)
{
	if (take && dv_err_code(take) == DV_NOT_FOUND)
		take = dv_err_free(take);
	return take;
}

/* The record first: what it refers to is garbage from then on, whatever becomes of us. */
static struct dv_err *remove_parts(struct client *c, const char *id, const char *snapshotter,
				   const char *key)
{
	Containerd__Services__Containers__V1__DeleteContainerRequest record =
		CONTAINERD__SERVICES__CONTAINERS__V1__DELETE_CONTAINER_REQUEST__INIT;
	Containerd__Services__Snapshots__V1__RemoveSnapshotRequest snapshot =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;
	struct dv_err *e;

	record.id = (char *)id;
	e = removed(client_call(c, CLIENT_CONTAINERS("Delete", &record), NULL, NULL));
	if (e || !key || !*key)
		return e;
	snapshot.snapshotter = (char *)snapshotter;
	snapshot.key = (char *)key;
	return removed(client_call(c, CLIENT_SNAPSHOTS("Remove", &snapshot), NULL, NULL));
}

struct dv_err *client_container_remove(struct client *c, const struct client_record *r)
{
	return remove_parts(c, r->container->id, r->container->snapshotter,
			    r->container->snapshot_key);
}

void client_container_discard(struct client *c, const struct client_container *made)
{
	dv_err_free(
		remove_parts(c, made->id, made->snapshotter, made->snapshotter ? made->id : NULL));
}
