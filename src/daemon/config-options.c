/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options: one row makes reading, `davitd config default`, the manual page and reloading. And
 * containerd's names for them.
 */

#include <limits.h>

#include "config-private.h"

#define FIELD(name) offsetof(struct daemon_config, name)

static const struct config_word levels[] = {
	{ "debug", DV_DEBUG },	     { "info", DV_INFO },
	{ "warn", DV_WARN },	     { "error", DV_ERROR },
	{ "trace", DV_DEBUG, true }, { "warning", DV_WARN, true },
	{ "fatal", DV_ERROR, true }, { "panic", DV_ERROR, true },
	{ "", DV_INFO, true },	     { NULL },
};
static const struct config_word formats[] = {
	{ "text", DV_LOG_TEXT },
	{ "json", DV_LOG_JSON },
	{ "", DV_LOG_TEXT, true },
	{ NULL },
};
static const struct config_word policies[] = {
	{ "shared", DAEMON_SHARED },
	{ "isolated", DAEMON_ISOLATED },
	{ "", DAEMON_SHARED, true },
	{ NULL },
};

const struct config_option config_options[] = {
	{ "root", CONFIG_PATH, FIELD(root),
	  .help = "Directory of what outlives the machine: content, snapshots, metadata." },
	{ "state", CONFIG_PATH, FIELD(state),
	  .help = "Directory of what outlives the daemon: the bundles of running containers." },
	{ "oom_score", CONFIG_INT, FIELD(oom_score), .min = -1000, .max = 1000,
	  .help = "What the kernel adds to the daemon's badness when memory is short "
		  "(oom_score_adj). 0: as it is." },

	{ "grpc.address", CONFIG_PATH, FIELD(address),
	  .help = "Socket of the API. Who can write to it is root on this machine." },
	{ "grpc.uid", CONFIG_ID, FIELD(uid), .help = "Owner of the sockets." },
	{ "grpc.gid", CONFIG_ID, FIELD(gid), .help = "Group of the socket." },
	{ "grpc.mode", CONFIG_MODE, FIELD(mode), .help = "Permissions of the socket." },
	{ "grpc.max_message_size", CONFIG_SIZE, FIELD(max_message), .min = 64 << 10,
	  .max = 32 << 20, .help = "Bytes of the largest message that is taken." },

	{ "read_only.address", CONFIG_PATH, FIELD(read_only_address),
	  .help = "A second socket, for methods that change nothing. Empty: none." },
	{ "read_only.gid", CONFIG_ID, FIELD(read_only_gid), .help = "Its group." },
	{ "read_only.mode", CONFIG_MODE, FIELD(read_only_mode), .help = "Its permissions." },

	{ "ttrpc.address", CONFIG_PATH, FIELD(ttrpc_address),
	  .help = "Socket for shims, root's alone. Empty: the API's with \".ttrpc\"." },

	{ "log.level", CONFIG_WORD, FIELD(log_level), .words = levels, .is_live = true,
	  .help = "Lines below are not written. A failed call is a line of debug." },
	{ "log.format", CONFIG_WORD, FIELD(log_format), .words = formats, .is_live = true,
	  .help = "Form of the lines on standard error." },

	{ "metrics.address", CONFIG_STRING, FIELD(metrics_address),
	  .help = "Where /v1/metrics (Prometheus) and /healthz are served by HTTP, to anybody "
		  "who can connect: \"127.0.0.1:1338\", \"[::1]:1338\" or the path of a socket. "
		  "Empty: nowhere." },

	{ "content.sharing_policy", CONFIG_WORD, FIELD(content_sharing), .words = policies,
	  .help = "May a namespace use a blob that another one has, by its digest alone "
		  "(shared), or must it show the bytes (isolated)?" },
	{ "content.verity", CONFIG_BOOL, FIELD(has_verity),
	  .help = "Let the file system guard blobs with fs-verity, where it can." },

	{ "overlayfs.mount_options", CONFIG_LIST, FIELD(overlay_options),
	  .help = "More mount options of overlay snapshots, such as \"volatile\"." },

	{ "shim.env", CONFIG_LIST, FIELD(shim_env),
	  .help = "More of the environment of shims: \"NAME=value\"." },
	{ "shim.start_timeout", CONFIG_DURATION, FIELD(shim_start_ns),
	  .help = "How long a shim may take to start." },
	{ "shim.create_timeout", CONFIG_DURATION, FIELD(shim_create_ns),
	  .help = "How long a shim may take to create a container, hooks and all." },
	{ "shim.load_timeout", CONFIG_DURATION, FIELD(shim_load_ns),
	  .help = "How long a shim that an earlier daemon left may take to answer." },
	{ "shim.cleanup_timeout", CONFIG_DURATION, FIELD(shim_cleanup_ns),
	  .help = "How long the removal of what a dead shim left may take." },
	{ "shim.shutdown_timeout", CONFIG_DURATION, FIELD(shim_shutdown_ns),
	  .help = "How long a shim without containers may take to go." },

	{ "gc.pause_threshold", CONFIG_FRACTION, FIELD(gc.pause_threshold),
	  .help = "The part of the time that garbage collection may take." },
	{ "gc.schedule_delay", CONFIG_DURATION, FIELD(gc.schedule_delay_ns),
	  .help = "From the deletion that causes a collection to its begin." },
	{ "gc.startup_delay", CONFIG_DURATION, FIELD(gc.startup_delay_ns),
	  .help = "From the daemon's start to the first collection." },
	{ NULL },
};

#define PLUGIN(id) "plugins.io.containerd." id "."

/* NULL: nothing that could be told apart here depends on it. */
static const char *const aliases[][2] = {
	{ "version", NULL },
	{ "imports", NULL },
	{ "temp", NULL },
	{ "grpc.max_recv_message_size", "grpc.max_message_size" },
	{ "grpc.max_send_message_size", NULL },
	{ "debug.level", "log.level" },
	{ "debug.format", "log.format" },
	{ "timeouts.io.containerd.timeout.shim.load", "shim.load_timeout" },
	{ "timeouts.io.containerd.timeout.shim.cleanup", "shim.cleanup_timeout" },
	{ "timeouts.io.containerd.timeout.shim.shutdown", "shim.shutdown_timeout" },
	{ "timeouts.io.containerd.timeout.bolt.open", NULL },
	{ PLUGIN("server.v1.grpc") "address", "grpc.address" },
	{ PLUGIN("server.v1.grpc") "uid", "grpc.uid" },
	{ PLUGIN("server.v1.grpc") "gid", "grpc.gid" },
	{ PLUGIN("server.v1.grpc") "max_recv_message_size", "grpc.max_message_size" },
	{ PLUGIN("server.v1.grpc") "max_send_message_size", NULL },
	{ PLUGIN("server.v1.ttrpc") "address", "ttrpc.address" },
	{ PLUGIN("server.v1.metrics") "address", "metrics.address" },
	{ PLUGIN("gc.v1.scheduler") "pause_threshold", "gc.pause_threshold" },
	{ PLUGIN("gc.v1.scheduler") "deletion_threshold", NULL },
	{ PLUGIN("gc.v1.scheduler") "mutation_threshold", NULL },
	{ PLUGIN("gc.v1.scheduler") "schedule_delay", "gc.schedule_delay" },
	{ PLUGIN("gc.v1.scheduler") "startup_delay", "gc.startup_delay" },
	{ PLUGIN("metadata.v1.bolt") "content_sharing_policy", "content.sharing_policy" },
	{ PLUGIN("content.v1.content") "enable_fsverity", "content.verity" },
	{ PLUGIN("snapshotter.v1.overlayfs") "mount_options", "overlayfs.mount_options" },
	{ PLUGIN("shim.v1.manager") "env", "shim.env" },
};

/* ---- Finding ---------------------------------------------------------------------------------- */

const struct config_option *config_option_find(const char *name)
{
	for (const struct config_option *o = config_options; o->name; o++) {
		if (dv_streq(o->name, name))
			return o;
	}
	return NULL;
}

static bool is_below(const char *name, const char *prefix)
{
	return dv_starts_with(name, prefix) && name[strlen(prefix)] == '.';
}

bool config_option_has_prefix(const char *name)
{
	for (const struct config_option *o = config_options; o->name; o++) {
		if (is_below(o->name, name))
			return true;
	}
	return false;
}

bool config_alias_find(const char *name, const char **ret)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(aliases); i++) {
		if (dv_streq(aliases[i][0], name)) {
			*ret = aliases[i][1];
			return true;
		}
	}
	return false;
}

bool config_alias_has_prefix(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(aliases); i++) {
		if (is_below(aliases[i][0], name))
			return true;
	}
	return false;
}

enum { NAME_MAX_LEN = 48, DISTANCE_MAX = 3 };

/* Levenshtein's: how many letters are to be put in, taken out or changed. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1];
	size_t n = strlen(b);

	if (strlen(a) > NAME_MAX_LEN || n > NAME_MAX_LEN)
		return UINT_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = DV_MIN(DV_MIN(row[j], row[j - 1]) + 1, change);
		}
	}
	return row[n];
}

const char *config_option_nearest(const char *name)
{
	unsigned best = DISTANCE_MAX + 1;
	const char *nearest = NULL;

	for (const struct config_option *o = config_options; o->name; o++) {
		unsigned d = distance(name, o->name);

		if (d < best) {
			best = d;
			nearest = o->name;
		}
	}
	return nearest;
}
