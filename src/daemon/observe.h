/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What becomes of the calls: a line of debug for each that failed, and numbers for metrics. The
 * loop's.
 */

#include "base/str.h"
#include "daemon-private.h"

struct observations;

/* Watches d->server from now on. */
struct observations *observations_new(struct daemon *d);
struct observations *observations_free(struct observations *o);

/* The metrics of calls, in Prometheus' text form; names as containerd's. */
void observations_add(const struct observations *o, struct dv_strbuf *out);
