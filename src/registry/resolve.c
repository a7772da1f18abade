/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HEAD says what a tag stands for; where it does not, or is refused for a reason that only a body
 * tells, GET does.
 */

#include <string.h>

#include "codec/json.h"
#include "registry/fetch.h"
#include "request.h"

struct resolve {
	struct registry_request r;
	const char *reference;
	bool is_digest; /* the reference */
	struct dv_digest digest;
	bool is_get;
	struct spec_descriptor found;
	registry_resolve_fn fn;
	void *arg;
};

static void resolve_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	struct resolve *q = dv_container_of(r, struct resolve, r);

	o->method = q->is_get ? "GET" : "HEAD";
	o->headers = request_accept;
	o->n_headers = 1;
	o->answer_max = q->is_get ? REGISTRY_MAX_DOCUMENT : 0;
	dv_strbuf_addf(url, "/manifests/%s", q->reference);
}

/* Without parameters, which do not matter to us. */
static char *media_type_of(struct resolve *q, const char *content_type)
{
	return dv_arena_strndup(&q->r.arena, content_type, strcspn(content_type, "; \t"));
}

/* "mediaType" of a document; NULL if it has none. */
static const char *media_type_in(struct resolve *q, const struct call_reply *reply)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *v;

	if (dv_err_free(dv_json_parse(reply->body, reply->n_body, &doc)) || !doc)
		return NULL;
	v = dv_json_get(doc, "mediaType");
	return dv_json_type(v) == DV_JSON_STRING
		       ? dv_arena_strdup(&q->r.arena, dv_json_string(v, NULL))
		       : NULL;
}

static struct dv_err *take_document(struct resolve *q, const struct call_reply *reply)
{
	const struct http_head *h = reply->head;
	struct dv_digest said;
	struct dv_err *e;

	if (reply->is_cut)
		return dv_err_new(DV_EXHAUSTED, "a manifest of more than %d bytes",
				  REGISTRY_MAX_DOCUMENT);
	q->found.media_type = h->content_type ? media_type_of(q, h->content_type) : NULL;
	if (!q->found.media_type || !strstr(q->found.media_type, "vnd."))
		q->found.media_type = media_type_in(q, reply);
	if (!q->found.media_type)
		return dv_err_new(DV_UNAVAILABLE, "does not say what kind of manifest it sends");
	dv_digest_of(q->is_digest ? q->digest.alg : DV_SHA256, reply->body, reply->n_body,
		     &q->found.digest);
	q->found.size = (int64_t)reply->n_body;
	if (!h->digest)
		return NULL;
	e = dv_digest_parse(h->digest, &said);
	if (e)
		return dv_err_wrap(e, "Docker-Content-Digest");
	if (said.alg == q->found.digest.alg && !dv_digest_eq(&said, &q->found.digest))
		return dv_err_new(DV_DATA_LOSS, "the manifest does not have the digest that the "
						"server says it has");
	return NULL;
}

/* True if the head alone says it all. */
static bool take_head(struct resolve *q, const struct http_head *h)
{
	struct dv_err *e;

	if (!h->digest || !h->content_type || !strstr(h->content_type, "vnd.") ||
	    h->content_length <= 0)
		return false;
	e = dv_digest_parse(h->digest, &q->found.digest);
	if (e) {
		dv_err_free(e);
		return false;
	}
	q->found.media_type = media_type_of(q, h->content_type);
	q->found.size = h->content_length;
	return true;
}

static struct dv_err *check_found(const struct resolve *q)
{
	struct dv_err *e = request_check_media_type(q->found.media_type);

	if (e)
		return e;
	if (q->found.size > REGISTRY_MAX_DOCUMENT)
		return dv_err_new(DV_EXHAUSTED, "a manifest of %lld bytes, at most %d are taken",
				  (long long)q->found.size, REGISTRY_MAX_DOCUMENT);
	if (q->is_digest && !dv_digest_eq(&q->digest, &q->found.digest))
		return dv_err_new(DV_DATA_LOSS, "answers with another manifest");
	return NULL;
}

static enum request_next resolve_answer(struct registry_request *r, const struct call_reply *reply,
					struct dv_err **ret_error)
{
	struct resolve *q = dv_container_of(r, struct resolve, r);
	int status = reply->head->status;
	struct dv_err *e = NULL;

	if (!q->is_get) {
		bool is_unclear = status == 200 ? !take_head(q, reply->head)
						: status == 403 || status == 405 || status == 400;

		if (is_unclear) {
			q->is_get = true;
			return REQUEST_AGAIN;
		}
	}
	if (status != 200) {
		q->is_get = false;
		return request_status(reply, ret_error);
	}
	if (q->is_get)
		e = take_document(q, reply);
	if (!e)
		e = check_found(q);
	q->is_get = false; /* for the next server */
	*ret_error = e;
	return e ? REQUEST_NEXT : REQUEST_DONE;
}

static void resolve_done(struct registry_request *r, struct dv_err *take_error)
{
	struct resolve *q = dv_container_of(r, struct resolve, r);
	char text[DV_DIGEST_STR];

	if (!take_error)
		q->found.digest_text =
			dv_arena_strdup(&r->arena, dv_digest_str(&q->found.digest, text));
	q->fn(q->arg, take_error ? NULL : &q->found, take_error);
}

static const struct request_kind resolve_kind = {
	.size = sizeof(struct resolve),
	.capability = REGISTRY_CAN_RESOLVE,
	.actions = "pull",
	.ask = resolve_ask,
	.answer = resolve_answer,
	.done = resolve_done,
};

/* By digest any server that has blobs will do: it cannot cheat. */
static const struct request_kind resolve_digest_kind = {
	.size = sizeof(struct resolve),
	.capability = REGISTRY_CAN_PULL,
	.actions = "pull",
	.ask = resolve_ask,
	.answer = resolve_answer,
	.done = resolve_done,
};

struct registry_request *registry_resolve(struct registry_repo *repo, const char *reference,
					  registry_resolve_fn done, void *arg)
{
	struct dv_digest digest;
	struct dv_err *e = dv_digest_parse(reference, &digest);
	bool is_digest = !e;
	struct registry_request *r;
	struct resolve *q;

	dv_err_free(e);
	r = request_new(repo, is_digest ? &resolve_digest_kind : &resolve_kind);
	q = dv_container_of(r, struct resolve, r);
	q->reference = dv_arena_strdup(&r->arena, reference);
	q->is_digest = is_digest;
	if (is_digest)
		q->digest = digest;
	q->fn = done;
	q->arg = arg;
	r->what = dv_arena_printf(&r->arena, "%s %s", is_digest ? "manifest" : "tag", reference);
	request_start(r);
	return r;
}
