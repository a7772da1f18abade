/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a registry has: tags, documents, blobs, and what refers to something. Errors and callbacks:
 * see registry/registry.h. What a callback is given is borrowed until it returns; @take_error NULL
 * is success.
 *
 * Several requests of a repository run side by side, as many as the limit of the server allows.
 */

#include "registry/registry.h"
#include "spec/image.h"

enum { REGISTRY_MAX_DOCUMENT = 4 * 1024 * 1024 };

/* Media type, digest and size of @reference, a tag or a digest; nothing else of @found is set. */
typedef void (*registry_resolve_fn)(void *arg, const struct spec_descriptor *found,
				    struct dv_err *take_error);
struct registry_request *registry_resolve(struct registry_repo *repo, const char *reference,
					  registry_resolve_fn done, void *arg);

/*
 * The manifest or index @desc, whole; its digest is checked, and its size if @desc says one (-1 or
 * 0: it does not).
 */
struct registry_document {
	const char *media_type; /* as the server says, or "" */
	const char *data;
	size_t n;
};
typedef void (*registry_document_fn)(void *arg, const struct registry_document *doc,
				     struct dv_err *take_error);
struct registry_request *registry_fetch_document(struct registry_repo *repo,
						 const struct spec_descriptor *desc,
						 registry_document_fn done, void *arg);

/*
 * Where the bytes of a blob go. They come in their order, on the loop, in pieces of some 100 KiB,
 * and each once, however often the connection broke. An error ends the request.
 */
struct registry_sink {
	/*
	 * *ret_wait (false at first): nothing more is shown until registry_fetch_resume(). What a
	 * request holds meanwhile is at most one piece, and what the kernel has for the connection.
	 */
	struct dv_err *(*write)(void *arg, int64_t offset, const void *p, size_t n, bool *ret_wait);
	/*
	 * May be NULL. All that was written is worthless, the next byte is that at 0: what one
	 * server sent did not have the digest, and there is another one to ask.
	 */
	struct dv_err *(*restart)(void *arg);
	void *arg;
};

struct registry_blob_opts {
	const struct spec_descriptor *blob; /* digest and size count; copied */
	struct registry_sink sink;
	/* The sink has this many bytes already, from before; then one of the two below is needed. */
	int64_t offset;
	const struct dv_hash *hash; /* that has seen them; copied */
	bool is_hashed_by_sink; /* the digest is not checked here */
	/*
	 * Connections for a blob of 8 MiB and more, each with ranges of 2 MiB, of which all but the
	 * first are held until it is their turn; 0 and 1: one stream. Where the server has no
	 * ranges it is one stream as well.
	 */
	unsigned n_parallel;
};

typedef void (*registry_done_fn)(void *arg, struct dv_err *take_error);
/* DV_INVALID, at once: an offset beyond the end, or one without a hash. */
struct dv_err *registry_fetch_blob(struct registry_repo *repo,
				   const struct registry_blob_opts *opts, registry_done_fn done,
				   void *arg, struct registry_request **ret) DV_CHECK;
void registry_fetch_resume(struct registry_request *request);

/*
 * What refers to @digest; of @artifact_type only, if that is not NULL. Registries without the API
 * are asked for the tag that stands for it. No referrers are an empty index.
 */
typedef void (*registry_referrers_fn)(void *arg, const struct spec_index *index,
				      struct dv_err *take_error);
struct registry_request *registry_referrers(struct registry_repo *repo,
					    const struct dv_digest *digest,
					    const char *artifact_type, registry_referrers_fn done,
					    void *arg);
