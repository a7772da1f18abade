/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A transaction of one call:
 *
 *	e = store_begin(c, META_WRITE, &tx);
 *	if (!e)
 *		e = store_end(tx, meta_image_create(tx, ...));
 */

#include "service.h"
#include "store/meta.h"

static inline struct dv_err *store_begin(struct daemon_call *c, enum meta_mode mode,
					 struct meta_tx **ret)
{
	return meta_begin(c->d->meta, mode, ret);
}

/* Commits, or rolls back when there is an error, which is returned. */
static inline struct dv_err *store_end(struct meta_tx *take, struct dv_err *take_e)
{
	if (!take_e)
		return meta_commit(take);
	meta_rollback(take);
	return take_e;
}
