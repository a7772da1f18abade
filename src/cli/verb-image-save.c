/* SPDX-License-Identifier: Apache-2.0 */
/* davit save. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/transfer.h"
#include "image.h"
#include "output-file.h"
#include "progress.h"
#include "sys/file.h"

#define MSG(name) Containerd__Types__Transfer__##name

struct save_opts {
	bool has_all, is_oci, is_quiet;
	const char *output, *platform;
};

static void on_bytes(void *arg, uint64_t n_bytes)
{
	cli_progress_bytes(arg, "writing", n_bytes, 0);
}

/* The stored names of what people call so. */
static struct dv_err *find_names(struct cli *cli, char **refs, MSG(ImageStore) * store)
{
	struct dv_err *e;
	size_t n = 0;

	while (refs[n])
		n++;
	store->extra_references = dv_arena_new_n(&cli->arena, MSG(ImageReference) *, n);
	for (size_t i = 0; i < n; i++) {
		MSG(ImageReference) *r = dv_arena_new(&cli->arena, MSG(ImageReference));
		const cli_image_msg *msg = NULL;

		e = client_image_get(cli->client, refs[i], &cli->arena, &msg);
		if (e)
			return dv_err_wrap(e, "image %s", refs[i]);
		containerd__types__transfer__image_reference__init(r);
		r->name = msg->name;
		store->extra_references[store->n_extra_references++] = r;
	}
	/* The first one alone is how containerd's own clients ask. */
	store->name = store->extra_references[0]->name;
	store->extra_references++;
	store->n_extra_references--;
	return NULL;
}

static struct dv_err *transfer(struct cli *cli, const struct save_opts *o, char **refs, int fd)
{
	MSG(ImageStore) store = CONTAINERD__TYPES__TRANSFER__IMAGE_STORE__INIT;
	MSG(ImageExportStream) to = CONTAINERD__TYPES__TRANSFER__IMAGE_EXPORT_STREAM__INIT;
	Containerd__Types__Platform wanted = CONTAINERD__TYPES__PLATFORM__INIT;
	Containerd__Types__Platform *platforms[] = { &wanted };
	struct cli_progress *progress;
	struct spec_platform platform;
	struct dv_err *e = find_names(cli, refs, &store);

	if (!e && o->platform && *o->platform) {
		e = spec_platform_parse(&cli->arena, o->platform, &platform);
		if (e)
			return e;
		wanted.os = (char *)platform.os;
		wanted.architecture = (char *)platform.architecture;
		wanted.variant = (char *)(platform.variant ? platform.variant : "");
		to.platforms = platforms;
		to.n_platforms = 1;
	}
	if (e)
		return e;
	to.all_platforms = o->has_all;
	to.skip_compatibility_manifest = o->is_oci;
	progress = cli_progress_new(o->is_quiet);
	e = client_export(
		cli->client,
		&(struct client_transfer){ .fd = fd, .on_bytes = on_bytes, .arg = progress },
		&store, &to);
	cli_progress_free(progress);
	return e;
}

static struct dv_err *save(struct cli *cli, const struct save_opts *o, char **refs)
{
	struct cli_output file;
	struct dv_err *e;

	if (!o->output || !*o->output) {
		if (cli->is_terminal) {
			cli_hint(cli, "'%s save -o FILE', or '%s save > FILE'.", cli->name,
				 cli->name);
			return dv_err_new(DV_INVALID, "standard output is a terminal");
		}
		return transfer(cli, o, refs, STDOUT_FILENO);
	}
	e = cli_output_open(o->output, &file);
	if (!e)
		e = transfer(cli, o, refs, file.fd);
	return e ? cli_output_drop(&file, e) : cli_output_keep(&file);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct client *client = NULL;
	struct dv_err *e = cli_client(program, &client);

	(void)ret_status;
	if (!e)
		e = save(program, opts, args);
	return dv_err_wrap(e, "cannot save");
}

#define FIELD(name) offsetof(struct save_opts, name)

static const struct dv_opt options[] = {
	{ .name = "all-platforms",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(has_all),
	  .help = "all variants of images for several platforms" },
	{ .name = "oci",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_oci),
	  .help = "an OCI layout alone, without docker's manifest.json" },
	{ .name = "output",
	  .letter = 'o',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(output),
	  .arg = "path",
	  .help = "write to this file, not to standard output" },
	{ .name = "platform",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(platform),
	  .arg = "os/arch",
	  .help = "this variant, not this machine's" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_quiet),
	  .help = "say nothing of the progress" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_save = {
	.name = "image save",
	.aliases = "save",
	.args = "IMAGE [IMAGE...]",
	.summary = "Write images to an archive",
	.text = "The archive is an OCI layout, which docker load reads as well. A file has its name only when\n"
		"it is complete.",
	.example = "    $0 save -o both.tar busybox alpine",
	.opts = options,
	.opts_size = sizeof(struct save_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run,
};
