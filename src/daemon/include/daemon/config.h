/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What can be set. Strings are never NULL; "" is "not set". Paths are absolute. The options by
 * name, with their texts, are a table in config-options.c; reading files is daemon/config-file.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

struct daemon_strings {
	const char *const *items;
	size_t n_items;
};

/* A service of another process that we offer as our own: [proxy_plugins.<name>]. */
struct daemon_proxy {
	const char *name;
	const char *type; /* "snapshot", "content", "diff", "sandbox" */
	const char *address; /* of its gRPC socket */
	struct daemon_strings capabilities; /* of a snapshotter */
};

struct daemon_gc_config { /* when the collector runs */
	double pause_threshold; /* at most this part of the time */
	uint64_t schedule_delay_ns; /* after what caused it */
	uint64_t startup_delay_ns; /* the first one */
};

/* May a namespace use a blob of another one by its digest alone? */
enum daemon_sharing { DAEMON_SHARED, DAEMON_ISOLATED };

struct daemon_config {
	const char *root, *state;
	int oom_score; /* 0: as it is */
	const char *address; /* of the gRPC socket */
	uid_t uid; /* who owns the sockets */
	gid_t gid;
	mode_t mode;
	size_t max_message; /* bytes */
	const char *read_only_address; /* "": no such socket */
	gid_t read_only_gid;
	mode_t read_only_mode;
	const char *ttrpc_address; /* for shims; "": the address with ".ttrpc" */
	enum dv_level log_level;
	enum dv_log_format log_format;
	const char *metrics_address; /* host:port or a path; "": none */
	enum daemon_sharing content_sharing;
	bool has_verity;
	struct daemon_strings overlay_options;
	struct daemon_strings shim_env; /* more of the environment of shims */
	uint64_t shim_start_ns, shim_create_ns, shim_load_ns, shim_cleanup_ns, shim_shutdown_ns;
	struct daemon_gc_config gc;
	const struct daemon_proxy *proxies;
	size_t n_proxies;
};

#define DAEMON_CONFIG_PATH "/etc/davit/config.toml"

#define DAEMON_CONFIG_DEFAULT \
	{ \
		.root = "/var/lib/davit", .state = "/run/davit", \
		.address = "/run/davit/davitd.sock", .mode = 0660, .max_message = 16 << 20, \
		.read_only_address = "", .read_only_mode = 0660, .ttrpc_address = "", \
		.log_level = DV_INFO, .log_format = DV_LOG_TEXT, .metrics_address = "", \
		.shim_start_ns = UINT64_C(30000000000), .shim_create_ns = UINT64_C(120000000000), \
		.shim_load_ns = UINT64_C(5000000000), .shim_cleanup_ns = UINT64_C(10000000000), \
		.shim_shutdown_ns = UINT64_C(3000000000), \
		.gc = { \
			.pause_threshold = 0.02, \
			.schedule_delay_ns = UINT64_C(100000000), \
			.startup_delay_ns = UINT64_C(1000000000), \
		}, \
	}
