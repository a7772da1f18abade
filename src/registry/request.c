/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the errors of several servers the one that says most is reported: what a server judged, before
 * that it has no such thing, before that it could not be reached.
 */

#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth.h"

enum rank { RANK_NONE, RANK_TRANSPORT, RANK_MISSING, RANK_JUDGED };

const char *const request_accept[1] = {
	"Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json, "
	"application/vnd.docker.distribution.manifest.v2+json, */*"
};

static void issue(struct registry_request *r);

static void request_free(struct registry_request *r)
{
	r->call = call_cancel(r->call);
	if (r->kind->fini)
		r->kind->fini(r);
	http_unpost(&r->task);
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->error = dv_err_free(r->error);
	dv_arena_fini(&r->arena);
	free(r);
}

struct registry_request *registry_cancel(struct registry_request *r)
{
	if (r)
		request_free(r);
	return NULL;
}

static void finish(struct registry_request *r)
{
	struct dv_err *e = dv_steal(&r->error);
	struct registry_repo *repo = r->repo;

	if (e)
		e = dv_err_wrap(e, "repository %s/%s: %s", repo->host, repo->path, r->what);
	r->kind->done(r, e);
	request_free(r);
}

static void finish_task(struct http_task *task)
{
	finish(dv_container_of(task, struct registry_request, task));
}

/* ---- Servers ---- */

const struct registry_host *request_host(const struct registry_request *r)
{
	return &r->repo->hosts.hosts[r->host];
}

/* From @i on; n_hosts: there is none. */
static size_t host_from(const struct registry_request *r, size_t i)
{
	while (i < r->repo->hosts.n_hosts &&
	       !(r->repo->hosts.hosts[i].capabilities & r->kind->capability))
		i++;
	return i;
}

bool request_is_last_host(const struct registry_request *r)
{
	return r->kind->is_one_server || host_from(r, r->host + 1) == r->repo->hosts.n_hosts;
}

static void keep_error(struct registry_request *r, struct dv_err *take_error, enum rank rank)
{
	if (rank < r->rank) {
		dv_err_free(take_error);
		return;
	}
	dv_err_free(r->error);
	r->error = take_error;
	r->rank = rank;
}

static enum rank rank_of(const struct dv_err *e, bool is_answer)
{
	switch (dv_err_code(e)) {
	case DV_NOT_FOUND:
		return RANK_MISSING;
	case DV_UNAVAILABLE:
	case DV_DEADLINE:
		return is_answer ? RANK_JUDGED : RANK_TRANSPORT;
	default:
		return RANK_JUDGED;
	}
}

static void next_host(struct registry_request *r)
{
	if (request_is_last_host(r)) {
		finish(r);
		return;
	}
	r->host = host_from(r, r->host + 1);
	issue(r);
}

/* ---- Asking ---- */

/* The server turned out to have no TLS: nobody need find that out again. */
static void remember_plain(struct registry_request *r, const struct call_reply *reply)
{
	struct registry_host *host = &r->repo->hosts.hosts[r->host];

	if (!host->may_be_plain || host->is_plain || !http_url_is_plain(reply->first_url))
		return;
	/* may_be_plain stays: those that wait in the queue have the other URL. */
	host->is_plain = true;
	host->base = dv_arena_printf(&r->repo->arena, "http%s", host->base + strlen("https"));
}

static bool may_pass(const struct dv_err *e)
{
	enum dv_code code = dv_err_code(e);

	return code == DV_UNAVAILABLE || code == DV_DEADLINE || code == DV_EXHAUSTED;
}

static void on_call_done(void *arg, const struct call_reply *reply, struct dv_err *take_error)
{
	struct registry_request *r = arg;
	enum request_next next = REQUEST_NEXT;
	struct dv_err *e = take_error;
	bool is_answer = !e;

	r->call = NULL;
	if (!e) {
		remember_plain(r, reply);
		next = r->kind->answer(r, reply, &e);
		if (e && next != REQUEST_LOCAL)
			e = dv_err_wrap(e, "registry %s", request_host(r)->name);
	}
	if (!is_answer && may_pass(e) && r->kind->retry && r->kind->retry(r)) {
		dv_err_free(e);
		issue(r);
		return;
	}
	if (e)
		keep_error(r, e, next == REQUEST_LOCAL ? RANK_JUDGED : rank_of(e, is_answer));
	switch (next) {
	case REQUEST_DONE:
		/* What other servers had to say does not matter any more. */
		r->error = dv_err_free(r->error);
		finish(r);
		return;
	case REQUEST_AGAIN:
		issue(r);
		return;
	case REQUEST_NEXT:
		next_host(r);
		return;
	case REQUEST_FAILED:
	case REQUEST_LOCAL:
		finish(r);
		return;
	}
}

static void issue(struct registry_request *r)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf url = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep)
	char *scope = dv_printf("repository:%s:%s", r->repo->path, r->kind->actions);
	const struct registry_host *host = request_host(r);
	struct call_opts o = {
		.registry = r->repo->registry,
		.host = host,
		.auth = r->repo->auths[r->host],
		.scope = scope,
		.method = "GET",
		.body_size = -1,
		.is_last = request_is_last_host(r),
		.done = on_call_done,
		.arg = r,
	};

	dv_strbuf_addf(&url, "%s/%s", host->base, r->repo->path);
	r->kind->ask(r, &o, &url);
	/* A cache for several registries knows by this which one is meant. */
	if (host->is_mirror && !o.url)
		http_url_add_query(&url, "ns", r->repo->host);
	if (!o.url)
		o.url = url.data;
	r->call = call_start(&o);
}

struct registry_request *request_new(struct registry_repo *repo, const struct request_kind *kind)
{
	struct registry_request *r = dv_alloc(kind->size);

	r->repo = repo;
	r->kind = kind;
	dv_arena_init(&r->arena);
	r->next = repo->requests;
	r->prev = &repo->requests;
	if (r->next)
		r->next->prev = &r->next;
	repo->requests = r;
	return r;
}

void request_start(struct registry_request *r)
{
	r->host = host_from(r, 0);
	if (r->host < r->repo->hosts.n_hosts) {
		issue(r);
		return;
	}
	r->error =
		dv_err_new(DV_PRECONDITION, "hosts.toml gives no server the capability for this");
	http_post(r->repo->registry->http, &r->task, finish_task);
}

/* ---- For the kinds ---- */

enum request_next request_status(const struct call_reply *reply, struct dv_err **ret_error)
{
	*ret_error = call_status_error(reply);
	return REQUEST_NEXT;
}

struct dv_err *request_check_media_type(const char *media_type)
{
	if (media_type &&
	    strncasecmp(media_type, "application/vnd.docker.distribution.manifest.v1+", 48) == 0)
		return dv_err_new(
			DV_UNIMPLEMENTED,
			"a manifest of docker's schema 1, which is obsolete: push the image "
			"again with a newer docker");
	return NULL;
}
