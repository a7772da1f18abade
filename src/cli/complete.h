/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Completion: what the last of some words may become. The shells' functions (completion-scripts.c) call
 * the hidden verb __complete, so there is one implementation, made of the option tables, and
 * names of containers and images come from davitd.
 */

#include "cli-private.h"

enum cli_complete_kind {
	CLI_COMPLETE_WORDS, /* nothing but what is there */
	CLI_COMPLETE_FILES,
	CLI_COMPLETE_DIRS,
};

/*
 * Adds "word\tdescription" lines to @out. @words: those behind the program's name, the last one being
 * the one that is typed ("" if nothing of it is there yet).
 */
enum cli_complete_kind cli_complete(struct cli *cli, char *const *words, int n_words,
				    struct dv_strbuf *out);

extern const char cli_completion_bash[], cli_completion_fish[], cli_completion_zsh[];
