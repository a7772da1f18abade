/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

/* Where bytes go. */
struct image_sink {
	struct dv_err *(*write)(void *arg, const void *p, size_t n)DV_CHECK; /* all of them */
	void *arg;
};
