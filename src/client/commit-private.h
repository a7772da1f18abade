/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The documents of an image that is being made of a container. */

#include "client/commit.h"

struct commit {
	struct client *c;
	const struct client_record *r;
	const struct client_commit_base *base;
	const struct client_commit_opts *opts;
	struct dv_arena *arena;
	const char *lease;
	bool is_docker; /* media types: the base's kind goes on */
	struct spec_descriptor layer; /* the new one */
	struct dv_digest diff_id;
	struct spec_descriptor config;
};

/* DV_INVALID: the base's is no good. */
struct dv_err *commit_config_format(const struct commit *m, struct dv_strbuf *out) DV_CHECK;
void commit_manifest_format(const struct commit *m, struct dv_strbuf *out);

const char *commit_media_type(const struct commit *m, enum spec_media media);
