/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The text of hosts.toml, without files: what it names is read afterwards. */

#include "registry/hosts.h"

struct hosts_file_entry {
	struct registry_host host; /* without ca, cert and key */
	const char *server; /* as written; NULL: the registry itself */
	const char **ca; /* paths, relative to the file */
	size_t n_ca;
	const char *cert, *key; /* paths; key NULL: in the same file */
};

struct hosts_file {
	struct hosts_file_entry *entries; /* mirrors in their order, the server last */
	size_t n_entries;
};

struct dv_err *hosts_file_parse(struct dv_arena *arena, const char *text, size_t n,
				struct hosts_file *ret) DV_CHECK;

/* Fills base, name and is_plain from @url, which may lack its scheme. DV_INVALID. */
struct dv_err *hosts_set_url(struct dv_arena *arena, const char *url, bool override_path,
			     struct registry_host *host) DV_CHECK;
