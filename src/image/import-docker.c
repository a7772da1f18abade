/* SPDX-License-Identifier: Apache-2.0 */
/* docker save: manifest.json lists for each image its configuration, names, and layers by their files. */

#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "codec/decompress.h"
#include "import-private.h"
#include "spec/image.h"
#include "spec/ref.h"
#include "sys/file.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
/* In OCI's words, whose documents have the same form: no tool that reads layouts wants docker's. */
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE   "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE    "application/vnd.oci.image.layer.v1.tar"

struct docker {
	const struct import *im;
	struct dv_jw index; /* its "manifests" */
};

static void write_descriptor(struct dv_jw *w, const char *key, const char *type, const char *digest,
			     int64_t size)
{
	dv_jw_object_begin(w, key);
	dv_jw_string(w, "mediaType", type);
	dv_jw_int(w, "size", size);
	dv_jw_string(w, "digest", digest);
}

static struct dv_err *find(const struct import *im, const struct dv_json *v,
			   const struct import_file **ret)
{
	const char *name = dv_json_string(v, NULL);

	if (!name)
		return dv_err_new(DV_INVALID, "a file's name is missing");
	*ret = import_find(im, name);
	return *ret ? NULL
		    : dv_err_new(DV_INVALID, "it names %s, which is not in the archive", name);
}

/* The file says whether it is compressed; its name does not. */
static struct dv_err *layer_type(const struct import *im, const struct import_file *f,
				 const char **ret)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;
	char head[8];
	ssize_t n;

	e = content_open_blob(im->env->content, im->env->ns, f->digest, &fd, NULL);
	if (e)
		return e;
	n = sys_read(fd, head, sizeof(head));
	if (n < 0)
		return dv_err_sys((int)n, "read %s", f->name);
	switch (dv_compression_of(head, (size_t)n)) {
	case DV_GZIP:
		*ret = LAYER_TYPE "+gzip";
		break;
	case DV_ZSTD:
		*ret = LAYER_TYPE "+zstd";
		break;
	default:
		*ret = LAYER_TYPE;
	}
	return NULL;
}

static struct dv_err *write_layers(const struct import *im, const struct dv_json *layers,
				   struct dv_jw *w)
{
	const struct import_file *f = NULL;
	const char *type = NULL;
	struct dv_err *e = NULL;

	if (dv_json_array_len(layers) > SPEC_IMAGE_MAX_LAYERS)
		return dv_err_new(DV_EXHAUSTED, "it has %zu layers; %d are allowed",
				  dv_json_array_len(layers), SPEC_IMAGE_MAX_LAYERS);
	dv_jw_array_begin(w, "layers");
	for (size_t i = 0; i < dv_json_array_len(layers) && !e; i++) {
		e = find(im, dv_json_array_at(layers, i), &f);
		if (!e)
			e = layer_type(im, f, &type);
		if (e)
			break;
		write_descriptor(w, NULL, type, f->digest, f->size);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
	return e;
}

static struct dv_err *make_manifest(const struct import *im, const struct import_file *config,
				    const struct dv_json *layers, struct meta_descriptor *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_err *e;
	struct dv_jw w;

	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_int(&w, "schemaVersion", 2);
	dv_jw_string(&w, "mediaType", MANIFEST_TYPE);
	write_descriptor(&w, "config", CONFIG_TYPE, config->digest, config->size);
	dv_jw_object_end(&w);
	e = write_layers(im, layers, &w);
	dv_jw_object_end(&w);
	return e ? e : import_put(im, MANIFEST_TYPE, text.data, text.len, ret);
}

static struct dv_err *read_platform(const struct import *im, const struct import_file *config,
				    struct spec_platform *ret)
{
	struct spec_image *image = NULL;
	const char *text = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = content_load(im->env->content, im->env->ns, config->digest, IMPORT_DOCUMENT_MAX,
			 im->arena, &text, &n);
	if (!e)
		e = spec_image_parse(im->arena, text, n, &image);
	if (!e)
		*ret = image->platform;
	return dv_err_wrap(e, "%s", config->name);
}

/* One line of the index. @tag: "busybox:1"; NULL: the image has no name. */
static struct dv_err *add_name(struct docker *d, const struct meta_descriptor *manifest,
			       const struct spec_platform *p, const char *tag)
{
	DV_CLEANUP(dv_freep) char *name = NULL;
	struct spec_ref ref = {};
	struct dv_err *e;

	if (tag) {
		e = spec_ref_parse(d->im->arena, tag, SPEC_REF_FAMILIAR, &ref);
		if (e)
			return e;
		spec_ref_default_tag(&ref);
		name = spec_ref_format(&ref);
	}
	write_descriptor(&d->index, NULL, manifest->media_type, manifest->digest, manifest->size);
	if (name) {
		dv_jw_object_begin(&d->index, "annotations");
		dv_jw_string(&d->index, "io.containerd.image.name", name);
		if (ref.tag)
			dv_jw_string(&d->index, "org.opencontainers.image.ref.name", ref.tag);
		dv_jw_object_end(&d->index);
	}
	if (p->os && p->architecture) {
		dv_jw_object_begin(&d->index, "platform");
		dv_jw_string(&d->index, "architecture", p->architecture);
		dv_jw_string(&d->index, "os", p->os);
		if (p->variant)
			dv_jw_string(&d->index, "variant", p->variant);
		dv_jw_object_end(&d->index);
	}
	dv_jw_object_end(&d->index);
	return NULL;
}

static struct dv_err *add_image(struct docker *d, const struct dv_json *v)
{
	const struct dv_json *tags = dv_json_get(v, "RepoTags");
	const struct import_file *config = NULL;
	struct spec_platform platform = {};
	struct meta_descriptor manifest;
	struct dv_err *e;

	e = find(d->im, dv_json_get(v, "Config"), &config);
	if (!e)
		e = read_platform(d->im, config, &platform);
	if (!e)
		e = make_manifest(d->im, config, dv_json_get(v, "Layers"), &manifest);
	if (!e && dv_json_array_len(tags) == 0)
		e = add_name(d, &manifest, &platform, NULL);
	for (size_t i = 0; i < dv_json_array_len(tags) && !e; i++) {
		const char *tag = dv_json_string(dv_json_array_at(tags, i), NULL);

		e = tag ? add_name(d, &manifest, &platform, tag)
			: dv_err_new(DV_INVALID, "RepoTags[%zu] is not a string", i);
	}
	return e;
}

static struct dv_err *write_index(struct docker *d, const struct dv_json *images)
{
	struct dv_err *e = NULL;

	dv_jw_object_begin(&d->index, NULL);
	dv_jw_int(&d->index, "schemaVersion", 2);
	dv_jw_string(&d->index, "mediaType", INDEX_TYPE);
	dv_jw_array_begin(&d->index, "manifests");
	for (size_t i = 0; i < dv_json_array_len(images) && !e; i++)
		e = add_image(d, dv_json_array_at(images, i));
	dv_jw_array_end(&d->index);
	dv_jw_object_end(&d->index);
	return e;
}

struct dv_err *import_docker(const struct import *im, struct meta_descriptor *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_json_freep) struct dv_json *images = NULL;
	struct docker d = { .im = im };
	struct dv_err *e;

	e = dv_json_parse(im->manifest, im->n_manifest, &images);
	if (!e && dv_json_array_len(images) == 0)
		e = dv_err_new(DV_INVALID, "no image is in it");
	dv_jw_init(&d.index, &text, NULL);
	if (!e)
		e = write_index(&d, images);
	if (e)
		return dv_err_wrap(e, "manifest.json");
	return import_put(im, INDEX_TYPE, text.data, text.len, ret);
}
