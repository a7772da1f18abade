/* SPDX-License-Identifier: Apache-2.0 */
/* Any hosts.toml: the hosts that come of it are ones that a request can be sent to. */

#include <string.h>

#include "base/str.h"
#include "hosts-private.h"
#include "spec/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hosts_file_entry *entry)
{
	dv_assert(!(entry->host.capabilities & ~(unsigned)REGISTRY_CAN_ALL));
	for (size_t i = 0; i < entry->host.n_headers; i++)
		dv_assert(!strpbrk(entry->host.headers[i].value, "\r\n"));
	if (!entry->server)
		return;
	dv_assert(spec_ref_is_host(entry->host.name));
	dv_assert(dv_starts_with(entry->host.base, entry->host.is_plain ? "http://" : "https://"));
	dv_assert(!strpbrk(entry->host.base, "?#@ \r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hosts_file file;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = hosts_file_parse(&arena, (const char *)data, size, &file);
	for (size_t i = 0; !e && i < file.n_entries; i++)
		check(&file.entries[i]);
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
