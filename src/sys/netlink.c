/* SPDX-License-Identifier: Apache-2.0 */
/* Route netlink: building, sending and taking apart messages. See sys/netlink.h. */

#include "sys/netlink.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/file.h"

/* The kernel fills at most 32 KiB at once (NLMSG_GOODSIZE and skb sizing of dumps). */
enum { RECV_SIZE = 32 * 1024 };

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

void sys_nl_init(struct sys_nl_request *r, uint16_t type, uint16_t flags, const void *body,
		 size_t n)
{
	memset(r, 0, sizeof(*r));
	r->head = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(sizeof(r->head) + align4(n)),
		.nlmsg_type = type,
		.nlmsg_flags = flags | NLM_F_REQUEST,
	};
	if (r->head.nlmsg_len > sizeof(r->bytes))
		r->is_too_long = true;
	else
		memcpy(r->bytes + sizeof(r->head), body, n);
}

void sys_nl_add(struct sys_nl_request *r, uint16_t attr, const void *value, size_t n)
{
	size_t at = r->head.nlmsg_len, len = sizeof(struct rtattr) + n;
	struct rtattr a = { .rta_len = (uint16_t)len, .rta_type = attr };

	if (r->is_too_long || n > sizeof(r->bytes) || at + align4(len) > sizeof(r->bytes)) {
		r->is_too_long = true;
		return;
	}
	memcpy(r->bytes + at, &a, sizeof(a));
	memcpy(r->bytes + at + sizeof(a), value, n);
	r->head.nlmsg_len = (uint32_t)(at + align4(len));
}

void sys_nl_add_string(struct sys_nl_request *r, uint16_t attr, const char *value)
{
	sys_nl_add(r, attr, value, strlen(value) + 1);
}

void sys_nl_add_u32(struct sys_nl_request *r, uint16_t attr, uint32_t value)
{
	sys_nl_add(r, attr, &value, sizeof(value));
}

int sys_nl_open(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int fd, r;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		sys_close(fd);
		return r;
	}
	return fd;
}

static int send_request(int fd, struct sys_nl_request *r)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	if (r->is_too_long)
		return -EMSGSIZE;
	do
		n = sendto(fd, r->bytes, r->head.nlmsg_len, MSG_NOSIGNAL,
			   (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* One datagram of the kernel's; others are dropped. */
static ssize_t receive(int fd, void *buf, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = { .nl_family = 0 };
		socklen_t len = sizeof(from);
		ssize_t n;

		n = recvfrom(fd, buf, size, MSG_TRUNC, (struct sockaddr *)&from, &len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_family != AF_NETLINK || from.nl_pid != 0)
			continue;
		return (size_t)n > size ? -EMSGSIZE : n;
	}
}

/* The int in an NLMSG_ERROR or NLMSG_DONE: 0 or -errno. */
static int status_of(const struct nlmsghdr *msg)
{
	int err = 0;

	if (msg->nlmsg_len >= NLMSG_HDRLEN + sizeof(err))
		memcpy(&err, (const char *)msg + NLMSG_HDRLEN, sizeof(err));
	else if (msg->nlmsg_type == NLMSG_ERROR)
		return -EBADMSG;
	return err > 0 ? -EBADMSG : err;
}

struct answer {
	uint32_t seq;
	sys_nl_visit_fn visit;
	void *arg;
	bool is_complete;
	bool is_inconsistent;
};

static int take_message(struct answer *a, const struct nlmsghdr *msg)
{
	int r;

	if (msg->nlmsg_seq != a->seq)
		return 0;
	a->is_inconsistent |= (msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	switch (msg->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_OVERRUN:
		return -EOVERFLOW;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		a->is_complete = true;
		return status_of(msg);
	default:
		r = a->visit ? a->visit(msg, a->arg) : 0;
		if (!(msg->nlmsg_flags & NLM_F_MULTI) && a->visit)
			a->is_complete = true;
		return r;
	}
}

static int take_datagram(struct answer *a, const char *buf, size_t n)
{
	while (n > 0 && !a->is_complete) {
		const struct nlmsghdr *msg = (const struct nlmsghdr *)(const void *)buf;
		size_t step;
		int r;

		if (n < sizeof(*msg) || msg->nlmsg_len < sizeof(*msg) || msg->nlmsg_len > n)
			return -EBADMSG;
		r = take_message(a, msg);
		if (r)
			return r;
		step = DV_MIN(align4(msg->nlmsg_len), n);
		buf += step;
		n -= step;
	}
	return 0;
}

/* What is left of an answer that nobody read to its end has another number. */
static _Thread_local uint32_t last_seq;

static int run(int fd, struct sys_nl_request *r, sys_nl_visit_fn visit, void *arg)
{
	struct answer a = { .seq = ++last_seq, .visit = visit, .arg = arg };
	_Alignas(struct nlmsghdr) char buf[RECV_SIZE];
	int err;

	r->head.nlmsg_seq = a.seq;
	err = send_request(fd, r);
	if (err < 0)
		return err;
	while (!a.is_complete) {
		ssize_t n = receive(fd, buf, sizeof(buf));

		if (n < 0)
			return (int)n;
		err = take_datagram(&a, buf, (size_t)n);
		if (err)
			return err;
	}
	return a.is_inconsistent ? -EINTR : 0;
}

int sys_nl_call(int fd, struct sys_nl_request *r)
{
	r->head.nlmsg_flags |= NLM_F_ACK;
	return run(fd, r, NULL, NULL);
}

int sys_nl_query(int fd, struct sys_nl_request *r, sys_nl_visit_fn visit, void *arg)
{
	return run(fd, r, visit, arg);
}

int sys_nl_parse_attrs(const void *p, size_t n, const struct rtattr **table, size_t max)
{
	const char *bytes = p;

	for (size_t i = 0; i <= max; i++)
		table[i] = NULL;
	while (n >= sizeof(struct rtattr)) {
		const struct rtattr *a = (const struct rtattr *)(const void *)bytes;
		size_t type = a->rta_type & NLA_TYPE_MASK, step;

		if (a->rta_len < sizeof(*a) || a->rta_len > n)
			return -EBADMSG;
		if (type <= max)
			table[type] = a;
		step = DV_MIN(align4(a->rta_len), n);
		bytes += step;
		n -= step;
	}
	return n == 0 ? 0 : -EBADMSG;
}

int sys_nl_parse(const struct nlmsghdr *msg, size_t body_size, const struct rtattr **table,
		 size_t max)
{
	size_t skip = NLMSG_HDRLEN + align4(body_size);

	if (msg->nlmsg_len < skip)
		return -EBADMSG;
	return sys_nl_parse_attrs((const char *)msg + skip, msg->nlmsg_len - skip, table, max);
}

static int take_index(const struct nlmsghdr *msg, void *arg)
{
	struct ifinfomsg info;

	if (msg->nlmsg_type != RTM_NEWLINK || msg->nlmsg_len < NLMSG_LENGTH(sizeof(info)))
		return -EBADMSG;
	memcpy(&info, (const char *)msg + NLMSG_HDRLEN, sizeof(info));
	*(int *)arg = info.ifi_index;
	return 0;
}

int sys_nl_link_index(int fd, const char *name)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct sys_nl_request req;
	int index = 0, r;

	if (!*name || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	sys_nl_init(&req, RTM_GETLINK, 0, &info, sizeof(info));
	sys_nl_add_string(&req, IFLA_IFNAME, name);
	r = sys_nl_query(fd, &req, take_index, &index);
	if (r < 0)
		return r;
	return index > 0 ? index : -ENODEV;
}

int sys_nl_link_set_up(int fd, int index, bool is_up)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = is_up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct sys_nl_request req;

	sys_nl_init(&req, RTM_NEWLINK, 0, &info, sizeof(info));
	return sys_nl_call(fd, &req);
}

int sys_nl_link_move(int fd, int index, const char *new_name, int netnsfd)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct sys_nl_request req;

	sys_nl_init(&req, RTM_NEWLINK, 0, &info, sizeof(info));
	sys_nl_add_string(&req, IFLA_IFNAME, new_name);
	sys_nl_add_u32(&req, IFLA_NET_NS_FD, (uint32_t)netnsfd);
	return sys_nl_call(fd, &req);
}
