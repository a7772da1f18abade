/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to the manifest and the configuration of an image. See client/image.h. */

#include "client/image.h"

#include <string.h>

#include "client/content.h"
#include "client/services.h"
#include "spec/ref.h"

typedef Containerd__Services__Images__V1__Image image_msg;

/* An index in an index in an index has no use. */
enum { MAX_DEPTH = 4, MIN_HEX = 4, MAX_HEX = 64 };

/* ---- names -------------------------------------------------------------------------- */

static struct dv_err *get(struct client *c, const char *name, struct dv_arena *arena,
			  const image_msg **ret)
{
	Containerd__Services__Images__V1__GetImageRequest r =
		CONTAINERD__SERVICES__IMAGES__V1__GET_IMAGE_REQUEST__INIT;
	const Containerd__Services__Images__V1__GetImageResponse *reply = NULL;
	struct dv_err *e;

	r.name = (char *)name;
	e = client_call(c, CLIENT_IMAGES("Get", &r), arena, &reply);
	if (!e && (!reply->image || !reply->image->target))
		e = dv_err_new(DV_INTERNAL, "image %s has no target", name);
	if (!e)
		*ret = reply->image;
	return e;
}

/* NOT_FOUND is no error: *ret stays. */
static struct dv_err *try_get(struct client *c, const char *name, struct dv_arena *arena,
			      const image_msg **ret)
{
	struct dv_err *e = get(c, name, arena, ret);

	if (!e || dv_err_code(e) != DV_NOT_FOUND)
		return e;
	dv_err_free(e);
	return NULL;
}

static struct dv_err *get_by_digest(struct client *c, const char *ref, struct dv_arena *arena,
				    const image_msg **ret)
{
	Containerd__Services__Images__V1__ListImagesRequest r =
		CONTAINERD__SERVICES__IMAGES__V1__LIST_IMAGES_REQUEST__INIT;
	const Containerd__Services__Images__V1__ListImagesResponse *reply = NULL;
	const char *hex = dv_starts_with(ref, "sha256:") ? ref + strlen("sha256:") : ref;
	size_t n = strlen(hex);
	struct dv_err *e;
	char *filter;

	if (n < MIN_HEX || n > MAX_HEX || strspn(hex, "0123456789abcdef") != n)
		return NULL;
	filter = dv_arena_printf(arena, "target.digest~=^sha256:%s", hex);
	r.filters = &filter;
	r.n_filters = 1;
	e = client_call(c, CLIENT_IMAGES("List", &r), arena, &reply);
	for (size_t i = 0; !e && i < reply->n_images; i++) {
		const image_msg *image = reply->images[i];

		if (!image->target)
			continue;
		if (*ret && !dv_streq((*ret)->target->digest, image->target->digest))
			return dv_err_new(DV_INVALID, "several images begin with \"%s\"", ref);
		*ret = image;
	}
	return e;
}

static struct dv_err *full_name(const char *ref, struct dv_arena *arena, const char **ret)
{
	DV_CLEANUP(dv_freep) char *name = NULL;
	struct spec_ref parsed;
	struct dv_err *e;

	e = spec_ref_parse(arena, ref, SPEC_REF_FAMILIAR, &parsed);
	if (e)
		return e;
	spec_ref_default_tag(&parsed);
	name = spec_ref_format(&parsed);
	*ret = dv_arena_strdup(arena, name);
	return NULL;
}

struct dv_err *client_image_get(struct client *c, const char *ref, struct dv_arena *arena,
				const image_msg **ret)
{
	const char *name = NULL;
	struct dv_err *bad_name, *e = NULL;

	*ret = NULL;
	bad_name = full_name(ref, arena, &name);
	if (!bad_name)
		e = try_get(c, name, arena, ret);
	if (!e && !*ret && (!name || !dv_streq(name, ref)) && *ref)
		e = try_get(c, ref, arena, ret);
	if (!e && !*ret)
		e = get_by_digest(c, ref, arena, ret);
	if (e || *ret) {
		dv_err_free(bad_name);
		return e;
	}
	return bad_name ? bad_name : dv_err_new(DV_NOT_FOUND, "no image \"%s\" here", name);
}

/* ---- documents ---------------------------------------------------------------------- */

static struct dv_err *read_index(struct client *c, const char *digest,
				 const struct spec_platform *platform, struct dv_arena *arena,
				 const struct spec_descriptor **ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *wanted = NULL;
	struct spec_index *index;
	struct dv_err *e;

	e = client_content_read(c, digest, SPEC_IMAGE_MAX_DOCUMENT, &text);
	if (!e)
		e = spec_index_parse(arena, text.data, text.len, &index);
	if (e)
		return dv_err_wrap(e, "index %s", digest);
	*ret = spec_index_choose(index, platform);
	if (*ret)
		return NULL;
	wanted = spec_platform_format(platform);
	return dv_err_new(DV_NOT_FOUND, "it has no variant for %s", wanted);
}

static struct dv_err *read_manifest(struct client *c, const char *digest, struct dv_arena *arena,
				    struct client_image *image)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct spec_manifest *manifest;
	struct dv_err *e;

	e = client_content_read(c, digest, SPEC_IMAGE_MAX_DOCUMENT, &text);
	if (!e)
		e = spec_manifest_parse(arena, text.data, text.len, &manifest);
	if (e)
		return dv_err_wrap(e, "manifest %s", digest);
	image->manifest = manifest;
	return NULL;
}

static struct dv_err *read_config(struct client *c, const char *digest, struct dv_arena *arena,
				  struct client_image *image)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct spec_image *config;
	struct dv_err *e;

	e = client_content_read(c, digest, SPEC_IMAGE_MAX_DOCUMENT, &text);
	if (!e)
		e = spec_image_parse(arena, text.data, text.len, &config);
	if (!e)
		e = spec_image_check_layers(config, image->manifest);
	if (e)
		return dv_err_wrap(e, "configuration %s", digest);
	image->config = config;
	return NULL;
}

static struct dv_err *read_documents(struct client *c, const image_msg *msg,
				     const struct spec_platform *platform, struct dv_arena *arena,
				     struct client_image *image)
{
	const char *digest = msg->target->digest, *media_type = msg->target->media_type;
	struct dv_err *e = NULL;
	int depth = 0;

	while (!e && spec_media_of(media_type) == SPEC_MEDIA_INDEX) {
		const struct spec_descriptor *chosen = NULL;

		if (depth++ == MAX_DEPTH)
			return dv_err_new(DV_INVALID, "more than %d indexes in one another",
					  MAX_DEPTH);
		e = read_index(c, digest, platform, arena, &chosen);
		if (!e && chosen) {
			digest = chosen->digest_text;
			media_type = chosen->media_type;
		}
	}
	if (!e && spec_media_of(media_type) != SPEC_MEDIA_MANIFEST)
		e = dv_err_new(DV_INVALID, "media type %.100s is no image's", media_type);
	if (!e)
		e = read_manifest(c, digest, arena, image);
	if (!e && image->manifest)
		e = read_config(c, image->manifest->config.digest_text, arena, image);
	return e;
}

struct dv_err *client_image_find(struct client *c, const char *ref,
				 const struct spec_platform *platform, struct dv_arena *arena,
				 struct client_image *ret)
{
	struct client_image image = { 0 };
	const image_msg *msg = NULL;
	struct spec_platform host;
	struct dv_err *e;

	spec_platform_host(&host);
	e = client_image_get(c, ref, arena, &msg);
	if (e)
		return e;
	image.name = msg->name;
	image.digest = msg->target->digest;
	e = read_documents(c, msg, platform ? platform : &host, arena, &image);
	if (e)
		return dv_err_wrap(e, "image %s", image.name);
	*ret = image;
	return NULL;
}

const char *client_image_chain(const struct client_image *image, size_t n, struct dv_arena *arena)
{
	char text[DV_DIGEST_STR];
	struct dv_digest chain;

	if (n == 0)
		return "";
	spec_image_chain_id(image->config->diff_ids, n, &chain);
	return dv_arena_strdup(arena, dv_digest_str(&chain, text));
}

struct dv_err *client_image_put(struct client *c, const char *name,
				const struct client_image_target *target, const char *lease)
{
	Containerd__Services__Images__V1__CreateImageRequest create =
		CONTAINERD__SERVICES__IMAGES__V1__CREATE_IMAGE_REQUEST__INIT;
	Containerd__Services__Images__V1__UpdateImageRequest update =
		CONTAINERD__SERVICES__IMAGES__V1__UPDATE_IMAGE_REQUEST__INIT;
	Containerd__Services__Images__V1__Image msg = CONTAINERD__SERVICES__IMAGES__V1__IMAGE__INIT;
	Containerd__Types__Descriptor d = CONTAINERD__TYPES__DESCRIPTOR__INIT;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	struct client_request r = *CLIENT_IMAGES("Create", &create);
	char *path = (char *)"target";
	struct dv_err *e;

	d.media_type = (char *)target->media_type;
	d.digest = (char *)target->digest;
	d.size = target->size;
	msg.name = (char *)name;
	msg.target = &d;
	mask.paths = &path;
	mask.n_paths = 1;
	create.image = update.image = &msg;
	update.update_mask = &mask;
	r.lease = lease;
	e = client_call(c, &r, NULL, NULL);
	if (e && dv_err_code(e) == DV_EXISTS) {
		dv_err_free(e);
		r = *CLIENT_IMAGES("Update", &update);
		r.lease = lease;
		e = client_call(c, &r, NULL, NULL);
	}
	return dv_err_wrap(e, "name it %s", name);
}
