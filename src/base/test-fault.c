/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/test.h"

#define T_OK(expr) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_assert(t_err_ == NULL, "%s: %s", #expr, t_err_ ? dv_err_message(t_err_) : ""); \
	} while (0)

#define T_CODE(expr, code) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_expect(t_err_ != NULL && dv_err_code(t_err_) == (code), "%s", #expr); \
		dv_err_free(t_err_); \
	} while (0)

#ifdef DAVIT_FAULTS

static int step(void)
{
	DV_FAULT("test.step.begun");
	return DV_FAULT_ERRNO("test.step.done");
}

static void count(void *arg, const char *name)
{
	if (strncmp(name, "test.step.", 10) == 0)
		++*(int *)arg;
}

Test(fault, points_are_listed)
{
	int n = 0;

	dv_fault_each(count, &n);
	T_INT(n, ==, 2);
	T_INT(step(), ==, 0);
}

Test(fault, errors_come_at_their_passage)
{
	T_OK(dv_fault_arm("test.step.done:2=ENOSPC"));
	T_INT(step(), ==, 0);
	T_INT(step(), ==, -ENOSPC);
	T_INT(step(), ==, 0);
	T_OK(dv_fault_arm("test.step.done=EIO"));
	T_INT(step(), ==, -EIO);
	T_OK(dv_fault_arm(""));
	T_INT(step(), ==, 0);
	T_OK(dv_fault_arm(NULL));
}

Test(fault, the_process_is_killed)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		dv_err_free(dv_fault_arm("test.step.begun:3"));
		for (int i = 0; i < 2; i++)
			(void)step();
		(void)step();
		_exit(0);
	}
	T_INT(waitpid(pid, &status, 0), ==, pid);
	T_INT(WIFSIGNALED(status), ==, 1);
	T_INT(WTERMSIG(status), ==, SIGKILL);
}

Test(fault, what_is_not_understood_is_refused)
{
	static const char *const wrong[] = { "test.step",
					     "test.step.begun:0",
					     "test.step.begun:x",
					     "test.step.begun:",
					     "test.step.begun=EEE",
					     "test.step.begun=",
					     ":1",
					     "nothing" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(wrong); i++)
		T_CODE(dv_fault_arm(wrong[i]), DV_INVALID);
	T_INT(step(), ==, 0);
}

#else

Test(fault, none_without_faults)
{
	T_CODE(dv_fault_arm("x"), DV_UNIMPLEMENTED);
	T_OK(dv_fault_arm(""));
}

#endif
