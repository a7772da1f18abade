/* SPDX-License-Identifier: Apache-2.0 */
/* Leases. See client/lease.h. */

#include "client/lease.h"

#include <time.h>

#include "api/containerd/leases.pb-c.h"
#include "base/clock.h"
#include "client/services.h"
#include "client/unique.h"

enum { LEASE_S = 24 * 3600 };

struct dv_err *client_lease_begin(struct client *c, struct dv_arena *arena, const char **ret_id)
{
	Containerd__Services__Leases__V1__CreateRequest r =
		CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__INIT;
	Containerd__Services__Leases__V1__CreateRequest__LabelsEntry label =
		CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__LABELS_ENTRY__INIT;
	Containerd__Services__Leases__V1__CreateRequest__LabelsEntry *labels = &label;
	char expires[DV_CLOCK_SIZE], id[CLIENT_ID_SIZE];
	struct timespec end;
	struct dv_err *e;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LEASE_S;
	dv_clock_format(&end, DV_CLOCK_SECONDS, expires);
	client_unique_id(id);
	label.key = (char *)"containerd.io/gc.expire";
	label.value = expires;
	r.id = dv_arena_printf(arena, "davit-%.32s", id);
	r.labels = &labels;
	r.n_labels = 1;
	e = client_call(c, CLIENT_LEASES("Create", &r), NULL, NULL);
	if (!e)
		*ret_id = r.id;
	return dv_err_wrap(e, "make a lease");
}

void client_lease_end(struct client *c, const char *id)
{
	Containerd__Services__Leases__V1__DeleteRequest r =
		CONTAINERD__SERVICES__LEASES__V1__DELETE_REQUEST__INIT;

	if (!id)
		return;
	r.id = (char *)id;
	dv_err_free(client_call(c, CLIENT_LEASES("Delete", &r), NULL, NULL));
}
