/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's place; the store's part of it (store/meta-gc.h) is being written. */

#include "daemon-private.h"

void daemon_gc_kick(struct daemon *d)
{
	(void)d;
}

struct dv_err *daemon_gc_sync(struct daemon *d)
{
	(void)d;
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: garbage collection");
}
