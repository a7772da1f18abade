/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blob:
 *
 *	HEAD --200--> existed
 *	  | 404
 *	  v
 *	POST ?mount=&from= (each repository in turn) --201--> mounted
 *	  | 202: an upload is open; its Location is kept
 *	  v
 *	PUT (all of it)                               --201--> sent
 *	or PATCH, PATCH, ... PUT (nothing)            --201--> sent
 *
 * An upload that broke is begun anew by another POST: what a server kept of it is not known. Only
 * between chunks, where nothing can be half there, an upload goes on.
 */

#include <stdlib.h>
#include <string.h>

#include "registry/push.h"
#include "request.h"

enum { STARTS_MAX = 4, COMMIT_TIMEOUT_MS = 15 * 60 * 1000 };

enum step { STEP_HEAD, STEP_MOUNT, STEP_PUT, STEP_PATCH, STEP_COMMIT };

struct push {
	struct registry_request r;
	enum step step;
	struct dv_digest digest;
	int64_t size, chunk_size, at;
	struct registry_source source;
	const char **mount_from;
	size_t n_mount_from, i_mount;
	unsigned n_starts;
	char *location; /* of the upload; heap */
	const char *opened_by; /* the URL that answered POST */
	struct dv_err *error; /* of the source */
	enum registry_pushed how;
	registry_push_fn fn;
	void *arg;
};

static struct dv_err *push_body(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n)
{
	struct push *q = dv_container_of((struct registry_request *)arg, struct push, r);
	struct dv_err *e;

	e = q->source.read(q->source.arg, q->at + offset, p, n, ret_n);
	if (!e)
		return NULL;
	/* The call reports that its body failed; what it was is ours to say. */
	dv_err_free(q->error);
	q->error = e;
	return dv_err_new(DV_ABORTED, "%s", dv_err_message(e));
}

static int64_t chunk_of(const struct push *q)
{
	return DV_MIN(q->chunk_size, q->size - q->at);
}

/* The location with the digest that the upload shall have. */
static void add_digest(struct push *q, struct dv_strbuf *url)
{
	char text[DV_DIGEST_STR];

	dv_strbuf_clear(url);
	dv_strbuf_add(url, q->location);
	http_url_add_query(url, "digest", dv_digest_str(&q->digest, text));
}

/* Some want the bytes at their storage: our credentials are not for that. */
static bool is_away(struct push *q)
{
	return !http_url_same_origin(q->opened_by, q->location);
}

static void ask_mount(struct push *q, struct call_opts *o, struct dv_strbuf *url)
{
	char text[DV_DIGEST_STR];

	o->method = "POST";
	o->body = "";
	o->body_size = 0;
	dv_strbuf_add(url, "/blobs/uploads/");
	if (q->i_mount < q->n_mount_from) {
		const char *from = q->mount_from[q->i_mount];

		http_url_add_query(url, "mount", dv_digest_str(&q->digest, text));
		http_url_add_query(url, "from", from);
		o->scope = dv_arena_printf(&q->r.arena, "%s repository:%s:pull", o->scope, from);
	}
}

static void push_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	static const char *const binary[] = { "Content-Type: application/octet-stream" };
	struct push *q = dv_container_of(r, struct push, r);
	char text[DV_DIGEST_STR];
	const char **headers;

	o->answer_max = 64 * 1024;
	o->headers = binary;
	o->n_headers = 1;
	switch (q->step) {
	case STEP_HEAD:
		o->method = "HEAD";
		o->n_headers = 0;
		dv_strbuf_addf(url, "/blobs/%s", dv_digest_str(&q->digest, text));
		return;
	case STEP_MOUNT:
		ask_mount(q, o, url);
		return;
	case STEP_PUT:
		o->method = "PUT";
		o->body_fn = push_body;
		o->body_size = q->size;
		o->progress_timeout_ms = COMMIT_TIMEOUT_MS;
		break;
	case STEP_PATCH:
		o->method = "PATCH";
		o->body_fn = push_body;
		o->body_size = chunk_of(q);
		headers = dv_arena_new_n(&r->arena, const char *, 2);
		headers[0] = binary[0];
		headers[1] =
			dv_arena_printf(&r->arena, "Content-Range: %lld-%lld", (long long)q->at,
					(long long)(q->at + o->body_size - 1));
		o->headers = headers;
		o->n_headers = 2;
		o->url = q->location;
		o->is_once = true;
		o->is_away = is_away(q);
		return;
	case STEP_COMMIT:
		o->method = "PUT";
		o->body = "";
		o->body_size = 0;
		o->progress_timeout_ms = COMMIT_TIMEOUT_MS;
		break;
	}
	/* Twice to the same upload would add the bytes twice. */
	o->is_once = true;
	o->is_away = is_away(q);
	add_digest(q, url);
	o->url = url->data;
}

/* ---- Answers ---- */

static struct dv_err *take_location(struct push *q, const struct call_reply *reply)
{
	char *url = NULL;
	struct dv_err *e;

	if (!reply->head->location)
		return dv_err_new(DV_UNAVAILABLE, "opens an upload and does not say where");
	e = http_url_resolve(reply->url, reply->head->location, &url);
	if (e)
		return dv_err_wrap(e, "the location of the upload");
	if (http_url_is_plain(url) && !http_url_is_plain(reply->url)) {
		DV_CLEANUP(dv_freep) char *host = http_url_host(url);

		free(url);
		return dv_err_new(DV_UNAVAILABLE, "wants the upload to go over plain http to %s",
				  host);
	}
	free(q->location);
	q->location = url;
	return NULL;
}

/* Another upload, from the first byte. */
static enum request_next start_over(struct push *q, const struct call_reply *reply,
				    struct dv_err **ret_error)
{
	if (++q->n_starts >= STARTS_MAX)
		return request_status(reply, ret_error);
	q->step = STEP_MOUNT;
	q->i_mount = q->n_mount_from;
	return REQUEST_AGAIN;
}

static enum request_next on_mount(struct push *q, const struct call_reply *reply,
				  struct dv_err **ret_error)
{
	int status = reply->head->status;
	bool is_mount = q->i_mount < q->n_mount_from;

	if (is_mount && status == 201) {
		q->how = REGISTRY_PUSHED_MOUNTED;
		return REQUEST_DONE;
	}
	if (is_mount && status != 202) {
		/* The other repository may be none that we may read, or that there is. */
		q->i_mount++;
		return REQUEST_AGAIN;
	}
	if (status != 202)
		return request_status(reply, ret_error);
	*ret_error = take_location(q, reply);
	if (*ret_error)
		return REQUEST_NEXT;
	q->opened_by = dv_arena_strdup(&q->r.arena, reply->url);
	q->at = 0;
	q->step = q->chunk_size > 0 && q->size > q->chunk_size ? STEP_PATCH : STEP_PUT;
	return REQUEST_AGAIN;
}

static enum request_next on_chunk(struct push *q, const struct call_reply *reply,
				  struct dv_err **ret_error)
{
	int status = reply->head->status;

	if (status != 202)
		return status == 416 || status == 404 || status >= 500
			       ? start_over(q, reply, ret_error)
			       : request_status(reply, ret_error);
	*ret_error = take_location(q, reply);
	if (*ret_error)
		return REQUEST_NEXT;
	q->at += chunk_of(q);
	if (q->at == q->size)
		q->step = STEP_COMMIT;
	return REQUEST_AGAIN;
}

static enum request_next push_answer(struct registry_request *r, const struct call_reply *reply,
				     struct dv_err **ret_error)
{
	struct push *q = dv_container_of(r, struct push, r);
	int status = reply->head->status;

	switch (q->step) {
	case STEP_HEAD:
		if (status == 200) {
			q->how = REGISTRY_PUSHED_EXISTED;
			return REQUEST_DONE;
		}
		/* Some forbid looking to those who may push. */
		q->step = STEP_MOUNT;
		return status == 404 || status == 403 || status == 405
			       ? REQUEST_AGAIN
			       : request_status(reply, ret_error);
	case STEP_MOUNT:
		return on_mount(q, reply, ret_error);
	case STEP_PATCH:
		return on_chunk(q, reply, ret_error);
	case STEP_PUT:
	case STEP_COMMIT:
		break;
	}
	if (status == 201 || status == 204) {
		q->how = REGISTRY_PUSHED_SENT;
		return REQUEST_DONE;
	}
	return status == 404 || status == 416 || status >= 500 ? start_over(q, reply, ret_error)
							       : request_status(reply, ret_error);
}

/* The connection failed. An upload can be begun anew. */
static bool push_retry(struct registry_request *r)
{
	struct push *q = dv_container_of(r, struct push, r);

	if (q->step < STEP_PUT || q->error || ++q->n_starts >= STARTS_MAX)
		return false;
	q->step = STEP_MOUNT;
	q->i_mount = q->n_mount_from;
	return true;
}

static void push_done(struct registry_request *r, struct dv_err *take_error)
{
	struct push *q = dv_container_of(r, struct push, r);

	if (q->error && take_error) {
		dv_err_free(take_error);
		take_error = dv_err_wrap(dv_steal(&q->error), "repository %s/%s: %s", r->repo->host,
					 r->repo->path, r->what);
	}
	q->fn(q->arg, q->how, take_error);
}

static void push_fini(struct registry_request *r)
{
	struct push *q = dv_container_of(r, struct push, r);

	q->error = dv_err_free(q->error);
	free(q->location);
}

static const struct request_kind push_kind = {
	.size = sizeof(struct push),
	.capability = REGISTRY_CAN_PUSH,
	.actions = "pull,push",
	.is_one_server = true,
	.ask = push_ask,
	.answer = push_answer,
	.retry = push_retry,
	.done = push_done,
	.fini = push_fini,
};

struct registry_request *registry_push_blob(struct registry_repo *repo,
					    const struct registry_push_opts *opts,
					    registry_push_fn done, void *arg)
{
	struct registry_request *r = request_new(repo, &push_kind);
	struct push *q = dv_container_of(r, struct push, r);
	char text[DV_DIGEST_STR];

	q->digest = opts->blob->digest;
	q->size = opts->blob->size;
	q->chunk_size = opts->chunk_size;
	q->source = opts->source;
	q->n_mount_from = opts->n_mount_from;
	q->mount_from = dv_arena_new_n(&r->arena, const char *, opts->n_mount_from + 1);
	for (size_t i = 0; i < opts->n_mount_from; i++)
		q->mount_from[i] = dv_arena_strdup(&r->arena, opts->mount_from[i]);
	q->fn = done;
	q->arg = arg;
	r->what = dv_arena_printf(&r->arena, "push blob %s", dv_digest_str(&q->digest, text));
	request_start(r);
	return r;
}

void registry_push_resume(struct registry_request *r)
{
	dv_assert(r->kind == &push_kind);
	if (r->call)
		call_resume(r->call);
}
