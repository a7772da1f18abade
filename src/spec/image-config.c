/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image (config.md of image-spec, and docker's additions): its tables. */

#include "spec/image.h"

#include <stdio.h>

#include "image-private.h"

/* docker's builders have written a command as a string, too: it is the only word then. */
static struct dv_err *decode_words(struct decoder *d, const struct dv_json *v, const char ***words,
				   size_t *n)
{
	const char **items;
	struct dv_err *e;
	size_t n_items = 1;

	if (dv_json_type(v) == DV_JSON_ARRAY)
		n_items = dv_json_array_len(v);
	if (n_items > DECODE_MANY_ITEMS)
		return spec_decode_error(d, "%zu entries are more than the limit of %d", n_items,
					 DECODE_MANY_ITEMS);
	items = dv_arena_new_n(d->arena, const char *, n_items + 1);
	for (size_t i = 0; i < n_items; i++) {
		const struct dv_json *item =
			dv_json_type(v) == DV_JSON_ARRAY ? dv_json_array_at(v, i) : v;

		e = spec_decode_string(d, item, &items[i]);
		if (e)
			return e;
	}
	*words = items;
	*n = n_items;
	return NULL;
}

static struct dv_err *decode_entrypoint(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_image *image = out;

	return decode_words(d, v, &image->entrypoint, &image->n_entrypoint);
}

static struct dv_err *decode_cmd(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_image *image = out;

	return decode_words(d, v, &image->cmd, &image->n_cmd);
}

/* ---- sets: {"80/tcp": {}} ----------------------------------------------------------- */

struct set_cursor {
	struct decoder *d;
	const char **next;
};

static struct dv_err *add_key(void *arg, const char *key, const struct dv_json *v)
{
	struct set_cursor *c = arg;

	if (dv_json_type(v) != DV_JSON_OBJECT && dv_json_type(v) != DV_JSON_NULL)
		return spec_decode_expected(c->d, v, "an empty object for \"%.100s\"", key);
	*c->next++ = dv_arena_strdup(c->d->arena, key);
	return NULL;
}

static struct dv_err *decode_keys(struct decoder *d, const struct dv_json *v, const char ***keys,
				  size_t *n)
{
	size_t n_keys = dv_json_object_len(v);
	struct set_cursor c = { .d = d };
	const char **items;
	struct dv_err *e;

	if (dv_json_type(v) != DV_JSON_OBJECT)
		return spec_decode_expected(d, v, "an object");
	if (n_keys > DECODE_MAX_ITEMS)
		return spec_decode_error(d, "%zu entries are more than the limit of %d", n_keys,
					 DECODE_MAX_ITEMS);
	items = dv_arena_new_n(d->arena, const char *, n_keys + 1);
	c.next = items;
	e = dv_json_each(v, add_key, &c);
	if (e)
		return e;
	*keys = items;
	*n = n_keys;
	return NULL;
}

static struct dv_err *decode_ports(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_image *image = out;

	return decode_keys(d, v, &image->exposed_ports, &image->n_exposed_ports);
}

static struct dv_err *decode_volumes(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_image *image = out;

	return decode_keys(d, v, &image->volumes, &image->n_volumes);
}

/* ---- rootfs ------------------------------------------------------------------------- */

struct digest_cursor {
	struct dv_digest *next;
};

static struct dv_err *decode_diff_id(struct decoder *d, const struct dv_json *v, void *out)
{
	struct digest_cursor *c = out;

	return image_decode_digest(d, v, NULL, c->next++);
}

static struct dv_err *decode_diff_ids(struct decoder *d, const struct dv_json *v, void *out)
{
	size_t n = DV_MIN(dv_json_array_len(v), (size_t)SPEC_IMAGE_MAX_LAYERS);
	struct spec_image *image = out;
	struct digest_cursor c;

	image->diff_ids = dv_arena_new_n(d->arena, struct dv_digest, n + 1);
	image->n_diff_ids = n;
	c.next = image->diff_ids;
	return spec_decode_each(d, v, SPEC_IMAGE_MAX_LAYERS, decode_diff_id, &c);
}

/* ---- tables ------------------------------------------------------------------------- */

#define T struct spec_healthcheck
static const struct decode_field healthcheck_fields[] = {
	{ STRINGS("Test", test, n_test), MANY },
	{ INT("Interval", interval, 0, INT64_MAX) },
	{ INT("Timeout", timeout, 0, INT64_MAX) },
	{ INT("StartPeriod", start_period, 0, INT64_MAX) },
	{ INT("Retries", retries, 0, INT64_MAX) },
};
static const struct decode_object healthcheck_object = { DECODE_OBJECT_OF(healthcheck_fields) };
#undef T

#define T struct spec_image_history
static const struct decode_field history_fields[] = {
	{ STRING("created", created) },
	{ STRING("created_by", created_by) },
	{ STRING("author", author) },
	{ STRING("comment", comment) },
	{ BOOL("empty_layer", is_empty_layer) },
};
static const struct decode_object history_object = { DECODE_OBJECT_OF(history_fields) };
#undef T

#define T struct spec_image
static const struct decode_field config_fields[] = {
	{ STRING("User", user) },
	{ STRINGS("Env", env, n_env), MANY },
	{ CUSTOM("Entrypoint", decode_entrypoint) },
	{ CUSTOM("Cmd", decode_cmd) },
	{ STRING("WorkingDir", working_dir) },
	{ PAIRS("Labels", labels, n_labels), MANY },
	{ STRING("StopSignal", stop_signal) },
	{ OPT_INT("StopTimeout", stop_timeout, -1, INT32_MAX) },
	{ CUSTOM("ExposedPorts", decode_ports) },
	{ CUSTOM("Volumes", decode_volumes) },
	{ OBJECT_NEW("Healthcheck", healthcheck, healthcheck_object) },
};
static const struct decode_object config_object = { DECODE_OBJECT_OF(config_fields) };

static const struct decode_field rootfs_fields[] = {
	{ CUSTOM("diff_ids", decode_diff_ids) },
};
static const struct decode_object rootfs_object = { DECODE_OBJECT_OF(rootfs_fields) };

static const struct decode_field image_fields[] = {
	{ STRING("created", created) },
	{ STRING("author", author) },
	{ STRING("architecture", platform.architecture) },
	{ STRING("os", platform.os) },
	{ STRING("os.version", platform.os_version) },
	{ STRING("variant", platform.variant) },
	{ GROUP("config", config_object) },
	{ GROUP("rootfs", rootfs_object), REQUIRED },
	{ LIST("history", history, n_history, history_object) },
};
static const struct decode_object image_object = { DECODE_OBJECT_OF(image_fields) };
#undef T

struct dv_err *spec_image_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_image **ret)
{
	struct spec_image *image = dv_arena_new(arena, struct spec_image);
	struct dv_err *e;

	e = image_decode_document(arena, &image_object, text, len, image);
	if (e)
		return e;
	*ret = image;
	return NULL;
}

struct dv_err *spec_image_check_layers(const struct spec_image *image,
				       const struct spec_manifest *manifest)
{
	if (image->n_diff_ids != manifest->n_layers)
		return dv_err_new(DV_INVALID,
				  "the manifest has %zu layers, the configuration names %zu",
				  manifest->n_layers, image->n_diff_ids);
	return NULL;
}

void spec_image_chain_id(const struct dv_digest *diff_ids, size_t n, struct dv_digest *ret)
{
	char chain[DV_DIGEST_STR], diff[DV_DIGEST_STR], both[2 * DV_DIGEST_STR];
	struct dv_digest d;
	int len;

	dv_assert(n > 0);
	d = diff_ids[0];
	for (size_t i = 1; i < n; i++) {
		len = snprintf(both, sizeof(both), "%s %s", dv_digest_str(&d, chain),
			       dv_digest_str(&diff_ids[i], diff));
		dv_digest_of(DV_SHA256, both, (size_t)len, &d);
	}
	*ret = d;
}
