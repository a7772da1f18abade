/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text: fixed points, and the calendar against gmtime_r(). */

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/test.h"

static const char *format(time_t secs, long nanos, enum dv_clock_form form)
{
	static char buf[DV_CLOCK_SIZE];
	struct timespec ts = { secs, nanos };

	dv_clock_format(&ts, form, buf);
	return buf;
}

Test(clock, fixed_points)
{
	T_STR(format(0, 0, DV_CLOCK_SECONDS), "1970-01-01T00:00:00Z");
	T_STR(format(-1, 0, DV_CLOCK_SECONDS), "1969-12-31T23:59:59Z");
	T_STR(format(951782400, 0, DV_CLOCK_SECONDS), "2000-02-29T00:00:00Z");
	T_STR(format(951868799, 999999999, DV_CLOCK_SECONDS), "2000-02-29T23:59:59Z");
	T_STR(format(4107542400, 0, DV_CLOCK_SECONDS), "2100-03-01T00:00:00Z");
	T_STR(format(2147483648, 0, DV_CLOCK_SECONDS), "2038-01-19T03:14:08Z");
}

Test(clock, nanoseconds)
{
	T_STR(format(0, 0, DV_CLOCK_NANOS), "1970-01-01T00:00:00Z");
	T_STR(format(0, 1, DV_CLOCK_NANOS), "1970-01-01T00:00:00.000000001Z");
	T_STR(format(0, 250000000, DV_CLOCK_NANOS), "1970-01-01T00:00:00.25Z");
	T_STR(format(0, 999999999, DV_CLOCK_NANOS), "1970-01-01T00:00:00.999999999Z");
}

/* Each day of 600 years, at an odd time. */
Test(clock, the_calendar_of_the_c_library)
{
	for (time_t t = -11000000000; t < 8000000000; t += 86399) {
		char expected[DV_CLOCK_SIZE];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
		T_STR(format(t, 0, DV_CLOCK_SECONDS), expected);
	}
}

Test(clock, extremes_fit)
{
	cr_expect(strlen(format((time_t)INT64_MAX, 999999999, DV_CLOCK_NANOS)) < DV_CLOCK_SIZE - 1);
	cr_expect(strlen(format((time_t)INT64_MIN, 999999999, DV_CLOCK_NANOS)) < DV_CLOCK_SIZE - 1);
}

static void check_parse(const char *text, const char *expected)
{
	char buf[DV_CLOCK_SIZE];
	struct timespec ts;

	if (!expected) {
		cr_expect(!dv_clock_parse(text, &ts), "%s", text);
		return;
	}
	cr_assert(dv_clock_parse(text, &ts), "%s", text);
	dv_clock_format(&ts, DV_CLOCK_NANOS, buf);
	T_STR(buf, expected);
}

Test(clock, parsing)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z" },
		{ "2026-11-21T03:05:31.25Z", "2026-11-21T03:05:31.25Z" },
		{ "2026-11-21T03:05:31.1234567899Z", "2026-11-21T03:05:31.123456789Z" },
		{ "2024-02-29T00:00:00+02:30", "2024-02-28T21:30:00Z" },
		{ "1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
		{ "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z" },
		{ "2023-02-29T00:00:00Z", NULL },
		{ "2023-13-01T00:00:00Z", NULL },
		{ "2023-01-01 00:00:00Z", NULL },
		{ "2023-01-01T24:00:00Z", NULL },
		{ "2023-01-01T00:00:00", NULL },
		{ "2023-01-01T00:00:00.Z", NULL },
		{ "2023-01-01T00:00:00Zx", NULL },
		{ "2023-01-01T00:00:00+0100", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_parse(cases[i].text, cases[i].expected);
}
