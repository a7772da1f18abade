/* SPDX-License-Identifier: Apache-2.0 */
/* Moving a veth device between two network namespaces of our own. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "host/netdev.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/process.h"

static int procfd, here, there; /* network namespaces */
static int sock; /* netlink, in `here` */

static int own_netns(void)
{
	return sys_openat(procfd, "thread-self/ns/net", O_RDONLY, 0);
}

static void setup(void)
{
	if (geteuid() != 0)
		return;
	procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	T_INT(sys_unshare(CLONE_NEWNET), ==, 0);
	there = own_netns();
	T_INT(sys_unshare(CLONE_NEWNET), ==, 0);
	here = own_netns();
	sock = sys_nl_open();
	cr_assert(sock >= 0);
}

TestSuite(netdev, .init = setup);

#define NEED_ROOT \
	do { \
		if (geteuid() != 0) \
			cr_skip_test("needs root"); \
	} while (0)

static void make_veth(const char *name)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct rtattr kind = { .rta_len = RTA_LENGTH(4), .rta_type = IFLA_INFO_KIND };
	struct sys_nl_request req;
	char nested[8];

	memcpy(nested, &kind, sizeof(kind));
	memcpy(nested + sizeof(kind), "veth", 4);
	sys_nl_init(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	sys_nl_add_string(&req, IFLA_IFNAME, name);
	sys_nl_add(&req, IFLA_LINKINFO, nested, sizeof(nested));
	T_INT(sys_nl_call(sock, &req), ==, 0);
}

struct addr {
	const char *local, *peer, *broadcast;
	uint8_t prefix, scope;
	uint32_t valid; /* seconds; 0: for ever */
};

static void add_attr(struct sys_nl_request *req, uint16_t type, int family, const char *text)
{
	unsigned char bytes[16];

	T_INT(inet_pton(family, text, bytes), ==, 1);
	sys_nl_add(req, type, bytes, family == AF_INET ? 4 : 16);
}

static void add_addr(const char *dev, const struct addr *a)
{
	int family = strchr(a->local, ':') ? AF_INET6 : AF_INET;
	struct ifaddrmsg m = {
		.ifa_family = (unsigned char)family,
		.ifa_prefixlen = a->prefix,
		.ifa_scope = a->scope,
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = (unsigned)sys_nl_link_index(sock, dev),
	};
	struct ifa_cacheinfo ci = { .ifa_prefered = a->valid, .ifa_valid = a->valid };
	struct sys_nl_request req;

	sys_nl_init(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	add_attr(&req, IFA_LOCAL, family, a->local);
	add_attr(&req, IFA_ADDRESS, family, a->peer ? a->peer : a->local);
	if (a->broadcast)
		add_attr(&req, IFA_BROADCAST, family, a->broadcast);
	if (a->valid)
		sys_nl_add(&req, IFA_CACHEINFO, &ci, sizeof(ci));
	T_INT(sys_nl_call(sock, &req), ==, 0);
}

/* "10.1.2.3/24 brd 10.1.2.255;..." of global addresses, in the kernel's order. */
struct listing {
	struct dv_strbuf text;
	unsigned index;
};

static void show(struct dv_strbuf *out, const char *what, int family, const struct rtattr *a)
{
	char text[INET6_ADDRSTRLEN];

	if (a)
		dv_strbuf_addf(out, "%s%s", what,
			       inet_ntop(family, RTA_DATA(a), text, sizeof(text)));
}

static int take(const struct nlmsghdr *msg, void *arg)
{
	const struct rtattr *table[IFA_MAX + 1];
	struct listing *l = arg;
	struct ifaddrmsg m;

	T_INT(sys_nl_parse(msg, sizeof(m), table, IFA_MAX), ==, 0);
	memcpy(&m, NLMSG_DATA(msg), sizeof(m));
	if (m.ifa_index != l->index || m.ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	show(&l->text, "", m.ifa_family, table[IFA_LOCAL] ? table[IFA_LOCAL] : table[IFA_ADDRESS]);
	if (table[IFA_LOCAL] && memcmp(RTA_DATA(table[IFA_LOCAL]), RTA_DATA(table[IFA_ADDRESS]),
				       m.ifa_family == AF_INET ? 4 : 16) != 0)
		show(&l->text, " peer ", m.ifa_family, table[IFA_ADDRESS]);
	dv_strbuf_addf(&l->text, "/%d", m.ifa_prefixlen);
	show(&l->text, " brd ", m.ifa_family, table[IFA_BROADCAST]);
	dv_strbuf_addc(&l->text, ';');
	return 0;
}

static void expect_addrs(int nl, const char *dev, const char *expected)
{
	struct listing l = { .text = DV_STRBUF_INIT,
			     .index = (unsigned)sys_nl_link_index(nl, dev) };
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };
	struct sys_nl_request req;

	sys_nl_init(&req, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	T_INT(sys_nl_query(nl, &req, take, &l), ==, 0);
	T_STR(l.text.data, expected);
	dv_strbuf_fini(&l.text);
}

static int take_flags(const struct nlmsghdr *msg, void *arg)
{
	struct ifinfomsg info;

	memcpy(&info, NLMSG_DATA(msg), sizeof(info));
	*(unsigned *)arg = info.ifi_flags;
	return 0;
}

static bool is_up(int nl, const char *dev)
{
	struct ifinfomsg info = { .ifi_index = sys_nl_link_index(nl, dev) };
	struct sys_nl_request req;
	unsigned flags = 0;

	sys_nl_init(&req, RTM_GETLINK, 0, &info, sizeof(info));
	T_INT(sys_nl_query(nl, &req, take_flags, &flags), ==, 0);
	return flags & IFF_UP;
}

static int socket_there(void)
{
	int fd;

	T_INT(sys_setns(there, CLONE_NEWNET), ==, 0);
	fd = sys_nl_open();
	T_INT(sys_setns(here, CLONE_NEWNET), ==, 0);
	return fd;
}

static void expect_ok(struct dv_err *e)
{
	cr_expect(!e, "%s", e ? dv_err_message(e) : "");
	dv_err_free(e);
}

static void expect_error(struct dv_err *e, const char *text)
{
	T_NOT_NULL(e);
	T_STR(dv_err_message(e), text);
	dv_err_free(e);
}

Test(netdev, move_and_rename)
{
	static const struct addr addrs[] = {
		{ "10.1.2.3", NULL, "10.1.2.255", 24, RT_SCOPE_UNIVERSE, 0 },
		{ "10.1.9.4", "10.1.9.5", NULL, 32, RT_SCOPE_UNIVERSE, 0 },
		{ "10.1.3.1", NULL, NULL, 24, RT_SCOPE_LINK, 0 },
		{ "10.1.4.1", NULL, NULL, 24, RT_SCOPE_UNIVERSE, 5000 },
		{ "fd00::5", NULL, NULL, 64, RT_SCOPE_UNIVERSE, 0 },
		{ "fd00::6", NULL, NULL, 64, RT_SCOPE_UNIVERSE, 5000 },
	};
	static const struct spec_net_device devs[] = { { .host_name = "dv0", .name = "eth9" },
						       { .host_name = "dv1", .name = "dv1" } };
	struct stat before, after;
	int nl, ns;

	NEED_ROOT;
	make_veth("dv0");
	make_veth("dv1");
	T_INT(sys_nl_link_set_up(sock, sys_nl_link_index(sock, "dv0"), true), ==, 0);
	for (size_t i = 0; i < DV_ARRAY_SIZE(addrs); i++)
		add_addr("dv0", &addrs[i]);
	T_TRUE(is_up(sock, "dv0"));
	T_INT(sys_fstat(here, &before), ==, 0);
	expect_ok(host_netdev_move(procfd, there, devs, 2, NULL));

	T_INT(sys_nl_link_index(sock, "dv0"), ==, -ENODEV);
	T_INT(sys_nl_link_index(sock, "eth9"), ==, -ENODEV);
	nl = socket_there();
	T_INT(sys_nl_link_index(nl, "eth9"), >, 0);
	T_INT(sys_nl_link_index(nl, "dv1"), >, 0);
	T_TRUE(is_up(nl, "eth9"));
	T_TRUE(is_up(nl, "dv1"));
	expect_addrs(nl, "eth9",
		     "10.1.2.3/24 brd 10.1.2.255;10.1.9.4 peer 10.1.9.5/32;fd00::5/64;");
	/* Back where we were. */
	ns = own_netns();
	T_INT(sys_fstat(ns, &after), ==, 0);
	T_INT(before.st_ino, ==, after.st_ino);
	sys_close(ns);
	sys_close(nl);
}

Test(netdev, nothing)
{
	expect_ok(host_netdev_move(-1, -1, NULL, 0, NULL));
}

Test(netdev, errors)
{
	struct spec_net_device dev = { .host_name = "none0", .name = "x" };
	int file;

	NEED_ROOT;
	expect_error(host_netdev_move(procfd, there, &dev, 1, NULL),
		     "link not found for interface none0 on runtime namespace: no such device");
	dev.host_name = "far-too-long-for-a-name";
	expect_error(
		host_netdev_move(procfd, there, &dev, 1, NULL),
		"link not found for interface far-too-long-for-a-name on runtime namespace: no such "
		"device");
	make_veth("dv0");
	dev = (struct spec_net_device){ .host_name = "dv0", .name = "lo" };
	expect_error(
		host_netdev_move(procfd, there, &dev, 1, NULL),
		"fail to move network device dv0 to the container's network namespace: file exists");
	dev.host_name = "lo";
	dev.name = "lo9";
	expect_error(host_netdev_move(procfd, there, &dev, 1, NULL),
		     "fail to move network device lo to the container's network namespace: invalid "
		     "argument");
	file = sys_memfd("x", 0);
	expect_error(host_netdev_move(procfd, file, &dev, 1, NULL),
		     "enter the container's network namespace: invalid argument");
	sys_close(file);
}
