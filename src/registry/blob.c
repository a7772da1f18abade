/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob is a stream with a known length. What call.h cannot mend at one server goes on at the
 * next, at the byte that was reached.
 */

#include <stdlib.h>
#include <string.h>

#include "blob-private.h"
#include "registry/fetch.h"
#include "request.h"

/* Less is there before a second connection is. */
enum { PARALLEL_MIN = 8 * 1024 * 1024 };

struct blob {
	struct registry_request r;
	struct dv_digest digest;
	int64_t size, at, end;
	bool is_part;
	struct registry_sink sink;
	struct dv_hash *hash; /* NULL: the sink's business */
	bool is_waiting; /* for the sink */
	struct dv_err *error; /* the sink's */
	registry_done_fn fn;
	void *arg;
};

static enum http_go blob_data(void *arg, int64_t at, const void *p, size_t n)
{
	struct blob *b = dv_container_of((struct registry_request *)arg, struct blob, r);
	bool wait = false;

	if (b->is_waiting)
		return HTTP_PAUSE;
	b->error = b->sink.write(b->sink.arg, at, p, n, &wait);
	if (b->error)
		return HTTP_STOP;
	if (b->hash)
		dv_hash_add(b->hash, p, n);
	b->at = at + (int64_t)n;
	b->is_waiting = wait;
	return HTTP_GO;
}

static void blob_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	struct blob *b = dv_container_of(r, struct blob, r);
	char text[DV_DIGEST_STR];

	o->data = blob_data;
	o->at = b->at;
	o->end = b->end;
	o->size = b->size;
	o->is_part = b->is_part;
	dv_strbuf_addf(url, "/blobs/%s", dv_digest_str(&b->digest, text));
}

/* The bytes are wrong. Is there another server that may have the right ones? */
static enum request_next start_over(struct blob *b, struct dv_err **ret_error)
{
	struct dv_err *e;

	*ret_error = dv_err_new(DV_DATA_LOSS, "what it sends does not have this digest");
	if (!b->sink.restart || request_is_last_host(&b->r))
		return REQUEST_FAILED;
	e = b->sink.restart(b->sink.arg);
	if (e) {
		dv_err_free(*ret_error);
		*ret_error = e;
		return REQUEST_LOCAL;
	}
	dv_hash_reset(b->hash);
	b->at = 0;
	b->is_waiting = false;
	return REQUEST_NEXT;
}

static enum request_next blob_answer(struct registry_request *r, const struct call_reply *reply,
				     struct dv_err **ret_error)
{
	struct blob *b = dv_container_of(r, struct blob, r);
	struct dv_digest got;

	if (b->error) {
		*ret_error = dv_steal(&b->error);
		return REQUEST_LOCAL;
	}
	if (reply->head->status != 200 && reply->head->status != 206)
		return request_status(reply, ret_error);
	if (!b->hash)
		return REQUEST_DONE;
	dv_hash_get(b->hash, &got);
	return dv_digest_eq(&got, &b->digest) ? REQUEST_DONE : start_over(b, ret_error);
}

/* All of it was there before. */
static void whole_task(struct http_task *task)
{
	struct registry_request *r = dv_container_of(task, struct registry_request, task);
	struct blob *b = dv_container_of(r, struct blob, r);
	struct dv_digest got = b->digest;
	struct dv_err *e = NULL;

	if (b->hash)
		dv_hash_get(b->hash, &got);
	if (!dv_digest_eq(&got, &b->digest))
		e = dv_err_new(DV_DATA_LOSS, "%s: what is there does not have this digest",
			       r->what);
	b->fn(b->arg, e);
	registry_cancel(r);
}

static void blob_done(struct registry_request *r, struct dv_err *take_error)
{
	struct blob *b = dv_container_of(r, struct blob, r);

	b->fn(b->arg, take_error);
}

static void blob_fini(struct registry_request *r)
{
	struct blob *b = dv_container_of(r, struct blob, r);

	b->hash = dv_hash_free(b->hash);
	b->error = dv_err_free(b->error);
}

static const struct request_kind blob_kind = {
	.size = sizeof(struct blob),
	.capability = REGISTRY_CAN_PULL,
	.actions = "pull",
	.ask = blob_ask,
	.answer = blob_answer,
	.done = blob_done,
	.fini = blob_fini,
};

struct registry_request *blob_start(struct registry_repo *repo,
				    const struct registry_blob_opts *opts, int64_t end,
				    bool is_part, registry_done_fn done, void *arg)
{
	struct registry_request *r = request_new(repo, &blob_kind);
	struct blob *b = dv_container_of(r, struct blob, r);
	char text[DV_DIGEST_STR];

	b->digest = opts->blob->digest;
	b->size = opts->blob->size;
	b->at = opts->offset;
	b->end = end;
	b->is_part = is_part;
	b->sink = opts->sink;
	if (!opts->is_hashed_by_sink)
		b->hash = opts->offset ? dv_hash_dup(opts->hash) : dv_hash_new(b->digest.alg);
	b->fn = done;
	b->arg = arg;
	r->what = dv_arena_printf(&r->arena, "blob %s", dv_digest_str(&b->digest, text));
	if (b->at == b->size && b->size)
		http_post(repo->registry->http, &r->task, whole_task);
	else
		request_start(r);
	return r;
}

struct dv_err *registry_fetch_blob(struct registry_repo *repo,
				   const struct registry_blob_opts *opts, registry_done_fn done,
				   void *arg, struct registry_request **ret)
{
	char text[DV_DIGEST_STR];

	dv_digest_str(&opts->blob->digest, text);
	if (opts->offset < 0 || opts->offset > opts->blob->size)
		return dv_err_new(DV_INVALID, "blob %s: offset %lld, of %lld bytes", text,
				  (long long)opts->offset, (long long)opts->blob->size);
	if (opts->offset && !opts->hash && !opts->is_hashed_by_sink)
		return dv_err_new(DV_INVALID, "blob %s: an offset, and no hash of what is before",
				  text);
	if (opts->n_parallel > 1 && opts->blob->size - opts->offset >= PARALLEL_MIN) {
		*ret = ranges_start(repo, opts, done, arg);
		return NULL;
	}
	*ret = blob_start(repo, opts, opts->blob->size, false, done, arg);
	return NULL;
}

void registry_fetch_resume(struct registry_request *r)
{
	struct blob *b = dv_container_of(r, struct blob, r);

	if (r->kind != &blob_kind) {
		ranges_resume(r);
		return;
	}
	b->is_waiting = false;
	if (r->call)
		call_resume(r->call);
}
