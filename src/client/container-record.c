/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a container: labels, runtime, configuration. */

#include <string.h>

#include "api/containerd/containers.pb-c.h"
#include "api/containerd/runc-options.pb-c.h"
#include "client/services.h"
#include "container-private.h"
#include "rpc/pb.h"

typedef Containerd__Services__Containers__V1__Container__LabelsEntry label_msg;

#define SPEC_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Spec"

enum { MAX_OWN_LABELS = 12, MAX_LABEL = 4096, NAME_TRIES = 8 };

/* ---- labels ------------------------------------------------------------------------- */

struct labels {
	struct dv_arena *arena;
	label_msg **items;
	size_t n;
};

/* In place of an earlier one of that key. */
static void put(struct labels *l, const char *key, const char *value)
{
	size_t at = 0;

	while (at < l->n && !dv_streq(l->items[at]->key, key))
		at++;
	if (at == l->n) {
		l->items[at] = dv_arena_new(l->arena, label_msg);
		containerd__services__containers__v1__container__labels_entry__init(l->items[at]);
		l->items[at]->key = (char *)key;
		l->n++;
	}
	l->items[at]->value = (char *)value;
}

/* What a label with such a key says to davitd or containerd is not for images to say. */
static bool is_reserved(const char *key)
{
	return dv_starts_with(key, "io.davit.") || dv_starts_with(key, "containerd.io/");
}

static void put_image_labels(struct making *m, struct labels *l)
{
	const struct spec_image *image = m->image.config;

	for (size_t i = 0; image && i < image->n_labels; i++) {
		const struct spec_string_pair *p = &image->labels[i];

		if (!is_reserved(p->key) && strlen(p->key) + strlen(p->value) <= MAX_LABEL)
			put(l, p->key, p->value);
	}
}

static void put_own_labels(struct making *m, struct labels *l)
{
	const struct client_container_opts *o = m->opts;
	const struct spec_image *image = m->image.config;
	const char *stop_signal = o->stop_signal, *stop_timeout = o->stop_timeout;

	if (!stop_signal && image)
		stop_signal = image->stop_signal;
	if (!stop_timeout && image && image->stop_timeout.is_set)
		stop_timeout =
			dv_arena_printf(m->arena, "%lld", (long long)image->stop_timeout.value);
	put(l, CLIENT_LABEL_NAME, m->out->name);
	put(l, CLIENT_LABEL_MANAGED, "1");
	put(l, CLIENT_LABEL_LOG, o->has_no_log ? "none" : "json");
	if (o->is_removed)
		put(l, CLIENT_LABEL_REMOVE, "1");
	if (m->spec.has_terminal)
		put(l, CLIENT_LABEL_TTY, "1");
	if (o->has_stdin)
		put(l, CLIENT_LABEL_STDIN, o->is_stdin_once ? "once" : "1");
	if (o->rootfs)
		put(l, CLIENT_LABEL_ROOTFS, o->rootfs);
	if (stop_signal)
		put(l, CLIENT_LABEL_STOP_SIGNAL, stop_signal);
	if (stop_timeout)
		put(l, CLIENT_LABEL_STOP_TIMEOUT, stop_timeout);
}

static struct dv_err *put_labels(struct making *m, struct labels *l)
{
	const struct client_container_opts *o = m->opts;
	size_t n_image = m->image.config ? m->image.config->n_labels : 0;

	l->items = dv_arena_new_n(m->arena, label_msg *, n_image + o->n_labels + MAX_OWN_LABELS);
	put_image_labels(m, l);
	for (size_t i = 0; i < o->n_labels; i++) {
		if (is_reserved(o->labels[i].key))
			return dv_err_new(DV_INVALID,
					  "label \"%.100s\": such keys are davitd's own",
					  o->labels[i].key);
		put(l, o->labels[i].key, o->labels[i].value);
	}
	put_own_labels(m, l);
	return NULL;
}

/* ---- runtime ------------------------------------------------------------------------ */

static void put_runtime(struct making *m,
			Containerd__Services__Containers__V1__Container__Runtime *r,
			Google__Protobuf__Any *any)
{
	Containerd__Runc__V1__Options options = CONTAINERD__RUNC__V1__OPTIONS__INIT;
	const char *wanted = m->opts->runtime;
	const char *own =
		*m->info->default_runtime ? m->info->default_runtime : CLIENT_RUNTIME_DEFAULT;

	r->name = (char *)own;
	if (!wanted)
		return;
	if (dv_starts_with(wanted, "io.")) {
		r->name = (char *)wanted;
		return;
	}
	options.binary_name = (char *)wanted;
	any->type_url = (char *)pb_any_url(&options.base);
	any->value = pb_pack_arena(&options.base, m->arena);
	r->options = any;
}

/* ---- the record --------------------------------------------------------------------- */

static struct dv_err *create(struct making *m,
			     Containerd__Services__Containers__V1__Container *record)
{
	Containerd__Services__Containers__V1__CreateContainerRequest r =
		CONTAINERD__SERVICES__CONTAINERS__V1__CREATE_CONTAINER_REQUEST__INIT;

	r.container = record;
	return client_call(m->c, CLIENT_CONTAINERS("Create", &r), NULL, NULL);
}

/* A name that was chosen at random and is taken is no reason to give up. */
static struct dv_err *create_named(struct making *m, struct labels *l,
				   Containerd__Services__Containers__V1__Container *record)
{
	struct dv_err *e = NULL;

	for (int i = 0; i < NAME_TRIES; i++) {
		e = create(m, record);
		if (!e || dv_err_code(e) != DV_EXISTS)
			return e;
		if (m->opts->name)
			break;
		dv_err_free(e);
		client_unique_name((char *)m->out->name);
		put(l, CLIENT_LABEL_NAME, m->out->name);
	}
	dv_err_free(e);
	return dv_err_new(DV_EXISTS, "the name \"%s\" is in use by another container",
			  m->out->name);
}

struct dv_err *making_record(struct making *m)
{
	Containerd__Services__Containers__V1__Container record =
		CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__INIT;
	Containerd__Services__Containers__V1__Container__Runtime runtime =
		CONTAINERD__SERVICES__CONTAINERS__V1__CONTAINER__RUNTIME__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct labels labels = { .arena = m->arena };
	struct dv_err *e = put_labels(m, &labels);

	if (e)
		return e;
	spec_container_format(&m->spec, &text);
	spec.type_url = (char *)SPEC_TYPE;
	spec.value.data = (uint8_t *)text.data;
	spec.value.len = text.len;
	put_runtime(m, &runtime, &options);
	record.id = m->out->id;
	record.labels = labels.items;
	record.n_labels = labels.n;
	record.runtime = &runtime;
	record.spec = &spec;
	if (m->image.name) {
		record.image = (char *)m->image.name;
		record.snapshotter = (char *)m->snapshotter;
		record.snapshot_key = m->out->id;
	}
	return create_named(m, &labels, &record);
}
