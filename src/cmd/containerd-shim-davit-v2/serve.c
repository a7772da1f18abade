/* SPDX-License-Identifier: Apache-2.0 */
/* The serving process. */

#include <signal.h>

#include "cli.h"
#include "start.h"
#include "sys/file.h"

/* Nothing is served yet: holds the socket until it is told to end. */
struct dv_err *cli_serve(struct shim_cli *cli)
{
	struct dv_err *e;
	int fd = -1, signo;
	sigset_t set;

	(void)cli;
	e = shim_start_adopt(&fd);
	if (e)
		return e;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigwait(&set, &signo);
	shim_start_retire(fd);
	sys_close(fd);
	return NULL;
}
