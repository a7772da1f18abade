/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One hook as a process: started with the state on its standard input, watched, reaped.
 * Fork-safe, since hooks also run in the child of a launch.
 */

#include <stdbool.h>
#include <stddef.h>

#include "spec/runtime.h"

/* Where the beginning of an output goes; always terminated. */
struct rt_hook_output {
	char *data;
	size_t size, len;
};

struct rt_hook_end {
	bool is_late; /* killed for being past its time */
	int code; /* CLD_EXITED, CLD_KILLED, CLD_DUMPED */
	int status; /* exit status or signal */
};

/*
 * @out: standard output and error. @default_env: for a hook without one; NULL: it stays empty.
 * -errno: it was not started, or got lost.
 */
int rt_hook_exec(const struct spec_hook *h, char *const *default_env, const char *state,
		 size_t state_len, struct rt_hook_output out[2], struct rt_hook_end *ret);

static inline bool rt_hook_has_failed(const struct rt_hook_end *end)
{
	return end->is_late || end->code != 1 /* CLD_EXITED */ || end->status != 0;
}

/* What went wrong, in runc's words. */
void rt_hook_explain(const struct spec_hook *h, const struct rt_hook_end *end,
		     const struct rt_hook_output out[2], char *text, size_t size);
