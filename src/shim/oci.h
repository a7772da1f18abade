/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An OCI runtime as a child process: any that has runc's command line. Its words about a
 * failure are the last error in its log, which each call reads from where it ended before.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "env.h"
#include "options.h"

/* Of the state, below which each namespace has a directory. */
#define OCI_DEFAULT_ROOT "/run/containerd/davit-oci"

struct oci {
	char *binary; /* a path, looked up once */
	char *root; /* <root>/<namespace> */
	char *bundle;
	char *log; /* <bundle>/log.json */
	bool has_systemd_cgroup;
};

/* DV_NOT_FOUND: no such program. */
struct dv_err *oci_init(struct oci *oci, const struct shim_env *env,
			const struct shim_options *options, const char *bundle) DV_CHECK;
void oci_fini(struct oci *oci);

#define OCI_ARGS_MAX 16

struct oci_call {
	const char *verb;
	const char *args[OCI_ARGS_MAX + 1]; /* up to the first NULL */
	const int *stdio; /* of the container's process: 3 descriptors; NULL: none, and what the
			   * runtime prints is part of the error */
	int stdin_fd; /* for the runtime itself */
	bool has_stdin;
	const char *log; /* instead of oci->log, for calls beside others; removed afterwards */
	uint64_t deadline; /* uv_hrtime(); 0: none. Then it is killed: DV_DEADLINE */
	void (*slow)(void *arg); /* NULL, or called when it is not done after a second */
};

typedef void (*oci_done_fn)(void *arg, struct dv_err *take_e);

/* Everything in @call is only used during the call. @done is not called from within. */
void oci_call(struct shim_env *env, const struct oci *oci, const struct oci_call *call,
	      oci_done_fn done, void *arg);
