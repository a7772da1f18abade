/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The numbers of the daemon, by HTTP: /v1/metrics (also /metrics) and /healthz. The loop's. */

#include "base/str.h"
#include "daemon-private.h"

struct metrics;

/* Listens where the configuration says; *ret is NULL if it says nowhere. */
struct dv_err *metrics_new(struct daemon *d, struct metrics **ret) DV_CHECK;
/* Its handles close on the loop. Accepts NULL; always returns NULL. */
struct metrics *metrics_free(struct metrics *m);

/* All of them, in Prometheus' text form. */
void metrics_add(const struct daemon *d, struct dv_strbuf *out);
