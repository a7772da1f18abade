/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs and nodes. */

#include <errno.h>

#include "base/test.h"
#include "host/cpulist.h"

Test(cpulist, parse)
{
	static const struct {
		const char *text;
		int r;
		uint64_t words[2];
	} rows[] = {
		{ "", 0, { 0, 0 } },
		{ "\n", 0, { 0, 0 } },
		{ "0", 0, { 1, 0 } },
		{ "0-3,5", 0, { 0x2f, 0 } },
		{ "0-3,5\n", 0, { 0x2f, 0 } },
		{ " 1 , 3 - 4", -EINVAL, { 0 } },
		{ " 1 , 3-4 ,", 0, { 0x1a, 0 } },
		{ ",,2,,", 0, { 4, 0 } },
		{ "63-64", 0, { UINT64_C(1) << 63, 1 } },
		{ "127", 0, { 0, UINT64_C(1) << 63 } },
		{ "0-127", 0, { UINT64_MAX, UINT64_MAX } },
		{ "5-5", 0, { 0x20, 0 } },
		{ "128", -ERANGE, { 0 } },
		{ "0-128", -ERANGE, { 0 } },
		{ "99999999999999999999999999", -ERANGE, { 0 } },
		{ "3-1", -EINVAL, { 0 } },
		{ "1-", -EINVAL, { 0 } },
		{ "-1", -EINVAL, { 0 } },
		{ "1--2", -EINVAL, { 0 } },
		{ "1 2", -EINVAL, { 0 } },
		{ "0x1", -EINVAL, { 0 } },
		{ "1-2-3", -EINVAL, { 0 } },
		{ "a", -EINVAL, { 0 } },
		{ "all", -EINVAL, { 0 } },
		{ "0-7:1/2", -EINVAL, { 0 } },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		uint64_t bits[2] = { 7, 7 };
		int r = host_cpulist_parse(rows[i].text, bits, 2);

		cr_expect(r == rows[i].r, "\"%s\": %d", rows[i].text, r);
		if (r == 0)
			cr_expect(bits[0] == rows[i].words[0] && bits[1] == rows[i].words[1],
				  "\"%s\": %llx %llx", rows[i].text, (unsigned long long)bits[0],
				  (unsigned long long)bits[1]);
	}
}

Test(cpulist, format)
{
	static const char *const rows[] = { "", "0", "0-3,5", "1,3,5", "62-65,127", "0-127" };
	uint64_t bits[2];
	char buf[64];

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		T_INT(host_cpulist_parse(rows[i], bits, 2), ==, 0);
		T_INT(host_cpulist_format(bits, 2, buf, sizeof(buf)), ==, strlen(rows[i]));
		T_STR(buf, rows[i]);
	}
	T_INT(host_cpulist_format(bits, 2, buf, 5), ==, -ENAMETOOLONG);
	T_INT(host_cpulist_format(bits, 2, buf, 6), ==, 5);
	T_INT(host_cpulist_format(bits, 2, buf, 0), ==, -ENAMETOOLONG);
}

Test(cpulist, count)
{
	const uint64_t bits[2] = { 0xf1, UINT64_MAX };

	T_INT(host_cpulist_count(bits, 2), ==, 69);
	T_INT(host_cpulist_count(bits, 1), ==, 5);
	T_INT(host_cpulist_count(bits, 0), ==, 0);
}
