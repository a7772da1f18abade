/* SPDX-License-Identifier: Apache-2.0 */
/* What is found is text in the caller's arena; who copies it clears it. */

#include "docker-auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base64.h"
#include "codec/json.h"

#define DOCKER_HUB "https://index.docker.io/v1/"

static bool is_docker_hub(const char *host, size_t n)
{
	static const char *const names[] = { "docker.io", "index.docker.io",
					     "registry-1.docker.io" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == n && strncmp(names[i], host, n) == 0)
			return true;
	}
	return false;
}

const char *docker_auth_key(const char *host)
{
	return is_docker_hub(host, strlen(host)) ? DOCKER_HUB : host;
}

bool docker_auth_is_for(const char *key, const char *host)
{
	size_t n;

	if (strncasecmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncasecmp(key, "http://", 7) == 0)
		key += 7;
	n = strcspn(key, "/");
	if (is_docker_hub(host, strlen(host)) && is_docker_hub(key, n))
		return true;
	/* "example.com/v1/" is docker's old form; other paths are podman's, for one repository. */
	if (key[n] && !dv_streq(key + n, "/") && !dv_starts_with(key + n, "/v1") &&
	    !dv_starts_with(key + n, "/v2"))
		return false;
	return strlen(host) == n && strncasecmp(key, host, n) == 0;
}

/* A string without NUL in it; NULL: it is none, or empty. */
static const char *get_string(const struct dv_json *v, const char *name)
{
	const struct dv_json *s = dv_json_get(v, name);
	const char *text;
	size_t n;

	if (dv_json_type(s) != DV_JSON_STRING)
		return NULL;
	text = dv_json_string(s, &n);
	return n && strlen(text) == n ? text : NULL;
}

/* "auth": user:password in Base64. */
static struct dv_err *set_basic(struct dv_arena *arena, const char *text, struct registry_cred *ret)
{
	uint8_t *plain;
	char *copy, *colon;
	size_t n;

	if (!base64_decode(text, strlen(text), &plain, &n))
		return dv_err_new(DV_INVALID, "\"auth\" is not Base64");
	copy = dv_arena_strndup(arena, (char *)plain, n);
	explicit_bzero(plain, n);
	free(plain);
	/* Old dockers had NULs behind the password. */
	colon = strchr(copy, ':');
	if (!colon)
		return dv_err_new(DV_INVALID, "\"auth\" is not user:password");
	*colon = '\0';
	*ret = (struct registry_cred){ .kind = REGISTRY_CRED_PASSWORD,
				       .username = copy,
				       .secret = colon + 1 };
	return NULL;
}

static struct dv_err *read_entry(struct dv_arena *arena, const struct dv_json *v,
				 struct registry_cred *ret)
{
	const char *auth = get_string(v, "auth"), *identity = get_string(v, "identitytoken");
	const char *bearer = get_string(v, "registrytoken"), *user = get_string(v, "username");
	struct dv_err *e;

	if (auth) {
		e = set_basic(arena, auth, ret);
		if (e)
			return e;
	} else if (user && get_string(v, "password")) {
		*ret = (struct registry_cred){
			.kind = REGISTRY_CRED_PASSWORD,
			.username = dv_arena_strdup(arena, user),
			.secret = dv_arena_strdup(arena, get_string(v, "password")),
		};
	}
	if (identity) {
		ret->kind = REGISTRY_CRED_IDENTITY;
		ret->secret = dv_arena_strdup(arena, identity);
	} else if (bearer) {
		ret->kind = REGISTRY_CRED_BEARER;
		ret->secret = dv_arena_strdup(arena, bearer);
	}
	return NULL;
}

/* The member of @object that is for @host: docker's own name for it is the best. */
struct find {
	const char *host;
	const struct dv_json *found;
};

static struct dv_err *find_member(void *arg, const char *key, const struct dv_json *v)
{
	struct find *f = arg;

	if (!f->found && docker_auth_is_for(key, f->host))
		f->found = v;
	return NULL;
}

static const struct dv_json *member_for(const struct dv_json *object, const char *host)
{
	struct find f = { .host = host };

	if (dv_json_type(object) != DV_JSON_OBJECT)
		return NULL;
	f.found = dv_json_get(object, docker_auth_key(host));
	if (!f.found)
		dv_err_free(dv_json_each(object, find_member, &f));
	return f.found;
}

static struct dv_err *check_helper(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				"._-");

	/* It becomes the name of a program. */
	if (name[n] || n > 64)
		return dv_err_new(DV_INVALID,
				  "the name of a credential helper has other characters "
				  "than letters, digits, '.', '_' and '-'");
	return NULL;
}

struct dv_err *docker_auth_find(struct dv_arena *arena, const char *text, size_t n,
				const char *host, struct docker_auth *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *entry, *helper;
	struct docker_auth found = { .server = docker_auth_key(host) };
	struct dv_err *e;

	e = dv_json_parse(text, n, &doc);
	if (e) {
		dv_err_free(e);
		return dv_err_new(DV_INVALID, "not JSON");
	}
	helper = member_for(dv_json_get(doc, "credHelpers"), host);
	found.helper = dv_json_type(helper) == DV_JSON_STRING ? dv_json_string(helper, NULL)
							      : get_string(doc, "credsStore");
	if (found.helper && *found.helper) {
		e = check_helper(found.helper);
		if (e)
			return e;
		found.helper = dv_arena_strdup(arena, found.helper);
	} else {
		found.helper = NULL;
	}
	entry = member_for(dv_json_get(doc, "auths"), host);
	if (dv_json_type(entry) == DV_JSON_OBJECT)
		e = read_entry(arena, entry, &found.cred);
	if (e)
		return dv_err_wrap(e, "auths, %s", host);
	*ret = found;
	return NULL;
}

struct dv_err *docker_auth_helper_answer(struct dv_arena *arena, const char *text, size_t n,
					 struct registry_cred *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const char *user, *secret;
	struct dv_err *e;

	e = dv_json_parse(text, n, &doc);
	if (e) {
		dv_err_free(e);
		return dv_err_new(DV_INVALID, "what it prints is no JSON");
	}
	user = get_string(doc, "Username");
	secret = get_string(doc, "Secret");
	if (!secret)
		return dv_err_new(DV_INVALID, "there is no \"Secret\" in what it prints");
	*ret = (struct registry_cred){
		.kind = user && dv_streq(user, "<token>") ? REGISTRY_CRED_IDENTITY
							  : REGISTRY_CRED_PASSWORD,
		.username = dv_arena_strdup(arena, user),
		.secret = dv_arena_strdup(arena, secret),
	};
	return NULL;
}
