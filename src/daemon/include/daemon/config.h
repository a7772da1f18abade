/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What can be set. Strings are never NULL; "" is "not set". Paths are absolute. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

struct daemon_config {
	const char *root, *state;
	const char *address; /* of the gRPC socket */
	uid_t uid; /* who owns the sockets */
	gid_t gid;
	mode_t mode;
	const char *read_only_address; /* "": no such socket */
	gid_t read_only_gid;
	mode_t read_only_mode;
	const char *ttrpc_address; /* for shims; "": the address with ".ttrpc" */
	enum dv_level log_level;
	enum dv_log_format log_format;
	bool is_content_isolated; /* content_sharing_policy */
	bool has_verity;
};

#define DAEMON_CONFIG_DEFAULT \
	{ \
		.root = "/var/lib/davit", .state = "/run/davit", \
		.address = "/run/davit/davitd.sock", .mode = 0660, .read_only_address = "", \
		.read_only_mode = 0660, .ttrpc_address = "", .log_level = DV_INFO, \
		.log_format = DV_LOG_TEXT, \
	}
