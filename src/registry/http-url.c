/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, by curl's own parser, so that what is checked is what is asked for. */

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http.h"

enum { URL_MAX = 8 * 1024 };

static void url_cleanupp(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* NULL when it is none. */
static CURLU *url_parse(const char *text)
{
	CURLU *u = curl_url();

	if (u && curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK)
		return u;
	curl_url_cleanup(u);
	return NULL;
}

static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, which, &text, flags) != CURLUE_OK)
		return NULL;
	copy = dv_strdup(text);
	curl_free(text);
	return copy;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart which)
{
	DV_CLEANUP(dv_freep) char *pa = part(a, which, CURLU_DEFAULT_PORT);
	DV_CLEANUP(dv_freep) char *pb = part(b, which, CURLU_DEFAULT_PORT);

	return pa && pb && strcasecmp(pa, pb) == 0;
}

struct dv_err *http_url_resolve(const char *base, const char *url, char **ret)
{
	DV_CLEANUP(dv_freep) char *scheme = NULL;
	DV_CLEANUP(url_cleanupp) CURLU *u = curl_url();

	if (strlen(url) > URL_MAX)
		return dv_err_new(DV_INVALID, "a URL of more than %d characters", URL_MAX);
	if (base && curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK)
		return dv_err_new(DV_INVALID, "not a URL");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
		return dv_err_new(DV_INVALID, "not a URL");
	scheme = part(u, CURLUPART_SCHEME, 0);
	if (!scheme || (!dv_streq(scheme, "http") && !dv_streq(scheme, "https")))
		return dv_err_new(DV_INVALID, "a URL that is neither http nor https");
	/* What is behind '#' is not sent. */
	(void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	*ret = part(u, CURLUPART_URL, 0);
	return *ret ? NULL : dv_err_new(DV_INVALID, "not a URL");
}

bool http_url_same_origin(const char *a, const char *b)
{
	DV_CLEANUP(url_cleanupp) CURLU *ua = url_parse(a);
	DV_CLEANUP(url_cleanupp) CURLU *ub = url_parse(b);

	return ua && ub && same_part(ua, ub, CURLUPART_SCHEME) &&
	       same_part(ua, ub, CURLUPART_HOST) && same_part(ua, ub, CURLUPART_PORT);
}

bool http_url_is_plain(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0;
}

char *http_url_host(const char *url)
{
	DV_CLEANUP(url_cleanupp) CURLU *u = url_parse(url);
	DV_CLEANUP(dv_freep) char *host = u ? part(u, CURLUPART_HOST, 0) : NULL;
	DV_CLEANUP(dv_freep) char *port = u ? part(u, CURLUPART_PORT, 0) : NULL;

	if (!host)
		return dv_strdup("?");
	return dv_printf("%s%s%s", host, port ? ":" : "", port ? port : "");
}

void http_url_add_query(struct dv_strbuf *url, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	dv_strbuf_addf(url, "%c%s=", strchr(url->data, '?') ? '&' : '?', name);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		    strchr("-._~:/", c)) {
			dv_strbuf_addc(url, *value);
			continue;
		}
		dv_strbuf_addc(url, '%');
		dv_strbuf_addc(url, hex[c >> 4]);
		dv_strbuf_addc(url, hex[c & 15]);
	}
}
