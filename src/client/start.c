/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See client/start.h. Below our shim the output goes to a log, and whoever is attached gets it from the
 * shim; other shims have fifos for as long as we are there, and nothing otherwise.
 */

#include "client/start.h"

#include <string.h>

#include "api/davit/system.pb-c.h"
#include "client/services.h"

/* ---- what a record says ------------------------------------------------------------- */

bool client_runtime_is_ours(const char *name)
{
	return !name || !dv_starts_with(name, "io.") || dv_streq(name, CLIENT_RUNTIME_DEFAULT);
}

static bool has_label(const struct client_record *r, const char *key, const char *value)
{
	const char *found = client_record_label(r, key);

	return found && dv_streq(found, value);
}

static struct dv_err *find_mounts(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, struct client_startable *s)
{
	Containerd__Services__Snapshots__V1__MountsRequest req =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__MountsResponse *reply = NULL;
	const char *rootfs = client_record_label(r, CLIENT_LABEL_ROOTFS);
	struct dv_err *e;

	if (rootfs) {
		client_rootfs_mounts(rootfs, arena, s);
		return NULL;
	}
	req.snapshotter = r->container->snapshotter;
	req.key = r->container->snapshot_key;
	e = client_call(c, CLIENT_SNAPSHOTS("Mounts", &req), arena, &reply);
	if (e)
		return dv_err_wrap(e, "find the container's files");
	s->mounts = reply->mounts;
	s->n_mounts = reply->n_mounts;
	return NULL;
}

struct dv_err *client_startable_find(struct client *c, const struct client_record *r,
				     struct dv_arena *arena, struct client_startable *ret)
{
	Davit__System__V1__InfoRequest req = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	DV_CLEANUP(client_pending_freep) struct client_pending *pending = NULL;
	const Containerd__Services__Containers__V1__Container__Runtime *runtime =
		r->container->runtime;
	const Davit__System__V1__InfoResponse *info = NULL;
	struct client_startable s = { .id = r->container->id };
	struct dv_err *e;

	req.namespace_ = (char *)client_namespace(c);
	pending = client_start(c, CLIENT_SYSTEM("Info", &req), NULL, NULL);
	e = find_mounts(c, r, arena, &s);
	if (!e)
		e = client_pending_finish(dv_steal(&pending), arena, &info);
	if (e)
		return e;
	s.data_dir = client_data_dir(c, info->root, s.id, arena);
	s.bundle = client_bundle(c, info->state, s.id, arena);
	s.is_ours = r->is_managed && runtime && client_runtime_is_ours(runtime->name);
	s.has_terminal = has_label(r, CLIENT_LABEL_TTY, "1");
	s.is_stdin_once = has_label(r, CLIENT_LABEL_STDIN, "once");
	s.has_stdin = s.is_stdin_once || has_label(r, CLIENT_LABEL_STDIN, "1");
	s.has_no_log = has_label(r, CLIENT_LABEL_LOG, "none");
	*ret = s;
	return NULL;
}

/* ---- starting ----------------------------------------------------------------------- */

/* "%2F" for what has a meaning in a URI's path. */
static void add_escaped(struct dv_strbuf *out, const char *path)
{
	for (; *path; path++) {
		if (strchr("%?# ", *path))
			dv_strbuf_addf(out, "%%%02X", (unsigned)*path);
		else
			dv_strbuf_addc(out, *path);
	}
}

static struct dv_err *create_ours(struct client *c, const struct client_startable *s)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct client_task_io io = { .in = "", .has_terminal = s->has_terminal };

	if (s->has_no_log) {
		dv_strbuf_add(&out, "attach:");
	} else {
		dv_strbuf_add(&out, "json://");
		add_escaped(&out, s->data_dir);
		dv_strbuf_add(&out, "/log.json?attach=1");
	}
	io.out = out.data;
	io.err = s->has_terminal ? "" : out.data;
	if (s->has_stdin)
		io.in = s->is_stdin_once ? "attach:?once=1" : "attach:";
	return client_task_create(c, s->id, s->mounts, s->n_mounts, &io, NULL);
}

/* Other shims keep streams for nobody. */
static struct dv_err *create_other(struct client *c, const struct client_startable *s,
				   const struct client_streams_opts *streams,
				   struct client_streams **ret)
{
	struct client_task_io io = { .has_terminal = s->has_terminal };
	struct dv_err *e = NULL;

	if (streams)
		e = client_streams_new(c, s->data_dir, streams, &io, ret);
	if (!e)
		e = client_task_create(c, s->id, s->mounts, s->n_mounts, &io, NULL);
	return e;
}

static struct dv_err *create(struct client *c, const struct client_startable *s,
			     const struct client_streams_opts *streams,
			     struct client_started *started)
{
	struct dv_err *e;

	if (!s->is_ours)
		return create_other(c, s, streams, &started->streams);
	e = create_ours(c, s);
	if (e || !streams)
		return e;
	e = client_streams_attach(c, s->bundle, streams, &started->streams);
	if (e)
		dv_err_free(client_task_delete(c, s->id, NULL));
	return dv_err_wrap(e, "attach to the container");
}

/* A task that has ended, and that nobody has deleted yet, is deleted now. One that runs cannot be. */
static bool is_leftover(struct client *c, const char *id)
{
	struct dv_err *e = client_task_delete(c, id, NULL);
	bool is_gone = !e;

	dv_err_free(e);
	return is_gone;
}

struct dv_err *client_container_start(struct client *c, const struct client_startable *s,
				      const struct client_streams_opts *streams,
				      void (*on_exit)(void *arg), void *arg,
				      struct client_started *ret)
{
	struct client_started started = { 0 };
	struct dv_err *e;

	e = create(c, s, streams, &started);
	if (e && dv_err_code(e) == DV_EXISTS && is_leftover(c, s->id)) {
		dv_err_free(e);
		client_started_fini(&started);
		e = create(c, s, streams, &started);
	}
	if (e) {
		client_started_fini(&started);
		return e;
	}
	if (streams)
		started.wait = client_task_wait_start(c, s->id, NULL, on_exit, arg);
	e = client_task_start(c, s->id, NULL, &started.pid);
	if (e) {
		client_started_fini(&started);
		dv_err_free(client_task_delete(c, s->id, NULL));
		return e;
	}
	*ret = started;
	return NULL;
}

void client_started_fini(struct client_started *s)
{
	s->streams = client_streams_free(s->streams);
	s->wait = client_pending_free(s->wait);
}
