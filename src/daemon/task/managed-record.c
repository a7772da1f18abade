/* SPDX-License-Identifier: Apache-2.0 */
/* What the record of a managed container says, and its removal. See managed.h. */

#include <stdlib.h>
#include <string.h>

#include "api/containerd/events-store.pb-c.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "codec/json.h"
#include "container-data.h"
#include "convert.h"
#include "managed.h"
#include "store/snapshot.h"

static bool is_set(const struct meta_labels *labels, const char *key)
{
	const char *value = meta_label_get(labels, key);

	return value && dv_streq(value, "1");
}

bool managed_is(const struct meta_labels *labels)
{
	return is_set(labels, MANAGED_LABEL);
}

/* ---- io.davit.exit ------------------------------------------------------------------------------ */

static void add_time(struct dv_jw *w, const char *key, const struct timespec *at)
{
	char text[DV_CLOCK_SIZE] = "";

	if (at->tv_sec)
		dv_clock_format(at, DV_CLOCK_NANOS, text);
	dv_jw_string(w, key, text);
}

static void format(const struct managed_exit *x, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_uint(&w, "status", x->status);
	add_time(&w, "started", &x->started);
	add_time(&w, "finished", &x->finished);
	dv_jw_bool(&w, "oom", x->is_oom);
	dv_jw_object_end(&w);
}

static struct timespec get_time(const struct dv_json *doc, const char *key)
{
	const struct dv_json *v = dv_json_get(doc, key);
	struct timespec at;

	if (dv_json_type(v) == DV_JSON_STRING && dv_clock_parse(dv_json_string(v, NULL), &at))
		return at;
	return (struct timespec){};
}

static bool parse(const char *text, struct managed_exit *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, strlen(text), &doc);
	uint64_t status;

	if (e || !dv_json_uint(dv_json_get(doc, "status"), &status)) {
		dv_err_free(e);
		return false;
	}
	ret->status = (uint32_t)status;
	ret->started = get_time(doc, "started");
	ret->finished = get_time(doc, "finished");
	ret->is_oom = dv_json_type(dv_json_get(doc, "oom")) == DV_JSON_BOOL &&
		      dv_json_bool(dv_json_get(doc, "oom"));
	return true;
}

/* ---- changing the record -------------------------------------------------------------------------- */

static void tell_update(struct daemon *d, const char *ns, const struct meta_container *c,
			struct dv_arena *arena)
{
	Containerd__Events__ContainerUpdate event = CONTAINERD__EVENTS__CONTAINER_UPDATE__INIT;

	event.id = (char *)c->id;
	event.image = (char *)c->image;
	CONVERT_LABELS_OUT(&event, labels, &c->labels, arena);
	event.snapshot_key = (char *)c->snapshot_key;
	daemon_publish(d, ns, "/containers/update", &event.base);
}

/* NULL takes it off. */
static struct dv_err *set_exit(struct meta_tx *tx, const char *ns, const char *id, const char *text,
			       struct dv_arena *arena, struct meta_container *ret)
{
	static const char *const paths[] = { "labels." MANAGED_EXIT };
	static const struct dv_mask mask = { paths, 1 };
	struct meta_label label = { MANAGED_EXIT, text };
	struct meta_container changed = { .id = id, .labels = { &label, text ? 1 : 0 } };

	return meta_container_update(tx, ns, &changed, &mask, arena, ret);
}

static struct dv_err *change(struct daemon *d, const char *ns, const char *id, const char *text)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_container after;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = meta_begin(d->meta, META_WRITE, &tx);
	if (!e)
		e = set_exit(tx, ns, id, text, &arena, &after);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	if (!e)
		tell_update(d, ns, &after, &arena);
	dv_arena_fini(&arena);
	return e;
}

/* DV_NOT_FOUND; also if it is not managed. */
static struct dv_err *get(struct daemon *d, const char *ns, const char *id, struct dv_arena *arena,
			  struct meta_container *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(d->meta, META_READ, &tx);

	if (!e)
		e = meta_container_get(tx, ns, id, arena, ret);
	if (!e && !managed_is(&ret->labels))
		e = dv_err_new(DV_NOT_FOUND, "container %s is not managed", id);
	return e;
}

/* No error if it is not there. */
static struct dv_err *ignore_missing(struct dv_err *take_e)
{
	return take_e && dv_err_code(take_e) == DV_NOT_FOUND ? dv_err_free(take_e) : take_e;
}

/* ---- the steps ------------------------------------------------------------------------------------ */

struct dv_err *managed_begin(struct daemon *d, const char *ns, const struct meta_container *c)
{
	struct dv_err *e;

	e = container_data_make(d, ns, c->id);
	if (!e)
		e = managed_mark_set(d, ns, c->id, &(struct managed_mark){});
	DV_FAULT("managed.begin.marked");
	if (!e && meta_label_get(&c->labels, MANAGED_EXIT))
		e = change(d, ns, c->id, NULL);
	return e;
}

static struct dv_err *record(struct daemon *d, const char *ns, const char *id,
			     const struct managed_exit *x, struct dv_arena *arena)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct managed_exit unknown = { .status = MANAGED_STATUS_UNKNOWN, .finished = meta_now() };
	struct managed_mark mark;
	struct meta_container c;
	const char *before;
	struct dv_err *e;

	e = get(d, ns, id, arena, &c);
	if (e)
		return e;
	before = meta_label_get(&c.labels, MANAGED_EXIT);
	if (before && !x)
		return NULL;
	(void)managed_mark_get(d, ns, id, &mark, NULL);
	unknown.started = mark.started;
	unknown.is_oom = mark.is_oom;
	format(x ? x : &unknown, &text);
	return before && dv_streq(before, text.data) ? NULL : change(d, ns, id, text.data);
}

struct dv_err *managed_record(struct daemon *d, const char *ns, const char *id,
			      const struct managed_exit *x)
{
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = ignore_missing(record(d, ns, id, x, &arena));
	dv_arena_fini(&arena);
	return dv_err_wrap(e, "put the exit of container %s on record", id);
}

struct dv_err *managed_lookup(struct daemon *d, const char *ns, const char *id,
			      struct managed_exit *ret)
{
	struct meta_container c;
	struct dv_arena arena;
	const char *text;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = get(d, ns, id, &arena, &c);
	text = e ? NULL : meta_label_get(&c.labels, MANAGED_EXIT);
	if (!e && (!text || !parse(text, ret)))
		e = dv_err_new(DV_NOT_FOUND, "container %s has no exit on record", id);
	dv_arena_fini(&arena);
	return e;
}

/* ---- io.davit.rm ---------------------------------------------------------------------------------- */

/* Under another key it may be shared; the collector knows. */
static struct dv_err *remove_snapshot(struct daemon *d, const char *ns,
				      const struct meta_container *c)
{
	Containerd__Events__SnapshotRemove event = CONTAINERD__EVENTS__SNAPSHOT_REMOVE__INIT;
	struct snapshot_at at = { .ns = ns, .snapshotter = c->snapshotter };
	struct dv_err *e;

	if (!*c->snapshotter || !dv_streq(c->snapshot_key, c->id))
		return NULL;
	e = snapshot_remove(d->snapshots, &at, c->id);
	if (e)
		return ignore_missing(e);
	event.key = (char *)c->id;
	event.snapshotter = (char *)c->snapshotter;
	daemon_publish(d, ns, "/snapshot/remove", &event.base);
	return NULL;
}

static struct dv_err *remove_record(struct daemon *d, const char *ns, const char *id)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	Containerd__Events__ContainerDelete event = CONTAINERD__EVENTS__CONTAINER_DELETE__INIT;
	struct dv_err *e;

	e = meta_begin(d->meta, META_WRITE, &tx);
	if (!e)
		e = meta_container_delete(tx, ns, id);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	if (e)
		return ignore_missing(e);
	event.id = (char *)id;
	daemon_publish(d, ns, "/containers/delete", &event.base);
	return NULL;
}

static struct dv_err *remove_all(struct daemon *d, const char *ns, const char *id,
				 struct dv_arena *arena)
{
	struct meta_container c;
	struct dv_err *e = get(d, ns, id, arena, &c);

	if (e || !is_set(&c.labels, MANAGED_RM) || !meta_label_get(&c.labels, MANAGED_EXIT))
		return ignore_missing(e);
	e = remove_snapshot(d, ns, &c);
	DV_FAULT("managed.remove.snapshot-removed");
	if (e) { /* it has children, perhaps; the rest need not stay for its sake */
		dv_log(d->log, DV_WARN, "container %s/%s: remove its snapshot: %s", ns, id,
		       dv_err_message(e));
		dv_err_free(e);
	}
	e = remove_record(d, ns, id);
	if (e)
		return e;
	DV_FAULT("managed.remove.record-deleted");
	container_data_remove(d, ns, id);
	daemon_gc_kick(d);
	return NULL;
}

struct dv_err *managed_remove(struct daemon *d, const char *ns, const char *id)
{
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = remove_all(d, ns, id, &arena);
	dv_arena_fini(&arena);
	return dv_err_wrap(e, "remove container %s, which has ended", id);
}
