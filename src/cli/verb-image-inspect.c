/* SPDX-License-Identifier: Apache-2.0 */
/* davit image inspect: docker's object. */

#include "api/containerd/types.pb-c.h"
#include "base/clock.h"
#include "codec/json.h"
#include "image.h"
#include "inspect-image.h"
#include "inspect.h"
#include "spec/ref.h"

struct inspect_opts {
	const char *format, *platform;
};

/* ---- the object ---- */

static void add_strings(struct dv_jw *w, const char *key, const char *const *items, size_t n)
{
	if (n == 0) {
		dv_jw_null(w, key);
		return;
	}
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, NULL, items[i]);
	dv_jw_array_end(w);
}

/* {"80/tcp":{}} */
static void add_set(struct dv_jw *w, const char *key, const char *const *items, size_t n)
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

static void add_pairs(struct dv_jw *w, const char *key, const struct spec_string_pair *pairs,
		      size_t n)
{
	dv_jw_object_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, pairs[i].key, pairs[i].value);
	dv_jw_object_end(w);
}

static void add_healthcheck(struct dv_jw *w, const struct spec_healthcheck *h)
{
	dv_jw_object_begin(w, "Healthcheck");
	add_strings(w, "Test", h->test, h->n_test);
	dv_jw_int(w, "Interval", h->interval);
	dv_jw_int(w, "Timeout", h->timeout);
	dv_jw_int(w, "StartPeriod", h->start_period);
	dv_jw_int(w, "Retries", h->retries);
	dv_jw_object_end(w);
}

static void add_config(struct dv_jw *w, const struct spec_image *c)
{
	dv_jw_object_begin(w, "Config");
	dv_jw_string(w, "User", c->user ? c->user : "");
	add_set(w, "ExposedPorts", c->exposed_ports, c->n_exposed_ports);
	add_strings(w, "Env", c->env, c->n_env);
	add_strings(w, "Cmd", c->cmd, c->n_cmd);
	if (c->healthcheck)
		add_healthcheck(w, c->healthcheck);
	add_set(w, "Volumes", c->volumes, c->n_volumes);
	dv_jw_string(w, "WorkingDir", c->working_dir ? c->working_dir : "");
	add_strings(w, "Entrypoint", c->entrypoint, c->n_entrypoint);
	add_pairs(w, "Labels", c->labels, c->n_labels);
	if (c->stop_signal)
		dv_jw_string(w, "StopSignal", c->stop_signal);
	dv_jw_object_end(w);
}

/* RepoTags and RepoDigests: of all names with the same target. */
static void add_names(struct cli *cli, struct dv_jw *w, cli_image_msg *const *images, size_t n,
		      const char *digest)
{
	dv_jw_array_begin(w, "RepoTags");
	for (size_t i = 0; i < n; i++) {
		struct cli_image_name name;

		cli_image_name(images[i]->name, &cli->arena, &name);
		if (!dv_streq(name.tag, "<none>"))
			dv_jw_string(w, NULL, name.familiar);
	}
	dv_jw_array_end(w);
	dv_jw_array_begin(w, "RepoDigests");
	for (size_t i = 0; i < n; i++) {
		struct cli_image_name name;
		bool is_twice = false;

		cli_image_name(images[i]->name, &cli->arena, &name);
		for (size_t k = 0; k < i && !is_twice; k++) {
			struct cli_image_name other;

			cli_image_name(images[k]->name, &cli->arena, &other);
			is_twice = dv_streq(name.repository, other.repository);
		}
		if (!is_twice)
			dv_jw_string(
				w, NULL,
				dv_arena_printf(&cli->arena, "%s@%s", name.repository, digest));
	}
	dv_jw_array_end(w);
}

static void add_layers(struct dv_jw *w, const struct client_image *image)
{
	char text[DV_DIGEST_STR];

	dv_jw_object_begin(w, "RootFS");
	dv_jw_string(w, "Type", "layers");
	dv_jw_array_begin(w, "Layers");
	for (size_t i = 0; i < image->config->n_diff_ids; i++)
		dv_jw_string(w, NULL, dv_digest_str(&image->config->diff_ids[i], text));
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

static void add_time(struct dv_jw *w, const char *key, const struct timespec *ts)
{
	char text[DV_CLOCK_SIZE];

	dv_clock_format(ts, DV_CLOCK_NANOS, text);
	dv_jw_string(w, key, text);
}

static struct dv_err *add_image(struct cli *cli, const struct client_image *image,
				const cli_image_msg *msg, struct dv_jw *w)
{
	const struct spec_image *config = image->config;
	struct timespec created = cli_image_created(image, msg);
	struct timespec tagged = cli_image_created(NULL, msg);
	cli_image_msg **images = NULL;
	struct cli_sizes sizes;
	int64_t size;
	size_t n = 0;
	struct dv_err *e = cli_image_list_digest(cli, image->digest, &images, &n);

	if (e)
		return e;
	cli_sizes_init(&sizes, cli);
	size = cli_sizes_image(&sizes, image);
	cli_sizes_fini(&sizes);
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "Id", image->digest);
	dv_jw_string(w, "Name", image->name);
	add_names(cli, w, images, n, image->digest);
	add_time(w, "Created", &created);
	dv_jw_string(w, "Author", config->author ? config->author : "");
	dv_jw_string(w, "Architecture",
		     config->platform.architecture ? config->platform.architecture : "");
	if (config->platform.variant && *config->platform.variant)
		dv_jw_string(w, "Variant", config->platform.variant);
	dv_jw_string(w, "Os", config->platform.os ? config->platform.os : "");
	dv_jw_int(w, "Size", DV_MAX(size, 0));
	dv_jw_int(w, "BlobSize", cli_image_blob_size(image));
	dv_jw_bool(w, "Unpacked", size >= 0);
	add_config(w, config);
	dv_jw_string(w, "ConfigDigest", image->manifest->config.digest_text);
	add_layers(w, image);
	dv_jw_object_begin(w, "Descriptor");
	dv_jw_string(w, "mediaType", msg->target->media_type);
	dv_jw_string(w, "digest", msg->target->digest);
	dv_jw_int(w, "size", msg->target->size);
	dv_jw_object_end(w);
	dv_jw_object_begin(w, "Metadata");
	add_time(w, "LastTagTime", &tagged);
	dv_jw_object_end(w);
	dv_jw_object_end(w);
	return NULL;
}

struct dv_err *cli_inspect_image(struct cli *cli, const char *ref,
				 const struct spec_platform *platform, struct dv_strbuf *json)
{
	const cli_image_msg *msg = NULL;
	struct client_image image;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);
	struct dv_jw w;

	if (!e)
		e = client_image_get(client, ref, &cli->arena, &msg);
	if (!e)
		e = client_image_find(client, msg->name, platform, &cli->arena, &image);
	if (e)
		return e;
	dv_jw_init(&w, json, NULL);
	return add_image(cli, &image, msg, &w);
}

/* ---- the verb ---- */

struct inspection {
	struct cli_inspect *out;
	const struct spec_platform *platform; /* NULL: this machine's */
};

static struct dv_err *inspect_one(struct cli *cli, const void *ctx, const char *ref)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf json = DV_STRBUF_INIT;
	const struct inspection *in = ctx;
	struct dv_err *e = cli_inspect_image(cli, ref, in->platform, &json);

	return e ? dv_err_wrap(e, "cannot inspect image %s", ref)
		 : cli_inspect_add(in->out, json.data);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *out = NULL;
	const struct inspect_opts *o = opts;
	struct spec_platform platform;
	struct inspection in = { 0 };
	struct cli *cli = program;
	struct dv_err *e;

	e = cli_inspect_new(cli, o->format, &out);
	if (!e && o->platform && *o->platform) {
		in.platform = &platform;
		e = spec_platform_parse(&cli->arena, o->platform, &platform);
	}
	if (e)
		return e;
	in.out = out;
	cli_each(cli, &in, args, inspect_one, ret_status);
	return cli_inspect_print(out);
}

static const struct dv_opt options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct inspect_opts, format)),
	{ .name = "platform",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct inspect_opts, platform),
	  .arg = "os/arch",
	  .help = "of an image for several platforms, this one's variant" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_inspect = {
	.name = "image inspect",
	.args = "IMAGE [IMAGE...]",
	.summary = "Show all there is to know about images",
	.opts = options,
	.opts_size = sizeof(struct inspect_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run,
};
