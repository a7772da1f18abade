/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verification:
 *
 *	the tag "sha256-<hex>.sig" --> its manifest --> each layer, one after the other --> done
 *
 * Each statement is held against each requirement that is not met yet. It ends when all are, or
 * when there are no more statements.
 */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "registry/signature.h"
#include "request.h"
#include "text.h"

enum { STATEMENTS_MAX = 64, STATEMENT_MAX = 64 * 1024 };

#define SIGNATURE_KEY  "dev.cosignproject.cosign/signature"
#define STATEMENT_TYPE "application/vnd.dev.cosign.simplesigning.v1+json"

struct registry_verification {
	struct registry_repo *repo;
	struct spec_ref ref;
	struct dv_digest digest;
	const struct registry_policy_rule *rule;
	bool *is_met; /* one per requirement */
	registry_done_fn done;
	void *arg;
	struct registry_request *request;
	struct dv_arena arena;
	char *tag;
	struct spec_manifest *manifest;
	size_t i_layer;
	struct dv_strbuf payload;
	char *reason; /* why the last statement did not do; heap */
};

static void verification_free(struct registry_verification *v)
{
	registry_cancel(v->request);
	dv_strbuf_fini(&v->payload);
	dv_arena_fini(&v->arena);
	free(v->is_met);
	free(v->reason);
	free(v);
}

struct registry_verification *registry_verify_cancel(struct registry_verification *v)
{
	if (v)
		verification_free(v);
	return NULL;
}

static void finish(struct registry_verification *v, struct dv_err *take_error)
{
	v->request = NULL;
	if (take_error) {
		DV_CLEANUP(dv_freep) char *name = spec_ref_format(&v->ref);

		take_error = dv_err_wrap(take_error, "signature of %s", name);
	}
	v->done(v->arg, take_error);
	verification_free(v);
}

/* ---- Statements ---- */

static void set_reason(struct registry_verification *v, const char *text)
{
	free(v->reason);
	v->reason = text_clean(text, strlen(text), 300);
}

/* Meets @requirement, or says why not. */
static bool meets(struct registry_verification *v,
		  const struct registry_policy_requirement *requirement, const char *signature)
{
	for (size_t i = 0; i < requirement->n_keys; i++) {
		struct registry_statement s;
		struct dv_err *e;

		e = registry_statement_verify(&v->arena, v->payload.data, v->payload.len, signature,
					      &requirement->keys[i], &s);
		if (e) {
			set_reason(v, dv_err_message(e));
			dv_err_free(e);
		} else if (!dv_digest_eq(&s.digest, &v->digest)) {
			set_reason(v, "the statement is about another image");
		} else if (!registry_policy_matches(requirement, &v->ref, s.name)) {
			DV_CLEANUP(dv_freep)
			char *text =
				dv_printf("the statement is about the name \"%.200s\"", s.name);

			set_reason(v, text);
		} else {
			return true;
		}
	}
	return false;
}

static bool all_met(const struct registry_verification *v)
{
	for (size_t i = 0; i < v->rule->n_requirements; i++) {
		if (!v->is_met[i])
			return false;
	}
	return true;
}

static void next_statement(struct registry_verification *v);

static struct dv_err *on_piece(void *arg, int64_t offset, const void *p, size_t n, bool *ret_wait)
{
	struct registry_verification *v = arg;

	(void)offset;
	(void)ret_wait;
	dv_strbuf_add_n(&v->payload, p, n);
	return NULL;
}

static struct dv_err *on_restart(void *arg)
{
	struct registry_verification *v = arg;

	dv_strbuf_clear(&v->payload);
	return NULL;
}

static void on_payload(void *arg, struct dv_err *take_error)
{
	struct registry_verification *v = arg;
	const struct spec_descriptor *layer;
	const char *signature;

	v->request = NULL;
	if (take_error) {
		finish(v, take_error);
		return;
	}
	layer = &v->manifest->layers[v->i_layer++];
	signature = spec_pairs_find(layer->annotations, layer->n_annotations, SIGNATURE_KEY);
	for (size_t i = 0; i < v->rule->n_requirements; i++) {
		if (!v->is_met[i])
			v->is_met[i] = meets(v, &v->rule->requirements[i], signature);
	}
	next_statement(v);
}

static bool is_statement(const struct spec_descriptor *layer)
{
	return layer->media_type && dv_streq(layer->media_type, STATEMENT_TYPE) &&
	       layer->size > 0 && layer->size <= STATEMENT_MAX &&
	       spec_pairs_find(layer->annotations, layer->n_annotations, SIGNATURE_KEY);
}

static void next_statement(struct registry_verification *v)
{
	struct registry_blob_opts o = {
		.sink = { .write = on_piece, .restart = on_restart, .arg = v },
	};
	struct dv_err *e;

	if (all_met(v)) {
		finish(v, NULL);
		return;
	}
	while (v->i_layer < v->manifest->n_layers &&
	       !is_statement(&v->manifest->layers[v->i_layer]))
		v->i_layer++;
	if (v->i_layer >= v->manifest->n_layers || v->i_layer >= STATEMENTS_MAX) {
		finish(v, dv_err_new(DV_PERMISSION, "none is what the policy for %s wants: %s",
				     *v->rule->scope ? v->rule->scope : "default",
				     v->reason ? v->reason : "there is no statement"));
		return;
	}
	dv_strbuf_clear(&v->payload);
	o.blob = &v->manifest->layers[v->i_layer];
	e = registry_fetch_blob(v->repo, &o, on_payload, v, &v->request);
	if (e)
		finish(v, e);
}

/* ---- The manifest ---- */

static void on_manifest(void *arg, const struct registry_document *doc, struct dv_err *take_error)
{
	struct registry_verification *v = arg;
	struct dv_err *e = take_error;

	v->request = NULL;
	if (!e) {
		e = spec_manifest_parse(&v->arena, doc->data, doc->n, &v->manifest);
		if (e)
			e = dv_err_wrap(e, "%s", v->tag);
	}
	if (e)
		finish(v, e);
	else
		next_statement(v);
}

static void on_resolved(void *arg, const struct spec_descriptor *found, struct dv_err *take_error)
{
	struct registry_verification *v = arg;

	v->request = NULL;
	if (!take_error) {
		v->request = registry_fetch_document(v->repo, found, on_manifest, v);
		return;
	}
	/* That there is none is a judgement, and no failure. */
	if (dv_err_code(take_error) == DV_NOT_FOUND) {
		dv_err_free(take_error);
		take_error = dv_err_new(DV_PERMISSION,
					"there is none, and the policy for %s wants "
					"one",
					*v->rule->scope ? v->rule->scope : "default");
	}
	finish(v, take_error);
}

struct registry_verification *registry_verify(struct registry_repo *repo,
					      const struct registry_verify_opts *opts,
					      registry_done_fn done, void *arg)
{
	struct registry_verification *v = dv_new(struct registry_verification);
	char hex[DV_DIGEST_HEX];

	v->repo = repo;
	v->ref = *opts->ref;
	v->digest = opts->digest;
	v->rule = opts->rule;
	v->done = done;
	v->arg = arg;
	v->payload = (struct dv_strbuf)DV_STRBUF_INIT;
	dv_arena_init(&v->arena);
	v->is_met = dv_new_n(bool, v->rule->n_requirements);
	for (size_t i = 0; i < v->rule->n_requirements; i++)
		v->is_met[i] = v->rule->requirements[i].kind == REGISTRY_POLICY_ACCEPT;
	v->tag = dv_arena_printf(&v->arena, "%s-%s.sig", dv_digest_alg_name(v->digest.alg),
				 dv_digest_hex(&v->digest, hex));
	v->request = registry_resolve(repo, v->tag, on_resolved, v);
	return v;
}
