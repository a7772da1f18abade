/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options that create and run have in common, and what the runtime makes of them. */

#include "base/opt.h"
#include "cli.h"

struct create_opts {
	const char *bundle, *console_socket, *pidfd_socket, *pid_file;
	struct dv_opt_int preserve_fds;
	bool no_pivot, no_new_keyring;
	bool detach, keep, no_subreaper; /* run only */
};

#define CREATE_FIELD(f) offsetof(struct create_opts, f)

#define CREATE_OPTS_BUNDLE \
	{ \
		.name = "bundle", .letter = 'b', .type = DV_OPT_STRING, \
		.offset = CREATE_FIELD(bundle), .arg = "dir", \
		.help = "directory of the bundle; without it the working directory" \
	}

#define CREATE_OPTS_SOCKETS \
	{ .name = "console-socket", \
	  .type = DV_OPT_STRING, \
	  .offset = CREATE_FIELD(console_socket), \
	  .arg = "path", \
	  .help = "unix socket that is sent the master side of the container's terminal" }, \
	{ \
		.name = "pidfd-socket", .type = DV_OPT_STRING, \
		.offset = CREATE_FIELD(pidfd_socket), .arg = "path", \
		.help = "unix socket that is sent a pidfd of the container's process" \
	}

#define CREATE_OPTS_PID_FILE \
	{ \
		.name = "pid-file", .type = DV_OPT_STRING, .offset = CREATE_FIELD(pid_file), \
		.arg = "path", .help = "file to write the process id to" \
	}

#define CREATE_OPTS_PROCESS \
	{ .name = "no-pivot", \
	  .type = DV_OPT_FLAG, \
	  .offset = CREATE_FIELD(no_pivot), \
	  .help = "enter the root file system without pivot_root(2), which a ramdisk does not " \
		  "allow" }, \
		{ .name = "no-new-keyring", \
		  .type = DV_OPT_FLAG, \
		  .offset = CREATE_FIELD(no_new_keyring), \
		  .help = "keep the caller's session keyring instead of making a new one" }, \
	{ \
		.name = "preserve-fds", .type = DV_OPT_INT, .offset = CREATE_FIELD(preserve_fds), \
		.arg = "n", .preset = "0", \
		.help = "pass on n file descriptors behind stdio and those of $LISTEN_FDS" \
	}

/* *ret borrows from @o, @id and *ret_pid_file, which is heap memory (or NULL). */
struct dv_err *create_opts_convert(const struct cli *cli, const struct create_opts *o,
				   const char *id, struct rt_create_opts *ret, char **ret_pid_file)
	DV_CHECK;
