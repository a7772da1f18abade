/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that make a container, and their undoing. What does not depend on another is asked for
 * at once: a container is made in few round trips. Until the record refers to the snapshot a lease
 * keeps it, which ends by itself when we do not get to end it. See client/container.h.
 */

#include <string.h>
#include <time.h>

#include "api/containerd/images.pb-c.h"
#include "api/containerd/leases.pb-c.h"
#include "base/clock.h"
#include "client/services.h"
#include "client/start.h"
#include "container-private.h"
#include "sys/file.h"

enum { LEASE_SECONDS = 3600 };

/* ---- lease -------------------------------------------------------------------------- */

static struct client_pending *start_lease(struct making *m)
{
	Containerd__Services__Leases__V1__CreateRequest r =
		CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__INIT;
	Containerd__Services__Leases__V1__CreateRequest__LabelsEntry label =
		CONTAINERD__SERVICES__LEASES__V1__CREATE_REQUEST__LABELS_ENTRY__INIT;
	Containerd__Services__Leases__V1__CreateRequest__LabelsEntry *labels = &label;
	struct timespec at;
	char text[DV_CLOCK_SIZE];

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += LEASE_SECONDS;
	dv_clock_format(&at, DV_CLOCK_SECONDS, text);
	label.key = (char *)"containerd.io/gc.expire";
	label.value = text;
	m->lease = dv_arena_printf(m->arena, "davit-%s", m->out->id);
	r.id = (char *)m->lease;
	r.labels = &labels;
	r.n_labels = 1;
	return client_start(m->c, CLIENT_LEASES("Create", &r), NULL, NULL);
}

/* ---- root file system ----------------------------------------------------------------------- */

static struct dv_err *prepare(struct making *m)
{
	Containerd__Services__Snapshots__V1__PrepareSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__PREPARE_SNAPSHOT_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__PrepareSnapshotResponse *reply = NULL;
	struct client_request request = *CLIENT_SNAPSHOTS("Prepare", &r);
	struct dv_err *e;

	r.snapshotter = (char *)m->snapshotter;
	r.key = m->out->id;
	r.parent = (char *)client_image_chain(&m->image, m->image.config->n_diff_ids, m->arena);
	request.lease = m->lease;
	e = client_call(m->c, &request, m->arena, &reply);
	if (e)
		return e;
	m->has_snapshot = true;
	m->out->start.mounts = reply->mounts;
	m->out->start.n_mounts = reply->n_mounts;
	return NULL;
}

/* An image that was not unpacked yet, or not by this snapshotter, is now. */
static struct dv_err *prepare_snapshot(struct making *m)
{
	struct dv_err *e = prepare(m);

	if (!e || dv_err_code(e) != DV_NOT_FOUND)
		return e;
	dv_err_free(e);
	e = client_image_unpack(m->c, &m->image, m->snapshotter, m->lease, m->arena);
	return e ? e : prepare(m);
}

static struct dv_err *bind_rootfs(struct making *m)
{
	if (m->opts->rootfs[0] != '/')
		return dv_err_new(DV_INVALID, "rootfs \"%s\" is not an absolute path",
				  m->opts->rootfs);
	client_rootfs_mounts(m->opts->rootfs, m->arena, &m->out->start);
	return NULL;
}

static void remove_snapshot(struct making *m)
{
	Containerd__Services__Snapshots__V1__RemoveSnapshotRequest r =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;

	r.snapshotter = (char *)m->snapshotter;
	r.key = m->out->id;
	dv_err_free(client_call(m->c, CLIENT_SNAPSHOTS("Remove", &r), NULL, NULL));
}

void client_rootfs_mounts(const char *dir, struct dv_arena *arena, struct client_startable *s)
{
	static char *options[] = { (char *)"rbind", (char *)"rw" };
	Containerd__Types__Mount *mount = dv_arena_new(arena, Containerd__Types__Mount);

	containerd__types__mount__init(mount);
	mount->type = (char *)"bind";
	mount->source = (char *)dir;
	mount->options = options;
	mount->n_options = DV_ARRAY_SIZE(options);
	s->mounts = dv_arena_new(arena, Containerd__Types__Mount *);
	s->mounts[0] = mount;
	s->n_mounts = 1;
}

/* ---- the whole ---------------------------------------------------------------------- */

static struct dv_err *ask(struct making *m)
{
	Davit__System__V1__InfoRequest r = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	DV_CLEANUP(client_pending_freep) struct client_pending *info = NULL;
	DV_CLEANUP(client_pending_freep) struct client_pending *lease = NULL;
	struct dv_err *lease_error, *e = NULL;

	r.namespace_ = (char *)client_namespace(m->c);
	info = client_start(m->c, CLIENT_SYSTEM("Info", &r), NULL, NULL);
	lease = start_lease(m);
	if (m->opts->image)
		e = client_image_find(m->c, m->opts->image, m->opts->platform, m->arena, &m->image);
	if (!e)
		e = dv_err_wrap(client_pending_finish(dv_steal(&info), m->arena, &m->info),
				"ask davitd for its directories");
	/* Also after an error: what was made has to be known. */
	lease_error = client_pending_finish(dv_steal(&lease), NULL, NULL);
	m->has_lease = !lease_error;
	if (!e)
		return dv_err_wrap(lease_error, "make a lease");
	dv_err_free(lease_error);
	return e;
}

static struct dv_err *make(struct making *m)
{
	struct dv_err *e = ask(m);

	if (e)
		return e;
	m->snapshotter = m->opts->snapshotter ? m->opts->snapshotter : m->info->default_snapshotter;
	m->out->snapshotter = m->opts->rootfs ? NULL : m->snapshotter;
	m->out->start.data_dir = client_data_dir(m->c, m->info->root, m->out->id, m->arena);
	m->out->start.bundle = client_bundle(m->c, m->info->state, m->out->id, m->arena);
	m->spec.cgroups_path =
		dv_arena_printf(m->arena, "/%s/%s", client_namespace(m->c), m->out->id);
	m->spec.has_cgroup2 = dv_streq(m->info->cgroup_mode, "unified");
	e = m->opts->rootfs ? bind_rootfs(m) : prepare_snapshot(m);
	if (!e)
		e = making_files(m);
	if (!e)
		e = making_process(m);
	if (!e)
		e = making_user(m);
	return e ? e : making_record(m);
}

static void undo(struct making *m)
{
	making_remove_files(m);
	if (m->has_snapshot)
		remove_snapshot(m);
}

struct dv_err *client_container_create(struct client *c, const struct client_container_opts *opts,
				       struct dv_arena *arena, struct client_container *ret)
{
	struct client_container *out = dv_arena_new(arena, struct client_container);
	struct making *m = dv_arena_new(arena, struct making);
	struct dv_err *e;

	*m = (struct making){ .c = c, .arena = arena, .opts = opts, .out = out, .dir = -1 };
	m->spec = opts->spec;
	out->start.is_ours = client_runtime_is_ours(opts->runtime);
	out->start.has_terminal = opts->spec.has_terminal;
	out->start.has_stdin = opts->has_stdin;
	out->start.is_stdin_once = opts->is_stdin_once;
	out->start.has_no_log = opts->has_no_log;
	client_unique_id(out->id);
	out->name = opts->name;
	if (!out->name) {
		out->name = dv_arena_alloc(arena, CLIENT_NAME_SIZE);
		client_unique_name((char *)out->name);
	}
	e = make(m);
	if (e)
		undo(m);
	m->dir = sys_close(m->dir);
	out->client = c;
	out->lease = m->has_lease ? m->lease : NULL;
	if (e) {
		client_container_fini(out);
		return e;
	}
	*ret = *out;
	ret->start.id = ret->id;
	return NULL;
}

void client_container_settle(struct client_container *made)
{
	Containerd__Services__Leases__V1__DeleteRequest r =
		CONTAINERD__SERVICES__LEASES__V1__DELETE_REQUEST__INIT;

	if (!made->lease)
		return;
	r.id = (char *)made->lease;
	made->lease_end = client_start(made->client, CLIENT_LEASES("Delete", &r), NULL, NULL);
	made->lease = NULL;
}

void client_container_fini(struct client_container *made)
{
	client_container_settle(made);
	if (made->lease_end)
		dv_err_free(client_pending_finish(dv_steal(&made->lease_end), NULL, NULL));
}
