/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks.Create, what is done on disk before there is a shim: see tasks-create.c. */

#include <stdlib.h>

#include "base/str.h"
#include "codec/json.h"
#include "convert.h"
#include "rpc/pb.h"
#include "store/meta-container.h"
#include "tasks-private.h"

static struct dv_err *load_container(struct daemon_call *c, const char *id,
				     struct meta_container *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(c->d->meta, META_READ, &tx);

	return e ? e : meta_container_get(tx, c->ns, id, c->arena, ret);
}

/* The host's id for root of the container. */
static uid_t root_of(const struct meta_any *spec)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(spec->value, spec->n_value, &doc);
	const struct dv_json *maps;

	if (e) { /* the runtime will say so */
		dv_err_free(e);
		return 0;
	}
	maps = dv_json_get(dv_json_get(doc, "linux"), "uidMappings");
	for (size_t i = 0; i < dv_json_array_len(maps); i++) {
		const struct dv_json *map = dv_json_array_at(maps, i);

		if (dv_json_int(dv_json_get(map, "containerID")) == 0)
			return (uid_t)dv_json_int(dv_json_get(map, "hostID"));
	}
	return 0;
}

static void encode_options(struct daemon_call *c, const Google__Protobuf__Any *given,
			   const struct meta_container *container, struct tasks_prepared *ret)
{
	struct meta_any *any = dv_arena_new(c->arena, struct meta_any);

	*any = given && given->value.len > 0 ? convert_any_in(given) : container->runtime_options;
	if (!any->type_url || !*any->type_url)
		return;
	ret->any = any;
	ret->options = pb_pack_arena(&convert_any_out(any, c->arena)->base, c->arena);
}

static struct dv_err *make_bundle(struct daemon_call *c, const struct meta_container *container,
				  struct tasks_prepared *ret)
{
	struct bundle_opts bundle = { .dir = ret->tasks_dir,
				      .ns = c->ns,
				      .id = container->id,
				      .config = container->spec.value,
				      .n_config = container->spec.n_value,
				      .uid = root_of(&container->spec),
				      .binary = ret->shim_binary };
	DV_CLEANUP(dv_freep) char *path = NULL;
	struct dv_err *e;

	e = bundle_new(&bundle, &path);
	ret->is_managed = managed_is(&container->labels);
	if (e || !ret->is_managed)
		return e;
	e = managed_begin(c->d, c->ns, container);
	if (e) {
		dv_err_free(bundle_remove(path));
		managed_mark_remove(c->d, c->ns, container->id);
	}
	return e;
}

static struct dv_err *find_binary(struct daemon_call *c,
				  const Containerd__Services__Tasks__V1__CreateTaskRequest *req,
				  const struct meta_container *container,
				  struct tasks_prepared *ret)
{
	struct dv_err *e;

	e = shim_find(*req->runtime_path ? req->runtime_path : container->runtime_name,
		      c->d->program_dir, c->d->envp, &ret->shim_binary);
	/* A shim that runs already is addressed and not started: then it is for `delete` alone. */
	return e && (*req->task_api_address || *ret->sandbox) ? dv_err_free(e) : e;
}

struct dv_err *tasks_prepare(struct daemon_call *c,
			     const Containerd__Services__Tasks__V1__CreateTaskRequest *req,
			     struct tasks_prepared *ret)
{
	struct meta_container container;
	struct dv_err *e;

	e = load_container(c, req->container_id, &container);
	if (e)
		return e;
	if (!container.spec.type_url)
		return dv_err_new(DV_INVALID, "container %s has no spec", container.id);
	encode_options(c, req->options, &container, ret);
	ret->sandbox = container.sandbox ? container.sandbox : "";
	e = find_binary(c, req, &container, ret);
	return e ? e : make_bundle(c, &container, ret);
}
