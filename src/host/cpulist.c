/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs and memory nodes. See host/cpulist.h. */

#include "host/cpulist.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Reads digits at *p. -ERANGE for numbers that no machine has. */
static int parse_number(const char **p, size_t limit, size_t *ret)
{
	size_t n = 0;

	if (**p < '0' || **p > '9')
		return -EINVAL;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (size_t)(**p - '0');
		if (n >= limit)
			return -ERANGE;
	}
	*ret = n;
	return 0;
}

static void skip_space(const char **p)
{
	*p += strspn(*p, " \t\n");
}

int host_cpulist_parse(const char *list, uint64_t *bits, size_t n_words)
{
	size_t limit = n_words * 64, first, last;
	const char *p = list;
	int r;

	memset(bits, 0, n_words * sizeof(*bits));
	for (;;) {
		skip_space(&p);
		if (*p != ',' && *p != '\0') {
			r = parse_number(&p, limit, &first);
			if (r < 0)
				return r;
			last = first;
			if (*p == '-') {
				p++;
				r = parse_number(&p, limit, &last);
				if (r < 0)
					return r;
			}
			if (last < first)
				return -EINVAL;
			for (size_t i = first; i <= last; i++)
				bits[i / 64] |= UINT64_C(1) << (i % 64);
			skip_space(&p);
		}
		if (*p == '\0')
			return 0;
		if (*p != ',')
			return -EINVAL;
		p++;
	}
}

static bool has_bit(const uint64_t *bits, size_t n_words, size_t i)
{
	return i < n_words * 64 && (bits[i / 64] >> (i % 64) & 1);
}

int host_cpulist_format(const uint64_t *bits, size_t n_words, char *buf, size_t size)
{
	size_t len = 0;

	if (size == 0)
		return -ENAMETOOLONG;
	buf[0] = '\0';
	for (size_t i = 0; i < n_words * 64; i++) {
		const char *comma = len ? "," : "";
		size_t first = i;
		int n;

		if (!has_bit(bits, n_words, i))
			continue;
		while (has_bit(bits, n_words, i + 1))
			i++;
		if (i == first)
			n = snprintf(buf + len, size - len, "%s%zu", comma, first);
		else
			n = snprintf(buf + len, size - len, "%s%zu-%zu", comma, first, i);
		if (n < 0 || (size_t)n >= size - len)
			return -ENAMETOOLONG;
		len += (size_t)n;
	}
	return (int)len;
}

size_t host_cpulist_count(const uint64_t *bits, size_t n_words)
{
	size_t n = 0;

	for (size_t i = 0; i < n_words; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	return n;
}
