/* SPDX-License-Identifier: Apache-2.0 */
/* davit commit: an image of what a container has become. */

#include <stddef.h>

#include "client/commit.h"
#include "containers.h"
#include "image-change.h"
#include "spec/ref.h"

struct commit_opts {
	const char *author, *message;
	struct dv_opt_list changes;
	bool is_paused;
};

#define FIELD(name) offsetof(struct commit_opts, name)

static const struct dv_opt options[] = {
	{ .name = "author",
	  .letter = 'a',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(author),
	  .arg = "name",
	  .help = "who made the image" },
	{ .name = "change",
	  .letter = 'c',
	  .type = DV_OPT_LIST,
	  .offset = FIELD(changes),
	  .arg = "instruction",
	  .help = "an instruction of a Dockerfile to apply: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, "
		  "STOPSIGNAL, USER, VOLUME, WORKDIR" },
	{ .name = "message",
	  .letter = 'm',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(message),
	  .arg = "text",
	  .help = "what has changed, for the image's history" },
	{ .name = "pause",
	  .letter = 'p',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_paused),
	  .preset = "true",
	  .help = "freeze a container that runs meanwhile" },
	DV_OPT_END,
};

/* "repository:tag" as it is stored. */
static struct dv_err *full_name(struct cli *cli, const char *text, const char **ret)
{
	DV_CLEANUP(dv_freep) char *name = NULL;
	struct spec_ref ref;
	struct dv_err *e = spec_ref_parse(&cli->arena, text, SPEC_REF_FAMILIAR, &ref);

	if (e)
		return e;
	if (ref.has_digest)
		return dv_err_new(DV_INVALID, "\"%.200s\": a digest cannot be chosen", text);
	spec_ref_default_tag(&ref);
	name = spec_ref_format(&ref);
	*ret = dv_arena_strdup(&cli->arena, name);
	return NULL;
}

static struct dv_err *commit(struct cli *cli, const struct commit_opts *o, char **args,
			     const char **ret_digest)
{
	struct client_commit_opts opts = { .author = o->author,
					   .message = o->message,
					   .is_paused = o->is_paused };
	struct client_commit_base base = { 0 };
	struct image_change change = { .arena = &cli->arena, .config = &base.config };
	struct client_record r;
	struct dv_err *e = NULL;

	if (args[1])
		e = full_name(cli, args[1], &opts.name);
	if (!e)
		e = cli_container(cli, args[0], &r);
	if (!e)
		e = client_commit_base(cli->client, &r, &cli->arena, &base);
	for (size_t i = 0; !e && i < o->changes.n_items; i++)
		e = image_change_apply(&change, o->changes.items[i]);
	return e ? e : client_commit(cli->client, &r, &base, &opts, &cli->arena, ret_digest);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const char *digest = NULL;
	struct dv_err *e = commit(program, opts, args, &digest);

	(void)ret_status;
	return e ? dv_err_wrap(e, "cannot commit %s", args[0]) : cli_done(digest);
}

const struct dv_opt_verb cli_verb_commit = {
	.name = "commit",
	.aliases = "container commit",
	.args = "CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Make an image of what a container has become",
	.text = "The image has the container's layers and one more, and runs what the container "
		"runs, in its environment. What is mounted into the container is not part of it.",
	.opts = options,
	.opts_size = sizeof(struct commit_opts),
	.min_args = 1,
	.max_args = 2,
	.stop_after = -1,
	.run = run,
};
