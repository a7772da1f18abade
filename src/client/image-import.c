/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See client/image-import.h. An archive is sent as it is, while the digest of what is inside is made; a
 * directory is packed by davitd, which has a process for that. The name comes last.
 */

#include "client/image-import.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/diff.pb-c.h"
#include "api/davit/system.pb-c.h"
#include "base/clock.h"
#include "client/content.h"
#include "client/image.h"
#include "client/lease.h"
#include "client/services.h"
#include "codec/decompress.h"
#include "codec/json.h"
#include "sys/file.h"

#define LAYER_TYPE    "application/vnd.oci.image.layer.v1.tar"
#define CONFIG_TYPE   "application/vnd.oci.image.config.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define UNCOMPRESSED  "containerd.io/uncompressed"

enum { PIECE = 1 << 20 };

struct importing {
	struct client *c;
	const struct client_import *im;
	struct dv_arena *arena;
	const char *lease;
	struct spec_descriptor layer, config;
	struct dv_digest diff_id;
	size_t manifest_size;
};

static void set_descriptor(struct spec_descriptor *d, struct dv_arena *arena, const char *type,
			   const struct dv_digest *digest, int64_t size)
{
	char text[DV_DIGEST_STR];

	*d = (struct spec_descriptor){ .media_type = type,
				       .digest = *digest,
				       .digest_text =
					       dv_arena_strdup(arena, dv_digest_str(digest, text)),
				       .size = size };
}

/* ---- an archive ----------------------------------------------------------------------------------- */

struct reading {
	const struct client_import *im;
	struct client_blob *blob;
	struct dv_decompress *d;
	struct dv_hash *inside;
	enum dv_compression kind;
	int64_t size;
	uint8_t *in, *out;
};

static const char *unknown_compression(const uint8_t *p, size_t n)
{
	if (n >= 6 && memcmp(p,
			     "\xfd"
			     "7zXZ",
			     6) == 0)
		return "xz";
	return n >= 3 && memcmp(p, "BZh", 3) == 0 ? "bzip2" : NULL;
}

static struct dv_err *begin(struct reading *r, size_t n)
{
	const char *other = unknown_compression(r->in, n);

	if (other)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: an archive that is compressed by %s; "
				  "decompress it first: %s -dc FILE | davit import -",
				  other, other);
	r->kind = dv_compression_of(r->in, n);
	r->d = dv_decompress_new(r->kind);
	return NULL;
}

static struct dv_err *take(struct reading *r, size_t n)
{
	struct dv_decompress_io io = { .in = r->in, .n_in = n };
	struct dv_err *e;

	do {
		size_t before = io.n_in;

		io.out = r->out;
		io.n_out = PIECE;
		e = dv_decompress_run(r->d, &io);
		if (!e && io.n_in == before && io.n_out == PIECE && io.n_in > 0)
			e = dv_err_new(DV_INVALID, "the compressed stream leads nowhere");
		if (e)
			return e;
		dv_hash_add(r->inside, r->out, PIECE - io.n_out);
	} while (io.n_in > 0 || io.n_out == 0);
	r->size += (int64_t)n;
	return client_blob_write(r->blob, r->in, n);
}

/* As much as there is room for: a pipe gives little at a time. */
static ssize_t fill(const struct reading *r)
{
	size_t n = 0;

	while (n < PIECE) {
		ssize_t got = sys_read(r->im->archive, r->in + n, PIECE - n);

		if (got <= 0)
			return got < 0 ? got : (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static struct dv_err *read_all(struct reading *r)
{
	struct dv_err *e = NULL;
	ssize_t n;

	while ((n = fill(r)) > 0) {
		if (!r->d)
			e = begin(r, (size_t)n);
		if (!e)
			e = take(r, (size_t)n);
		if (e)
			return e;
		if (r->im->on_progress)
			r->im->on_progress(r->im->arg, r->size);
	}
	if (n < 0)
		return dv_err_sys((int)n, "read the archive");
	if (!r->d)
		return dv_err_new(DV_INVALID, "the archive is empty");
	return dv_decompress_is_complete(r->d) ? NULL
					       : dv_err_new(DV_INVALID, "the archive is cut off");
}

static struct dv_err *send_archive(struct importing *m, struct reading *r)
{
	static const char *const types[] = { [DV_PLAIN] = LAYER_TYPE,
					     [DV_GZIP] = LAYER_TYPE "+gzip",
					     [DV_ZSTD] = LAYER_TYPE "+zstd" };
	struct spec_string_pair label = { .key = UNCOMPRESSED };
	char text[DV_DIGEST_STR];
	struct dv_digest digest;
	struct dv_err *e = read_all(r);

	if (e)
		return e;
	dv_hash_get(r->inside, &m->diff_id);
	label.value = dv_digest_str(&m->diff_id, text);
	e = client_blob_commit(r->blob, &label, 1, &digest);
	if (!e)
		set_descriptor(&m->layer, m->arena, types[r->kind], &digest, r->size);
	return e;
}

static struct dv_err *from_archive(struct importing *m)
{
	struct reading r = { .im = m->im,
			     .blob = client_blob_new(m->c, m->lease),
			     .inside = dv_hash_new(DV_SHA256),
			     .in = dv_alloc(PIECE),
			     .out = dv_alloc(PIECE) };
	struct dv_err *e = send_archive(m, &r);

	client_blob_free(r.blob);
	dv_decompress_free(r.d);
	dv_hash_free(r.inside);
	free(r.in);
	free(r.out);
	return e;
}

/* ---- a directory ------------------------------------------------------------------------------------ */

static const char *find_label(const Containerd__Services__Content__V1__Info *info, const char *key)
{
	for (size_t i = 0; i < info->n_labels; i++) {
		if (dv_streq(info->labels[i]->key, key))
			return info->labels[i]->value;
	}
	return "";
}

static struct dv_err *read_diff_id(struct importing *m, const char *digest)
{
	Containerd__Services__Content__V1__InfoRequest r =
		CONTAINERD__SERVICES__CONTENT__V1__INFO_REQUEST__INIT;
	const Containerd__Services__Content__V1__InfoResponse *reply = NULL;
	struct dv_err *e;

	r.digest = (char *)digest;
	e = client_call(m->c, CLIENT_CONTENT("Info", &r), m->arena, &reply);
	if (!e && !reply->info)
		e = dv_err_new(DV_INTERNAL, "%s: no word of it", digest);
	return e ? e : dv_digest_parse(find_label(reply->info, UNCOMPRESSED), &m->diff_id);
}

static struct dv_err *from_directory(struct importing *m)
{
	Containerd__Services__Diff__V1__DiffRequest r =
		CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
	const Containerd__Services__Diff__V1__DiffResponse *reply = NULL;
	Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT, *mounts = &mount;
	char *options[] = { (char *)"rbind", (char *)"ro" };
	struct client_request request = *CLIENT_DIFF("Diff", &r);
	struct dv_digest digest;
	struct dv_err *e;

	mount.type = (char *)"bind";
	mount.source = (char *)m->im->directory;
	mount.options = options;
	mount.n_options = DV_ARRAY_SIZE(options);
	r.right = &mounts;
	r.n_right = 1;
	request.lease = m->lease;
	e = client_call(m->c, &request, m->arena, &reply);
	if (!e && !reply->diff)
		e = dv_err_new(DV_INTERNAL, "no layer was made");
	if (!e)
		e = dv_digest_parse(reply->diff->digest, &digest);
	if (e)
		return e;
	set_descriptor(&m->layer, m->arena, reply->diff->media_type, &digest, reply->diff->size);
	return read_diff_id(m, m->layer.digest_text);
}

/* ---- documents ---------------------------------------------------------------------------------------- */

static void write_config(const struct importing *m, struct dv_strbuf *out)
{
	char created[DV_CLOCK_SIZE], diff_id[DV_DIGEST_STR];
	struct spec_platform host;
	const struct spec_platform *p = m->im->platform ? m->im->platform : &host;
	struct timespec now;
	struct dv_jw w;

	spec_platform_host(&host);
	host.variant = NULL; /* what is inside need not be for the newest processors */
	clock_gettime(CLOCK_REALTIME, &now);
	dv_clock_format(&now, DV_CLOCK_SECONDS, created);
	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "created", created);
	dv_jw_string(&w, "architecture", p->architecture);
	if (p->variant && *p->variant)
		dv_jw_string(&w, "variant", p->variant);
	dv_jw_string(&w, "os", p->os);
	dv_jw_raw(&w, "config", m->im->config ? m->im->config : "{}");
	dv_jw_object_begin(&w, "rootfs");
	dv_jw_string(&w, "type", "layers");
	dv_jw_array_begin(&w, "diff_ids");
	dv_jw_string(&w, NULL, dv_digest_str(&m->diff_id, diff_id));
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
	dv_jw_array_begin(&w, "history");
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "created", created);
	dv_jw_string(&w, "comment", m->im->message ? m->im->message : "imported by davit");
	dv_jw_object_end(&w);
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
}

static void write_descriptor(struct dv_jw *w, const char *key, const struct spec_descriptor *d)
{
	dv_jw_object_begin(w, key);
	dv_jw_string(w, "mediaType", d->media_type);
	dv_jw_string(w, "digest", d->digest_text);
	dv_jw_int(w, "size", d->size);
	dv_jw_object_end(w);
}

static struct dv_err *put_manifest(struct importing *m, struct dv_digest *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	const struct spec_string_pair labels[] = {
		{ "containerd.io/gc.ref.content.config", m->config.digest_text },
		{ "containerd.io/gc.ref.content.l.0", m->layer.digest_text },
	};
	struct dv_jw w;

	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_int(&w, "schemaVersion", 2);
	dv_jw_string(&w, "mediaType", MANIFEST_TYPE);
	write_descriptor(&w, "config", &m->config);
	dv_jw_array_begin(&w, "layers");
	write_descriptor(&w, NULL, &m->layer);
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
	m->manifest_size = text.len;
	return client_content_put(m->c, m->lease, &text, labels, DV_ARRAY_SIZE(labels), ret);
}

static struct dv_err *put_config(struct importing *m)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_digest digest;
	struct dv_err *e;

	write_config(m, &text);
	e = client_content_put(m->c, m->lease, &text, NULL, 0, &digest);
	if (!e)
		set_descriptor(&m->config, m->arena, CONFIG_TYPE, &digest, (int64_t)text.len);
	return e;
}

static struct dv_err *default_snapshotter(struct importing *m, const char **ret)
{
	Davit__System__V1__InfoRequest r = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	const Davit__System__V1__InfoResponse *info = NULL;
	struct dv_err *e = client_call(m->c, CLIENT_SYSTEM("Info", &r), m->arena, &info);

	if (!e)
		*ret = info->default_snapshotter;
	return e;
}

/* Whether the archive is one, is known when it is unpacked. */
static struct dv_err *unpack(struct importing *m)
{
	const char *snapshotter = m->im->snapshotter;
	const struct spec_manifest manifest = {
		.media_type = MANIFEST_TYPE, .config = m->config, .layers = &m->layer, .n_layers = 1
	};
	const struct spec_image config = { .diff_ids = &m->diff_id, .n_diff_ids = 1 };
	const struct client_image image = { .name = "", .manifest = &manifest, .config = &config };
	struct dv_err *e = snapshotter ? NULL : default_snapshotter(m, &snapshotter);

	return e ? e : client_image_unpack(m->c, &image, snapshotter, m->lease, m->arena);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static struct dv_err *make(struct importing *m, struct client_imported *ret)
{
	char digest[DV_DIGEST_STR];
	struct dv_digest manifest;
	struct dv_err *e;

	e = m->im->directory ? from_directory(m) : from_archive(m);
	if (!e)
		e = put_config(m);
	if (!e)
		e = put_manifest(m, &manifest);
	if (!e)
		e = unpack(m);
	if (e)
		return e;
	dv_digest_str(&manifest, digest);
	ret->name = m->im->name ? dv_arena_strdup(m->arena, m->im->name)
				: dv_arena_printf(m->arena, "import@%s", digest);
	ret->id = m->config.digest;
	return client_image_put(
		m->c, ret->name,
		&(struct client_image_target){ MANIFEST_TYPE, digest, (int64_t)m->manifest_size },
		m->lease);
}

struct dv_err *client_import_rootfs(struct client *c, const struct client_import *im,
				    struct dv_arena *arena, struct client_imported *ret)
{
	struct importing m = { .c = c, .im = im, .arena = arena };
	struct dv_err *e = client_lease_begin(c, arena, &m.lease);

	if (!e)
		e = make(&m, ret);
	client_lease_end(c, m.lease);
	return e;
}
