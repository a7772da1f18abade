/* SPDX-License-Identifier: Apache-2.0 */
/* Which capabilities a container has: docker's default ones, and what is added and dropped. */

#include "spec/generate.h"

#include <linux/capability.h>
#include <strings.h>

#define BIT(name) (UINT64_C(1) << CAP_##name)

uint64_t spec_caps_default(void)
{
	return BIT(AUDIT_WRITE) | BIT(CHOWN) | BIT(DAC_OVERRIDE) | BIT(FOWNER) | BIT(FSETID) |
	       BIT(KILL) | BIT(MKNOD) | BIT(NET_BIND_SERVICE) | BIT(NET_RAW) | BIT(SETFCAP) |
	       BIT(SETGID) | BIT(SETPCAP) | BIT(SETUID) | BIT(SYS_CHROOT);
}

static struct dv_err *find(const char *const *names, size_t n, bool *ret_is_all, uint64_t *ret)
{
	bool is_all = false;
	uint64_t caps = 0;

	for (size_t i = 0; i < n; i++) {
		int cap = spec_cap_find(names[i]);

		if (strcasecmp(names[i], "ALL") == 0)
			is_all = true;
		else if (cap >= 0)
			caps |= UINT64_C(1) << cap;
		else
			return dv_err_new(DV_INVALID, "unknown capability \"%.64s\"", names[i]);
	}
	*ret_is_all = is_all;
	*ret = caps;
	return NULL;
}

struct dv_err *spec_caps_choose(const char *const *add, size_t n_add, const char *const *drop,
				size_t n_drop, uint64_t known, uint64_t *ret)
{
	bool is_all_added, is_all_dropped;
	uint64_t added, dropped, caps;
	struct dv_err *e;

	e = find(add, n_add, &is_all_added, &added);
	if (!e)
		e = find(drop, n_drop, &is_all_dropped, &dropped);
	if (e)
		return e;
	if (is_all_added)
		caps = known & ~dropped;
	else if (is_all_dropped)
		caps = added;
	else
		caps = (spec_caps_default() & ~dropped) | added;
	*ret = caps & known;
	return NULL;
}
