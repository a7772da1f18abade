/* SPDX-License-Identifier: Apache-2.0 */
/* The serving process. */

#include "shim/serve.h"
#include "cli.h"

struct dv_err *cli_serve(struct shim_cli *cli)
{
	return shim_serve(&(struct shim_serve_opts){ .program = cli->self,
						     .ns = cli->opts.ns,
						     .ttrpc_address = cli->ttrpc_address,
						     .grpc_address = cli->opts.address,
						     .publish_binary = cli->opts.publish_binary,
						     .socket = cli->opts.socket,
						     .search_path = cli->path,
						     .envp = cli->envp,
						     .log = &cli->log });
}
