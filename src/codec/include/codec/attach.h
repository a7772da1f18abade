/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Attaching to a process of a container: what goes over a shim's attach.sock, in frames of one
 * byte of type, four of length (big endian, at most DV_ATTACH_MAX), and so many bytes.
 *
 *	client                                     shim
 *	HELLO, one byte of flags: first of all --->
 *	                                      <--- READY: from here on no output is missed
 *	STDIN, STDIN_END (at most once)       ---> if the flags say so
 *	                                      <--- STDOUT, STDERR; of a terminal STDOUT alone
 *	                                      <--- END: that was all; then the connection is closed
 *
 * Without END the client was cut off, or the shim has died. An END of its own input is also
 * that the client closes the connection, or its sending half.
 *
 * No I/O, and no memory: bytes go in, in chunks of any size, pieces of frames come out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_ATTACH_SOCKET "attach.sock" /* in the bundle */

enum {
	DV_ATTACH_HEADER = 5,
	DV_ATTACH_MAX = 65536,
};

enum dv_attach_from_client { DV_ATTACH_HELLO, DV_ATTACH_STDIN, DV_ATTACH_STDIN_END };

enum dv_attach_from_shim { DV_ATTACH_READY, DV_ATTACH_STDOUT, DV_ATTACH_STDERR, DV_ATTACH_END };

enum dv_attach_flags {
	DV_ATTACH_WAIT =
		1, /* the process waits when this client does not read; or else it is cut off */
	DV_ATTACH_HAS_STDIN = 2,
	DV_ATTACH_FLAGS = 3, /* all that there are */
};

/* @n at most DV_ATTACH_MAX. */
void dv_attach_header(unsigned type, size_t n, uint8_t buf[DV_ATTACH_HEADER]);

/* All zero is the start of a stream. */
struct dv_attach_reader {
	uint8_t header[DV_ATTACH_HEADER];
	uint8_t n_header;
	uint32_t length, n_read; /* of the frame whose header is complete */
};

struct dv_attach_piece {
	unsigned type;
	uint32_t length; /* of the whole frame */
	const uint8_t *bytes; /* into what was given */
	size_t n; /* 0 only in an empty frame */
	bool is_last;
};

enum dv_attach_next { DV_ATTACH_MORE, DV_ATTACH_PIECE, DV_ATTACH_BAD };

/*
 * Reads on at *p, of which *n bytes are left; both advance. MORE: all was read, and there is no
 * piece in it. BAD: a frame that is too long; the reader is not to be used any further.
 */
enum dv_attach_next dv_attach_read(struct dv_attach_reader *r, const uint8_t **p, size_t *n,
				   struct dv_attach_piece *ret);
/*
 * Of @piece, the last one read, only @n_used bytes, fewer than all, were of use: the others, and
 * what follows them, will be given once more.
 */
void dv_attach_unread(struct dv_attach_reader *r, const struct dv_attach_piece *piece,
		      size_t n_used);
/* Is the stream between two frames? */
bool dv_attach_is_between(const struct dv_attach_reader *r);
