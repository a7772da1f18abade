/* SPDX-License-Identifier: Apache-2.0 */
/* Signal names. See base/signame.h. */

#include "base/signame.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/str.h"

/* Other names for what sigabbrev_np() calls ABRT, CHLD, POLL. */
static const struct {
	const char *name;
	int signo;
} aliases[] = {
	{ "IOT", SIGIOT },
	{ "CLD", SIGCLD },
	{ "IO", SIGIO },
};

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n" */
static bool parse_realtime(const char *name, int *ret)
{
	bool is_min = strncasecmp(name, "RTMIN", 5) == 0;
	uint32_t n = 0;

	if (!is_min && strncasecmp(name, "RTMAX", 5) != 0)
		return false;
	name += 5;
	if (*name && (*name != (is_min ? '+' : '-') || !dv_parse_u32(name + 1, &n)))
		return false;
	if (n > (uint32_t)(SIGRTMAX - SIGRTMIN))
		return false;
	*ret = is_min ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
	return true;
}

bool dv_signal_parse(const char *text, int *ret_signo)
{
	uint32_t n;

	if (dv_parse_u32(text, &n)) {
		if (n > (uint32_t)SIGRTMAX)
			return false;
		*ret_signo = (int)n;
		return true;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int signo = 1; signo < SIGSYS + 1; signo++) {
		const char *name = sigabbrev_np(signo);

		if (name && strcasecmp(text, name) == 0) {
			*ret_signo = signo;
			return true;
		}
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(aliases); i++) {
		if (strcasecmp(text, aliases[i].name) == 0) {
			*ret_signo = aliases[i].signo;
			return true;
		}
	}
	return parse_realtime(text, ret_signo);
}
