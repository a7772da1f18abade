/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The verbs; each is defined in verb-<name>.c. Used by verbs.c alone. */

#include "base/opt.h"

extern const struct dv_opt_verb verb_checkpoint, verb_create, verb_delete, verb_events, verb_exec,
	verb_features, verb_h, verb_help, verb_kill, verb_list, verb_pause, verb_ps, verb_restore,
	verb_resume, verb_run, verb_spec, verb_start, verb_state, verb_update;
