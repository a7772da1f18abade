/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which servers stand for a registry: containerd's directories of hosts.toml. For the registry
 * "example.com:5000", the first of these that exists below a configured directory counts:
 *
 *	example.com_5000_/	example.com:5000/	_default/
 *
 * In it hosts.toml names the server and its mirrors, in the order in which they are tried; without
 * that file, docker's certificates (*.crt, *.cert and *.key) may be there. Nothing is cached: a
 * change counts from the next registry_hosts_load() on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum {
	REGISTRY_CAN_PULL = 1, /* manifests and blobs by digest */
	REGISTRY_CAN_RESOLVE = 2, /* tags to digests */
	REGISTRY_CAN_PUSH = 4,
	REGISTRY_CAN_REFER = 8, /* the API of referrers */
	REGISTRY_CAN_ALL = 15,
};

enum { REGISTRY_HOSTS_MAX = 32 };

struct registry_header {
	const char *name, *value;
};

/* PEM, the contents and not a path. */
struct registry_pem {
	const char *data;
	size_t n;
};

struct registry_host {
	const char *base; /* "https://mirror.example:5000/v2": scheme, host and path */
	const char *name; /* "mirror.example:5000", for messages and for credentials */
	unsigned capabilities;
	bool skip_verify; /* any certificate will do */
	bool is_plain; /* http, by configuration, or since it is this machine */
	bool may_be_plain; /* https, and http if nothing there speaks TLS: this machine */
	bool is_mirror; /* not the registry itself: gets "?ns=" */
	int64_t dial_timeout_ns; /* 0: the default */
	struct registry_pem ca; /* certificates, besides the system's */
	struct registry_pem cert, key; /* the client's own */
	struct registry_header *headers; /* with each request to this host */
	size_t n_headers;
};

struct registry_hosts {
	struct registry_host *hosts; /* in the order to try; at least one */
	size_t n_hosts;
};

struct registry_hosts_opts {
	const char *directories; /* ':' between them; NULL: none */
	const char *default_scheme; /* "http", "https"; NULL: https, but on this machine http */
};

/*
 * @host: of a name, "docker.io". Everything hangs in @arena. Reads small files.
 *
 * DV_INVALID: a file is not understood (the message has file, line and key). Others: a file that
 * is named, or is there, cannot be read.
 */
struct dv_err *registry_hosts_load(struct dv_arena *arena, const char *host,
				   const struct registry_hosts_opts *opts,
				   struct registry_hosts *ret) DV_CHECK;
