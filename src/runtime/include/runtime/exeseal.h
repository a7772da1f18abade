/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Protection of our own program (CVE-2019-5736). The process that becomes the container's is
 * a fork of ours, so the container can reach our executable as /proc/<pid>/exe; if it is
 * allowed to write there, it owns every later run of this program. So whoever puts a process
 * into a container first makes sure that it runs from an image that nobody can write to.
 */

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"

/*
 * Returns NULL when the program runs from such an image: a sealed memory file, a file with
 * fs-verity or on a file system that is read-only by nature, or the overlay made here. If not,
 * executes the program again from one, with @argv, the environment and all descriptors without
 * close-on-exec as they are; then it does not return. Call it before anything that would be
 * lost by that. No variable of the environment plays a part.
 *
 * An error means that there is no protection: do not go on.
 */
struct dv_err *rt_exe_seal(char **argv, const struct dv_log *log) DV_CHECK;
