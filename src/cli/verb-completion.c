/* SPDX-License-Identifier: Apache-2.0 */
/* davit completion, and what its scripts call. */

#include "complete.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {
		{ "bash", cli_completion_bash },
		{ "fish", cli_completion_fish },
		{ "zsh", cli_completion_zsh },
	};
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	(void)program;
	(void)opts;
	(void)ret_status;
	for (size_t i = 0; i < DV_ARRAY_SIZE(scripts); i++) {
		if (!dv_streq(args[0], scripts[i].shell))
			continue;
		dv_strbuf_add(&out, scripts[i].script);
		return cli_print(&out);
	}
	return dv_err_new(DV_INVALID,
			  "there is no completion for '%s': bash, fish or zsh is wanted", args[0]);
}

const struct dv_opt_verb cli_verb_completion = {
	.name = "completion",
	.args = "bash|fish|zsh",
	.summary = "Print the completion script of a shell",
	.example = "    $ source <($0 completion bash)",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};

static struct dv_err *run_complete(void *program, const void *opts, char **args, int *ret_status)
{
	static const char *const kinds[] = { [CLI_COMPLETE_WORDS] = ":words",
					     [CLI_COMPLETE_FILES] = ":files",
					     [CLI_COMPLETE_DIRS] = ":dirs" };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	enum cli_complete_kind kind;
	int n = 0;

	(void)opts;
	(void)ret_status;
	while (args[n])
		n++;
	kind = cli_complete(program, args, n, &out);
	dv_strbuf_addf(&out, "%s\n", kinds[kind]);
	return cli_print(&out);
}

const struct dv_opt_verb cli_verb_complete = {
	.name = "__complete",
	.args = "[WORD...]",
	.summary = "Say what the last word may become",
	.opts = dv_opt_none,
	.is_hidden = true,
	.max_args = -1,
	.stop_after = 0,
	.run = run_complete,
};
