/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint: not there yet. Its options are accepted so that callers get to know why. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	(void)program;
	(void)opts;
	(void)args;
	(void)ret_status;
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: checkpoint");
}

#define VALUE(n) \
	{ \
		.name = n, .is_hidden = true, .type = DV_OPT_IGNORED_STRING \
	}
#define FLAG(n) \
	{ \
		.name = n, .is_hidden = true, .type = DV_OPT_IGNORED_FLAG \
	}

static const struct dv_opt options[] = {
	VALUE("image-path"),   VALUE("work-path"),	VALUE("parent-path"),
	FLAG("leave-running"), FLAG("tcp-established"), FLAG("tcp-skip-in-flight"),
	FLAG("link-remap"),    FLAG("ext-unix-sk"),	FLAG("shell-job"),
	FLAG("lazy-pages"),    VALUE("status-fd"),	VALUE("page-server"),
	FLAG("file-locks"),    FLAG("pre-dump"),	VALUE("manage-cgroups-mode"),
	VALUE("empty-ns"),     FLAG("auto-dedup"),	DV_OPT_END,
};

const struct dv_opt_verb verb_checkpoint = {
	.name = "checkpoint",
	.args = "<container-id>",
	.summary = "save a running container (not supported yet)",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.is_hidden = true,
	.run = run,
};
