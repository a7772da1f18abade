/* SPDX-License-Identifier: Apache-2.0 */
/* davit rmi, image rm; davit tag. */

#include <string.h>

#include "api/containerd/containers.pb-c.h"
#include "client/record.h"
#include "client/services.h"
#include "image.h"
#include "spec/ref.h"

struct rm_opts {
	bool is_forced, is_kept;
};

/* ---- rm ---- */

/* A container that was made of an image of one of these names; "": there is none. */
static struct dv_err *find_user(struct cli *cli, cli_image_msg *const *images, size_t n,
				const char **ret)
{
	*ret = "";
	for (size_t i = 0; i < n; i++) {
		const char *filter = dv_arena_printf(&cli->arena, "image==\"%s\"", images[i]->name);
		struct client_record *records = NULL;
		size_t n_records = 0;
		struct dv_err *e = client_record_list(cli->client, &filter, 1, &cli->arena,
						      &records, &n_records);

		if (e)
			return e;
		if (n_records > 0) {
			*ret = client_record_title(&records[0], &cli->arena);
			return NULL;
		}
	}
	return NULL;
}

static struct dv_err *delete_name(struct cli *cli, const char *name, bool is_sync,
				  struct dv_strbuf *out)
{
	Containerd__Services__Images__V1__DeleteImageRequest request =
		CONTAINERD__SERVICES__IMAGES__V1__DELETE_IMAGE_REQUEST__INIT;
	struct cli_image_name shown;
	struct dv_err *e;

	request.name = (char *)name;
	request.sync = is_sync;
	e = client_call(cli->client, CLIENT_IMAGES("Delete", &request), NULL, NULL);
	if (e)
		return e;
	cli_image_name(name, &cli->arena, &shown);
	dv_strbuf_addf(out, "Untagged: %s\n", shown.familiar);
	return NULL;
}

/* Was @ref a digest, or the beginning of one? Then it means all names. */
static bool is_by_id(const char *ref, const cli_image_msg *msg)
{
	const char *hex = strchr(msg->target->digest, ':');

	return dv_starts_with(msg->target->digest, ref) || (hex && dv_starts_with(hex + 1, ref));
}

static struct dv_err *check_use(struct cli *cli, const char *ref, cli_image_msg *const *images,
				size_t n, bool is_forced)
{
	const char *user = "";
	struct dv_err *e = is_forced ? NULL : find_user(cli, images, n, &user);

	if (e || !*user)
		return e;
	cli_hint(cli, "Remove the container first ('%s rm %s'), or the name alone with --force.",
		 cli->name, user);
	return dv_err_new(DV_PRECONDITION, "container %s uses image %s", user, ref);
}

static struct dv_err *remove_image(struct cli *cli, const struct rm_opts *o, const char *ref)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	cli_image_msg **all = NULL, *one[1];
	const cli_image_msg *msg = NULL;
	size_t n_all = 0, n = 1;
	bool is_last;
	struct dv_err *e = client_image_get(cli->client, ref, &cli->arena, &msg);

	if (!e)
		e = cli_image_list_digest(cli, msg->target->digest, &all, &n_all);
	if (e)
		return e;
	one[0] = (cli_image_msg *)msg;
	if (is_by_id(ref, msg)) {
		if (n_all > 1 && !o->is_forced)
			return dv_err_new(DV_PRECONDITION, "it has %zu names (must be forced)",
					  n_all);
		n = n_all;
	} else {
		all = one;
	}
	is_last = n_all <= n;
	e = check_use(cli, ref, all, n, o->is_forced);
	for (size_t i = 0; !e && i < n; i++)
		e = delete_name(cli, all[i]->name, is_last && i + 1 == n && !o->is_kept, &out);
	if (!e && is_last && !o->is_kept)
		dv_strbuf_addf(&out, "Deleted: %s\n", msg->target->digest);
	return e ? e : cli_print(&out);
}

static struct dv_err *remove_one(struct cli *cli, const void *ctx, const char *ref)
{
	const struct rm_opts *o = ctx;
	struct dv_err *e = remove_image(cli, o, ref);

	if (e && dv_err_code(e) == DV_NOT_FOUND && o->is_forced)
		return dv_err_free(e);
	return dv_err_wrap(e, "cannot remove image %s", ref);
}

static struct dv_err *run_rm(void *program, const void *opts, char **args, int *ret_status)
{
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		cli_each(cli, opts, args, remove_one, ret_status);
	return e;
}

static const struct dv_opt rm_options[] = {
	{ .name = "force",
	  .letter = 'f',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct rm_opts, is_forced),
	  .help = "also if a container uses it, or an id has several names" },
	{ .name = "no-prune",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct rm_opts, is_kept),
	  .help = "do not wait for the collection of what nothing refers to any more" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_rm = {
	.name = "image rm",
	.aliases = "rmi,image remove",
	.args = "IMAGE [IMAGE...]",
	.summary = "Remove images",
	.text = "An image with several names loses the one that is given; an id stands for all names.",
	.opts = rm_options,
	.opts_size = sizeof(struct rm_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_rm,
};

/* ---- tag ---- */

static struct dv_err *full_name(const char *text, struct dv_arena *arena, char **ret)
{
	DV_CLEANUP(dv_freep) char *name = NULL;
	struct spec_ref ref;
	struct dv_err *e = spec_ref_parse(arena, text, SPEC_REF_FAMILIAR, &ref);

	if (!e && ref.has_digest)
		e = dv_err_new(DV_INVALID, "a name with a digest cannot be given");
	if (e)
		return e;
	spec_ref_default_tag(&ref);
	name = spec_ref_format(&ref);
	*ret = dv_arena_strdup(arena, name);
	return NULL;
}

/* A name that is taken means the new image from now on. */
static struct dv_err *set_name(struct cli *cli, cli_image_msg *image)
{
	Containerd__Services__Images__V1__CreateImageRequest create =
		CONTAINERD__SERVICES__IMAGES__V1__CREATE_IMAGE_REQUEST__INIT;
	Containerd__Services__Images__V1__UpdateImageRequest update =
		CONTAINERD__SERVICES__IMAGES__V1__UPDATE_IMAGE_REQUEST__INIT;
	struct dv_err *e;

	create.image = update.image = image;
	e = client_call(cli->client, CLIENT_IMAGES("Create", &create), NULL, NULL);
	if (!e || dv_err_code(e) != DV_EXISTS)
		return e;
	dv_err_free(e);
	return client_call(cli->client, CLIENT_IMAGES("Update", &update), NULL, NULL);
}

static struct dv_err *run_tag(void *program, const void *opts, char **args, int *ret_status)
{
	const cli_image_msg *source = NULL;
	struct client *client = NULL;
	struct cli *cli = program;
	cli_image_msg image;
	struct dv_err *e;

	(void)opts;
	(void)ret_status;
	e = cli_client(cli, &client);
	if (!e)
		e = client_image_get(client, args[0], &cli->arena, &source);
	if (e)
		return dv_err_wrap(e, "cannot tag image %s", args[0]);
	image = *source;
	image.created_at = NULL;
	image.updated_at = NULL;
	e = full_name(args[1], &cli->arena, &image.name);
	if (!e)
		e = set_name(cli, &image);
	return dv_err_wrap(e, "cannot tag image %s as %s", args[0], args[1]);
}

const struct dv_opt_verb cli_verb_image_tag = {
	.name = "image tag",
	.aliases = "tag",
	.args = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Give an image one more name",
	.opts = dv_opt_none,
	.min_args = 2,
	.max_args = 2,
	.stop_after = -1,
	.run = run_tag,
};
