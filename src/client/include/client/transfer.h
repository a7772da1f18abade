/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Archives of images to and from davitd, by its Transfer service. */

#include "api/containerd/transfer-types.pb-c.h"
#include "client/client.h"

struct client_transfer {
	int fd; /* of the archive: read to its end, or written; borrowed, blocking */
	/* Either may be NULL. Called between messages. */
	void (*on_progress)(void *arg, const Containerd__Types__Transfer__Progress *p);
	void (*on_bytes)(void *arg, uint64_t n_bytes); /* of the archive, so far */
	void *arg;
};

/*
 * OCI layouts and docker's archives, plain or compressed. @store: what becomes of it; names, platforms,
 * unpacking. DV_INVALID and others: as davitd says, or the archive could not be read.
 */
struct dv_err *client_import(struct client *c, const struct client_transfer *t,
			     const Containerd__Types__Transfer__ImageStore *store) DV_CHECK;

/* @from: which images. @to: what is in the archive; .stream is filled in here. */
struct dv_err *client_export(struct client *c, const struct client_transfer *t,
			     const Containerd__Types__Transfer__ImageStore *from,
			     const Containerd__Types__Transfer__ImageExportStream *to) DV_CHECK;
