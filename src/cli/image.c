/* SPDX-License-Identifier: Apache-2.0 */
/* Names, lists and sizes of images. See image.h. */

#include "image.h"

#include <string.h>

#include "api/containerd/snapshots.pb-c.h"
#include "api/davit/system.pb-c.h"
#include "base/clock.h"
#include "client/services.h"
#include "rpc/pb.h"
#include "spec/ref.h"

static const char none[] = "<none>";

/* ---- names ---- */

void cli_image_name(const char *name, struct dv_arena *arena, struct cli_image_name *ret)
{
	DV_CLEANUP(dv_freep) char *repository = NULL;
	DV_CLEANUP(dv_freep) char *familiar = NULL;
	struct spec_ref ref, bare;
	struct dv_err *e = spec_ref_parse(arena, name, SPEC_REF_FULL, &ref);

	*ret = (struct cli_image_name){ name, none, name };
	if (e) { /* such names exist: other clients have other rules */
		dv_err_free(e);
		return;
	}
	bare = (struct spec_ref){ .host = ref.host, .path = ref.path };
	repository = spec_ref_familiar(&bare);
	familiar = spec_ref_familiar(&ref);
	ret->repository = dv_arena_strdup(arena, repository);
	ret->familiar = dv_arena_strdup(arena, familiar);
	if (ref.tag)
		ret->tag = ref.tag;
}

/* ---- lists ---- */

struct dv_err *cli_image_list(struct cli *cli, const char *filter, cli_image_msg ***ret,
			      size_t *ret_n)
{
	Containerd__Services__Images__V1__ListImagesRequest request =
		CONTAINERD__SERVICES__IMAGES__V1__LIST_IMAGES_REQUEST__INIT;
	const Containerd__Services__Images__V1__ListImagesResponse *reply = NULL;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (filter) {
		request.filters = (char **)&filter;
		request.n_filters = 1;
	}
	if (!e)
		e = client_call(client, CLIENT_IMAGES("List", &request), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot list images");
	*ret = reply->images;
	*ret_n = reply->n_images;
	return NULL;
}

struct dv_err *cli_image_list_digest(struct cli *cli, const char *digest, cli_image_msg ***ret,
				     size_t *ret_n)
{
	return cli_image_list(cli, dv_arena_printf(&cli->arena, "target.digest==%s", digest), ret,
			      ret_n);
}

/* ---- sizes ---- */

struct cli_size {
	const char *key;
	int64_t size;
};

void cli_sizes_init(struct cli_sizes *s, struct cli *cli)
{
	Davit__System__V1__InfoRequest request = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	const Davit__System__V1__InfoResponse *info = NULL;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	*s = (struct cli_sizes){ .cli = cli, .snapshotter = "overlayfs" };
	if (!e)
		e = client_call(client, CLIENT_SYSTEM("Info", &request), &cli->arena, &info);
	if (!e && *info->default_snapshotter)
		s->snapshotter = info->default_snapshotter;
	dv_err_free(e); /* whoever lists will hear of it */
}

void cli_sizes_fini(struct cli_sizes *s)
{
	free(s->items);
}

static int64_t usage(struct cli_sizes *s, const char *key)
{
	Containerd__Services__Snapshots__V1__UsageRequest request =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__UsageResponse *reply = NULL;
	struct dv_err *e;

	request.snapshotter = (char *)s->snapshotter;
	request.key = (char *)key;
	e = client_call(s->cli->client, CLIENT_SNAPSHOTS("Usage", &request), &s->cli->arena,
			&reply);
	if (e) {
		dv_err_free(e);
		return -1;
	}
	return reply->size;
}

int64_t cli_sizes_layer(struct cli_sizes *s, const struct client_image *image, size_t i)
{
	const char *key = client_image_chain(image, i + 1, &s->cli->arena);

	for (size_t k = 0; k < s->n_items; k++) {
		if (dv_streq(s->items[k].key, key))
			return s->items[k].size;
	}
	s->items = dv_realloc_n(s->items, s->n_items + 1, sizeof(*s->items));
	s->items[s->n_items] = (struct cli_size){ key, usage(s, key) };
	return s->items[s->n_items++].size;
}

int64_t cli_sizes_image(struct cli_sizes *s, const struct client_image *image)
{
	int64_t sum = 0;

	/* The top first: most often, all is there or nothing is. */
	for (size_t i = image->config->n_diff_ids; i > 0; i--) {
		int64_t size = cli_sizes_layer(s, image, i - 1);

		if (size < 0)
			return -1;
		sum += size;
	}
	return sum;
}

int64_t cli_image_blob_size(const struct client_image *image)
{
	int64_t sum = image->manifest->config.size;

	for (size_t i = 0; i < image->manifest->n_layers; i++) {
		if (__builtin_add_overflow(sum, image->manifest->layers[i].size, &sum))
			return INT64_MAX;
	}
	return sum;
}

struct timespec cli_image_created(const struct client_image *image, const cli_image_msg *msg)
{
	struct timespec ts = { 0 };

	if (image && image->config->created && dv_clock_parse(image->config->created, &ts) &&
	    ts.tv_sec > 0)
		return ts;
	if (msg->created_at &&
	    !pb_timestamp_to(msg->created_at->seconds, msg->created_at->nanos, &ts))
		ts = (struct timespec){ 0 };
	return ts;
}
