/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine as data: for the init of a container and for exec'ed processes, what each
 * operation does in each state. The texts are those of containerd's own shim, since people
 * search for them.
 */

#include "task-private.h"

struct rule {
	enum dv_code code; /* 0: allowed */
	const char *text;
};

#define OK \
	{ \
		0, NULL \
	}
#define NO(t) \
	{ \
		DV_PRECONDITION, t \
	}
#define FINISHED \
	{ \
		DV_NOT_FOUND, "process already finished" \
	}
#define NOT_YET(t) \
	{ \
		DV_UNIMPLEMENTED, t \
	}

/* By state: CREATED, RUNNING, PAUSED, STOPPED. */
static const struct rule init_rules[TASK_OP__N][TASK_STATE__N] = {
	[TASK_START] = { OK, NO("cannot start a running process"),
			 NO("cannot start a paused process"),
			 NO("cannot start a stopped process") },
	[TASK_PAUSE] = { NO("cannot pause task in created state"), OK,
			 NO("cannot pause a paused container"),
			 NO("cannot pause a stopped container") },
	[TASK_RESUME] = { NO("cannot resume task in created state"),
			  NO("cannot resume a running process"), OK,
			  NO("cannot resume a stopped container") },
	[TASK_UPDATE] = { OK, OK, OK, NO("cannot update a stopped container") },
	[TASK_CHECKPOINT] = { NO("cannot checkpoint a task in created state"),
			      NOT_YET("checkpoint is not supported yet"),
			      NOT_YET("checkpoint is not supported yet"),
			      NO("cannot checkpoint a stopped container") },
	[TASK_EXEC] = { OK, OK, NO("cannot exec in a paused state"),
			NO("cannot exec in a stopped state") },
	[TASK_KILL] = { OK, OK, OK, FINISHED },
	[TASK_RESIZE] = { OK, OK, OK, NO("cannot resize a stopped container") },
	[TASK_CLOSE_IO] = { OK, OK, OK, OK },
	[TASK_STATS] = { OK, OK, OK, { DV_NOT_FOUND, "cgroup does not exist" } },
	[TASK_DELETE] = { OK, NO("cannot delete a running process"),
			  NO("cannot delete a paused process"), OK },
	[TASK_EXIT] = { OK, OK, OK, FINISHED },
};

#define INIT_ONLY \
	{ \
		DV_INVALID, "only the first process of a container can be asked for this" \
	}
#define ALL_INIT_ONLY \
	{ \
		INIT_ONLY, INIT_ONLY, INIT_ONLY, INIT_ONLY \
	}
/* An exec'ed process is not paused by itself. */
#define NEVER NO("an exec'ed process is never paused")

static const struct rule exec_rules[TASK_OP__N][TASK_STATE__N] = {
	[TASK_START] = { OK, NO("cannot start a running process"), NEVER,
			 NO("cannot start a stopped process") },
	[TASK_PAUSE] = ALL_INIT_ONLY,
	[TASK_RESUME] = ALL_INIT_ONLY,
	[TASK_UPDATE] = ALL_INIT_ONLY,
	[TASK_CHECKPOINT] = ALL_INIT_ONLY,
	[TASK_EXEC] = ALL_INIT_ONLY,
	[TASK_KILL] = { NO("process not created"), OK, NEVER, FINISHED },
	[TASK_RESIZE] = { OK, OK, NEVER, NO("cannot resize a stopped container") },
	[TASK_CLOSE_IO] = { OK, OK, NEVER, OK },
	[TASK_STATS] = ALL_INIT_ONLY,
	[TASK_DELETE] = { OK, NO("cannot delete a running process"), NEVER, OK },
	[TASK_EXIT] = { OK, OK, NEVER, FINISHED },
};

struct dv_err *task_rule(bool is_exec, enum task_op op, enum task_state state, const char *what)
{
	const struct rule *rule = is_exec ? &exec_rules[op][state] : &init_rules[op][state];

	return rule->code ? dv_err_new(rule->code, "%s: %s", what, rule->text) : NULL;
}

enum task_state task_next(enum task_op op, enum task_state state)
{
	switch (op) {
	case TASK_START:
	case TASK_RESUME:
		return TASK_RUNNING;
	case TASK_PAUSE:
		return TASK_PAUSED;
	case TASK_EXIT:
		return TASK_STOPPED;
	default:
		return state;
	}
}

const char *task_state_name(enum task_state state)
{
	static const char *const names[] = { "created", "running", "paused", "stopped" };

	_Static_assert(DV_ARRAY_SIZE(names) == TASK_STATE__N, "a name for each state");
	return names[state];
}
