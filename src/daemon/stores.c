/* SPDX-License-Identifier: Apache-2.0 */

#include "stores.h"

#include <stdlib.h>

#include "mounts.h"
#include "snapshots.h"
#include "store/content.h"
#include "store/meta.h"
#include "store/snapshot.h"

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

	e = meta_open(&meta, &d->meta);
	if (e)
		return dv_err_wrap(e, "open the metadata");
	content.meta = d->meta;
	e = content_open(&content, &d->content);
	if (e)
		return dv_err_wrap(e, "open the content");
	e = daemon_snapshots_open(d);
	if (e)
		return dv_err_wrap(e, "open the snapshots");
	e = mounts_new(d, &d->mounts);
	return dv_err_wrap(e, "find the mounts");
}

void daemon_stores_close(struct daemon *d)
{
	d->mounts = mounts_free(d->mounts);
	d->snapshots = snapshots_close(d->snapshots);
	d->content = content_close(d->content);
	d->meta = meta_close(d->meta);
}
