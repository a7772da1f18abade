/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The table of options, and values of one kind. */

#include "codec/toml.h"
#include "daemon/config-file.h"

enum config_type {
	CONFIG_STRING, /* const char * */
	CONFIG_PATH, /* const char *, absolute or "" */
	CONFIG_WORD, /* an enum: struct config_word */
	CONFIG_BOOL,
	CONFIG_INT, /* int */
	CONFIG_ID, /* uid_t, gid_t */
	CONFIG_MODE, /* mode_t: 0o660, or "0660" */
	CONFIG_SIZE, /* size_t: bytes, or "16MiB" */
	CONFIG_DURATION, /* uint64_t: "1m30s" */
	CONFIG_FRACTION, /* double, 0 to 1 */
	CONFIG_LIST, /* struct daemon_strings */
};

struct config_word {
	const char *word;
	int value;
	bool is_alias; /* taken, and not shown */
};

struct config_option {
	const char *name; /* "grpc.uid"; options of one table follow each other */
	enum config_type type;
	size_t offset;
	int64_t min, max; /* of CONFIG_INT and CONFIG_SIZE */
	const struct config_word *words;
	bool is_live; /* can change while the daemon runs; no strings */
	const char *help; /* sentences */
};

extern const struct config_option config_options[]; /* ends with a row without a name */

/* NULL: there is none. */
const struct config_option *config_option_find(const char *name);
/* Is "name." the beginning of an option's name? */
bool config_option_has_prefix(const char *name);
/* The known name that is most like @name; NULL: none is. */
const char *config_option_nearest(const char *name);

/* containerd's name of an option. False: not known; *ret NULL: known, and of no use here. */
bool config_alias_find(const char *name, const char **ret);
bool config_alias_has_prefix(const char *name);

/* DV_INVALID: names neither file nor line. */
struct dv_err *config_value_set(const struct config_option *o, const struct dv_toml *value,
				struct dv_arena *arena, struct daemon_config *io) DV_CHECK;
/* The same from a text; only types without a list. */
struct dv_err *config_value_set_text(const struct config_option *o, const char *text,
				     struct daemon_config *io) DV_CHECK;
bool config_value_equals(const struct config_option *o, const struct daemon_config *a,
			 const struct daemon_config *b);
void config_value_copy(const struct config_option *o, struct daemon_config *to,
		       const struct daemon_config *from);
/* As TOML. */
void config_value_add(const struct config_option *o, const struct daemon_config *c,
		      struct dv_strbuf *out);

struct dv_err *config_list_set(const struct dv_toml *value, struct dv_arena *arena,
			       struct daemon_strings *ret) DV_CHECK;
