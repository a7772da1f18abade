/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: text, JSON, levels. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/test.h"

static int fds[2];

static void open_pipe(void)
{
	T_INT(pipe(fds), ==, 0);
}

/* What was logged, with each digit as '0', so that the time is a fixed text. */
static char *logged(void)
{
	static char text[1024];
	ssize_t n;

	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	T_INT(n, >=, 0);
	text[n] = '\0';
	for (char *p = text; *p; p++) {
		if (*p >= '0' && *p <= '9')
			*p = '0';
	}
	return text;
}

TestSuite(log, .init = open_pipe);

Test(log, text)
{
	struct dv_log log = { .fd = fds[1], .format = DV_LOG_TEXT, .level = DV_INFO };

	dv_log(&log, DV_WARN, "no %s for \"%s\"", "room", "c1\n");
	T_STR(logged(),
	      "time=\"0000-00-00T00:00:00Z\" level=warning msg=\"no room for \\\"c0\\n\\\"\"\n");
}

Test(log, json)
{
	struct dv_log log = { .fd = fds[1], .format = DV_LOG_JSON, .level = DV_INFO };

	dv_log(&log, DV_ERROR, "bad\x01 \"byte\" \xff");
	T_STR(logged(), "{\"level\":\"error\",\"msg\":\"bad\\u0000 \\\"byte\\\" \xef\xbf\xbd\","
			"\"time\":\"0000-00-00T00:00:00Z\"}\n");
}

Test(log, lines_below_the_level_are_dropped)
{
	struct dv_log log = { .fd = fds[1], .format = DV_LOG_TEXT, .level = DV_ERROR };

	dv_log(&log, DV_DEBUG, "a");
	dv_log(&log, DV_WARN, "b");
	T_STR(logged(), "");
	T_FALSE(dv_log_enabled(&log, DV_INFO));
	T_TRUE(dv_log_enabled(&log, DV_ERROR));
}

Test(log, every_level_has_a_name)
{
	struct dv_log log = { .fd = fds[1], .format = DV_LOG_TEXT, .level = DV_DEBUG };
	char *text;

	dv_log(&log, DV_DEBUG, "x");
	dv_log(&log, DV_INFO, "x");
	dv_log(&log, DV_WARN, "x");
	dv_log(&log, DV_ERROR, "x");
	text = logged();
	T_NOT_NULL(strstr(text, "level=debug msg"));
	T_NOT_NULL(strstr(text, "level=info msg"));
	T_NOT_NULL(strstr(text, "level=warning msg"));
	T_NOT_NULL(strstr(text, "level=error msg"));
}

Test(log, no_log_is_fine)
{
	struct dv_log closed = { .fd = -1 };

	dv_log(NULL, DV_ERROR, "x");
	dv_log(&closed, DV_ERROR, "x");
	T_FALSE(dv_log_enabled(NULL, DV_ERROR));
	T_STR(logged(), "");
}
