/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees are removed, and committed layers synced, by the slow workers: one thread for each of the
 * two kinds, since the store wakes us once and works until nothing is left.
 */

#include "snapshots.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "proxy.h"
#include "store/snapshot-driver.h"
#include "store/snapshot.h"
#include "sys/file.h"

struct background {
	struct daemon *d;
	enum snapshots_work kind;
};

static void run(void *arg)
{
	static const char *const what[] = {
		[SNAPSHOTS_REMOVE] = "trees of snapshots were not removed",
		[SNAPSHOTS_SYNC] = "snapshots were not synced",
	};
	struct background *b = arg;
	struct dv_err *e = snapshots_work(b->d->snapshots, b->kind);

	if (e)
		dv_log(b->d->log, DV_WARN, "%s: %s", what[b->kind], dv_err_message(e));
	dv_err_free(e);
	free(b);
}

static void wake(void *arg, enum snapshots_work kind)
{
	struct background *b = dv_new(struct background);

	*b = (struct background){ .d = arg, .kind = kind };
	io_work_submit(b->d->slow, run, NULL, b);
}

static bool snapshots_have(struct snapshots *s, const char *name)
{
	struct snapshot_driver_info info;

	for (size_t i = 0; snapshots_driver_info(s, i, &info); i++) {
		if (dv_streq(info.name, name))
			return true;
	}
	return false;
}

/* The kernel takes trusted.* attributes of the first user namespace's root alone. */
static bool is_rootless(void)
{
	char map[64] = "";
	ssize_t n = sys_read_file_at(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map));
	unsigned inside, outside, size;

	return n < 0 || sscanf(map, "%u %u %u", &inside, &outside, &size) != 3 || inside != 0 ||
	       outside != 0 || size != UINT32_MAX;
}

enum { PROXIES_MAX = 8 };

static void add_proxies(struct daemon *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->config->n_proxies; i++) {
		const struct daemon_proxy *p = &d->config->proxies[i];

		if (!dv_streq(p->type, "snapshot")) {
			dv_log(d->log, DV_WARN, "proxy plugin %s: not supported yet: type %s",
			       p->name, p->type);
		} else if (n == PROXIES_MAX || snapshots_have(d->snapshots, p->name)) {
			dv_log(d->log, DV_WARN, "proxy plugin %s: %s", p->name,
			       n == PROXIES_MAX ? "too many snapshotters"
						: "there is a snapshotter of this name");
		} else {
			snapshots_add_driver(d->snapshots,
					     proxy_snapshotter_new(d, p->name, p->address));
			n++;
		}
	}
}

struct dv_err *daemon_snapshots_open(struct daemon *d)
{
	struct snapshots_opts opts = {
		.root = d->config->root,
		.meta = d->meta,
		.is_rootless = is_rootless(),
		.overlay_options = d->config->overlay_options.items,
		.n_overlay_options = d->config->overlay_options.n_items,
		.wake = wake,
		.arg = d,
	};
	struct dv_err *e = snapshots_open(&opts, &d->snapshots);

	if (e)
		return e;
	add_proxies(d);
	/* What the last run left. */
	wake(d, SNAPSHOTS_REMOVE);
	wake(d, SNAPSHOTS_SYNC);
	return NULL;
}
