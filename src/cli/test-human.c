/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, times and ids: docker's words. */

#include <stdlib.h>

#include "base/test.h"
#include "human.h"

static struct dv_strbuf out = DV_STRBUF_INIT;

#define HUMAN(fn, ...) (dv_strbuf_clear(&out), fn(__VA_ARGS__, &out), out.data)

Test(human, sizes)
{
	T_STR(HUMAN(cli_human_size, 0), "0B");
	T_STR(HUMAN(cli_human_size, 999), "999B");
	T_STR(HUMAN(cli_human_size, 1000), "1kB");
	T_STR(HUMAN(cli_human_size, 12345678), "12.3MB");
	T_STR(HUMAN(cli_human_size, 999999), "1MB");
	T_STR(HUMAN(cli_human_size, 1230000000), "1.23GB");
	T_STR(HUMAN(cli_human_size, INT64_MAX), "9.22EB");
	T_STR(HUMAN(cli_human_size_binary, 512), "512B");
	T_STR(HUMAN(cli_human_size_binary, 1536), "1.5KiB");
	T_STR(HUMAN(cli_human_size_binary, 1023 << 10), "1023KiB");
	T_STR(HUMAN(cli_human_size_binary, (int64_t)7 << 30), "7GiB");
}

Test(human, durations)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -5, "Less than a second" },
		{ 0, "Less than a second" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "About a minute" },
		{ 119, "About a minute" },
		{ 120, "2 minutes" },
		{ 3599, "59 minutes" },
		{ 3600, "About an hour" },
		{ 5400, "2 hours" },
		{ 47 * 3600, "47 hours" },
		{ 48 * 3600, "2 days" },
		{ 13 * 86400, "13 days" },
		{ 14 * 86400, "2 weeks" },
		{ 59 * 86400, "8 weeks" },
		{ 60 * 86400, "2 months" },
		{ 729 * 86400, "24 months" },
		{ 730 * 86400, "2 years" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		T_STR(HUMAN(cli_human_duration, cases[i].seconds), cases[i].text);
}

Test(human, times)
{
	static const struct timespec none = { 0 }, then = { .tv_sec = 1764284400 },
				     now = { .tv_sec = 1764284700 };

	setenv("TZ", "UTC", 1);
	T_STR(HUMAN(cli_human_ago, &then, &now), "5 minutes ago");
	T_STR(HUMAN(cli_human_ago, &none, &now), "N/A");
	T_STR(HUMAN(cli_human_time, &then), "2025-11-27 23:00:00 +0000 UTC");
}

Test(human, texts)
{
	T_STR(HUMAN(cli_human_id, "sha256:0123456789abcdef"), "0123456789ab");
	T_STR(HUMAN(cli_human_id, "0123456789abcdef"), "0123456789ab");
	T_STR(HUMAN(cli_human_id, "short"), "short");
	T_STR(HUMAN(cli_human_safe, "a\033[2Jb\n\t\x7f\xc2\x9b\xc3\xa4"),
	      "a\\x1b[2Jb\\n\\t\\x7f\\u009b\xc3\xa4");
	T_STR(HUMAN(cli_human_cut, "abcdef", 6), "abcdef");
	T_STR(HUMAN(cli_human_cut, "abcdefg", 6), "abcde\xe2\x80\xa6");
	T_STR(HUMAN(cli_human_cut, "\xc3\xa4\xc3\xb6\xc3\xbc", 2), "\xc3\xa4\xe2\x80\xa6");
	T_STR(HUMAN(cli_human_cut, "", 2), "");
}
