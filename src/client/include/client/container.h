/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making a container, as `davit create` does: image, snapshot, files, configuration, record. What was
 * made is undone when a later step fails. See docs/davit.md for the labels and directories.
 */

#include "api/containerd/snapshots.pb-c.h"
#include "client/client.h"
#include "client/record.h"
#include "client/unique.h"
#include "spec/generate.h"

#define CLIENT_LABEL_STOP_SIGNAL  "io.davit.stop-signal" /* "SIGTERM" */
#define CLIENT_LABEL_STOP_TIMEOUT "io.davit.stop-timeout" /* seconds */
#define CLIENT_LABEL_TTY	  "io.davit.tty" /* "1" */
#define CLIENT_LABEL_STDIN	  "io.davit.stdin" /* "1": kept open; "once": until a client leaves */
#define CLIENT_LABEL_LOG	  "io.davit.log" /* "json", "none" */
#define CLIENT_LABEL_ROOTFS	  "io.davit.rootfs" /* directory of the host, in place of a snapshot */

#define CLIENT_RUNTIME_DEFAULT "io.containerd.davit.v2"

enum client_network { CLIENT_NET_NONE, CLIENT_NET_HOST, CLIENT_NET_CONTAINER };

/* Everything is borrowed; NULL and 0 are docker's defaults. */
struct client_container_opts {
	const char *image; /* or: */
	const char *rootfs;
	const struct spec_platform *platform;
	const char *name; /* NULL: a random one */
	const char *const *entrypoint; /* with has_entrypoint: in place of the image's */
	size_t n_entrypoint;
	bool has_entrypoint;
	const char *const *args; /* in place of the image's Cmd */
	size_t n_args;
	const char *const *env; /* "A=b"; "A" alone takes it away. Later ones win. */
	size_t n_env;
	const char *user; /* "name", "1000:grp"; NULL: the image's */
	const char *const *groups; /* supplementary ones, names or ids */
	size_t n_groups;
	const char *working_dir;
	const char *hostname; /* NULL: the beginning of the id, or the host's with its network */
	enum client_network network;
	const char *const *hosts; /* "name:address" for /etc/hosts */
	size_t n_hosts;
	const struct spec_string_pair *labels;
	size_t n_labels;
	const char *stop_signal; /* NULL: the image's */
	const char *stop_timeout; /* seconds */
	const char *snapshotter; /* NULL: the daemon's default */
	const char
		*runtime; /* "runc", "/path" below our shim, "io.containerd.runc.v2"; NULL: ours */
	bool has_stdin, is_stdin_once;
	bool is_removed; /* after its end, by the daemon */
	bool has_no_log;
	/*
	 * The configuration as far as the caller knows it: process, user, root and names are filled
	 * in here.
	 */
	struct spec_container spec;
};

/* What is known of a container to start it: client/start.h. */
struct client_startable {
	const char *id;
	const char *data_dir, *bundle;
	Containerd__Types__Mount **mounts; /* of its root file system */
	size_t n_mounts;
	bool is_ours; /* its shim has logs and can be attached to */
	bool has_terminal, has_stdin, is_stdin_once, has_no_log;
};

struct client_container {
	char id[CLIENT_ID_SIZE];
	const char *name;
	const char *snapshotter; /* NULL: it has no snapshot */
	struct client *client;
	const char *lease; /* client_container_settle() */
	struct client_pending *lease_end;
	struct client_startable start;
};

/*
 * DV_NOT_FOUND: no such image; DV_EXISTS: the name is taken; others as the steps have them. Results
 * are in @arena but for what client_container_fini() waits for.
 */
struct dv_err *client_container_create(struct client *c, const struct client_container_opts *opts,
				       struct dv_arena *arena, struct client_container *ret)
	DV_CHECK;

/* Begins to tidy up after the making; best when nobody waits for anything. */
void client_container_settle(struct client_container *made);
/* Waits until that is done. */
void client_container_fini(struct client_container *made);

/* Takes it away again, as well as can be: it could not be used. */
void client_container_discard(struct client *c, const struct client_container *made);

/*
 * Takes record and snapshot away, and davitd the data directory; for a container without a task. A
 * rootfs of the host's stays. The first error; absent things are none.
 */
struct dv_err *client_container_remove(struct client *c, const struct client_record *r) DV_CHECK;

/* Binds a directory of the host's as the root file system. */
void client_rootfs_mounts(const char *dir, struct dv_arena *arena, struct client_startable *s);

/* Both are in @arena; @root and @state are davitd's directories, of davit.system.v1.System.Info. */
const char *client_data_dir(struct client *c, const char *root, const char *id,
			    struct dv_arena *arena);
const char *client_bundle(struct client *c, const char *state, const char *id,
			  struct dv_arena *arena);
