/* SPDX-License-Identifier: Apache-2.0 */
/* What a token server says. Nothing of it is quoted in a message. */

#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "token.h"

enum {
	TOKEN_MAX = 48 * 1024, /* servers take headers of this size at most */
	LIFETIME_MIN_MS = 60000, /* docker's: shorter ones are a mistake of units */
	LIFETIME_MAX_MS = 24 * 3600 * 1000,
};

/* b64token of RFC 6750, or at least nothing that would break a header. */
static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] >= 127)
			return false;
	}
	return n > 0 && n <= TOKEN_MAX;
}

static char *get_token(const struct dv_json *doc, const char *name)
{
	const struct dv_json *v = dv_json_get(doc, name);
	const char *s;
	size_t n;

	if (dv_json_type(v) != DV_JSON_STRING)
		return NULL;
	s = dv_json_string(v, &n);
	return is_token(s, n) ? dv_strndup(s, n) : NULL;
}

struct dv_err *token_parse(const char *text, size_t n, struct token_answer *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	uint64_t seconds = 0;
	struct dv_err *e;

	e = dv_json_parse(text, n, &doc);
	if (e) {
		/* Its message might show a part of the token. */
		dv_err_free(e);
		return dv_err_new(DV_UNAVAILABLE, "the answer is no JSON");
	}
	*ret = (struct token_answer){ .lifetime_ms = LIFETIME_MIN_MS };
	if (dv_json_type(doc) == DV_JSON_OBJECT) {
		ret->token = get_token(doc, "token");
		if (!ret->token)
			ret->token = get_token(doc, "access_token");
	}
	if (!ret->token)
		return dv_err_new(DV_UNAVAILABLE, "there is no token in the answer");
	ret->refresh = get_token(doc, "refresh_token");
	if (dv_json_uint(dv_json_get(doc, "expires_in"), &seconds))
		ret->lifetime_ms = DV_MAX(DV_MIN(seconds, (uint64_t)LIFETIME_MAX_MS / 1000) * 1000,
					  (uint64_t)LIFETIME_MIN_MS);
	return NULL;
}
