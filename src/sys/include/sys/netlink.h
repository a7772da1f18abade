/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Route netlink (rtnetlink(7)), as much as moving a network device takes. Messages live in
 * buffers of fixed size; what the kernel sends is decoded with bounds checks. Results are
 * >= 0 or -errno.
 */

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum { SYS_NL_REQUEST_MAX = 512 };

/* A request under construction; what does not fit is reported when it is sent (-EMSGSIZE). */
struct sys_nl_request {
	union {
		struct nlmsghdr head;
		char bytes[SYS_NL_REQUEST_MAX];
	};
	bool is_too_long;
};

/* @body: the fixed part, struct ifinfomsg or the like. NLM_F_REQUEST is added. */
void sys_nl_init(struct sys_nl_request *r, uint16_t type, uint16_t flags, const void *body,
		 size_t n);
void sys_nl_add(struct sys_nl_request *r, uint16_t attr, const void *value, size_t n);
void sys_nl_add_string(struct sys_nl_request *r, uint16_t attr, const char *value);
void sys_nl_add_u32(struct sys_nl_request *r, uint16_t attr, uint32_t value);

/* An NETLINK_ROUTE socket of the current network namespace. */
int sys_nl_open(void);

/* Sends and waits for the acknowledgement. */
int sys_nl_call(int fd, struct sys_nl_request *r) DV_CHECK;

/* Gets every message of an answer; a non-zero result ends the visit and is handed back. */
typedef int (*sys_nl_visit_fn)(const struct nlmsghdr *msg, void *arg);

/*
 * Sends and gives the answer's messages to @visit: one (or several with NLM_F_DUMP). -EINTR
 * means that a dump was not consistent (NLM_F_DUMP_INTR): every message was visited, though.
 */
int sys_nl_query(int fd, struct sys_nl_request *r, sys_nl_visit_fn visit, void *arg) DV_CHECK;

/*
 * Collects pointers to the attributes behind the fixed part of @body_size bytes: table[type],
 * for types up to @max; others are skipped, missing ones NULL. -EBADMSG for bad lengths.
 */
int sys_nl_parse(const struct nlmsghdr *msg, size_t body_size, const struct rtattr **table,
		 size_t max) DV_CHECK;

/* The same on plain bytes; fuzzed. */
int sys_nl_parse_attrs(const void *p, size_t n, const struct rtattr **table, size_t max) DV_CHECK;

/* Index of the device @name in the namespace of the socket; -ENODEV. */
int sys_nl_link_index(int fd, const char *name);
int sys_nl_link_set_up(int fd, int index, bool is_up);
/* Moves a device into the namespace @netnsfd, under @new_name there, in one step. */
int sys_nl_link_move(int fd, int index, const char *new_name, int netnsfd);
