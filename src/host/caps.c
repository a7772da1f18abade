/* SPDX-License-Identifier: Apache-2.0 */
/* Capability sets: planning and applying. See host/caps.h. */

#include "host/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/str.h"
#include "sys/process.h"

static bool has(uint64_t set, unsigned cap)
{
	return set >> cap & 1;
}

unsigned host_caps_last(void)
{
	unsigned low = 0, high = 63;

	/* Known capabilities have no gaps: reading one beyond the last gives EINVAL. */
	while (low < high) {
		unsigned mid = (low + high + 1) / 2;

		if (sys_prctl(PR_CAPBSET_READ, mid, 0, 0, 0) >= 0)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One line for all @names, sorted, each once, as Go prints a slice. */
static void warn_ignored(const struct dv_log *log, const char **names, size_t n)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && dv_streq(names[i], names[i - 1]))
			continue;
		if (i > 0)
			dv_strbuf_addc(&text, ' ');
		dv_strbuf_add(&text, names[i]);
	}
	dv_log(log, DV_WARN, "ignoring unknown or unavailable capabilities: [%s]", text.data);
	dv_strbuf_fini(&text);
}

static void report_ignored(const struct spec_capabilities *caps, uint64_t unavailable,
			   const struct dv_log *log)
{
	DV_CLEANUP(dv_freep) const char **names = dv_new_n(const char *, caps->n_unknown + 64);
	size_t n = 0;

	for (size_t i = 0; i < caps->n_unknown; i++)
		names[n++] = caps->unknown[i];
	for (unsigned cap = 0; cap < 64; cap++) {
		if (has(unavailable, cap) && spec_cap_name(cap))
			names[n++] = spec_cap_name(cap);
	}
	if (n > 0)
		warn_ignored(log, names, n);
}

void host_caps_plan(const struct spec_capabilities *caps, const struct dv_log *log,
		    struct host_caps *ret)
{
	unsigned last = host_caps_last();
	uint64_t available = last >= 63 ? UINT64_MAX : (UINT64_C(1) << (last + 1)) - 1;
	uint64_t all;

	*ret = (struct host_caps){ .last = last };
	if (!caps)
		return;
	all = caps->bounding | caps->effective | caps->inheritable | caps->permitted |
	      caps->ambient;
	if (caps->n_unknown > 0 || (all & ~available))
		report_ignored(caps, all & ~available, log);
	ret->bounding = caps->bounding & available;
	ret->effective = caps->effective & available;
	ret->inheritable = caps->inheritable & available;
	ret->permitted = caps->permitted & available;
	ret->ambient = caps->ambient & available;
}

static void add_unknown(struct dv_arena *arena, struct spec_capabilities *caps, const char *name)
{
	const char **names = dv_arena_new_n(arena, const char *, caps->n_unknown + 1);

	for (size_t i = 0; i < caps->n_unknown; i++)
		names[i] = caps->unknown[i];
	names[caps->n_unknown++] = dv_arena_strdup(arena, name);
	caps->unknown = names;
}

void host_caps_add(struct dv_arena *arena, struct spec_capabilities *caps, const char *const *names,
		   size_t n_names)
{
	for (size_t i = 0; i < n_names; i++) {
		int cap = spec_cap_find(names[i]);
		uint64_t bit;

		if (cap < 0) {
			add_unknown(arena, caps, names[i]);
			continue;
		}
		bit = UINT64_C(1) << cap;
		caps->bounding |= bit;
		caps->effective |= bit;
		caps->permitted |= bit;
		/* Ambient needs inheritable, which --cap does not touch (CVE-2022-29162). */
		if (caps->inheritable)
			caps->ambient |= bit;
	}
}

int host_caps_apply_bounding(const struct host_caps *c, unsigned *ret_failed)
{
	struct sys_cap_set now;
	int r;

	*ret_failed = 0;
	r = sys_capget(&now);
	if (r < 0)
		return r;
	if (!has(now.effective, CAP_SETPCAP))
		return 0;
	for (unsigned cap = 0; cap <= c->last; cap++) {
		if (has(c->bounding, cap))
			continue;
		r = sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
		if (r < 0) {
			*ret_failed = cap;
			return r;
		}
	}
	return 0;
}

int host_caps_apply(const struct host_caps *c, uint64_t *ret_unraised, int *ret_unraised_errno)
{
	struct sys_cap_set set = {
		.effective = c->effective,
		.permitted = c->permitted,
		.inheritable = c->inheritable,
	};
	int r;

	*ret_unraised = 0;
	*ret_unraised_errno = 0;
	r = sys_capset(&set);
	if (r < 0)
		return r;
	/* EINVAL: a kernel without ambient capabilities (4.3), or a seccomp profile. */
	r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (r < 0 && r != -EINVAL)
		return r;
	for (unsigned cap = 0; cap <= c->last; cap++) {
		if (!has(c->ambient, cap))
			continue;
		r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
		if (r < 0) {
			*ret_unraised |= UINT64_C(1) << cap;
			*ret_unraised_errno = -r;
		}
	}
	return 0;
}

void host_caps_warn_unraised(const struct dv_log *log, uint64_t unraised, int unraised_errno)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		const char *name = spec_cap_name(cap);

		if (has(unraised, cap))
			dv_log(log, DV_WARN, "can't raise ambient capability %s: %s",
			       name ? name : "?", dv_errno_text(unraised_errno));
	}
}
