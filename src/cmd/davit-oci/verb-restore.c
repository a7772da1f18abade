/* SPDX-License-Identifier: Apache-2.0 */
/* restore: not there yet. Its options are accepted so that callers get to know why. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	(void)program;
	(void)opts;
	(void)args;
	(void)ret_status;
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: restore");
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
	VALUE("console-socket"),
	VALUE("image-path"),
	VALUE("work-path"),
	FLAG("tcp-established"),
	FLAG("ext-unix-sk"),
	FLAG("shell-job"),
	FLAG("file-locks"),
	VALUE("manage-cgroups-mode"),
	{ .name = "bundle", .letter = 'b', .is_hidden = true, .type = DV_OPT_IGNORED_STRING },
	{ .name = "detach", .letter = 'd', .is_hidden = true, .type = DV_OPT_IGNORED_FLAG },
	VALUE("pid-file"),
	FLAG("no-subreaper"),
	FLAG("no-pivot"),
	VALUE("empty-ns"),
	FLAG("auto-dedup"),
	FLAG("lazy-pages"),
	VALUE("lsm-profile"),
	VALUE("lsm-mount-context"),
	DV_OPT_END,
};

const struct dv_opt_verb verb_restore = {
	.name = "restore",
	.args = "<container-id>",
	.summary = "restore a saved container (not supported yet)",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.is_hidden = true,
	.run = run,
};
