/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Our own program as seen through a detached, read-only overlay of its directory: an O_PATH
 * descriptor, or -errno. Needs no C library to be initialised.
 */
int rt_exe_overlay_open(void);
