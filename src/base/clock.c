/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as text. See base/clock.h. */

#include "base/clock.h"

#include <stdint.h>
#include <stdio.h>

enum {
	SECONDS_PER_DAY = 86400,
	DAYS_PER_ERA = 146097, /* 400 years, after which the calendar repeats */
	DAYS_TO_EPOCH = 719468, /* from 0000-03-01 to 1970-01-01 */
};

struct date {
	int64_t year;
	unsigned month, day;
};

/*
 * The Gregorian calendar, in years that begin in March, so that the leap day is the last
 * of its year: then every month's first day is (153 m + 2) / 5.
 */
static struct date date_from_days(int64_t days)
{
	int64_t since = days + DAYS_TO_EPOCH;
	int64_t era = (since >= 0 ? since : since - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	unsigned day_of_era = (unsigned)(since - era * DAYS_PER_ERA);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month = (5 * day + 2) / 153; /* 0: March */

	return (struct date){
		.year = era * 400 + year_of_era + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day - (153 * month + 2) / 5 + 1,
	};
}

/* ".25" */
static void format_fraction(long nanos, char buf[16])
{
	int n = snprintf(buf, 16, ".%09ld", nanos);

	while (n > 0 && buf[n - 1] == '0')
		buf[--n] = '\0';
	if (n == 1)
		buf[0] = '\0';
}

void dv_clock_format(const struct timespec *ts, enum dv_clock_form form, char buf[DV_CLOCK_SIZE])
{
	int64_t secs = ts->tv_sec, days = secs / SECONDS_PER_DAY;
	int64_t rest = secs % SECONDS_PER_DAY;
	char fraction[16] = "";
	struct date d;

	if (rest < 0) {
		rest += SECONDS_PER_DAY;
		days--;
	}
	d = date_from_days(days);
	if (form == DV_CLOCK_NANOS)
		format_fraction(ts->tv_nsec, fraction);
	snprintf(buf, DV_CLOCK_SIZE, "%04lld-%02u-%02uT%02u:%02u:%02u%sZ", (long long)d.year,
		 d.month, d.day, (unsigned)(rest / 3600), (unsigned)(rest / 60 % 60),
		 (unsigned)(rest % 60), fraction);
}
