/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file config.json: read as a whole, and replaced as a whole. */

#include "base/err.h"
#include "registry/cred.h"

/* *ret_text NULL: there is no such file. Otherwise heap, the caller's, and secret. */
struct dv_err *docker_file_load(const char *path, char **ret_text, size_t *ret_n) DV_CHECK;

/* Puts @cred for @host into it; NULL: takes away what is there for it. */
struct dv_err *docker_file_change(const char *path, const char *host,
				  const struct registry_cred *cred) DV_CHECK;
