/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Loop devices: files as block devices. Results are >= 0 or -errno; nothing allocates. */

#include <stdbool.h>

#include "base/macros.h"

/*
 * A free device gets the file @backing, and goes when its last user goes (autoclear). Returns a
 * descriptor of the device, *ret_number is that of /dev/loop<n>.
 */
int sys_loop_attach(int backing, bool is_read_only, int *ret_number);

/* Off: the device stays without users, until it is set again. */
int sys_loop_set_autoclear(int loop, bool is_on);
