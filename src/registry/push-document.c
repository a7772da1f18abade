/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes, under a tag or by digest. */

#include <string.h>

#include "registry/push.h"
#include "request.h"

struct push_document {
	struct registry_request r;
	struct registry_push_document doc; /* strings copied, data borrowed */
	struct dv_digest digest;
	registry_done_fn fn;
	void *arg;
};

static void push_document_ask(struct registry_request *r, struct call_opts *o,
			      struct dv_strbuf *url)
{
	struct push_document *q = dv_container_of(r, struct push_document, r);
	const char **headers = dv_arena_new_n(&r->arena, const char *, 1);
	char text[DV_DIGEST_STR];

	headers[0] = dv_arena_printf(&r->arena, "Content-Type: %s", q->doc.media_type);
	o->method = "PUT";
	o->headers = headers;
	o->n_headers = 1;
	o->body = q->doc.data;
	o->body_size = (int64_t)q->doc.n;
	o->answer_max = 64 * 1024;
	dv_strbuf_addf(url, "/manifests/%s",
		       q->doc.tag ? q->doc.tag : dv_digest_str(&q->digest, text));
}

static enum request_next push_document_answer(struct registry_request *r,
					      const struct call_reply *reply,
					      struct dv_err **ret_error)
{
	struct push_document *q = dv_container_of(r, struct push_document, r);
	int status = reply->head->status;
	struct dv_digest said;

	if (status != 201 && status != 200 && status != 202)
		return request_status(reply, ret_error);
	if (!reply->head->digest)
		return REQUEST_DONE;
	*ret_error = dv_digest_parse(reply->head->digest, &said);
	if (*ret_error) {
		*ret_error = dv_err_wrap(*ret_error, "Docker-Content-Digest");
		return REQUEST_FAILED;
	}
	if (said.alg != q->digest.alg || dv_digest_eq(&said, &q->digest))
		return REQUEST_DONE;
	*ret_error = dv_err_new(DV_DATA_LOSS, "took it under another digest");
	return REQUEST_FAILED;
}

static void push_document_done(struct registry_request *r, struct dv_err *take_error)
{
	struct push_document *q = dv_container_of(r, struct push_document, r);

	q->fn(q->arg, take_error);
}

static const struct request_kind push_document_kind = {
	.size = sizeof(struct push_document),
	.capability = REGISTRY_CAN_PUSH,
	.actions = "pull,push",
	.is_one_server = true,
	.ask = push_document_ask,
	.answer = push_document_answer,
	.done = push_document_done,
};

struct registry_request *registry_push_document(struct registry_repo *repo,
						const struct registry_push_document *doc,
						registry_done_fn done, void *arg)
{
	struct registry_request *r = request_new(repo, &push_document_kind);
	struct push_document *q = dv_container_of(r, struct push_document, r);
	char text[DV_DIGEST_STR];

	q->doc = *doc;
	q->doc.media_type = dv_arena_strdup(&r->arena, doc->media_type);
	q->doc.tag = dv_arena_strdup(&r->arena, doc->tag);
	dv_digest_of(DV_SHA256, doc->data, doc->n, &q->digest);
	q->fn = done;
	q->arg = arg;
	r->what = dv_arena_printf(&r->arena, "push manifest %s",
				  doc->tag ? doc->tag : dv_digest_str(&q->digest, text));
	request_start(r);
	return r;
}
