/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page of davitd's configuration, at build time, from the table of options. */

#include <stdio.h>

#include "daemon/config-file.h"
#include "davit-version.h"

static const char head[] =
	".\\\" Made by tools/gen-config-man from the table of options.\n"
	".TH DAVITD\\-CONFIG.TOML 5 \"\" \"Davit " DAVIT_VERSION "\" \"File Formats\"\n"
	".SH NAME\n"
	"davitd\\-config.toml \\- configuration of davitd\n"
	".SH SYNOPSIS\n"
	".nf\n"
	DAEMON_CONFIG_PATH "\n"
	"/etc/davit/conf.d/*.toml\n"
	".fi\n"
	".SH DESCRIPTION\n"
	"The file is TOML 1.0. It need not be there: each option has a default. What flags of\n"
	".BR davitd (8)\n"
	"say is stronger.\n"
	".PP\n"
	"Behind the file itself those are read that its\n"
	".B imports\n"
	"name (an array of paths, which may have wildcards and are seen from the directory of the\n"
	"file), and then the files in\n"
	".I conf.d\n"
	"beside it, in the order of their names. The later one wins, option by option.\n"
	".PP\n"
	"Files of containerd, of version 2, 3 or 4, are understood: options that davitd has are\n"
	"found under their names there. What davitd does not have is named in one line of the log,\n"
	"with the option that may have been meant.\n"
	".SH OPTIONS\n"
	"\"grpc.uid\" stands for\n"
	".B uid\n"
	"in the table\n"
	".BR [grpc] .\n"
	"Sizes are bytes or strings such as \"16MiB\", times are strings such as \"1m30s\".\n";

static const char tail[] =
	".TP\n"
	".B [proxy_plugins.\\fIname\\fB]\n"
	"A service of another process: its\n"
	".B type\n"
	"(\"snapshot\", \"content\", \"diff\", \"sandbox\") and the\n"
	".B address\n"
	"of its socket.\n"
	".SH EXAMPLE\n"
	"Everything, as it is by default:\n"
	".PP\n"
	"    # davitd config default > " DAEMON_CONFIG_PATH "\n"
	".SH SEE ALSO\n"
	".BR davitd (8)\n";

int main(void)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	daemon_config_manual(&out);
	printf("%s%s%s", head, out.data, tail);
	return 0;
}
