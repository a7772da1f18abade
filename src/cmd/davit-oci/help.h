/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Help texts and the version, in the layout that users of runc know (urfave/cli's). */

#include "base/opt.h"
#include "base/str.h"

/* @name: what "$0" becomes. */
void help_program(const struct dv_opt_program *program, const char *name, struct dv_strbuf *out);
void help_verb(const struct dv_opt_verb *verb, const char *name, struct dv_strbuf *out);
void help_version(const char *name, struct dv_strbuf *out);
/* What git describe said when this was built; NULL when it was not built in a repository. */
const char *help_commit(void);
