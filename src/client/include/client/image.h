/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images, as containers are made of them: the documents behind a name, and the snapshot of its layers. */

#include "api/containerd/images.pb-c.h"
#include "base/mem.h"
#include "client/client.h"
#include "spec/image.h"

struct client_image {
	const char *name; /* as it is stored */
	const char *digest; /* of what the name stands for */
	const struct spec_manifest *manifest;
	const struct spec_image *config;
};

/*
 * The record alone, which has a target; its documents need not be there. @ref, and errors: as
 * client_image_find().
 */
struct dv_err *client_image_get(struct client *c, const char *ref, struct dv_arena *arena,
				const Containerd__Services__Images__V1__Image **ret) DV_CHECK;

/*
 * By name in any of docker's forms, by the name as it is stored, or by the beginning of its digest.
 * @platform: NULL is this machine's. Everything is in @arena. DV_NOT_FOUND: no such image, or none
 * for the platform; DV_INVALID: several begin so, or the documents are no good.
 */
struct dv_err *client_image_find(struct client *c, const char *ref,
				 const struct spec_platform *platform, struct dv_arena *arena,
				 struct client_image *ret) DV_CHECK;

/* A name for a manifest or an index; one that is there means it from now on, and keeps its labels. */
struct client_image_target {
	const char *media_type, *digest;
	int64_t size;
};
struct dv_err *client_image_put(struct client *c, const char *name,
				const struct client_image_target *target, const char *lease)
	DV_CHECK;

/*
 * Unpacks what of the image's layers is not there yet, under @lease. The image keeps the snapshots
 * from then on. DV_DATA_LOSS: a layer is not what the image says.
 */
struct dv_err *client_image_unpack(struct client *c, const struct client_image *image,
				   const char *snapshotter, const char *lease,
				   struct dv_arena *arena) DV_CHECK;

/* The name of the snapshot of the first @n layers, in @arena; "" for none. */
const char *client_image_chain(const struct client_image *image, size_t n, struct dv_arena *arena);
