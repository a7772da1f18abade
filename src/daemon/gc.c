/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kicks come from any thread and are collected: a timer waits for the dust to settle, then one slow
 * worker runs. What the rows named is removed there, too, outside of all locks.
 */

#include "gc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "base/fault.h"
#include "base/str.h"
#include "mounts.h"
#include "store/content.h"
#include "store/meta-gc.h"
#include "store/snapshot.h"

enum { EXPIRY_MAX_MS = 3600 * 1000 };
#define NS_PER_MS 1000000

struct gc {
	struct daemon *d;
	uv_timer_t timer;
	atomic_bool is_kicked; /* a post is on its way to the loop */
	bool is_running, is_wanted; /* the loop's */
	bool is_freed;
	uint64_t began, not_before; /* the last run, and the next one; uv_hrtime() */
	struct meta_gc_result result; /* the worker's, then the loop's */
	struct dv_err *e;
};

/* ---- the worker's part -------------------------------------------------------------------------- */

static void tell(struct daemon *d, const struct meta_gc_item *item)
{
	Containerd__Services__Images__V1__ImageDelete image =
		CONTAINERD__SERVICES__IMAGES__V1__IMAGE_DELETE__INIT;
	Containerd__Events__SnapshotRemove snapshot = CONTAINERD__EVENTS__SNAPSHOT_REMOVE__INIT;
	Containerd__Events__ContentDelete content = CONTAINERD__EVENTS__CONTENT_DELETE__INIT;

	image.name = snapshot.key = content.digest = (char *)item->key;
	snapshot.snapshotter = (char *)item->snapshotter;
	if (item->kind == META_GC_IMAGE)
		daemon_publish(d, item->ns, "/images/delete", &image.base);
	else if (item->kind == META_GC_SNAPSHOT)
		daemon_publish(d, item->ns, "/snapshot/remove", &snapshot.base);
	else if (item->kind == META_GC_CONTENT)
		daemon_publish(d, item->ns, "/content/delete", &content.base);
}

static void on_item(void *arg, const struct meta_gc_item *item)
{
	struct daemon *d = arg;
	struct dv_err *e = NULL;

	DV_FAULT("gc.item.row-deleted");
	tell(d, item);
	if (item->kind == META_GC_SNAPSHOT)
		snapshots_collect(d->snapshots, item->ns, item->snapshotter, item->key, item->id);
	else if (item->kind == META_GC_FILE)
		e = content_collect_blob(d->content, item->key);
	else if (item->kind == META_GC_INGEST)
		e = content_collect_ingest(d->content, item->ns, item->id, item->key);
	else if (item->kind == META_GC_MOUNT)
		mounts_collect(d->mounts, item->data, item->n_data);
	DV_FAULT("gc.item.removed");
	if (e)
		dv_log(d->log, DV_WARN, "collect garbage: %s: %s", item->key, dv_err_message(e));
	dv_err_free(e);
}

static void run(void *arg)
{
	struct gc *gc = arg;

	gc->e = meta_gc(gc->d->meta, on_item, gc->d, &gc->result);
}

/* ---- the loop's part ------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void schedule(struct gc *gc, uint64_t ms)
{
	(void)uv_timer_start(&gc->timer, on_timer, ms, 0);
}

/* After a deletion; and not so often that it takes more than its part of the time. */
static void schedule_soon(struct gc *gc)
{
	uint64_t now = uv_hrtime(), at = now + gc->d->config->gc.schedule_delay_ns;

	schedule(gc, (DV_MAX(at, gc->not_before) - now) / NS_PER_MS);
}

/* It has taken so long: the rest of the time is others'. */
static void set_pause(struct gc *gc)
{
	double part = gc->d->config->gc.pause_threshold;
	uint64_t now = uv_hrtime();

	gc->not_before = now;
	if (part > 0)
		gc->not_before += (uint64_t)((double)(now - gc->began) * (1 / part - 1));
}

static uint64_t until(const struct timespec *at)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (at->tv_sec - now.tv_sec) * 1000 + 1000;
	return ms < 0 ? 0 : (uint64_t)DV_MIN(ms, (int64_t)EXPIRY_MAX_MS);
}

static void log_result(const struct gc *gc)
{
	static const char *const names[] = { "leases",	"images", "snapshots", "blobs",
					     "ingests", "mounts", "files" };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;

	for (int i = 0; i < META_GC__N; i++) {
		if (gc->result.n_removed[i])
			dv_strbuf_addf(&b, " %llu %s", (unsigned long long)gc->result.n_removed[i],
				       names[i]);
	}
	if (b.len)
		dv_log(gc->d->log, DV_DEBUG, "collected garbage:%s", b.data);
}

static void done(void *arg)
{
	struct gc *gc = arg;

	gc->is_running = false;
	set_pause(gc);
	if (gc->e)
		dv_log(gc->d->log, DV_ERROR, "%s", dv_err_message(gc->e));
	gc->e = dv_err_free(gc->e);
	log_result(gc);
	if (gc->is_freed)
		return;
	if (gc->is_wanted || gc->result.is_again_useful)
		schedule_soon(gc);
	else if (gc->result.next_expiry.tv_sec)
		schedule(gc, until(&gc->result.next_expiry));
	gc->is_wanted = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct gc *gc = dv_container_of(timer, struct gc, timer);

	if (gc->is_running) {
		gc->is_wanted = true;
		return;
	}
	gc->is_running = true;
	gc->began = uv_hrtime();
	io_work_submit(gc->d->slow, run, done, gc);
}

static void kicked(void *arg)
{
	struct gc *gc = arg;

	atomic_store(&gc->is_kicked, false);
	if (gc->is_freed)
		return;
	if (gc->is_running)
		gc->is_wanted = true;
	else
		schedule_soon(gc);
}

void daemon_gc_kick(struct daemon *d)
{
	if (!atomic_exchange(&d->gc->is_kicked, true))
		io_work_post(d->fast, kicked, d->gc);
}

struct dv_err *daemon_gc_sync(struct daemon *d)
{
	struct meta_gc_result result;

	return meta_gc(d->meta, on_item, d, &result);
}

struct gc *gc_new(struct daemon *d)
{
	struct gc *gc = dv_new(struct gc);

	gc->d = d;
	(void)uv_timer_init(d->loop, &gc->timer);
	/* What the last run left. */
	schedule(gc, d->config->gc.startup_delay_ns / NS_PER_MS);
	return gc;
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_timer_t *)(void *)handle, struct gc, timer));
}

struct gc *gc_free(struct gc *gc)
{
	if (!gc)
		return NULL;
	gc->is_freed = true;
	uv_close((uv_handle_t *)&gc->timer, on_closed);
	return NULL;
}
