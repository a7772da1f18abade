/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink messages: building within bounds, taking apart what may be anything. */

#include <errno.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/file.h"
#include "sys/netlink.h"

Test(netlink, build)
{
	struct ifinfomsg info = { .ifi_index = 5 };
	struct sys_nl_request r;
	const struct rtattr *table[IFLA_MAX + 1];

	sys_nl_init(&r, RTM_NEWLINK, NLM_F_CREATE, &info, sizeof(info));
	sys_nl_add_string(&r, IFLA_IFNAME, "eth0");
	sys_nl_add_u32(&r, IFLA_MTU, 1500);
	T_INT(r.head.nlmsg_len, ==, 16 + 16 + 12 + 8);
	T_INT(r.head.nlmsg_flags, ==, NLM_F_REQUEST | NLM_F_CREATE);
	T_INT(sys_nl_parse(&r.head, sizeof(info), table, IFLA_MAX), ==, 0);
	T_NOT_NULL(table[IFLA_IFNAME]);
	T_STR((const char *)RTA_DATA(table[IFLA_IFNAME]), "eth0");
	T_INT(*(const uint32_t *)RTA_DATA(table[IFLA_MTU]), ==, 1500);
	T_NULL(table[IFLA_ADDRESS]);
	T_FALSE(r.is_too_long);
}

Test(netlink, too_long)
{
	struct sys_nl_request r;
	char big[SYS_NL_REQUEST_MAX] = { 0 };
	int fd = sys_nl_open();

	T_INT(fd, >=, 0);
	sys_nl_init(&r, RTM_NEWLINK, 0, "", 0);
	sys_nl_add(&r, 1, big, SYS_NL_REQUEST_MAX - 16 - 4);
	T_FALSE(r.is_too_long);
	T_INT(r.head.nlmsg_len, ==, SYS_NL_REQUEST_MAX);
	sys_nl_add(&r, 1, big, 0);
	T_TRUE(r.is_too_long);
	T_INT(sys_nl_call(fd, &r), ==, -EMSGSIZE);
	sys_nl_init(&r, RTM_NEWLINK, 0, "", 0);
	sys_nl_add(&r, 1, big, SIZE_MAX);
	T_TRUE(r.is_too_long);
	sys_nl_init(&r, RTM_NEWLINK, 0, big, SYS_NL_REQUEST_MAX);
	T_TRUE(r.is_too_long);
	sys_close(fd);
}

Test(netlink, parse)
{
	static const struct {
		unsigned short bytes[6];
		size_t n;
		int r;
	} rows[] = {
		{ { 0 }, 0, 0 },
		{ { 4, 1 }, 4, 0 },
		{ { 6, 1, 7 }, 6, 0 }, /* the last one needs no padding */
		{ { 6, 1, 7, 0, 4, 2 }, 12, 0 },
		{ { 4, 9 }, 4, 0 }, /* beyond the table */
		{ { 4, 1 | NLA_F_NESTED }, 4, 0 },
		{ { 0, 1 }, 4, -EBADMSG },
		{ { 3, 1 }, 4, -EBADMSG },
		{ { 8, 1 }, 4, -EBADMSG },
		{ { 4, 1, 4 }, 6, -EBADMSG },
		{ { 4, 1, 8, 2 }, 8, -EBADMSG },
		{ { 4 }, 2, -EBADMSG },
	};
	const struct rtattr *table[3];

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		int r = sys_nl_parse_attrs(rows[i].bytes, rows[i].n, table, 2);

		cr_expect(r == rows[i].r, "row %zu: %d", i, r);
	}
	T_NULL(table[0]);
}

Test(netlink, loopback)
{
	int fd = sys_nl_open();

	T_INT(sys_nl_link_index(fd, "lo"), ==, 1);
	T_INT(sys_nl_link_index(fd, "no-such-dev"), ==, -ENODEV);
	T_INT(sys_nl_link_index(fd, ""), ==, -ENODEV);
	T_INT(sys_nl_link_index(fd, "0123456789abcdef"), ==, -ENODEV);
	if (geteuid() == 0)
		T_INT(sys_nl_link_set_up(fd, 0x7ffffff0, true), ==, -ENODEV);
	sys_close(fd);
}

static int stop(const struct nlmsghdr *msg, void *arg)
{
	(void)msg;
	++*(int *)arg;
	return -ECANCELED;
}

Test(netlink, visitor_stops)
{
	struct ifinfomsg info = { .ifi_family = 0 };
	struct sys_nl_request r;
	int fd = sys_nl_open(), n = 0;

	sys_nl_init(&r, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	T_INT(sys_nl_query(fd, &r, stop, &n), ==, -ECANCELED);
	T_INT(n, ==, 1);
	/* The rest of that answer is passed over. */
	T_INT(sys_nl_link_index(fd, "lo"), ==, 1);
	sys_close(fd);
	T_INT(sys_nl_query(fd, &r, stop, &n), ==, -EBADF);
}
