/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One more process in a container: what differs from the first one, whose configuration it has. */

#include "client/record.h"
#include "client/start.h"
#include "client/unique.h"

struct client_exec_opts {
	const char *const *args;
	size_t n_args;
	const char *const *env; /* "A=b", added to the first process'; "A" takes it away */
	size_t n_env;
	const char *user; /* NULL: the first process' */
	const char *working_dir; /* NULL: the first process' */
	bool is_privileged;
	bool has_terminal;
	uint16_t console_width, console_height;
};

/*
 * Starts it; @streams NULL: its streams lead nowhere. ret_id is its id. As client_container_start()
 * otherwise. DV_NOT_FOUND: no such user.
 */
struct dv_err *client_exec_start(struct client *c, const struct client_record *r,
				 const struct client_exec_opts *opts,
				 const struct client_streams_opts *streams,
				 void (*on_exit)(void *arg), void *arg, char ret_id[CLIENT_ID_SIZE],
				 struct client_started *ret) DV_CHECK;
