/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The lines that `events` prints: runc's JSON, one object and a newline each. */

#include "base/str.h"
#include "host/cgroup-stats.h"

/* Sorts s->memory.raw. */
void event_format_stats(const char *id, struct host_cgroup_stats *s, struct dv_strbuf *out);
void event_format_oom(const char *id, struct dv_strbuf *out);
