/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The serving shim: one process for the containers of one pod, until Shutdown. */

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"

struct shim_serve_opts { /* all borrowed */
	const char *program; /* our own executable */
	const char *ns; /* containerd's namespace */
	const char *ttrpc_address, *grpc_address, *publish_binary; /* for events; NULL: not known */
	const char *socket; /* path to serve on; NULL or "": the one that start has made */
	const char *search_path; /* PATH */
	const char *const *envp; /* for the OCI runtime */
	struct dv_log *log;
};

/*
 * Serves, usually on the socket that the start process has made (descriptor 3), until the daemon
 * asks for the end and there is nothing left to look after. Becomes a subreaper. SIGTERM and SIGINT
 * end it only when it has neither containers nor a sandbox; SIGUSR1 writes what it has to the log.
 */
struct dv_err *shim_serve(const struct shim_serve_opts *opts) DV_CHECK;

/* The program's action "pause": see sandbox.h. */
int shim_pause(void);
