/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one error type. Every function that can fail returns `struct dv_err *`, NULL on
 * success. An error has a code (the sixteen of gRPC), the errno that caused it, if one
 * did, and a message that grows to the left as it travels up: dv_err_wrap() adds what was
 * attempted on which object. Out of memory while making an error yields a static object,
 * so making an error never fails.
 *
 * Not shared between threads. The holder frees it, or hands it on.
 */

#include <stdarg.h>

#include "base/macros.h"

/* The numbers are gRPC's. */
enum dv_code {
	DV_CANCELLED = 1,
	DV_UNKNOWN = 2,
	DV_INVALID = 3,
	DV_DEADLINE = 4,
	DV_NOT_FOUND = 5,
	DV_EXISTS = 6,
	DV_PERMISSION = 7,
	DV_EXHAUSTED = 8,
	DV_PRECONDITION = 9,
	DV_ABORTED = 10,
	DV_OUT_OF_RANGE = 11,
	DV_UNIMPLEMENTED = 12,
	DV_INTERNAL = 13,
	DV_UNAVAILABLE = 14,
	DV_DATA_LOSS = 15,
	DV_UNAUTHENTICATED = 16,
};

struct dv_err;

/* Our own judgement: lower case, no full stop, names the object and what was expected. */
struct dv_err *dv_err_new(enum dv_code code, const char *fmt, ...) DV_PRINTF(2, 3) DV_CHECK;
struct dv_err *dv_err_newv(enum dv_code code, const char *fmt, va_list ap) DV_PRINTF(2, 0) DV_CHECK;

/*
 * A failed system call. @neg_errno is what src/sys returned (-EPERM ...); the message
 * becomes "fmt: Operation not permitted" (strerrorname-free, as runc's users know it: the
 * text is strerror's in lower case).
 */
struct dv_err *dv_err_sys(int neg_errno, const char *fmt, ...) DV_PRINTF(2, 3) DV_CHECK;

/* Puts "fmt: " before the message. Consumes @take; NULL stays NULL. */
struct dv_err *dv_err_wrap(struct dv_err *take, const char *fmt, ...) DV_PRINTF(2, 3) DV_CHECK;

/* Frees the error. Accepts NULL; always returns NULL. */
struct dv_err *dv_err_free(struct dv_err *e);
DV_DEFINE_CLEANUP(struct dv_err *, dv_err_free);

enum dv_code dv_err_code(const struct dv_err *e);

/* The errno (positive) of the failed system call, 0 when there was none. */
int dv_err_errno(const struct dv_err *e);

/* The whole message. Borrowed, valid until the error is wrapped or freed. */
const char *dv_err_message(const struct dv_err *e);

/* The text of an errno as our messages show it: "no such file or directory". */
const char *dv_errno_text(int err);
