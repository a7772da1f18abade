/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, times and ids for people. See human.h. */

#include "human.h"

#include <string.h>

enum {
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	WEEK = 7 * DAY,
	MONTH = 30 * DAY,
	YEAR = 365 * DAY
};

static void add_size(int64_t bytes, int digits, double base, const char *const *units,
		     size_t n_units, struct dv_strbuf *out)
{
	double limit = digits == 3 ? 999.5 : 1023.5; /* what would be rounded to the next unit */
	double value = (double)bytes;
	size_t i = 0;

	while (value >= limit && i < n_units - 1) {
		value /= base;
		i++;
	}
	dv_strbuf_addf(out, "%.*g%s", digits, value, units[i]);
}

void cli_human_size(int64_t bytes, struct dv_strbuf *out)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

	add_size(bytes, 3, 1000, units, DV_ARRAY_SIZE(units), out);
}

void cli_human_size_binary(int64_t bytes, struct dv_strbuf *out)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	add_size(bytes, 4, 1024, units, DV_ARRAY_SIZE(units), out);
}

void cli_human_duration(int64_t seconds, struct dv_strbuf *out)
{
	long long s = seconds, hours = (s + HOUR / 2) / HOUR;

	if (s < 1)
		dv_strbuf_add(out, "Less than a second");
	else if (s == 1)
		dv_strbuf_add(out, "1 second");
	else if (s < MINUTE)
		dv_strbuf_addf(out, "%lld seconds", s);
	else if (s < 2 * MINUTE)
		dv_strbuf_add(out, "About a minute");
	else if (s < HOUR)
		dv_strbuf_addf(out, "%lld minutes", s / MINUTE);
	else if (hours == 1)
		dv_strbuf_add(out, "About an hour");
	else if (hours < 48)
		dv_strbuf_addf(out, "%lld hours", hours);
	else if (s < 2 * WEEK)
		dv_strbuf_addf(out, "%lld days", s / DAY);
	else if (s < 2 * MONTH)
		dv_strbuf_addf(out, "%lld weeks", s / WEEK);
	else if (s < 2 * YEAR)
		dv_strbuf_addf(out, "%lld months", s / MONTH);
	else
		dv_strbuf_addf(out, "%lld years", s / YEAR);
}

void cli_human_ago(const struct timespec *then, const struct timespec *now, struct dv_strbuf *out)
{
	if (then->tv_sec <= 0) {
		dv_strbuf_add(out, "N/A");
		return;
	}
	cli_human_duration(now->tv_sec - then->tv_sec, out);
	dv_strbuf_add(out, " ago");
}

void cli_human_time(const struct timespec *ts, struct dv_strbuf *out)
{
	char buf[64];
	struct tm tm;

	if (!localtime_r(&ts->tv_sec, &tm) ||
	    strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S %z %Z", &tm) == 0)
		return;
	dv_strbuf_add(out, buf);
}

void cli_human_id(const char *id, struct dv_strbuf *out)
{
	const char *colon = strchr(id, ':');

	id = colon ? colon + 1 : id;
	dv_strbuf_add_n(out, id, strnlen(id, 12));
}

void cli_human_safe(const char *text, struct dv_strbuf *out)
{
	const unsigned char *s = (const unsigned char *)text;

	for (; *s; s++) {
		if (*s == '\n')
			dv_strbuf_add(out, "\\n");
		else if (*s == '\t')
			dv_strbuf_add(out, "\\t");
		else if (*s < ' ' || *s == 0x7f)
			dv_strbuf_addf(out, "\\x%02x", *s);
		else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
			dv_strbuf_addf(out, "\\u%04x", *++s);
		else
			dv_strbuf_addc(out, (char)*s);
	}
}

void cli_human_cut(const char *text, size_t max, struct dv_strbuf *out)
{
	size_t n = 0, cut = 0;
	const char *s;

	for (s = text; *s; s++) {
		if ((*s & 0xc0) == 0x80)
			continue;
		if (++n == max)
			cut = (size_t)(s - text);
	}
	if (n <= max) {
		dv_strbuf_add(out, text);
		return;
	}
	dv_strbuf_add_n(out, text, cut);
	dv_strbuf_add(out, "\xe2\x80\xa6");
}
