/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs of images share. */

#include "cli-private.h"
#include "client/image.h"
#include "filters.h"

typedef Containerd__Services__Images__V1__Image cli_image_msg;

/* A name taken apart, as lists show it. */
struct cli_image_name {
	const char *repository; /* "busybox", "quay.io/x/y"; "<none>" */
	const char *tag; /* "<none>" if there is none */
	const char *familiar; /* the whole, as short as it can be */
};

/* In @arena. Whatever the name is. */
void cli_image_name(const char *name, struct dv_arena *arena, struct cli_image_name *ret);

/* All of them, or those that a filter of containerd's matches (NULL: no filter). */
struct dv_err *cli_image_list(struct cli *cli, const char *filter, cli_image_msg ***ret,
			      size_t *ret_n) DV_CHECK;
/* Those whose target is @digest. */
struct dv_err *cli_image_list_digest(struct cli *cli, const char *digest, cli_image_msg ***ret,
				     size_t *ret_n) DV_CHECK;

/* Usage of snapshots; what has been asked for once is remembered. */
struct cli_sizes {
	struct cli *cli;
	const char *snapshotter;
	struct cli_size *items;
	size_t n_items;
};

void cli_sizes_init(struct cli_sizes *s, struct cli *cli);
void cli_sizes_fini(struct cli_sizes *s);
/* Of the @i-th layer of the image, unpacked; -1: it is not. */
int64_t cli_sizes_layer(struct cli_sizes *s, const struct client_image *image, size_t i);
/* Of all layers together; -1 when one of them is not unpacked. */
int64_t cli_sizes_image(struct cli_sizes *s, const struct client_image *image);
/* Of what is in the store of contents for it: layers, configuration. */
int64_t cli_image_blob_size(const struct client_image *image);

/* When the image was made: its configuration's word, or else when its name came here. */
struct timespec cli_image_created(const struct client_image *image, const cli_image_msg *msg);
