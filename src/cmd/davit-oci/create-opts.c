/* SPDX-License-Identifier: Apache-2.0 */
/* Options of create and run for the runtime. See create-opts.h. */

#include "create-opts.h"

struct dv_err *create_opts_convert(const struct cli *cli, const struct create_opts *o,
				   const char *id, struct rt_create_opts *ret, char **ret_pid_file)
{
	struct dv_err *e;

	*ret = (struct rt_create_opts){
		.id = id,
		.bundle = cli_given(o->bundle),
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
		.no_subreaper = o->no_subreaper,
		.keep = o->keep,
	};
	ret->io.console_socket = cli_given(o->console_socket);
	ret->io.pidfd_socket = cli_given(o->pidfd_socket);
	ret->io.is_detached = o->detach;

	e = cli_check_cgroup_driver(cli);
	if (e)
		return e;
	e = cli_preserve_fds(&o->preserve_fds, &ret->io.preserve_fds);
	if (e)
		return e;
	/* The runtime changes to the bundle; the caller meant its own directory. */
	e = cli_absolute(o->pid_file, ret_pid_file);
	if (e)
		return e;
	ret->io.pid_file = *ret_pid_file;
	return NULL;
}
