/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation in every state, for both kinds of processes, against a second table. */

#include "base/test.h"
#include "task-private.h"

/* By state CREATED, RUNNING, PAUSED, STOPPED: . allowed, P precondition, N not found, I invalid,
 * U unimplemented. */
static const struct {
	enum task_op op;
	const char *init, *exec;
} want[] = {
	{ TASK_START, ".PPP", ".PPP" },	     { TASK_PAUSE, "P.PP", "IIII" },
	{ TASK_RESUME, "PP.P", "IIII" },     { TASK_UPDATE, "...P", "IIII" },
	{ TASK_CHECKPOINT, "PUUP", "IIII" }, { TASK_EXEC, "..PP", "IIII" },
	{ TASK_KILL, "...N", "P.PN" },	     { TASK_RESIZE, "...P", "..PP" },
	{ TASK_CLOSE_IO, "....", "..P." },   { TASK_STATS, "...N", "IIII" },
	{ TASK_DELETE, ".PP.", ".PP." },     { TASK_EXIT, "...N", "..PN" },
};

static char letter(const struct dv_err *e)
{
	if (!e)
		return '.';
	switch (dv_err_code(e)) {
	case DV_PRECONDITION:
		return 'P';
	case DV_NOT_FOUND:
		return 'N';
	case DV_INVALID:
		return 'I';
	case DV_UNIMPLEMENTED:
		return 'U';
	default:
		return '?';
	}
}

Test(task_table, every_operation_in_every_state)
{
	cr_assert_eq(DV_ARRAY_SIZE(want), TASK_OP__N);
	for (size_t i = 0; i < DV_ARRAY_SIZE(want); i++) {
		for (int state = 0; state < TASK_STATE__N; state++) {
			for (int is_exec = 0; is_exec < 2; is_exec++) {
				struct dv_err *e = task_rule(is_exec, want[i].op,
							     (enum task_state)state, "it");
				char expected = (is_exec ? want[i].exec : want[i].init)[state];

				cr_expect_eq(letter(e), expected, "op %d, %s, exec %d: %c, not %c",
					     want[i].op, task_state_name((enum task_state)state),
					     is_exec, letter(e), expected);
				if (e)
					cr_expect(dv_starts_with(dv_err_message(e), "it: "));
				dv_err_free(e);
			}
		}
	}
}

Test(task_table, where_operations_lead)
{
	for (int state = 0; state < TASK_STATE__N; state++) {
		enum task_state s = (enum task_state)state;

		T_INT(task_next(TASK_START, s), ==, TASK_RUNNING);
		T_INT(task_next(TASK_RESUME, s), ==, TASK_RUNNING);
		T_INT(task_next(TASK_PAUSE, s), ==, TASK_PAUSED);
		T_INT(task_next(TASK_EXIT, s), ==, TASK_STOPPED);
		T_INT(task_next(TASK_UPDATE, s), ==, s);
		T_INT(task_next(TASK_KILL, s), ==, s);
	}
}
