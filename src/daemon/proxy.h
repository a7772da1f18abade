/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Plugins that are processes of their own and serve parts of containerd's API on a socket
 * ("proxy plugins"): today snapshotters.
 *
 * Not supported yet: snapshots that the plugin fetches itself (containerd.io/snapshot.ref), content
 * stores, differs.
 */

#include "base/err.h"

struct daemon;
struct snapshot_driver;

/*
 * A snapshotter behind the socket @address, which need not be there yet, for snapshots_add_driver().
 * The plugin knows our snapshots by our ids: "davit-<id>", and "davit-<id>-active" before the commit;
 * all of them in the namespace "davit". Loop's thread, as is the driver's free(); its other
 * functions are for workers alone, since they wait for the plugin: minutes at most.
 */
struct snapshot_driver *proxy_snapshotter_new(struct daemon *d, const char *name,
					      const char *address);
