/* SPDX-License-Identifier: Apache-2.0 */
/* davit: the person's command line. All of it is src/cli. */

#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
