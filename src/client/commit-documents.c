/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration and manifest of an image that is made of a container. Members of the base's
 * configuration that are not known here stay as they are.
 */

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "commit-private.h"

/* What is written anew, or was docker's account of how the base was made. */
static const char *const replaced[] = {
	"author",	  "config",  "container", "container_config", "created",
	"docker_version", "history", "id",	  "parent",	      "rootfs",
};
static const char *const replaced_config[] = {
	"Cmd",	      "Entrypoint", "Env",     "ExposedPorts", "Labels",
	"StopSignal", "User",	    "Volumes", "WorkingDir",
};

struct others {
	struct dv_jw *w;
	const char *const *known;
	size_t n_known;
};

static struct dv_err *copy_other(void *arg, const char *key, const struct dv_json *v)
{
	DV_CLEANUP(dv_freep) char *text = NULL;
	const struct others *o = arg;

	for (size_t i = 0; i < o->n_known; i++) {
		if (dv_streq(key, o->known[i]))
			return NULL;
	}
	text = dv_json_text(v);
	dv_jw_raw(o->w, key, text);
	return NULL;
}

static void put_string(struct dv_jw *w, const char *key, const char *value)
{
	if (value && *value)
		dv_jw_string(w, key, value);
}

static void put_strings(struct dv_jw *w, const char *key, const char *const *items, size_t n)
{
	if (n == 0)
		return;
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, NULL, items[i]);
	dv_jw_array_end(w);
}

/* {"80/tcp":{}} */
static void put_set(struct dv_jw *w, const char *key, const char *const *items, size_t n)
{
	if (n == 0)
		return;
	dv_jw_object_begin(w, key);
	for (size_t i = 0; i < n; i++) {
		dv_jw_object_begin(w, items[i]);
		dv_jw_object_end(w);
	}
	dv_jw_object_end(w);
}

static struct dv_err *put_config(struct dv_jw *w, const struct dv_json *old,
				 const struct spec_image *config)
{
	struct others others = { w, replaced_config, DV_ARRAY_SIZE(replaced_config) };
	struct dv_err *e = NULL;

	dv_jw_object_begin(w, "config");
	put_string(w, "User", config->user);
	put_set(w, "ExposedPorts", config->exposed_ports, config->n_exposed_ports);
	put_strings(w, "Env", config->env, config->n_env);
	put_strings(w, "Entrypoint", config->entrypoint, config->n_entrypoint);
	put_strings(w, "Cmd", config->cmd, config->n_cmd);
	put_set(w, "Volumes", config->volumes, config->n_volumes);
	put_string(w, "WorkingDir", config->working_dir);
	if (config->n_labels > 0) {
		dv_jw_object_begin(w, "Labels");
		for (size_t i = 0; i < config->n_labels; i++)
			dv_jw_string(w, config->labels[i].key, config->labels[i].value);
		dv_jw_object_end(w);
	}
	put_string(w, "StopSignal", config->stop_signal);
	if (dv_json_type(old) == DV_JSON_OBJECT)
		e = dv_json_each(old, copy_other, &others);
	dv_jw_object_end(w);
	return e;
}

static void put_rootfs(struct dv_jw *w, const struct commit *m)
{
	const struct spec_image *below = m->base->image.config;
	char text[DV_DIGEST_STR];

	dv_jw_object_begin(w, "rootfs");
	dv_jw_string(w, "type", "layers");
	dv_jw_array_begin(w, "diff_ids");
	for (size_t i = 0; i < below->n_diff_ids; i++)
		dv_jw_string(w, NULL, dv_digest_str(&below->diff_ids[i], text));
	dv_jw_string(w, NULL, dv_digest_str(&m->diff_id, text));
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

static void put_step(struct dv_jw *w, const struct spec_image_history *h)
{
	dv_jw_object_begin(w, NULL);
	put_string(w, "created", h->created);
	put_string(w, "created_by", h->created_by);
	put_string(w, "author", h->author);
	put_string(w, "comment", h->comment);
	if (h->is_empty_layer)
		dv_jw_bool(w, "empty_layer", true);
	dv_jw_object_end(w);
}

static void put_history(struct dv_jw *w, const struct commit *m, const char *now)
{
	const struct spec_image *below = m->base->image.config;
	const struct spec_image_history step = { .created = now,
						 .created_by = m->base->command,
						 .author = m->opts->author,
						 .comment = m->opts->message };

	dv_jw_array_begin(w, "history");
	for (size_t i = 0; i < below->n_history; i++)
		put_step(w, &below->history[i]);
	put_step(w, &step);
	dv_jw_array_end(w);
}

struct dv_err *commit_config_format(const struct commit *m, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *old = NULL;
	struct others others = { NULL, replaced, DV_ARRAY_SIZE(replaced) };
	char now[DV_CLOCK_SIZE];
	struct timespec at;
	struct dv_err *e;
	struct dv_jw w;

	e = dv_json_parse(m->base->text, strlen(m->base->text), &old);
	if (e)
		return e;
	clock_gettime(CLOCK_REALTIME, &at);
	dv_clock_format(&at, DV_CLOCK_NANOS, now);
	dv_jw_init(&w, out, NULL);
	others.w = &w;
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "created", now);
	put_string(&w, "author", m->opts->author);
	e = dv_json_each(old, copy_other, &others);
	if (!e)
		e = put_config(&w, dv_json_get(old, "config"), &m->base->config);
	put_rootfs(&w, m);
	put_history(&w, m, now);
	dv_jw_object_end(&w);
	return e;
}

/* ---- manifest ------------------------------------------------------------------------ */

const char *commit_media_type(const struct commit *m, enum spec_media media)
{
	switch (media) {
	case SPEC_MEDIA_MANIFEST:
		return m->is_docker ? "application/vnd.docker.distribution.manifest.v2+json"
				    : "application/vnd.oci.image.manifest.v1+json";
	case SPEC_MEDIA_CONFIG:
		return m->is_docker ? "application/vnd.docker.container.image.v1+json"
				    : "application/vnd.oci.image.config.v1+json";
	default:
		return m->is_docker ? "application/vnd.docker.image.rootfs.diff.tar.gzip"
				    : "application/vnd.oci.image.layer.v1.tar+gzip";
	}
}

static void put_descriptor(struct dv_jw *w, const char *key, const struct spec_descriptor *d)
{
	dv_jw_object_begin(w, key);
	dv_jw_string(w, "mediaType", d->media_type);
	dv_jw_string(w, "digest", d->digest_text);
	dv_jw_int(w, "size", d->size);
	dv_jw_object_end(w);
}

void commit_manifest_format(const struct commit *m, struct dv_strbuf *out)
{
	const struct spec_manifest *below = m->base->image.manifest;
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_int(&w, "schemaVersion", 2);
	dv_jw_string(&w, "mediaType", commit_media_type(m, SPEC_MEDIA_MANIFEST));
	put_descriptor(&w, "config", &m->config);
	dv_jw_array_begin(&w, "layers");
	for (size_t i = 0; i < below->n_layers; i++)
		put_descriptor(&w, NULL, &below->layers[i]);
	put_descriptor(&w, NULL, &m->layer);
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
}
