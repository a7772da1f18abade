/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's numbers, booleans and times. A word is taken first, and then understood. */

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "toml-private.h"

enum { WORD_MAX = 128 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- Times ---- */

/* @n digits at *p, which goes behind them; -1: others. */
static int digits(const char **p, int n)
{
	int value = 0;

	for (; n > 0; n--, ++*p) {
		if (!is_digit(**p))
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

static bool date(const char **p)
{
	int year = digits(p, 4), month, day;

	if (year < 0 || !skip(p, '-'))
		return false;
	month = digits(p, 2);
	if (month < 1 || month > 12 || !skip(p, '-'))
		return false;
	day = digits(p, 2);
	return day >= 1 && day <= days_of(year, month);
}

static bool hour_minute(const char **p)
{
	int hour = digits(p, 2), minute;

	if (hour < 0 || hour > 23 || !skip(p, ':'))
		return false;
	minute = digits(p, 2);
	return minute >= 0 && minute <= 59;
}

static bool clock_time(const char **p)
{
	int second;

	if (!hour_minute(p) || !skip(p, ':'))
		return false;
	second = digits(p, 2);
	if (second < 0 || second > 60) /* a leap second */
		return false;
	if (!skip(p, '.'))
		return true;
	if (!is_digit(**p))
		return false;
	while (is_digit(**p))
		++*p;
	return true;
}

static bool zone(const char **p)
{
	if (**p == 'Z' || **p == 'z') {
		++*p;
		return true;
	}
	return (skip(p, '+') || skip(p, '-')) && hour_minute(p);
}

static bool is_time(const char *word)
{
	const char *p = word;

	if (word[0] && word[1] && word[2] == ':')
		return clock_time(&p) && !*p;
	if (!date(&p))
		return false;
	if (!*p)
		return true;
	if (!skip(&p, 'T') && !skip(&p, 't') && !skip(&p, ' '))
		return false;
	return clock_time(&p) && (!*p || (zone(&p) && !*p));
}

static bool looks_like_time(const char *word)
{
	const char *p = word;

	if (digits(&p, 2) >= 0 && *p == ':')
		return true;
	p = word;
	return digits(&p, 4) >= 0 && *p == '-';
}

/* ---- Numbers ---- */

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Of one base, with single underscores between digits. */
static bool parse_digits(const char *p, int base, bool is_negative, int64_t *ret)
{
	int64_t value = 0;
	bool was_digit = false;

	for (; *p; p++) {
		int digit = digit_value(*p);

		if (*p == '_') {
			if (!was_digit || digit_value(p[1]) >= base)
				return false;
			was_digit = false;
			continue;
		}
		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    (is_negative ? __builtin_sub_overflow(value, digit, &value)
				 : __builtin_add_overflow(value, digit, &value)))
			return false;
		was_digit = true;
	}
	*ret = value;
	return was_digit;
}

static bool parse_int(const char *word, int64_t *ret)
{
	bool is_negative = *word == '-', is_signed = is_negative || *word == '+';
	const char *p = word + is_signed;

	if (p[0] == '0' && p[1]) {
		int base = p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : p[1] == 'b' ? 2 : 0;

		return base && !is_signed && parse_digits(p + 2, base, false, ret);
	}
	return parse_digits(p, 10, is_negative, ret);
}

/* Digits with single underscores between them; what was read is added to @b. */
static bool take_digits(const char **p, struct dv_strbuf *b)
{
	if (!is_digit(**p))
		return false;
	while (is_digit(**p) || (**p == '_' && is_digit((*p)[1]) && is_digit((*p)[-1]))) {
		if (**p != '_')
			dv_strbuf_addc(b, **p);
		++*p;
	}
	return true;
}

static bool parse_float(const char *word, double *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const char *p = word + (*word == '-' || *word == '+');
	bool is_negative = *word == '-';

	if (dv_streq(p, "inf") || dv_streq(p, "nan")) {
		*ret = *p == 'i' ? (double)INFINITY : (double)NAN;
		if (is_negative)
			*ret = -*ret;
		return true;
	}
	if (p[0] == '0' && (is_digit(p[1]) || p[1] == '_'))
		return false;
	if (is_negative)
		dv_strbuf_addc(&b, '-');
	if (!take_digits(&p, &b))
		return false;
	if (*p == '.') {
		p++;
		dv_strbuf_addc(&b, '.');
		if (!take_digits(&p, &b))
			return false;
	}
	if (*p == 'e' || *p == 'E') {
		dv_strbuf_addc(&b, 'e');
		p++;
		if (*p == '-' || *p == '+')
			dv_strbuf_addc(&b, *p++);
		if (!take_digits(&p, &b))
			return false;
	}
	if (*p || !strpbrk(b.data, ".e")) /* an integer that is too large */
		return false;
	*ret = strtod(b.data, NULL);
	return true;
}

/* ---- A word ---- */

static bool is_word_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("+-_.:", c));
}

static size_t word_length(const struct toml_parser *s)
{
	const char *p = s->p, *begin = s->p;

	while (p < s->end && is_word_char(*p))
		p++;
	/* "1979-05-27 07:32:00" is one value. */
	if (p - begin == 10 && begin[4] == '-' && begin[7] == '-' && s->end - p >= 4 && *p == ' ' &&
	    is_digit(p[1]) && is_digit(p[2]) && p[3] == ':') {
		p++;
		while (p < s->end && is_word_char(*p))
			p++;
	}
	return (size_t)(p - begin);
}

static struct dv_err *understand(struct toml_parser *s, const char *word, size_t n,
				 struct dv_toml *ret)
{
	if (dv_streq(word, "true") || dv_streq(word, "false")) {
		ret->type = DV_TOML_BOOL;
		ret->boolean = *word == 't';
	} else if (looks_like_time(word)) {
		if (!is_time(word))
			return toml_error(s, "%s is no time", word);
		ret->type = DV_TOML_TIME;
		ret->string = dv_arena_strdup(s->arena, word);
		ret->n_string = n;
	} else if (parse_int(word, &ret->integer)) {
		ret->type = DV_TOML_INT;
	} else if (parse_float(word, &ret->number)) {
		ret->type = DV_TOML_FLOAT;
	} else {
		return toml_error(s, "\"%s\" is no value", word);
	}
	return NULL;
}

struct dv_err *toml_scalar(struct toml_parser *s, struct dv_toml *ret)
{
	size_t n = word_length(s);
	char word[WORD_MAX];
	struct dv_err *e;

	if (n == 0)
		return toml_error(s, "a value expected");
	if (n >= sizeof(word))
		return toml_error(s, "a number of %zu characters", n);
	memcpy(word, s->p, n);
	word[n] = '\0';
	e = understand(s, word, n, ret);
	if (!e)
		s->p += n;
	return e;
}
