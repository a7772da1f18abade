/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * linux.netDevices: network devices of the caller's namespace move into the container's.
 * A device goes down, moves and gets its new name in one request, gets back the permanent
 * addresses of global scope that the move costs it, and goes up.
 */

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "spec/runtime.h"

/*
 * Moves all of @devices into the namespace @netnsfd. @procfd is needed for the way back: the
 * caller's thread enters @netnsfd for an instant.
 *
 * DV_NOT_FOUND: "link not found for interface eth5 on runtime namespace".
 */
struct dv_err *host_netdev_move(int procfd, int netnsfd, const struct spec_net_device *devices,
				size_t n_devices, const struct dv_log *log) DV_CHECK;
