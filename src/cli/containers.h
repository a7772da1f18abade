/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What verbs on containers share. */

#include "cli-private.h"
#include "client/record.h"

/* By name or id; a hint where there is something to say. */
struct dv_err *cli_container(struct cli *cli, const char *ref, struct client_record *ret) DV_CHECK;

struct cli_containers {
	struct client_record *records;
	const char **refs; /* as they were called */
	size_t n;
};

/*
 * All of @args, before anything is done to one. Those that are not there are reported ("cannot @what
 * x: ..."), and left out.
 */
struct dv_err *cli_containers(struct cli *cli, const char *what, char **args,
			      struct cli_containers *ret, int *ret_status) DV_CHECK;

/* "-s": DV_INVALID if it is no signal; 0 for NULL. */
struct dv_err *cli_signal(const char *text, int *ret) DV_CHECK;

/* The name that the user gave, on a line of its own: what was asked for is done. */
struct dv_err *cli_done(const char *ref) DV_CHECK;

/* "Up 5 minutes (Paused)", "Exited (0) 2 hours ago", "Created". */
void cli_container_status(const struct client_record *r, struct dv_strbuf *out);

/* When its first process was started; 0: none runs, or nobody knows. */
struct timespec cli_container_started(const struct client_record *r);

/* davitd's directories. */
struct dv_err *cli_dirs(struct cli *cli, const char **ret_root, const char **ret_state) DV_CHECK;
