/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image of what a container has become, as `davit commit` makes it: one more layer. */

#include "client/image.h"
#include "client/record.h"

/* What a container stands on. */
struct client_commit_base {
	const char *text; /* of the image's configuration */
	struct client_image image; /* with no more layers than the container was made of */
	/* As the new one's will be: with what the container runs in it. The caller may change it. */
	struct spec_image config;
	const char *command; /* what the container runs, for people */
};

/* DV_PRECONDITION: it has no image, or its name means another one by now. */
struct dv_err *client_commit_base(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, struct client_commit_base *ret) DV_CHECK;

struct client_commit_opts {
	const char *name; /* full; one that is there is taken over. NULL: it has a digest alone */
	const char *author, *message; /* may be NULL */
	bool is_paused; /* the processes of the container stand still meanwhile */
};

/*
 * Makes the image, and unpacks it. *ret_digest, in @arena, is its manifest's. After an error nothing
 * is left of it. A container that was frozen for it goes on in any case, also after SIGINT, SIGTERM and
 * SIGHUP, which are DV_CANCELLED here as long as the layer is made.
 */
struct dv_err *client_commit(struct client *c, const struct client_record *r,
			     const struct client_commit_base *base,
			     const struct client_commit_opts *opts, struct dv_arena *arena,
			     const char **ret_digest) DV_CHECK;
