/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. One heap object per failure; wrapping rebuilds the message. When memory is
 * gone, the static object stands in: it says so, and freeing it does nothing.
 */

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dv_err {
	enum dv_code code;
	int err; /* errno, positive, or 0 */
	char *message;
};

static char oom_message[] = "out of memory";
static struct dv_err oom = { .code = DV_EXHAUSTED, .err = ENOMEM, .message = oom_message };

void dv_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
	abort();
}

static const struct {
	int err;
	enum dv_code code;
} code_of_errno[] = {
	{ ENOENT, DV_NOT_FOUND },
	{ ESRCH, DV_NOT_FOUND },
	{ ENODEV, DV_NOT_FOUND },
	{ ENXIO, DV_NOT_FOUND },
	{ EEXIST, DV_EXISTS },
	{ ENOTEMPTY, DV_PRECONDITION },
	{ EBUSY, DV_PRECONDITION },
	{ EPERM, DV_PERMISSION },
	{ EACCES, DV_PERMISSION },
	{ EROFS, DV_PERMISSION },
	{ EINVAL, DV_INVALID },
	{ ENAMETOOLONG, DV_INVALID },
	{ ELOOP, DV_INVALID },
	{ ENOTDIR, DV_INVALID },
	{ EISDIR, DV_INVALID },
	{ E2BIG, DV_INVALID },
	{ ENOEXEC, DV_INVALID },
	{ ERANGE, DV_OUT_OF_RANGE },
	{ ENOMEM, DV_EXHAUSTED },
	{ ENOSPC, DV_EXHAUSTED },
	{ EMFILE, DV_EXHAUSTED },
	{ ENFILE, DV_EXHAUSTED },
	{ EDQUOT, DV_EXHAUSTED },
	{ EAGAIN, DV_UNAVAILABLE },
	{ ECONNREFUSED, DV_UNAVAILABLE },
	{ ENOSYS, DV_UNIMPLEMENTED },
	{ EOPNOTSUPP, DV_UNIMPLEMENTED },
	{ ETIMEDOUT, DV_DEADLINE },
	{ EINTR, DV_CANCELLED },
};

static enum dv_code code_from_errno(int err)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(code_of_errno); i++) {
		if (code_of_errno[i].err == err)
			return code_of_errno[i].code;
	}
	return DV_INTERNAL;
}

const char *dv_errno_text(int err)
{
	static _Thread_local char text[128];

	snprintf(text, sizeof(text), "%s",
		 strerrordesc_np(err) ? strerrordesc_np(err) : "unknown error");
	/* "Invalid argument" reads as part of a sentence; "RFS specific error" stays. */
	if (text[0] && !isupper((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

/* Takes ownership of @message; NULL means that memory ran out while it was made. */
static struct dv_err *make(enum dv_code code, int err, char *message)
{
	struct dv_err *e;

	if (!message)
		return &oom;
	e = malloc(sizeof(*e));
	if (!e) {
		free(message);
		return &oom;
	}
	*e = (struct dv_err){ .code = code, .err = err, .message = message };
	return e;
}

DV_PRINTF(1, 0) static char *format(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? NULL : s;
}

/* "head: tail"; frees @head. */
static char *join(char *head, const char *tail)
{
	char *s;

	if (!head)
		return NULL;
	if (asprintf(&s, "%s: %s", head, tail) < 0)
		s = NULL;
	free(head);
	return s;
}

struct dv_err *dv_err_newv(enum dv_code code, const char *fmt, va_list ap)
{
	return make(code, 0, format(fmt, ap));
}

struct dv_err *dv_err_new(enum dv_code code, const char *fmt, ...)
{
	struct dv_err *e;
	va_list ap;

	va_start(ap, fmt);
	e = dv_err_newv(code, fmt, ap);
	va_end(ap);
	return e;
}

struct dv_err *dv_err_sys(int neg_errno, const char *fmt, ...)
{
	int err = neg_errno < 0 ? -neg_errno : neg_errno;
	char *head;
	va_list ap;

	va_start(ap, fmt);
	head = format(fmt, ap);
	va_end(ap);
	return make(code_from_errno(err), err, join(head, dv_errno_text(err)));
}

struct dv_err *dv_err_wrap(struct dv_err *take, const char *fmt, ...)
{
	char *head, *whole;
	va_list ap;

	if (!take || take == &oom)
		return take;
	va_start(ap, fmt);
	head = format(fmt, ap);
	va_end(ap);
	whole = join(head, take->message);
	if (!whole)
		return take; /* less context is better than none */
	free(take->message);
	take->message = whole;
	return take;
}

struct dv_err *dv_err_free(struct dv_err *e)
{
	if (e && e != &oom) {
		free(e->message);
		free(e);
	}
	return NULL;
}

enum dv_code dv_err_code(const struct dv_err *e)
{
	return e->code;
}

int dv_err_errno(const struct dv_err *e)
{
	return e->err;
}

const char *dv_err_message(const struct dv_err *e)
{
	return e->message;
}
