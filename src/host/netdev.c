/* SPDX-License-Identifier: Apache-2.0 */
/* Network devices into the container. See host/netdev.h. */

#include "host/netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/process.h"

enum { ADDRESS_SIZE = 16, ADDRESSES_MAX = 4096 };

/* An address as it was, without what ties it to its device (index, label). */
struct address {
	uint8_t family, prefix;
	uint8_t size; /* 4 or 16 */
	bool has_local, has_broadcast;
	uint8_t local[ADDRESS_SIZE]; /* IFA_LOCAL: own address */
	uint8_t address[ADDRESS_SIZE]; /* IFA_ADDRESS: the same, or the peer */
	uint8_t broadcast[ADDRESS_SIZE]; /* IFA_BROADCAST */
};

struct addresses {
	int index; /* of the device */
	struct address *items;
	size_t n_items;
};

static bool copy_attr(const struct rtattr *a, size_t size, uint8_t out[ADDRESS_SIZE])
{
	if (!a || a->rta_len != RTA_LENGTH(size))
		return false;
	memcpy(out, RTA_DATA(a), size);
	return true;
}

/*
 * What goes along: permanent addresses of global scope. Others were learnt from the network
 * of this namespace, or belong to this host alone.
 */
static bool goes_along(const struct ifaddrmsg *m, const struct rtattr *flags_attr)
{
	uint32_t flags = m->ifa_flags;

	if (flags_attr && flags_attr->rta_len == RTA_LENGTH(sizeof(flags)))
		memcpy(&flags, RTA_DATA(flags_attr), sizeof(flags));
	return flags & IFA_F_PERMANENT && m->ifa_scope == RT_SCOPE_UNIVERSE;
}

static int take_address(const struct nlmsghdr *msg, void *arg)
{
	const struct rtattr *table[IFA_MAX + 1];
	struct addresses *all = arg;
	struct ifaddrmsg m;
	struct address a;
	int r;

	if (msg->nlmsg_type != RTM_NEWADDR)
		return 0;
	r = sys_nl_parse(msg, sizeof(m), table, IFA_MAX);
	if (r < 0)
		return r;
	memcpy(&m, NLMSG_DATA(msg), sizeof(m));
	if ((int)m.ifa_index != all->index || !goes_along(&m, table[IFA_FLAGS]))
		return 0;
	if (m.ifa_family != AF_INET && m.ifa_family != AF_INET6)
		return 0;
	if (all->n_items >= ADDRESSES_MAX)
		return -E2BIG;
	a = (struct address){
		.family = m.ifa_family,
		.prefix = m.ifa_prefixlen,
		.size = m.ifa_family == AF_INET ? 4 : 16,
	};
	if (!copy_attr(table[IFA_ADDRESS], a.size, a.address))
		return -EBADMSG;
	a.has_local = copy_attr(table[IFA_LOCAL], a.size, a.local);
	a.has_broadcast = copy_attr(table[IFA_BROADCAST], a.size, a.broadcast);
	all->items = dv_realloc_n(all->items, all->n_items + 1, sizeof(a));
	all->items[all->n_items++] = a;
	return 0;
}

static int list_addresses(int sock, int index, struct addresses *ret)
{
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC, .ifa_index = (unsigned)index };
	struct sys_nl_request req;
	int r;

	ret->index = index;
	sys_nl_init(&req, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	r = sys_nl_query(sock, &req, take_address, ret);
	/* Another device changed meanwhile; ours is about to leave, who would change it? */
	return r == -EINTR ? 0 : r;
}

static int add_address(int sock, int index, const struct address *a)
{
	struct ifaddrmsg m = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = (unsigned)index,
	};
	struct sys_nl_request req;
	int r;

	sys_nl_init(&req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	sys_nl_add(&req, IFA_ADDRESS, a->address, a->size);
	if (a->has_local)
		sys_nl_add(&req, IFA_LOCAL, a->local, a->size);
	if (a->has_broadcast)
		sys_nl_add(&req, IFA_BROADCAST, a->broadcast, a->size);
	r = sys_nl_call(sock, &req);
	return r == -EEXIST ? 0 : r;
}

/* A netlink socket belongs to the namespace it was made in. */
static struct dv_err *open_socket_in(int procfd, int netnsfd, int *ret_sock)
{
	DV_CLEANUP(sys_closep) int here = -1;
	int sock, r;

	here = sys_openat(procfd, "thread-self/ns/net", O_RDONLY, 0);
	if (here < 0)
		return dv_err_sys(here, "open own network namespace");
	r = sys_setns(netnsfd, CLONE_NEWNET);
	if (r < 0)
		return dv_err_sys(r, "enter the container's network namespace");
	sock = sys_nl_open();
	r = sys_setns(here, CLONE_NEWNET);
	if (r < 0) {
		sys_close(sock);
		return dv_err_sys(r, "return to own network namespace");
	}
	if (sock < 0)
		return dv_err_sys(sock, "open netlink socket in the container's network namespace");
	*ret_sock = sock;
	return NULL;
}

static struct dv_err *restore_addresses(int sock, int index, const char *name,
					const struct addresses *addresses, const struct dv_log *log)
{
	for (size_t i = 0; i < addresses->n_items; i++) {
		const struct address *a = &addresses->items[i];
		char text[INET6_ADDRSTRLEN] = "?";
		int r;

		(void)inet_ntop(a->family, a->has_local ? a->local : a->address, text,
				sizeof(text));
		dv_log(log, DV_DEBUG, "adding address %s/%u to network device %s", text, a->prefix,
		       name);
		r = add_address(sock, index, a);
		if (r < 0)
			return dv_err_sys(r, "fail to set up address %s/%u on %s", text, a->prefix,
					  name);
	}
	return NULL;
}

struct move {
	int here; /* netlink sockets */
	int there;
	int netnsfd;
	const struct dv_log *log;
};

static struct dv_err *move_one(const struct move *mv, const struct spec_net_device *dev,
			       struct addresses *addresses)
{
	const char *name = dev->name && *dev->name ? dev->name : dev->host_name;
	struct dv_err *e;
	int index, r;

	dv_log(mv->log, DV_DEBUG, "attaching network device %s as %s", dev->host_name, name);
	index = sys_nl_link_index(mv->here, dev->host_name);
	if (index < 0)
		return dv_err_sys(index, "link not found for interface %s on runtime namespace",
				  dev->host_name);
	/* Before it goes down: that alone costs it its IPv6 addresses. */
	r = list_addresses(mv->here, index, addresses);
	if (r < 0)
		return dv_err_sys(r, "fail to get ip addresses of %s", dev->host_name);
	r = sys_nl_link_set_up(mv->here, index, false);
	if (r < 0)
		return dv_err_sys(r, "fail to set link %s down", dev->host_name);
	r = sys_nl_link_move(mv->here, index, name, mv->netnsfd);
	if (r < 0)
		return dv_err_sys(
			r, "fail to move network device %s to the container's network namespace",
			dev->host_name);
	/* It may have got another number, where its own was taken. */
	index = sys_nl_link_index(mv->there, name);
	if (index < 0)
		return dv_err_sys(index,
				  "link not found for interface %s on the container's namespace",
				  name);
	e = restore_addresses(mv->there, index, name, addresses, mv->log);
	if (e)
		return e;
	r = sys_nl_link_set_up(mv->there, index, true);
	if (r < 0)
		return dv_err_sys(r, "fail to set up interface %s on the container's namespace",
				  name);
	return NULL;
}

struct dv_err *host_netdev_move(int procfd, int netnsfd, const struct spec_net_device *devices,
				size_t n_devices, const struct dv_log *log)
{
	DV_CLEANUP(sys_closep) int here = -1;
	DV_CLEANUP(sys_closep) int there = -1;
	struct dv_err *e = NULL;

	if (n_devices == 0)
		return NULL;
	here = sys_nl_open();
	if (here < 0)
		return dv_err_sys(here, "open netlink socket");
	e = open_socket_in(procfd, netnsfd, &there);
	for (size_t i = 0; i < n_devices && !e; i++) {
		const struct move mv = {
			.here = here, .there = there, .netnsfd = netnsfd, .log = log
		};
		struct addresses addresses = { .items = NULL };

		e = move_one(&mv, &devices[i], &addresses);
		free(addresses.items);
	}
	return e;
}
