/* SPDX-License-Identifier: Apache-2.0 */
/* Questions before something is lost. See confirm.h. */

#include "confirm.h"

#include <unistd.h>

#include "sys/file.h"

/* One line, without reading further: what follows may be another command's. */
static char first_letter(void)
{
	char first = '\0', c;

	while (sys_read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
		if (!first && c != ' ')
			first = c;
	}
	return first;
}

struct dv_err *cli_confirm(const char *warning, bool *ret_is_yes)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_err *e;
	char letter;

	dv_strbuf_addf(&text, "WARNING! %s\nAre you sure you want to continue? [y/N] ", warning);
	e = cli_print(&text);
	if (e)
		return e;
	letter = first_letter();
	*ret_is_yes = letter == 'y' || letter == 'Y';
	return NULL;
}
