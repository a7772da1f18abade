/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json with one entry more or less, and what helpers are given. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base64.h"
#include "codec/json.h"
#include "docker-auth.h"

struct rewrite {
	struct dv_jw *w;
	const char *host;
	const struct registry_cred *cred;
	bool has_auths; /* seen */
};

static void add_raw(struct dv_jw *w, const char *key, const struct dv_json *v)
{
	char *text = dv_json_text(v);

	dv_jw_raw(w, key, text);
	explicit_bzero(text, strlen(text));
	free(text);
}

static void add_entry(struct rewrite *r)
{
	DV_CLEANUP(dv_freep) char *basic = NULL;

	if (!r->cred)
		return;
	dv_jw_object_begin(r->w, docker_auth_key(r->host));
	if (r->cred->kind == REGISTRY_CRED_IDENTITY) {
		basic = base64_basic(r->cred->username, "");
		dv_jw_string(r->w, "auth", basic + strlen("Basic "));
		dv_jw_string(r->w, "identitytoken", r->cred->secret);
	} else {
		basic = base64_basic(r->cred->username, r->cred->secret);
		dv_jw_string(r->w, "auth", basic + strlen("Basic "));
	}
	dv_jw_object_end(r->w);
	explicit_bzero(basic, strlen(basic));
}

static struct dv_err *copy_auth(void *arg, const char *key, const struct dv_json *v)
{
	struct rewrite *r = arg;

	if (!docker_auth_is_for(key, r->host))
		add_raw(r->w, key, v);
	return NULL;
}

static struct dv_err *copy_member(void *arg, const char *key, const struct dv_json *v)
{
	struct rewrite *r = arg;
	struct dv_err *e;

	if (!dv_streq(key, "auths")) {
		add_raw(r->w, key, v);
		return NULL;
	}
	if (dv_json_type(v) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "\"auths\" is no object");
	r->has_auths = true;
	dv_jw_object_begin(r->w, key);
	e = dv_json_each(v, copy_auth, r);
	add_entry(r);
	dv_jw_object_end(r->w);
	return e;
}

struct dv_err *docker_auth_rewrite(const char *text, size_t n, const char *host,
				   const struct registry_cred *cred, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct rewrite r = { .host = host, .cred = cred };
	struct dv_err *e;
	struct dv_jw w;

	e = dv_json_parse(text, n, &doc);
	if (e || dv_json_type(doc) != DV_JSON_OBJECT) {
		dv_err_free(e);
		return dv_err_new(DV_INVALID, "not a JSON object");
	}
	dv_jw_init(&w, out, "\t");
	r.w = &w;
	dv_jw_object_begin(&w, NULL);
	e = dv_json_each(doc, copy_member, &r);
	if (!e && !r.has_auths) {
		dv_jw_object_begin(&w, "auths");
		add_entry(&r);
		dv_jw_object_end(&w);
	}
	dv_jw_object_end(&w);
	dv_strbuf_addc(out, '\n');
	return e;
}

char *docker_auth_helper_input(const char *server, const struct registry_cred *cred)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	struct dv_jw w;

	dv_jw_init(&w, &b, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ServerURL", server);
	dv_jw_string(&w, "Username",
		     cred->kind == REGISTRY_CRED_IDENTITY ? "<token>" : cred->username);
	dv_jw_string(&w, "Secret", cred->secret);
	dv_jw_object_end(&w);
	return dv_strbuf_steal(&b);
}
