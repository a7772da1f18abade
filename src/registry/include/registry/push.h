/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Giving a registry what it does not have. Blobs first, then the manifests that name them, indexes
 * last. Pushing goes to the first server that has the capability, and to no other. Errors and
 * callbacks: see registry/registry.h.
 */

#include "registry/fetch.h"

/* Where the bytes come from. Any offset may be asked for, also one that was before. */
struct registry_source {
	/*
	 * At most @n bytes from @offset on into @p, on the loop. *ret_n 0: they are not there yet,
	 * and registry_push_resume() will say that they are.
	 */
	struct dv_err *(*read)(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n);
	void *arg;
};

enum registry_pushed {
	REGISTRY_PUSHED_EXISTED,
	REGISTRY_PUSHED_MOUNTED, /* taken from another repository of the same registry */
	REGISTRY_PUSHED_SENT,
};

struct registry_push_opts {
	const struct spec_descriptor *blob; /* digest and size count; copied */
	struct registry_source source;
	/* Repositories that may have it, best first: "library/busybox"; copied. */
	const char *const *mount_from;
	size_t n_mount_from;
	int64_t chunk_size; /* 0: all in one request; else in pieces of about this size */
};

typedef void (*registry_push_fn)(void *arg, enum registry_pushed how, struct dv_err *take_error);
struct registry_request *registry_push_blob(struct registry_repo *repo,
					    const struct registry_push_opts *opts,
					    registry_push_fn done, void *arg);
void registry_push_resume(struct registry_request *request);

struct registry_push_document {
	const char *media_type;
	const char *data; /* borrowed until the callback */
	size_t n;
	const char *tag; /* NULL: by its digest alone */
};
/* DV_DATA_LOSS: the registry says that it took something else. */
struct registry_request *registry_push_document(struct registry_repo *repo,
						const struct registry_push_document *doc,
						registry_done_fn done, void *arg);
