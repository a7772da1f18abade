/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as kill takes them. */

#include <signal.h>

#include "base/signame.h"
#include "base/test.h"

Test(signal_name, known)
{
	const struct {
		const char *text;
		int signo;
	} cases[] = {
		{ "TERM", SIGTERM },
		{ "SIGTERM", SIGTERM },
		{ "sigkill", SIGKILL },
		{ "kill", SIGKILL },
		{ "9", 9 },
		{ "0", 0 },
		{ "64", 64 },
		{ "HUP", 1 },
		{ "SYS", 31 },
		{ "USR2", SIGUSR2 },
		{ "WINCH", SIGWINCH },
		{ "CLD", SIGCHLD },
		{ "SIGIOT", SIGABRT },
		{ "IO", SIGPOLL },
		{ "POLL", SIGPOLL },
		{ "RTMIN", SIGRTMIN },
		{ "SIGRTMIN+3", SIGRTMIN + 3 },
		{ "rtmax", SIGRTMAX },
		{ "RTMAX-1", SIGRTMAX - 1 },
		{ "RTMIN+30", SIGRTMAX },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		int signo = -1;

		T_TRUE(dv_signal_parse(cases[i].text, &signo));
		T_INT(signo, ==, cases[i].signo);
	}
}

Test(signal_name, unknown)
{
	static const char *const cases[] = { "",	"FOO",	   "SIG",    "SIGSIGTERM",
					     "-9",	"65",	   "9x",     " 9",
					     "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN+31",
					     "RTMINA",	"TER",	   "TERMS",  "0x9" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		int signo = -1;

		cr_expect(!dv_signal_parse(cases[i], &signo), "\"%s\" is no signal", cases[i]);
		T_INT(signo, ==, -1);
	}
}
