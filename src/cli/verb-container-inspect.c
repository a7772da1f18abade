/* SPDX-License-Identifier: Apache-2.0 */
/* davit container inspect. */

#include <stddef.h>

#include "container-json.h"
#include "containers.h"
#include "inspect.h"

struct inspect_opts {
	const char *format;
};

static const struct dv_opt options[] = {
	{ .name = "format",
	  .letter = 'f',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct inspect_opts, format),
	  .arg = "format",
	  .help = "json, or a template such as {{.State.Pid}}" },
	DV_OPT_END,
};

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *all = NULL;
	const struct inspect_opts *o = opts;
	struct cli_containers c;
	struct cli *cli = program;
	struct dv_err *e;

	e = cli_inspect_new(cli, o->format, &all);
	if (!e)
		e = cli_containers(cli, "inspect", args, &c, ret_status);
	for (size_t i = 0; !e && i < c.n; i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

		e = cli_container_json(cli, &c.records[i], &text);
		if (!e)
			e = cli_inspect_add(all, text.data);
		e = dv_err_wrap(e, "cannot inspect %s", c.refs[i]);
	}
	return e ? e : cli_inspect_print(all);
}

const struct dv_opt_verb cli_verb_container_inspect = {
	.name = "container inspect",
	.args = "<container>...",
	.summary = "Show everything that is known of containers",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct inspect_opts),
	.run = run,
};
