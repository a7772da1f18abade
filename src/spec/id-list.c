/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of numbers as the kernel and the specification write them: "0-3,7". As runc does,
 * white space around a range and empty ranges are overlooked.
 */

#include "id-list-private.h"

#include <ctype.h>
#include <stddef.h>

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* Digits only; NULL when there are none or the number is above @max. */
static const char *parse_number(const char *p, unsigned max, unsigned *ret)
{
	unsigned long value = 0;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		value = value * 10 + (unsigned long)(*p - '0');
		if (value > max)
			return NULL;
	}
	*ret = (unsigned)value;
	return p;
}

enum spec_id_list spec_id_list_next(const char **list, unsigned max, struct spec_id_range *ret)
{
	const char *p = skip_space(*list);
	struct spec_id_range r;

	while (*p == ',')
		p = skip_space(p + 1);
	if (!*p)
		return SPEC_ID_LIST_END;

	p = parse_number(p, max, &r.first);
	if (!p)
		return SPEC_ID_LIST_BAD;
	r.last = r.first;
	if (*p == '-')
		p = parse_number(p + 1, max, &r.last);
	if (!p || r.last < r.first)
		return SPEC_ID_LIST_BAD;
	p = skip_space(p);
	if (*p && *p != ',')
		return SPEC_ID_LIST_BAD;
	*list = p;
	*ret = r;
	return SPEC_ID_LIST_RANGE;
}
