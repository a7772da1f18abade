/* SPDX-License-Identifier: Apache-2.0 */
/* What curl's errors mean, for people and for those who might try again. */

#include <stdlib.h>
#include <string.h>

#include "http-private.h"
#include "text.h"

struct dv_err *exchange_error_of(struct http_exchange *x, CURLcode code, enum http_result *ret)
{
	DV_CLEANUP(dv_freep) char *text = NULL;
	const char *what = *x->text ? x->text : curl_easy_strerror(code);
	long os_errno = 0;

	text = text_clean(what, strlen(what), 200);
	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_errno);
	*ret = HTTP_UNREACHABLE;
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return dv_err_new(DV_UNAVAILABLE, "no address is known for this name (%s)", text);
	case CURLE_COULDNT_CONNECT:
		if (os_errno > 0 && os_errno < 4096)
			return dv_err_sys(-(int)os_errno, "connect");
		return dv_err_new(DV_UNAVAILABLE, "connect: %s", text);
	case CURLE_PEER_FAILED_VERIFICATION:
		return dv_err_new(DV_UNAVAILABLE, "its certificate is not trusted: %s", text);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return dv_err_new(DV_INVALID, "our certificates cannot be used: %s", text);
	case CURLE_SSL_CONNECT_ERROR:
		*ret = strstr(text, "wrong version number") || strstr(text, "packet length") ||
				       strstr(text, "unexpected eof")
			       ? HTTP_NO_TLS
			       : HTTP_UNREACHABLE;
		return dv_err_new(DV_UNAVAILABLE, "no TLS connection: %s", text);
	case CURLE_OPERATION_TIMEDOUT:
		return dv_err_new(DV_DEADLINE, "no connection within %llu ms",
				  (unsigned long long)x->connect_timeout_ms);
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
		*ret = HTTP_BROKEN;
		return dv_err_new(DV_UNAVAILABLE, "the connection was cut: %s", text);
	default:
		*ret = HTTP_BAD;
		return dv_err_new(DV_UNAVAILABLE, "%s", text);
	}
}
