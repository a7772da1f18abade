/* SPDX-License-Identifier: Apache-2.0 */
/* davit load. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/transfer.h"
#include "human.h"
#include "image.h"
#include "progress.h"
#include "sys/file.h"

#define MSG(name) Containerd__Types__Transfer__##name

/* What becomes of images that have no name in their archive. */
#define UNNAMED "localhost/loaded"

struct load_opts {
	bool is_quiet, is_packed;
	const char *input, *platform;
};

struct load {
	struct cli *cli;
	struct cli_progress *progress;
	uint64_t total; /* of the archive; 0: not known */
	struct dv_strbuf loaded; /* lines for standard output */
};

/* ---- what davitd says ---- */

static void on_progress(void *arg, const MSG(Progress) * p)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf id = DV_STRBUF_INIT;
	struct load *l = arg;

	if (dv_streq(p->event, "saved")) {
		struct cli_image_name name;

		cli_image_name(p->name, &l->cli->arena, &name);
		dv_strbuf_add(&l->loaded, "Loaded image: ");
		cli_human_safe(name.familiar, &l->loaded);
		dv_strbuf_addc(&l->loaded, '\n');
	} else if (p->desc && *p->desc->digest) {
		cli_human_id(p->desc->digest, &id);
		cli_progress_step(l->progress, p->event, id.data, dv_streq(p->event, "extracted"));
	}
}

static void on_bytes(void *arg, uint64_t n_bytes)
{
	struct load *l = arg;

	cli_progress_bytes(l->progress, "reading", n_bytes, l->total);
}

/* ---- the verb ---- */

static struct dv_err *open_input(struct load *l, const char *input, int *ret_fd)
{
	struct stat st;

	if (!input || !*input) {
		*ret_fd = STDIN_FILENO;
		if (!isatty(STDIN_FILENO))
			return NULL;
		cli_hint(l->cli, "'%s load -i FILE', or '%s load < FILE'.", l->cli->name,
			 l->cli->name);
		return dv_err_new(DV_INVALID, "standard input is a terminal, not an archive");
	}
	*ret_fd = sys_openat(AT_FDCWD, input, O_RDONLY, 0);
	if (*ret_fd < 0)
		return dv_err_sys(*ret_fd, "open %s", input);
	if (sys_fstat(*ret_fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		cli_hint(l->cli, "An OCI layout that is a directory: 'tar -C %s -c . | %s load'.",
			 input, l->cli->name);
		return dv_err_new(DV_INVALID, "%s is a directory", input);
	}
	if (sys_fstat(*ret_fd, &st) == 0 && S_ISREG(st.st_mode))
		l->total = (uint64_t)st.st_size;
	return NULL;
}

static struct dv_err *transfer(struct load *l, const struct load_opts *o, int fd)
{
	const struct client_transfer t = {
		.fd = fd, .on_progress = on_progress, .on_bytes = on_bytes, .arg = l
	};
	MSG(ImageStore) store = CONTAINERD__TYPES__TRANSFER__IMAGE_STORE__INIT;
	MSG(ImageReference) names = CONTAINERD__TYPES__TRANSFER__IMAGE_REFERENCE__INIT;
	MSG(UnpackConfiguration) unpack = CONTAINERD__TYPES__TRANSFER__UNPACK_CONFIGURATION__INIT;
	Containerd__Types__Platform wanted = CONTAINERD__TYPES__PLATFORM__INIT;
	MSG(ImageReference) * name_list[] = { &names };
	MSG(UnpackConfiguration) * unpack_list[] = { &unpack };
	Containerd__Types__Platform *platform_list[] = { &wanted };
	struct spec_platform platform;
	struct client *client = NULL;
	struct dv_err *e = cli_client(l->cli, &client);

	names.name = (char *)UNNAMED;
	names.is_prefix = names.allow_overwrite = true;
	names.add_digest = names.skip_named_digest = true;
	store.extra_references = name_list;
	store.n_extra_references = 1;
	store.unpacks = unpack_list;
	store.n_unpacks = o->is_packed ? 0 : 1;
	if (!e && o->platform && *o->platform) {
		e = spec_platform_parse(&l->cli->arena, o->platform, &platform);
		if (e)
			return e;
		wanted.os = (char *)platform.os;
		wanted.architecture = (char *)platform.architecture;
		wanted.variant = (char *)(platform.variant ? platform.variant : "");
		unpack.platform = &wanted;
		store.platforms = platform_list;
		store.n_platforms = 1;
	}
	return e ? e : client_import(client, &t, &store);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct load_opts *o = opts;
	struct load l = { .cli = program, .loaded = DV_STRBUF_INIT };
	int fd = -1;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	l.progress = cli_progress_new(o->is_quiet);
	e = open_input(&l, o->input, &fd);
	if (!e)
		e = transfer(&l, o, fd);
	l.progress = cli_progress_free(l.progress);
	if (fd > STDERR_FILENO)
		sys_close(fd);
	if (!e)
		e = cli_print(&l.loaded);
	else
		e = dv_err_wrap(e, "cannot load images");
	dv_strbuf_fini(&l.loaded);
	return e;
}

#define FIELD(name) offsetof(struct load_opts, name)

static const struct dv_opt options[] = {
	{ .name = "input",
	  .letter = 'i',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(input),
	  .arg = "path",
	  .help = "read from this file, not from standard input" },
	{ .name = "no-unpack",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_packed),
	  .help = "leave the layers packed until a container needs them" },
	{ .name = "platform",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(platform),
	  .arg = "os/arch",
	  .help = "of images for several platforms, only this one's" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_quiet),
	  .help = "say nothing of the progress" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_load = {
	.name = "image load",
	.aliases = "load",
	.args = "",
	.summary = "Load images from an archive",
	.text = "OCI layouts and docker's archives, plain or compressed with gzip or zstd.",
	.example = "    $0 load -i busybox.tar.gz",
	.opts = options,
	.opts_size = sizeof(struct load_opts),
	.stop_after = -1,
	.run = run,
};
