/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container as docker inspect shows it, as far as there is something to show. */

#include "cli-private.h"
#include "client/record.h"

/* Adds one JSON object, in one line. */
struct dv_err *cli_container_json(struct cli *cli, const struct client_record *r,
				  struct dv_strbuf *out) DV_CHECK;
