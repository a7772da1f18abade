/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: codes, messages, wrapping. */

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/test.h"

static void expect(struct dv_err *e, enum dv_code code, int err, const char *message)
{
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, code);
	T_INT(dv_err_errno(e), ==, err);
	T_STR(dv_err_message(e), message);
	T_NULL(dv_err_free(e));
}

Test(err, new)
{
	expect(dv_err_new(DV_NOT_FOUND, "no %s here", "cat"), DV_NOT_FOUND, 0, "no cat here");
	expect(dv_err_new(DV_DATA_LOSS, "%s", ""), DV_DATA_LOSS, 0, "");
}

Test(err, system_call)
{
	expect(dv_err_sys(-ENOENT, "open %s", "/x"), DV_NOT_FOUND, ENOENT,
	       "open /x: no such file or directory");
	expect(dv_err_sys(-EPERM, "chown"), DV_PERMISSION, EPERM, "chown: operation not permitted");
	/* A sign too few must not become nonsense. */
	expect(dv_err_sys(EBUSY, "unmount"), DV_PRECONDITION, EBUSY,
	       "unmount: device or resource busy");
	expect(dv_err_sys(-99999, "odd"), DV_INTERNAL, 99999, "odd: unknown error");
}

Test(err, codes_of_errnos)
{
	static const struct {
		int err;
		enum dv_code code;
	} cases[] = {
		{ ESRCH, DV_NOT_FOUND },	{ EEXIST, DV_EXISTS },
		{ ENOTEMPTY, DV_PRECONDITION }, { EACCES, DV_PERMISSION },
		{ EROFS, DV_PERMISSION },	{ EINVAL, DV_INVALID },
		{ ENAMETOOLONG, DV_INVALID },	{ ERANGE, DV_OUT_OF_RANGE },
		{ ENOMEM, DV_EXHAUSTED },	{ ENOSPC, DV_EXHAUSTED },
		{ EAGAIN, DV_UNAVAILABLE },	{ ENOSYS, DV_UNIMPLEMENTED },
		{ ETIMEDOUT, DV_DEADLINE },	{ EINTR, DV_CANCELLED },
		{ EIO, DV_INTERNAL },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct dv_err *e = dv_err_sys(-cases[i].err, "x");

		T_INT(dv_err_code(e), ==, cases[i].code);
		dv_err_free(e);
	}
}

Test(err, wrapping_adds_to_the_left_and_keeps_the_rest)
{
	struct dv_err *e = dv_err_sys(-EACCES, "open b");

	e = dv_err_wrap(e, "mount %d", 3);
	e = dv_err_wrap(e, "container %s", "c1");
	expect(e, DV_PERMISSION, EACCES, "container c1: mount 3: open b: permission denied");
}

Test(err, nothing_stays_nothing)
{
	T_NULL(dv_err_wrap(NULL, "never seen"));
	T_NULL(dv_err_free(NULL));
}

Test(err, cleanup_attribute)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = dv_err_new(DV_INTERNAL, "freed at the brace");
	DV_CLEANUP(dv_err_freep) struct dv_err *none = NULL;

	T_NOT_NULL(e);
	T_NULL(none);
}

Test(err, errno_text)
{
	T_STR(dv_errno_text(EINVAL), "invalid argument");
	T_STR(dv_errno_text(EIO), "input/output error");
	T_STR(dv_errno_text(ESRMNT), "srmount error");
	T_STR(dv_errno_text(EDOTDOT), "RFS specific error");
}

Test(err, assertion_aborts, .signal = SIGABRT)
{
	int two = 2;

	close(STDERR_FILENO); /* it says why */
	dv_assert(two == 2);
	dv_assert(two == 3);
}
