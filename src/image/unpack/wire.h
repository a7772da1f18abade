/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What davit-unpack and its parent say to each other on a SOCK_SEQPACKET socket. The child asks one
 * thing at a time for which it lacks the privilege, by descriptors and names without a slash; the
 * parent checks and answers. The last message is UNPACK_DONE or UNPACK_FAILED.
 */

#include <stdint.h>

enum unpack_kind {
	/* Requests. */
	UNPACK_OPAQUE = 1, /* with a directory: hide what the layers below have there */
	UNPACK_MKNOD, /* with a directory: a device @text there, @mode, @dev, @uid, @gid */
	UNPACK_PARENT, /* how is the directory @text in the layers below? */
	UNPACK_IS_OPAQUE, /* with a directory: does it hide them? (packing) */
	/* Ends. */
	UNPACK_DONE, /* @size, @digest */
	UNPACK_FAILED, /* @code (enum dv_code), @text */
	/* The parent's answer to a request. */
	UNPACK_RESULT, /* @code: 0 (UNPACK_IS_OPAQUE: or 1) or -errno; of UNPACK_PARENT also @mode, @uid, @gid */
};

enum { UNPACK_TEXT_MAX = 4096, UNPACK_DIGEST = 32 };

/* The descriptors that the child begins with. */
enum { UNPACK_FD_SOCKET = 3, UNPACK_FD_ARCHIVE = 4, UNPACK_FD_TARGET = 5 };
/* To pack: the archive is written, the target is the tree, and what it is compared with. */
enum { PACK_FD_OUT = UNPACK_FD_ARCHIVE, PACK_FD_LEFT = 6 };

struct unpack_msg {
	uint32_t kind;
	int32_t code;
	uint32_t mode, uid, gid;
	uint32_t dev_major, dev_minor;
	uint32_t reserved;
	int64_t size;
	uint8_t digest[UNPACK_DIGEST];
	char text[UNPACK_TEXT_MAX]; /* NUL-terminated */
};

/*
 * "davit-unpack entries": what an archive holds, on a pipe: a head, the name, the link's target, the
 * bytes; and so on, until ENTRY_END or ENTRY_FAILED (@code, and the message in the place of the name).
 * Bytes come in pieces, each behind its length (uint32_t). A length of 0 before all have come: the
 * next head says why.
 */
enum entry_kind {
	ENTRY_FILE = 1, /* pieces of @size bytes in all follow */
	ENTRY_SYMLINK,
	ENTRY_HARDLINK,
	ENTRY_END,
	ENTRY_FAILED,
};

/* The descriptors of that: the pipe is in the place of the socket, "/" is an empty directory. */
enum { ENTRIES_FD_OUT = UNPACK_FD_SOCKET };

struct entry_head {
	uint32_t kind;
	int32_t code; /* enum dv_code */
	uint32_t n_name, n_link; /* below UNPACK_TEXT_MAX */
	int64_t size;
};
