/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Plugins that are processes of their own and serve parts of containerd's API on a socket
 * ("proxy plugins"): today snapshotters and differs.
 *
 * Not supported yet: snapshots that the plugin fetches itself (containerd.io/snapshot.ref), content
 * stores; differs for the layers that the Transfer service unpacks.
 */

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/macros.h"

struct daemon;
struct daemon_call;
struct snapshot_driver;

/*
 * A snapshotter behind the socket @address, which need not be there yet, for snapshots_add_driver().
 * The plugin knows our snapshots by our ids: "davit-<id>", and "davit-<id>-active" before the commit;
 * all of them in the namespace "davit". Loop's thread, as is the driver's free(); its other
 * functions are for workers alone, since they wait for the plugin: minutes at most.
 */
struct snapshot_driver *proxy_snapshotter_new(struct daemon *d, const char *name,
					      const char *address);

/*
 * The differs of the configuration, in its order; each is asked for everything, before our own. The
 * loop's thread.
 */
struct differs;
struct differs *differs_new(struct daemon *d);
struct differs *differs_free(struct differs *all); /* accepts NULL; always returns NULL */

struct differs_request {
	const char *method; /* of the Diff service */
	const ProtobufCMessage *msg;
	const ProtobufCMessageDescriptor *reply;
};

/*
 * For workers. *ret is in the call's arena; NULL: there is no differ, or each of them has said that it
 * does not do this (DV_UNIMPLEMENTED). Any other error of one is the answer.
 */
struct dv_err *differs_call(struct daemon_call *c, const struct differs_request *r,
			    const ProtobufCMessage **ret) DV_CHECK;
