/* SPDX-License-Identifier: Apache-2.0 */
/* Rules inside the `process` object; exec's are the same. */

#include "spec/runtime.h"

#include <inttypes.h>

#include <linux/sched.h>

#include "table-private.h"

static struct dv_err *check_env(const struct spec_process *p)
{
	for (size_t i = 0; i < p->n_env; i++) {
		if (p->env[i][0] == '=')
			return dv_err_new(
				DV_INVALID,
				"process.env[%zu]: invalid environment variable: name cannot be empty",
				i);
		if (!strchr(p->env[i], '='))
			return dv_err_new(
				DV_INVALID,
				"process.env[%zu]: invalid environment variable: missing '='", i);
	}
	return NULL;
}

static struct dv_err *check_rlimits(const struct spec_process *p)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct spec_rlimit *r = &p->rlimits[i];

		if (seen & UINT64_C(1) << r->resource)
			return dv_err_new(DV_INVALID, "process.rlimits[%zu]: %s is listed twice", i,
					  r->name);
		seen |= UINT64_C(1) << r->resource;
		if (r->soft > r->hard)
			return dv_err_new(DV_INVALID,
					  "process.rlimits[%zu]: %s: the soft limit %" PRIu64
					  " is above the hard limit %" PRIu64,
					  i, r->name, r->soft, r->hard);
	}
	return NULL;
}

/* sched_setattr(2) */
static struct dv_err *check_scheduler(const struct spec_scheduler *s)
{
	bool is_fair = s->policy == SCHED_NORMAL || s->policy == SCHED_BATCH;
	bool is_realtime = s->policy == SCHED_FIFO || s->policy == SCHED_RR;

	if (is_fair && (s->nice < -20 || s->nice > 19))
		return dv_err_new(DV_INVALID,
				  "invalid scheduler.nice: %" PRId32 " when scheduler.policy is %s",
				  s->nice, spec_names_of(&spec_scheduler_policies, s->policy));
	if (s->priority != 0 && !is_realtime)
		return dv_err_new(DV_INVALID, "scheduler.priority can only be specified for "
					      "SchedFIFO or SchedRR policy");
	if (is_realtime && (s->priority < 1 || s->priority > 99))
		return dv_err_new(DV_INVALID,
				  "invalid scheduler.priority: %" PRId32
				  ": expected 1 to 99 when scheduler.policy is %s",
				  s->priority, spec_names_of(&spec_scheduler_policies, s->policy));
	if (s->policy != SCHED_DEADLINE && (s->runtime || s->deadline || s->period))
		return dv_err_new(DV_INVALID, "scheduler runtime/deadline/period can only be "
					      "specified for SchedDeadline policy");
	return NULL;
}

struct dv_err *spec_process_validate(const struct spec_process *process)
{
	struct dv_err *e;

	if (!process)
		return dv_err_new(DV_INVALID, "process property must not be empty");
	if (!process->cwd || !*process->cwd)
		return dv_err_new(DV_INVALID, "process.cwd: Cwd property must not be empty");
	if (process->cwd[0] != '/')
		return dv_err_new(DV_INVALID,
				  "process.cwd: Cwd must be an absolute path, got \"%s\"",
				  process->cwd);
	if (process->n_args == 0)
		return dv_err_new(DV_INVALID, "process.args: args must not be empty");
	e = check_env(process);
	if (!e)
		e = check_rlimits(process);
	if (!e && process->scheduler)
		e = check_scheduler(process->scheduler);
	return e;
}
