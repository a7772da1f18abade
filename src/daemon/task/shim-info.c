/* SPDX-License-Identifier: Apache-2.0 */
/* "shim -info": what a runtime is and can, by asking its shim. Nothing is started for it. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/child.h"
#include "io/pidfd.h"
#include "shim.h"
#include "sys/file.h"
#include "tasks.h"

#define INFO_NS (UINT64_C(10000000000))
enum { INFO_MAX = 1 << 20, EXCERPT = 512 };

struct info {
	shim_info_fn fn;
	void *arg;
	char *binary;
};

static void on_ended(void *arg, const struct io_child_result *r)
{
	struct info *info = arg;
	int status = io_exit_status(&r->si);
	struct dv_err *e = NULL;

	if (r->is_timed_out)
		e = dv_err_new(DV_DEADLINE, "%s -info did not end in time", info->binary);
	else if (status != 0)
		e = dv_err_new(DV_UNKNOWN, "%s -info: exit status %d: %.*s", info->binary, status,
			       EXCERPT, r->err);
	info->fn(info->arg, e, e ? NULL : r->out, e ? 0 : r->n_out);
	free(info->binary);
	free(info);
}

struct dv_err *shim_info(struct daemon *d, const char *runtime, const void *options, size_t n,
			 shim_info_fn fn, void *arg)
{
	DV_CLEANUP(sys_closep) int input = -1;
	DV_CLEANUP(dv_freep) char *binary = NULL;
	struct io_child_opts opts = { .envp = d->envp,
				      .stdio = { -1, IO_CHILD_CAPTURE, IO_CHILD_CAPTURE },
				      .timeout_ns = INFO_NS,
				      .capture_max = INFO_MAX,
				      .has_new_group = true };
	struct info *info;
	struct dv_err *e;

	e = shim_find(runtime, d->program_dir, d->envp, &binary);
	if (!e)
		e = shim_input(options, n, &input);
	if (e)
		return e;
	info = dv_new(struct info);
	*info = (struct info){ .fn = fn, .arg = arg, .binary = dv_steal(&binary) };
	opts.path = info->binary;
	opts.argv = (const char *const[]){ info->binary, "-info", NULL };
	opts.stdio[0] = input;
	e = io_child_run(d->loop, &opts, on_ended, info, NULL);
	if (e) {
		free(info->binary);
		free(info);
	}
	return e;
}
