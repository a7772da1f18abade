/* SPDX-License-Identifier: Apache-2.0 */
/* Differs that are other processes. See proxy.h. */

#include <stdlib.h>

#include "base/str.h"
#include "proxy.h"
#include "rpc/grpc-sync.h"
#include "service.h"

#define SERVICE	   "containerd.services.diff.v1.Diff"
#define TIMEOUT_NS UINT64_C(600000000000)

struct differ {
	const char *name; /* the configuration's */
	struct grpc_sync sync;
};

struct differs {
	size_t n_items;
	struct differ items[];
};

struct differs *differs_new(struct daemon *d)
{
	const struct daemon_config *config = d->config;
	struct differs *all = dv_alloc(sizeof(*all) + config->n_proxies * sizeof(struct differ));

	all->n_items = 0;
	for (size_t i = 0; i < config->n_proxies; i++) {
		const struct daemon_proxy *proxy = &config->proxies[i];
		struct grpc_client_opts opts = { .loop = d->loop, .path = proxy->address };

		if (!dv_streq(proxy->type, "diff"))
			continue;
		all->items[all->n_items++] =
			(struct differ){ proxy->name,
					 { .client = grpc_client_new(&opts), .pool = d->fast } };
	}
	return all;
}

struct differs *differs_free(struct differs *all)
{
	for (size_t i = 0; all && i < all->n_items; i++)
		grpc_client_free(all->items[i].sync.client);
	free(all);
	return NULL;
}

struct dv_err *differs_call(struct daemon_call *c, const struct differs_request *r,
			    const ProtobufCMessage **ret)
{
	/* Whose content it is about, and what keeps what it adds. */
	const struct grpc_metadata metadata[] = {
		{ .key = "containerd-namespace", .value = c->ns },
		{ .key = "containerd-lease", .value = c->lease },
	};
	const struct grpc_request request = { .service = SERVICE,
					      .method = r->method,
					      .msg = r->msg,
					      .reply = r->reply,
					      .timeout_ns = TIMEOUT_NS,
					      .metadata = metadata,
					      .n_metadata = c->lease ? 2 : 1 };

	*ret = NULL;
	for (size_t i = 0; i < c->d->differs->n_items; i++) {
		const struct differ *differ = &c->d->differs->items[i];
		struct dv_err *e = grpc_sync_call(&differ->sync, &request, c->arena, ret);

		if (!e)
			return NULL;
		if (dv_err_code(e) != DV_UNIMPLEMENTED)
			return dv_err_wrap(e, "differ %s", differ->name);
		dv_err_free(e);
	}
	return NULL;
}
