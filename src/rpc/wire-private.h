/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Protobuf's encoding, one field at a time: for ttrpc's own two messages, whose payload shall not
 * be copied, and for looking at bytes before protobuf-c gets them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

struct wire_reader {
	const uint8_t *p, *end;
};

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value; /* of numbers */
	const uint8_t *bytes; /* of WIRE_BYTES; points into the input */
	size_t n;
};

enum wire_next { WIRE_END, WIRE_FIELD, WIRE_BROKEN };

/* WIRE_BROKEN: cut off, or nothing that proto3 knows. */
enum wire_next wire_next(struct wire_reader *r, struct wire_field *ret);

/* UTF-8 without NUL, no surrogates, nothing overlong. */
bool wire_is_text(const uint8_t *s, size_t n);

/* Puts '?' where it is not. */
void wire_make_text(uint8_t *s, size_t n);

/* The writers return the place behind; the caller has made room by the sizes below. */
enum { WIRE_VARINT_MAX = 10 };
size_t wire_varint_size(uint64_t v);
uint8_t *wire_put_varint(uint8_t *p, uint64_t v);
uint8_t *wire_put_tag(uint8_t *p, uint32_t number, enum wire_type type);

/* A field of bytes; what is empty is left out, as proto3 wants it. Numbers are below 16. */
size_t wire_bytes_size(size_t n);
uint8_t *wire_put_bytes(uint8_t *p, uint32_t number, const void *bytes, size_t n);
/* The same without the bytes. */
uint8_t *wire_put_bytes_head(uint8_t *p, uint32_t number, size_t n);
