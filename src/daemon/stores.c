/* SPDX-License-Identifier: Apache-2.0 */

#include "stores.h"

#include <stdlib.h>

#include "base/fault.h"
#include "mounts.h"
#include "proxy.h"
#include "snapshots.h"
#include "store/check.h"
#include "store/content.h"
#include "store/meta-check.h"
#include "store/meta.h"
#include "store/snapshot.h"

/* Says what was saved, and gives rows to files that none knows: opening the stores removes those. */
static struct dv_err *after_salvage(struct daemon *d, const char *dir,
				    const struct meta_salvage_result *saved)
{
	unsigned adopted = 0;
	struct dv_err *e;

	e = store_adopt(d->meta, d->config->root, &adopted);
	DV_FAULT("salvage.files-adopted");
	if (!e)
		e = meta_salvage_done(dir);
	if (e)
		return e;
	dv_log(d->log, DV_WARN,
	       "the metadata database was damaged: %llu rows saved, %llu tables not whole, %llu rows "
	       "invented, %u files adopted; the old one is %s; davit system check shows what is missing",
	       (unsigned long long)saved->n_rows, (unsigned long long)saved->n_tables_hurt,
	       (unsigned long long)saved->n_invented, adopted, saved->aside);
	return NULL;
}

/* A database that cannot be read at all, or that `davit system repair` gave up, is replaced. */
static struct dv_err *open_meta(struct daemon *d, const struct meta_opts *opts)
{
	struct meta_salvage_result saved;
	struct dv_err *e;

	e = meta_salvage_if_asked(opts->dir, &saved);
	if (!e)
		e = meta_open(opts, &d->meta);
	if (e && dv_err_code(e) == DV_DATA_LOSS && !saved.is_done) {
		dv_log(d->log, DV_ERROR, "%s", dv_err_message(e));
		dv_err_free(e);
		e = meta_salvage(opts->dir, &saved);
		if (!e)
			e = meta_open(opts, &d->meta);
	}
	return e || !saved.is_done ? e : after_salvage(d, opts->dir, &saved);
}

struct dv_err *daemon_stores_open(struct daemon *d)
{
	const struct daemon_config *c = d->config;
	DV_CLEANUP(dv_freep) char *meta_dir = dv_printf("%s/%s", c->root, META_DIR);
	DV_CLEANUP(dv_freep) char *content_dir = dv_printf("%s/%s", c->root, CONTENT_DIR);
	struct meta_opts meta = { .dir = meta_dir };
	struct content_opts content = { .dir = content_dir,
					.is_isolated = c->content_sharing == DAEMON_ISOLATED,
					.has_verity = c->has_verity };
	struct dv_err *e;

	e = open_meta(d, &meta);
	if (e)
		return dv_err_wrap(e, "open the metadata");
	content.meta = d->meta;
	e = content_open(&content, &d->content);
	if (e)
		return dv_err_wrap(e, "open the content");
	e = daemon_snapshots_open(d);
	if (e)
		return dv_err_wrap(e, "open the snapshots");
	d->differs = differs_new(d);
	e = mounts_new(d, &d->mounts);
	return dv_err_wrap(e, "find the mounts");
}

void daemon_stores_close(struct daemon *d)
{
	d->mounts = mounts_free(d->mounts);
	d->differs = differs_free(d->differs);
	d->snapshots = snapshots_close(d->snapshots);
	d->content = content_close(d->content);
	d->meta = meta_close(d->meta);
}
