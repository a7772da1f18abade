/* SPDX-License-Identifier: Apache-2.0 */
/* Reading blobs. See client/content.h. */

#include "client/content.h"

#include "api/containerd/content.pb-c.h"
#include "client/services.h"

static struct dv_err *take_pieces(struct client_stream *st, size_t max, struct dv_strbuf *out)
{
	const Containerd__Services__Content__V1__ReadContentResponse *piece = NULL;
	struct dv_err *e;

	for (;;) {
		e = client_stream_receive(st, &piece);
		if (e || !piece)
			return e;
		if (piece->data.len > max - out->len)
			return dv_err_new(DV_EXHAUSTED, "more than the limit of %zu bytes", max);
		dv_strbuf_add_n(out, piece->data.data, piece->data.len);
	}
}

struct dv_err *client_content_read(struct client *c, const char *digest, size_t max,
				   struct dv_strbuf *out)
{
	Containerd__Services__Content__V1__ReadContentRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__READ_CONTENT_REQUEST__INIT;
	DV_CLEANUP(client_stream_closep) struct client_stream *st = NULL;

	r.digest = (char *)digest;
	st = client_stream_open(c, CLIENT_CONTENT("Read", &r), false);
	return dv_err_wrap(take_pieces(st, max, out), "read %s", digest);
}
