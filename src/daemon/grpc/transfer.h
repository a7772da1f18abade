/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One transfer: from a source to a destination, with the stores, a lease that holds what is made until
 * it has a name, and the stream on which the client hears of progress.
 */

#include "api/containerd/transfer-types.pb-c.h"
#include "image/env.h"
#include "image/graph.h"
#include "image/names.h"
#include "service.h"
#include "streams.h"

typedef Containerd__Types__Transfer__ImageStore transfer_store_msg;

struct transfer {
	struct daemon_call *c;
	struct image_env env;
	char lease[64]; /* ours; "" if it is the client's */
	struct stream *progress; /* NULL: nobody wants to hear */
};

/* @progress_stream: an id, or "". */
struct dv_err *transfer_begin(struct daemon_call *c, const char *progress_stream,
			      struct transfer *ret) DV_CHECK;
/* What has no name by now may be collected. */
void transfer_end(struct transfer *t);

/* A line of progress; @d may be NULL. */
void transfer_tell(struct transfer *t, const char *event, const char *name,
		   const struct meta_descriptor *d);

/* DV_EXISTS is no error here: the name gets the new target. */
struct dv_err *transfer_put_image(struct transfer *t, const char *name,
				  const struct meta_descriptor *target,
				  const struct meta_labels *labels) DV_CHECK;

/* Unpacks what the message asks for, of the image that @root is. */
struct dv_err *transfer_unpack(struct transfer *t, const transfer_store_msg *to,
			       const struct image_graph *g) DV_CHECK;

/* The platforms that are wanted; none: all. */
struct dv_err *transfer_platforms(struct transfer *t, Containerd__Types__Platform *const *from,
				  size_t n, struct spec_platform **ret) DV_CHECK;

/* transfer-import.c: an archive's images. */
struct dv_err *transfer_import(struct transfer *t,
			       const Containerd__Types__Transfer__ImageImportStream *from,
			       const transfer_store_msg *to) DV_CHECK;

/* transfer-export.c: images to an archive. */
struct dv_err *transfer_export(struct transfer *t, const transfer_store_msg *from,
			       const Containerd__Types__Transfer__ImageExportStream *to) DV_CHECK;
