/* SPDX-License-Identifier: Apache-2.0 */
/* Rules inside `linux.seccomp`. */

#include "validate-private.h"

static bool takes_errno(enum spec_seccomp_action action)
{
	return action == SPEC_ACT_ERRNO || action == SPEC_ACT_TRACE;
}

static bool names_write(const struct spec_seccomp_rule *rule)
{
	for (size_t i = 0; i < rule->n_names; i++) {
		if (dv_streq(rule->names[i], "write"))
			return true;
	}
	return false;
}

/*
 * The filter is loaded before the descriptor of its listener is on its way to the agent; a
 * write(2) in between would wait for an agent that has nothing yet.
 */
static struct dv_err *check_notify(const struct spec_seccomp *s)
{
	bool has_notify = false;

	if (s->default_action == SPEC_ACT_NOTIFY)
		return dv_err_new(DV_INVALID, "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; i < s->n_rules; i++) {
		if (s->rules[i].action != SPEC_ACT_NOTIFY)
			continue;
		has_notify = true;
		if (names_write(&s->rules[i]))
			return dv_err_new(DV_INVALID,
					  "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	}
	if (has_notify && !s->listener_path)
		return dv_err_new(DV_INVALID, "seccomp listenerPath is not set");
	if (s->listener_metadata && !s->listener_path)
		return dv_err_new(DV_INVALID,
				  "seccomp listenerMetadata is set, but listenerPath is not set");
	return NULL;
}

/* The specification wants an error; runc overlooks it, and profiles in use count on that. */
static void warn_errno(const struct validation *v, const struct spec_seccomp *s)
{
	if (s->default_errno_ret.is_set && !takes_errno(s->default_action))
		dv_log(v->log, DV_WARN, "linux.seccomp.defaultErrnoRet has no effect with %s",
		       spec_seccomp_action_name(s->default_action));
	for (size_t i = 0; i < s->n_rules; i++) {
		if (!s->rules[i].errno_ret.is_set || takes_errno(s->rules[i].action))
			continue;
		dv_log(v->log, DV_WARN,
		       "linux.seccomp.syscalls[%zu].errnoRet has no effect with %s", i,
		       spec_seccomp_action_name(s->rules[i].action));
		return; /* one says it all */
	}
}

struct dv_err *spec_validate_seccomp(const struct validation *v)
{
	const struct spec_seccomp *s = v->spec->linux.seccomp;
	struct dv_err *e;

	if (!s)
		return NULL;
	e = check_notify(s);
	if (!e)
		warn_errno(v, s);
	return e;
}
