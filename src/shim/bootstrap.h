/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a daemon says when it runs "shim start", and the answer that it understands:
 *
 *	containerd   standard input           answer
 *	1.6          options (Any) or nothing  the plain address
 *	1.7 - 2.2    the same; MAX_SHIM_VERSION  JSON
 *	2.3          BootstrapParams           BootstrapResult, both protobuf
 *
 * Command line and environment are the same for all of them; what BootstrapParams say
 * counts more.
 */

#include <stdbool.h>
#include <stddef.h>

#include "api/google/protobuf/any.pb-c.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "base/str.h"

/* Of standard input; containerd's own shim has the same limit. */
#define SHIM_BOOTSTRAP_MAX ((size_t)10 << 20)

enum shim_daemon { SHIM_DAEMON_PLAIN, SHIM_DAEMON_JSON, SHIM_DAEMON_PROTOBUF };

/* Strings of arguments and environment; NULL and "" are the same. */
struct shim_bootstrap_args {
	const char *id, *ns, *address, *publish_binary;
	bool is_debug;
	const char *ttrpc_address, *max_version; /* TTRPC_ADDRESS, MAX_SHIM_VERSION */
};

/* No string is NULL; "" where nothing was said. */
struct shim_bootstrap {
	enum shim_daemon daemon;
	const char *id, *ns;
	const char *grpc_address, *ttrpc_address, *publish_binary;
	const char *socket_dir;
	bool is_debug;
	const Google__Protobuf__Any *options; /* of the runtime, of any type; NULL: none */
};

/*
 * What is in @ret points into @args and @arena. DV_INVALID: the bytes are neither of both
 * messages; no id or namespace, or one that cannot be part of a path.
 */
struct dv_err *shim_bootstrap_parse(const struct shim_bootstrap_args *args, const void *input,
				    size_t n, struct dv_arena *arena, struct shim_bootstrap *ret)
	DV_CHECK;

/*
 * Adds the answer: @address is "unix://...". @is_sandbox: the daemon is going to use the Sandbox
 * API, which those who read JSON take for part of version 3; otherwise they are told 2, since
 * 1.7 refuses more and 2.x is content with it.
 */
void shim_bootstrap_answer(enum shim_daemon daemon, const char *address, bool is_sandbox,
			   struct dv_strbuf *out);

/* The part of runc's options that "start" needs: shim_cgroup, "" when not given. */
struct dv_err *shim_bootstrap_cgroup(const struct shim_bootstrap *b, struct dv_arena *arena,
				     const char **ret) DV_CHECK;
