/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sysctls by their names: "net.ipv4.ip_forward" or "net/ipv4/ip_forward". As sysctl(8) has
 * it, the first separator decides; after a dot, a slash stands for a dot in a name:
 * "net.ipv4.conf.eno2/100.rp_filter" is .../conf/eno2.100/rp_filter. Fork-safe.
 */

#include <stddef.h>

#include "base/macros.h"

/* "sys/net/ipv4/ip_forward". 0, -EINVAL for empty, "." or ".." components, -ENAMETOOLONG. */
int host_sysctl_path(const char *key, char *buf, size_t size) DV_CHECK;

/*
 * Writes through @procfd, the root of a trusted procfs; symlinks, magic links and other
 * mounts on the way are refused (-ELOOP, -EXDEV). The value belongs to the namespaces of
 * the calling process.
 */
int host_sysctl_write(int procfd, const char *key, const char *value) DV_CHECK;
