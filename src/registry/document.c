/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes, by digest. They are small, and come whole. */

#include <string.h>

#include "registry/fetch.h"
#include "request.h"

struct document {
	struct registry_request r;
	struct dv_digest digest;
	int64_t size; /* <= 0: not known */
	struct registry_document doc;
	registry_document_fn fn;
	void *arg;
};

static void document_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	struct document *d = dv_container_of(r, struct document, r);
	char text[DV_DIGEST_STR];

	o->headers = request_accept;
	o->n_headers = 1;
	o->answer_max = REGISTRY_MAX_DOCUMENT;
	dv_strbuf_addf(url, "/manifests/%s", dv_digest_str(&d->digest, text));
}

static struct dv_err *check(struct document *d, const struct call_reply *reply)
{
	struct dv_digest got;

	if (reply->is_cut)
		return dv_err_new(DV_EXHAUSTED, "a manifest of more than %d bytes",
				  REGISTRY_MAX_DOCUMENT);
	if (d->size > 0 && (int64_t)reply->n_body != d->size)
		return dv_err_new(DV_DATA_LOSS, "the manifest has %zu bytes, and not %lld",
				  reply->n_body, (long long)d->size);
	dv_digest_of(d->digest.alg, reply->body, reply->n_body, &got);
	if (!dv_digest_eq(&got, &d->digest))
		return dv_err_new(DV_DATA_LOSS, "what it sends does not have this digest");
	return request_check_media_type(reply->head->content_type);
}

static enum request_next document_answer(struct registry_request *r, const struct call_reply *reply,
					 struct dv_err **ret_error)
{
	struct document *d = dv_container_of(r, struct document, r);
	const char *type = reply->head->content_type;

	if (reply->head->status != 200)
		return request_status(reply, ret_error);
	*ret_error = check(d, reply);
	if (*ret_error)
		return REQUEST_NEXT;
	d->doc.media_type = type ? dv_arena_strndup(&r->arena, type, strcspn(type, "; \t")) : "";
	d->doc.data = dv_arena_strndup(&r->arena, reply->body, reply->n_body);
	d->doc.n = reply->n_body;
	return REQUEST_DONE;
}

static void document_done(struct registry_request *r, struct dv_err *take_error)
{
	struct document *d = dv_container_of(r, struct document, r);

	d->fn(d->arg, take_error ? NULL : &d->doc, take_error);
}

static const struct request_kind document_kind = {
	.size = sizeof(struct document),
	.capability = REGISTRY_CAN_PULL,
	.actions = "pull",
	.ask = document_ask,
	.answer = document_answer,
	.done = document_done,
};

struct registry_request *registry_fetch_document(struct registry_repo *repo,
						 const struct spec_descriptor *desc,
						 registry_document_fn done, void *arg)
{
	struct registry_request *r = request_new(repo, &document_kind);
	struct document *d = dv_container_of(r, struct document, r);
	char text[DV_DIGEST_STR];

	d->digest = desc->digest;
	d->size = desc->size;
	d->fn = done;
	d->arg = arg;
	r->what = dv_arena_printf(&r->arena, "manifest %s", dv_digest_str(&d->digest, text));
	request_start(r);
	return r;
}
