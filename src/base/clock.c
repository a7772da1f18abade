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

static int64_t days_from_date(const struct date *d)
{
	int64_t year = d->year - (d->month <= 2), era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month = d->month > 2 ? d->month - 3 : d->month + 9;
	int64_t day_of_year = (153 * month + 2) / 5 + d->day - 1;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - DAYS_TO_EPOCH;
}

/* Exactly @n digits at *io_p, a number between @min and @max; then @end, if it is not 0. */
static bool take_number(const char **io_p, int n, unsigned min, unsigned max, char end,
			unsigned *ret)
{
	const char *p = *io_p;
	unsigned v = 0;

	for (int i = 0; i < n; i++, p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (unsigned)(*p - '0');
	}
	if (v < min || v > max || (end && *p++ != end))
		return false;
	*ret = v;
	*io_p = p;
	return true;
}

static bool take_fraction(const char **io_p, long *ret)
{
	const char *p = *io_p + 1;
	long unit = 100000000;

	*ret = 0;
	if (**io_p != '.')
		return true;
	for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
		*ret += (*p - '0') * unit;
	if (p == *io_p + 1)
		return false;
	*io_p = p;
	return true;
}

/* "Z", "+02:00": the end of the text. */
static bool take_offset(const char *p, int64_t *ret)
{
	int sign = *p == '-' ? -1 : 1;
	unsigned hours, minutes;

	*ret = 0;
	if (p[0] == 'Z' && !p[1])
		return true;
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!take_number(&p, 2, 0, 23, ':', &hours) || !take_number(&p, 2, 0, 59, 0, &minutes) ||
	    *p)
		return false;
	*ret = sign * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

bool dv_clock_parse(const char *text, struct timespec *ret)
{
	unsigned year, hour, minute, second;
	struct date d, check;
	int64_t offset, days;
	long nanos;

	if (!take_number(&text, 4, 1, 9999, '-', &year) ||
	    !take_number(&text, 2, 1, 12, '-', &d.month) ||
	    !take_number(&text, 2, 1, 31, 'T', &d.day) ||
	    !take_number(&text, 2, 0, 23, ':', &hour) ||
	    !take_number(&text, 2, 0, 59, ':', &minute) ||
	    !take_number(&text, 2, 0, 60, 0, &second) || !take_fraction(&text, &nanos) ||
	    !take_offset(text, &offset))
		return false;
	d.year = year;
	days = days_from_date(&d);
	/* February 30 comes back as another day. */
	check = date_from_days(days);
	if (check.day != d.day || check.month != d.month)
		return false;
	ret->tv_sec = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
	ret->tv_nsec = nanos;
	return true;
}
