/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API of referrers answers in pages. Where it is missing, the tag "sha256-<hex>" stands for an
 * index that those who push keep up to date.
 */

#include <string.h>

#include "registry/fetch.h"
#include "request.h"

enum { PAGES_MAX = 32, DESCRIPTORS_MAX = 4096 };

struct referrers {
	struct registry_request r;
	struct dv_digest digest;
	const char *artifact_type; /* NULL: any */
	bool is_tag; /* without the API */
	char *next; /* URL of the next page; heap */
	unsigned n_pages;
	struct spec_index index;
	registry_referrers_fn fn;
	void *arg;
};

static void referrers_ask(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url)
{
	static const char *const accept[] = { "Accept: application/vnd.oci.image.index.v1+json" };
	struct referrers *q = dv_container_of(r, struct referrers, r);
	char text[DV_DIGEST_STR], hex[DV_DIGEST_HEX];

	o->headers = accept;
	o->n_headers = 1;
	o->answer_max = REGISTRY_MAX_DOCUMENT;
	if (q->next) {
		o->url = q->next;
	} else if (q->is_tag) {
		dv_strbuf_addf(url, "/manifests/%s-%s", dv_digest_alg_name(q->digest.alg),
			       dv_digest_hex(&q->digest, hex));
	} else {
		dv_strbuf_addf(url, "/referrers/%s", dv_digest_str(&q->digest, text));
		if (q->artifact_type)
			http_url_add_query(url, "artifactType", q->artifact_type);
	}
}

static bool is_wanted(const struct referrers *q, const struct spec_descriptor *d)
{
	return !q->artifact_type ||
	       (d->artifact_type && dv_streq(d->artifact_type, q->artifact_type));
}

static struct dv_err *add_page(struct referrers *q, const struct call_reply *reply)
{
	struct dv_arena *arena = &q->r.arena;
	struct spec_descriptor *all;
	struct spec_index *page;
	struct dv_err *e;

	if (reply->is_cut)
		return dv_err_new(DV_EXHAUSTED, "a list of more than %d bytes",
				  REGISTRY_MAX_DOCUMENT);
	e = spec_index_parse(arena, reply->body, reply->n_body, &page);
	if (e)
		return e;
	if (q->index.n_manifests + page->n_manifests > DESCRIPTORS_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d referrers", DESCRIPTORS_MAX);
	all = dv_arena_new_n(arena, struct spec_descriptor,
			     q->index.n_manifests + page->n_manifests + 1);
	for (size_t i = 0; i < q->index.n_manifests; i++)
		all[i] = q->index.manifests[i];
	q->index.manifests = all;
	for (size_t i = 0; i < page->n_manifests; i++) {
		/* Servers need not filter. */
		if (is_wanted(q, &page->manifests[i]))
			all[q->index.n_manifests++] = page->manifests[i];
	}
	return NULL;
}

/* Link: <...>; rel="next". To the same server only: credentials go along. */
static struct dv_err *next_page(struct referrers *q, const struct call_reply *reply)
{
	const char *link = reply->head->link, *end = link ? strchr(link, '>') : NULL;
	DV_CLEANUP(dv_freep) char *url = NULL;
	struct dv_err *e;

	free(q->next);
	q->next = NULL;
	if (!end || *link != '<' || !strstr(end, "next"))
		return NULL;
	if (++q->n_pages == PAGES_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d pages of referrers", PAGES_MAX);
	url = dv_strndup(link + 1, (size_t)(end - link - 1));
	e = http_url_resolve(reply->url, url, &q->next);
	if (!e && !http_url_same_origin(reply->first_url, q->next)) {
		free(q->next);
		q->next = NULL;
		e = dv_err_new(DV_UNAVAILABLE, "its next page of referrers is at another server");
	}
	return e;
}

static void reset(struct referrers *q)
{
	free(q->next);
	q->next = NULL;
	q->index.n_manifests = 0;
	q->n_pages = 0;
}

static enum request_next referrers_answer(struct registry_request *r,
					  const struct call_reply *reply, struct dv_err **ret_error)
{
	struct referrers *q = dv_container_of(r, struct referrers, r);
	int status = reply->head->status;
	const char *type = reply->head->content_type;

	if (!q->is_tag && !q->next &&
	    (status == 404 || status == 405 || status == 400 ||
	     (status == 200 && (!type || !strstr(type, "json"))))) {
		q->is_tag = true;
		return REQUEST_AGAIN;
	}
	if (q->is_tag && status == 404) {
		q->is_tag = false;
		return REQUEST_DONE;
	}
	if (status == 200) {
		*ret_error = add_page(q, reply);
		if (!*ret_error)
			*ret_error = next_page(q, reply);
		if (!*ret_error)
			return q->next ? REQUEST_AGAIN : REQUEST_DONE;
	} else {
		*ret_error = call_status_error(reply);
	}
	reset(q);
	q->is_tag = false;
	return REQUEST_NEXT;
}

static void referrers_done(struct registry_request *r, struct dv_err *take_error)
{
	struct referrers *q = dv_container_of(r, struct referrers, r);

	q->fn(q->arg, take_error ? NULL : &q->index, take_error);
}

static void referrers_fini(struct registry_request *r)
{
	reset(dv_container_of(r, struct referrers, r));
}

static const struct request_kind referrers_kind = {
	.size = sizeof(struct referrers),
	.capability = REGISTRY_CAN_REFER,
	.actions = "pull",
	.ask = referrers_ask,
	.answer = referrers_answer,
	.done = referrers_done,
	.fini = referrers_fini,
};

struct registry_request *registry_referrers(struct registry_repo *repo,
					    const struct dv_digest *digest,
					    const char *artifact_type, registry_referrers_fn done,
					    void *arg)
{
	struct registry_request *r = request_new(repo, &referrers_kind);
	struct referrers *q = dv_container_of(r, struct referrers, r);
	char text[DV_DIGEST_STR];

	q->digest = *digest;
	q->artifact_type = dv_arena_strdup(&r->arena, artifact_type);
	q->fn = done;
	q->arg = arg;
	r->what = dv_arena_printf(&r->arena, "referrers of %s", dv_digest_str(digest, text));
	request_start(r);
	return r;
}
