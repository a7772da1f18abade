/* SPDX-License-Identifier: Apache-2.0 */
/* The client as a whole, repositories, and the question whether credentials are good. */

#include "registry/registry.h"

#include <stdlib.h>

#include "auth.h"
#include "base/str.h"
#include "request.h"
#include "slots.h"
#include "token.h"

enum {
	MAX_PER_HOST = 8,
	MAX_ATTEMPTS = 5,
	BACKOFF_MS = 500,
	RETRY_AFTER_MAX_MS = 120000,
	CONNECT_TIMEOUT_MS = 30000,
	PROGRESS_TIMEOUT_MS = 60000,
};

#define SET_DEFAULT(field, value) \
	do { \
		if (!(field)) \
			(field) = (value); \
	} while (0)

struct dv_err *registry_new(const struct registry_opts *opts, struct registry **ret)
{
	struct http_opts http = {
		.loop = opts->loop,
		.user_agent = opts->user_agent ? opts->user_agent : "davit",
		.http_proxy = opts->http_proxy,
		.https_proxy = opts->https_proxy,
		.no_proxy = opts->no_proxy,
	};
	struct registry *r = dv_new(struct registry);
	struct dv_err *e;

	r->opts = *opts;
	r->opts.user_agent = NULL;
	r->opts.http_proxy = r->opts.https_proxy = r->opts.no_proxy = NULL;
	SET_DEFAULT(r->opts.max_per_host, MAX_PER_HOST);
	SET_DEFAULT(r->opts.max_attempts, MAX_ATTEMPTS);
	SET_DEFAULT(r->opts.backoff_ms, BACKOFF_MS);
	SET_DEFAULT(r->opts.retry_after_max_ms, RETRY_AFTER_MAX_MS);
	SET_DEFAULT(r->opts.connect_timeout_ms, CONNECT_TIMEOUT_MS);
	SET_DEFAULT(r->opts.progress_timeout_ms, PROGRESS_TIMEOUT_MS);
	e = http_new(&http, &r->http);
	if (e) {
		free(r);
		return e;
	}
	*ret = r;
	return NULL;
}

struct registry *registry_free(struct registry *r)
{
	if (!r)
		return NULL;
	while (r->repos)
		registry_repo_close(r->repos);
	tokens_free(r);
	slots_free(r->slots);
	http_free(r->http);
	free(r);
	return NULL;
}

/* ---- Repositories ---- */

/* Those of the file, and those that the caller wants sent besides. */
static void add_headers(struct registry_repo *repo, const struct registry_repo_opts *opts)
{
	for (size_t i = 0; i < repo->hosts.n_hosts && opts->n_headers; i++) {
		struct registry_host *host = &repo->hosts.hosts[i];
		struct registry_header *all = dv_arena_new_n(&repo->arena, struct registry_header,
							     host->n_headers + opts->n_headers);

		for (size_t k = 0; k < host->n_headers; k++)
			all[k] = host->headers[k];
		for (size_t k = 0; k < opts->n_headers; k++)
			all[host->n_headers++] = (struct registry_header){
				.name = dv_arena_strdup(&repo->arena, opts->headers[k].name),
				.value = dv_arena_strdup(&repo->arena, opts->headers[k].value),
			};
		host->headers = all;
	}
}

struct dv_err *registry_repo_open(struct registry *r, const struct registry_repo_opts *opts,
				  struct registry_repo **ret)
{
	struct registry_repo *repo = dv_new(struct registry_repo);
	struct dv_err *e;

	repo->registry = r;
	dv_arena_init(&repo->arena);
	repo->host = dv_arena_strdup(&repo->arena, opts->host);
	repo->path = dv_arena_strdup(&repo->arena, opts->path);
	repo->credentials = opts->credentials;
	e = registry_hosts_load(&repo->arena, repo->host, &opts->hosts, &repo->hosts);
	if (e) {
		dv_arena_fini(&repo->arena);
		free(repo);
		return dv_err_wrap(e, "registry %s", opts->host);
	}
	add_headers(repo, opts);
	repo->auths = dv_arena_new_n(&repo->arena, struct auth *, repo->hosts.n_hosts);
	for (size_t i = 0; i < repo->hosts.n_hosts; i++)
		repo->auths[i] = auth_new(repo, &repo->hosts.hosts[i]);
	repo->next = r->repos;
	repo->prev = &r->repos;
	if (repo->next)
		repo->next->prev = &repo->next;
	r->repos = repo;
	*ret = repo;
	return NULL;
}

struct registry_repo *registry_repo_close(struct registry_repo *repo)
{
	if (!repo)
		return NULL;
	while (repo->requests)
		registry_cancel(repo->requests);
	for (size_t i = 0; i < repo->hosts.n_hosts; i++)
		auth_free(repo->auths[i]);
	*repo->prev = repo->next;
	if (repo->next)
		repo->next->prev = repo->prev;
	dv_arena_fini(&repo->arena);
	free(repo);
	return NULL;
}

/* ---- Ping ---- */

struct ping {
	struct registry_request r;
	registry_ping_fn fn;
	void *arg;
};

static void ping_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	o->answer_max = 64 * 1024;
	dv_strbuf_clear(url);
	dv_strbuf_addf(url, "%s/", request_host(r)->base);
	/* A login is not about a repository: docker asks for a token without a scope. */
	o->scope = "";
}

static enum request_next ping_answer(struct registry_request *r, const struct call_reply *reply,
				     struct dv_err **ret_error)
{
	(void)r;
	return reply->head->status == 200 ? REQUEST_DONE : request_status(reply, ret_error);
}

static void ping_done(struct registry_request *r, struct dv_err *take_error)
{
	struct ping *p = dv_container_of(r, struct ping, r);

	p->fn(p->arg, take_error);
}

static const struct request_kind ping_kind = {
	.size = sizeof(struct ping),
	.capability = REGISTRY_CAN_ALL,
	.actions = "pull",
	.ask = ping_ask,
	.answer = ping_answer,
	.done = ping_done,
};

struct registry_request *registry_ping(struct registry_repo *repo, registry_ping_fn done, void *arg)
{
	struct registry_request *r = request_new(repo, &ping_kind);
	struct ping *p = dv_container_of(r, struct ping, r);

	r->what = "log in";
	p->fn = done;
	p->arg = arg;
	request_start(r);
	return r;
}
