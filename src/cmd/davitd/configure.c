/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: files, and flags that are stronger. */

#include <unistd.h>

#include "cli.h"
#include "daemon/config-file.h"
#include "sys/file.h"

struct dv_err *cli_print(const struct dv_strbuf *text)
{
	int r = sys_write_all(STDOUT_FILENO, text->data, text->len);

	return r < 0 ? dv_err_sys(r, "write to standard output") : NULL;
}

/* What a flag says is stronger than a file. */
static struct dv_err *set(struct daemon_config *c, const char *name, const char *value)
{
	return value && *value ? daemon_config_set(c, name, value) : NULL;
}

struct dv_err *cli_load(struct cli *cli, struct dv_arena *arena, struct daemon_config *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf warning = DV_STRBUF_INIT;
	const struct davitd_opts *o = &cli->opts;
	bool is_given = o->config && *o->config;
	struct dv_err *e;

	*ret = (struct daemon_config)DAEMON_CONFIG_DEFAULT;
	e = daemon_config_load(is_given ? o->config : DAEMON_CONFIG_PATH, !is_given, arena, ret,
			       &warning);
	if (!e)
		e = set(ret, "grpc.address", o->address);
	if (!e)
		e = set(ret, "root", o->root);
	if (!e)
		e = set(ret, "state", o->state);
	if (!e)
		e = set(ret, "log.level", o->log_level);
	if (!e)
		e = set(ret, "log.format", o->log_format);
	if (e)
		return e;
	if (warning.len)
		dv_log(&cli->log, DV_WARN, "%s", warning.data);
	return NULL;
}

struct dv_err *cli_configure(struct cli *cli)
{
	struct dv_err *e = cli_load(cli, &cli->arena, &cli->config);

	if (e)
		return e;
	cli->log.level = cli->config.log_level;
	cli->log.format = cli->config.log_format;
	return NULL;
}
