/* SPDX-License-Identifier: Apache-2.0 */
/* The actions: from command line and environment to src/shim. */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cleanup.h"
#include "cli.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "env.h"
#include "info.h"
#include "start.h"
#include "sys/file.h"

void cli_env_init(struct shim_cli *cli, struct shim_env *env)
{
	shim_env_init(env, uv_default_loop(), &cli->log);
	env->ns = cli->opts.ns;
	env->path = cli->path;
	env->envp = cli->envp;
}

struct dv_err *cli_print(const struct dv_strbuf *text)
{
	int r = sys_write_all(STDOUT_FILENO, text->data, text->len);

	return r < 0 ? dv_err_sys(r, "write to standard output") : NULL;
}

struct dv_err *cli_start(struct shim_cli *cli)
{
	DV_CLEANUP(sys_closep) int cwd = -1;
	struct shim_start_opts opts = {
		.args = { .id = cli->opts.id,
			  .ns = cli->opts.ns,
			  .address = cli->opts.address,
			  .publish_binary = cli->opts.publish_binary,
			  .is_debug = cli->opts.is_debug,
			  .ttrpc_address = cli->ttrpc_address,
			  .max_version = cli->max_version },
		.program = cli->program,
		.self = cli->self,
		.envp = cli->envp,
		.has_sched_core = cli->has_sched_core,
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
	};

	cwd = sys_openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0);
	if (cwd < 0)
		return dv_err_sys(cwd, "open the working directory");
	opts.bundle_fd = cwd;
	return shim_start(&opts);
}

/* -bundle, or the working directory, which is the bundle. */
static struct dv_err *find_bundle(const struct shim_cli *cli, char ret[PATH_MAX])
{
	const char *bundle = cli->opts.bundle;
	int r;

	if (!bundle || !*bundle) {
		r = sys_getcwd(ret, PATH_MAX);
		return r < 0 ? dv_err_sys(r, "get the working directory") : NULL;
	}
	if (*bundle != '/' || strlen(bundle) >= PATH_MAX)
		return dv_err_new(DV_INVALID, "-bundle %s: not an absolute path", bundle);
	memcpy(ret, bundle, strlen(bundle) + 1);
	return NULL;
}

struct dv_err *cli_delete(struct shim_cli *cli)
{
	struct shim_cleanup_opts opts = {
		.id = cli->opts.id,
		.address = cli->opts.address,
		.ttrpc_address = cli->ttrpc_address,
		.publish_binary = cli->opts.publish_binary,
	};
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct shim_cleanup_result result;
	char bundle[PATH_MAX];
	struct shim_env env;
	struct dv_err *e;

	if (!opts.id || !*opts.id || strchr(opts.id, '/'))
		return dv_err_new(DV_INVALID, "-id: the id of a container is needed");
	e = find_bundle(cli, bundle);
	if (e)
		return e;
	opts.bundle = bundle;
	cli_env_init(cli, &env);
	opts.env = &env;
	e = shim_cleanup(&opts, &result);
	shim_env_fini(&env);
	if (e)
		return e;
	shim_cleanup_answer(&result, &out);
	return cli_print(&out);
}

struct dv_err *cli_info(struct shim_cli *cli)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct shim_env env;
	struct shim_info_opts opts = {
		.env = &env,
		.name = SHIM_NAME,
		.version = DAVIT_VERSION,
		.revision = DAVIT_COMMIT,
		.in = STDIN_FILENO,
	};
	struct dv_err *e;

	cli_env_init(cli, &env);
	e = shim_info(&opts, &out);
	shim_env_fini(&env);
	return e ? e : cli_print(&out);
}
