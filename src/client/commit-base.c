/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image that is made of a container builds upon. By its name the image may have got more
 * layers since, for example by a commit of that name; as long as the container's are the lowest of
 * them, these are taken.
 */

#include <string.h>

#include "api/containerd/snapshots.pb-c.h"
#include "client/commit.h"
#include "client/content.h"
#include "client/services.h"
#include "spec/runtime.h"

/* ---- the image ------------------------------------------------------------------------ */

static struct dv_err *find_parent(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, const char **ret)
{
	Containerd__Services__Snapshots__V1__StatSnapshotRequest req =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__StatSnapshotResponse *reply = NULL;
	struct dv_err *e;

	req.snapshotter = r->container->snapshotter;
	req.key = r->container->snapshot_key;
	e = client_call(c, CLIENT_SNAPSHOTS("Stat", &req), arena, &reply);
	if (e)
		return dv_err_wrap(e, "find snapshot %s", req.key);
	*ret = reply->info ? reply->info->parent : "";
	return NULL;
}

/* The part of the history that made the first @n layers. */
static size_t history_of(const struct spec_image *config, size_t n)
{
	size_t i = 0;

	for (; i < config->n_history; i++) {
		if (!config->history[i].is_empty_layer && n-- == 0)
			break;
	}
	return i;
}

static struct dv_err *cut(struct client_image *image, const char *parent, struct dv_arena *arena)
{
	struct spec_manifest *manifest = dv_arena_new(arena, struct spec_manifest);
	struct spec_image *config = dv_arena_new(arena, struct spec_image);
	size_t n = image->config->n_diff_ids;

	while (n > 0 && !dv_streq(client_image_chain(image, n, arena), parent))
		n--;
	if (n == 0 && *parent)
		return dv_err_new(DV_PRECONDITION,
				  "%s is another image by now than the one that it was made of",
				  image->name);
	*manifest = *image->manifest;
	*config = *image->config;
	manifest->n_layers = n;
	if (n < config->n_diff_ids)
		config->n_history = history_of(config, n);
	config->n_diff_ids = n;
	image->manifest = manifest;
	image->config = config;
	return NULL;
}

static struct dv_err *find_image(struct client *c, const struct client_record *r,
				 struct dv_arena *arena, struct client_commit_base *base)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	const char *parent = NULL;
	struct dv_err *e;

	if (!*r->container->image || !*r->container->snapshot_key)
		return dv_err_new(DV_PRECONDITION, "it was not made of an image");
	e = client_image_find(c, r->container->image, NULL, arena, &base->image);
	if (!e)
		e = find_parent(c, r, arena, &parent);
	if (!e)
		e = cut(&base->image, parent, arena);
	if (!e)
		e = client_content_read(c, base->image.manifest->config.digest_text,
					SPEC_IMAGE_MAX_DOCUMENT, &text);
	if (!e)
		base->text = dv_arena_strndup(arena, text.data, text.len);
	return e;
}

/* ---- what runs in it ------------------------------------------------------------------- */

/* Neither the image's nor the user's, but the container's own. */
static bool is_own(const struct spec_image *image, const char *entry)
{
	size_t n = strcspn(entry, "=");

	if (!dv_starts_with(entry, "HOSTNAME=") && !dv_starts_with(entry, "TERM="))
		return false;
	for (size_t i = 0; i < image->n_env; i++) {
		if (strncmp(image->env[i], entry, n + 1) == 0)
			return false;
	}
	return true;
}

static void put_env(const struct spec_process *process, const struct spec_image *image,
		    struct dv_arena *arena, struct spec_image *config)
{
	config->env = dv_arena_new_n(arena, const char *, process->n_env + 1);
	config->n_env = 0;
	for (size_t i = 0; i < process->n_env; i++) {
		if (!is_own(image, process->env[i]))
			config->env[config->n_env++] = process->env[i];
	}
}

/* With the image's entrypoint in front, or with another one, which is part of the command then. */
static void put_command(const struct spec_process *process, struct spec_image *config)
{
	size_t n = config->n_entrypoint;

	if (n > process->n_args)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		if (!dv_streq(config->entrypoint[i], process->args[i]))
			n = 0;
	}
	config->n_entrypoint = n;
	config->cmd = process->args + n;
	config->n_cmd = process->n_args - n;
}

/* Those of the record that are for people; the image's are among them. */
static void put_labels(const struct client_record *r, struct dv_arena *arena,
		       struct spec_image *config)
{
	const struct spec_image image = *config;
	size_t n = image.n_labels;

	config->labels = dv_arena_new_n(arena, struct spec_string_pair, n + r->container->n_labels);
	if (n > 0)
		memcpy(config->labels, image.labels, n * sizeof(*image.labels));
	for (size_t i = 0; i < r->container->n_labels; i++) {
		const char *key = r->container->labels[i]->key;
		size_t at = 0;

		if (dv_starts_with(key, "io.davit.") || dv_starts_with(key, "containerd.io/"))
			continue;
		while (at < n && !dv_streq(config->labels[at].key, key))
			at++;
		config->labels[at] =
			(struct spec_string_pair){ key, r->container->labels[i]->value };
		n = DV_MAX(n, at + 1);
	}
	config->n_labels = n;
}

static struct dv_err *put_process(const struct client_record *r, struct dv_arena *arena,
				  struct client_commit_base *base)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf command = DV_STRBUF_INIT;
	const Google__Protobuf__Any *any = r->container->spec;
	struct spec_runtime *spec = NULL;
	const struct spec_process *process;
	struct dv_err *e;

	if (!any)
		return dv_err_new(DV_PRECONDITION, "it has no configuration");
	e = spec_runtime_parse(arena, (const char *)any->value.data, any->value.len, &spec);
	if (e)
		return dv_err_wrap(e, "read its configuration");
	process = spec->process;
	if (!process)
		return dv_err_new(DV_PRECONDITION, "its configuration has no process");
	put_env(process, base->image.config, arena, &base->config);
	put_command(process, &base->config);
	/* "/" may be nobody's choice. */
	if (process->cwd && (base->config.working_dir || !dv_streq(process->cwd, "/")))
		base->config.working_dir = process->cwd;
	for (size_t i = 0; i < process->n_args; i++)
		dv_strbuf_addf(&command, "%s%s", i ? " " : "", process->args[i]);
	base->command = dv_arena_strdup(arena, command.data);
	return NULL;
}

struct dv_err *client_commit_base(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, struct client_commit_base *ret)
{
	struct dv_err *e = find_image(c, r, arena, ret);

	if (e)
		return e;
	ret->config = *ret->image.config;
	put_labels(r, arena, &ret->config);
	return put_process(r, arena, ret);
}
