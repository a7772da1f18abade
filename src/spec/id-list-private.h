/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct spec_id_range {
	unsigned first, last;
};

enum spec_id_list {
	SPEC_ID_LIST_RANGE, /* *ret is the next range, *list behind it */
	SPEC_ID_LIST_END,
	SPEC_ID_LIST_BAD, /* malformed, or a number above the maximum */
};

/* The next range of a list like "0-3,7". */
enum spec_id_list spec_id_list_next(const char **list, unsigned max, struct spec_id_range *ret);
