/* SPDX-License-Identifier: Apache-2.0 */
/* Making blobs. Each message is answered before the next one: davitd's disk is the measure. */

#include <stdlib.h>

#include "api/containerd/content.pb-c.h"
#include "client/content.h"
#include "client/services.h"
#include "client/unique.h"

typedef Containerd__Services__Content__V1__WriteContentRequest write_request;
typedef Containerd__Services__Content__V1__WriteContentRequest__LabelsEntry label_entry;

enum { PIECE = 1 << 20 };

struct client_blob {
	struct client *c;
	const char *lease;
	char ref[CLIENT_ID_SIZE];
	struct client_stream *st; /* NULL: nothing was sent */
	struct dv_hash *hash;
	int64_t size;
	bool is_done;
};

struct client_blob *client_blob_new(struct client *c, const char *lease)
{
	struct client_blob *b = dv_new(struct client_blob);

	b->c = c;
	b->lease = lease;
	b->hash = dv_hash_new(DV_SHA256);
	client_unique_id(b->ref);
	return b;
}

struct client_blob *client_blob_free(struct client_blob *b)
{
	Containerd__Services__Content__V1__AbortRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__ABORT_REQUEST__INIT;

	if (!b)
		return NULL;
	if (b->st) {
		client_stream_close(b->st);
		r.ref = b->ref;
		if (!b->is_done)
			dv_err_free(client_call(b->c, CLIENT_CONTENT("Abort", &r), NULL, NULL));
	}
	dv_hash_free(b->hash);
	free(b);
	return NULL;
}

static struct dv_err *blob_send(struct client_blob *b, write_request *r)
{
	struct client_request request = *CLIENT_CONTENT("Write", r);
	const ProtobufCMessage *reply = NULL;
	struct dv_err *e = NULL;

	r->ref = b->ref;
	request.lease = b->lease;
	if (!b->st)
		b->st = client_stream_open(b->c, &request, true);
	else
		e = client_stream_send(b->st, &r->base);
	if (e && dv_err_code(e) == DV_CANCELLED) /* it says itself why it has ended */
		e = dv_err_free(e);
	if (!e)
		e = client_stream_receive(b->st, &reply);
	if (!e && !reply)
		e = dv_err_new(DV_INTERNAL, "the daemon ended the call without an answer");
	return e;
}

static struct dv_err *write_piece(struct client_blob *b, const void *p, size_t n)
{
	write_request r = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
	struct dv_err *e;

	r.action = CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__WRITE;
	r.offset = b->size;
	r.data = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)p };
	e = blob_send(b, &r);
	if (e)
		return dv_err_wrap(e, "store a blob");
	dv_hash_add(b->hash, p, n);
	b->size += (int64_t)n;
	return NULL;
}

struct dv_err *client_blob_write(struct client_blob *b, const void *p, size_t n)
{
	const char *at = p;
	struct dv_err *e = NULL;

	while (n > 0 && !e) {
		size_t piece = DV_MIN(n, (size_t)PIECE);

		e = write_piece(b, at, piece);
		at += piece;
		n -= piece;
	}
	return e;
}

struct dv_err *client_blob_commit(struct client_blob *b, const struct spec_string_pair *labels,
				  size_t n_labels, struct dv_digest *ret)
{
	write_request r = CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
	DV_CLEANUP(dv_freep) label_entry *entries = dv_new_n(label_entry, n_labels + 1);
	DV_CLEANUP(dv_freep) label_entry **list = dv_new_n(label_entry *, n_labels + 1);
	char digest[DV_DIGEST_STR];
	struct dv_err *e;

	for (size_t i = 0; i < n_labels; i++) {
		containerd__services__content__v1__write_content_request__labels_entry__init(
			&entries[i]);
		entries[i].key = (char *)labels[i].key;
		entries[i].value = (char *)labels[i].value;
		list[i] = &entries[i];
	}
	dv_hash_get(b->hash, ret);
	r.action = CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__COMMIT;
	r.offset = b->size;
	r.total = b->size;
	r.expected = (char *)dv_digest_str(ret, digest);
	r.labels = list;
	r.n_labels = n_labels;
	e = blob_send(b, &r);
	if (e && dv_err_code(e) == DV_EXISTS)
		e = dv_err_free(e);
	b->is_done = !e;
	return dv_err_wrap(e, "store a blob");
}

struct dv_err *client_content_put(struct client *c, const char *lease, const struct dv_strbuf *text,
				  const struct spec_string_pair *labels, size_t n_labels,
				  struct dv_digest *ret)
{
	DV_CLEANUP(client_blob_freep) struct client_blob *b = client_blob_new(c, lease);
	struct dv_err *e = client_blob_write(b, text->data, text->len);

	return e ? e : client_blob_commit(b, labels, n_labels, ret);
}
