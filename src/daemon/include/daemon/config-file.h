/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration as TOML. A file is read, then what its `imports` name, then the drop-ins
 * `conf.d/<name>.toml` beside the first one, in the order of their names; the later one wins,
 * option by option.
 *
 * containerd's files (versions 2 to 4) are understood: options that we have are found under their
 * names there.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/config.h"

/*
 * Sets in @io what the files set; strings are in @arena. Options that nobody knows, and what they
 * may have been meant to be, are named in @warning, one line without its end; untouched if there
 * is nothing to say.
 *
 * DV_INVALID: with file, line and option. DV_NOT_FOUND: there is no such file (not with
 * @is_optional).
 */
struct dv_err *daemon_config_load(const char *path, bool is_optional, struct dv_arena *arena,
				  struct daemon_config *io, struct dv_strbuf *warning) DV_CHECK;

/* As if a file had said @name = "text"; @text is borrowed for as long as @io. For flags. */
struct dv_err *daemon_config_set(struct daemon_config *io, const char *name, const char *text)
	DV_CHECK;

/* All options as a document that loads as the same; with comments if wanted. */
void daemon_config_print(const struct daemon_config *c, bool has_comments, struct dv_strbuf *out);

/* For each option that differs; @is_live: it can be changed while the daemon runs. */
void daemon_config_compare(const struct daemon_config *a, const struct daemon_config *b,
			   void (*fn)(void *arg, const char *name, bool is_live), void *arg);

/* Makes the live options of @to those of @from. */
void daemon_config_adopt(struct daemon_config *to, const struct daemon_config *from);

/* A section of a manual page, in roff. */
void daemon_config_manual(struct dv_strbuf *out);
