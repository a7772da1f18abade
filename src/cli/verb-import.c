/* SPDX-License-Identifier: Apache-2.0 */
/* davit import: an image out of a root file system. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli-private.h"
#include "client/image-import.h"
#include "human.h"
#include "spec/ref.h"
#include "sys/file.h"

struct import_opts {
	const char *message, *platform;
	bool is_quiet;
};

static const struct dv_opt options[] = {
	{ .name = "message",
	  .letter = 'm',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct import_opts, message),
	  .arg = "text",
	  .help = "a comment for the image's history" },
	{ .name = "platform",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct import_opts, platform),
	  .arg = "os/arch",
	  .help = "what the files are for (default: this machine)" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct import_opts, is_quiet),
	  .help = "no progress" },
	DV_OPT_END,
};

static void show_progress(void *arg, int64_t bytes)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	(void)arg;
	cli_human_size(bytes, &text);
	dprintf(STDERR_FILENO, "\rimporting %s\033[K", text.data);
}

/* An archive, or a directory, which is davitd's to read: by its whole path. */
static struct dv_err *open_source(struct cli *cli, const char *source, struct client_import *im,
				  int *ret_fd)
{
	DV_CLEANUP(dv_freep) char *path = NULL;
	struct stat st;
	int r;

	if (dv_streq(source, "-")) {
		if (isatty(STDIN_FILENO))
			return dv_err_new(DV_INVALID, "standard input is a terminal, not an "
						      "archive");
		im->archive = STDIN_FILENO;
		return NULL;
	}
	*ret_fd = sys_openat(AT_FDCWD, source, O_RDONLY, 0);
	r = *ret_fd < 0 ? *ret_fd : sys_fstat(*ret_fd, &st);
	if (r < 0)
		return dv_err_sys(r, "open %s", source);
	im->archive = *ret_fd;
	if (!S_ISDIR(st.st_mode))
		return NULL;
	path = realpath(source, NULL);
	if (!path)
		return dv_err_sys(-errno, "find %s", source);
	im->directory = dv_arena_strdup(&cli->arena, path);
	return NULL;
}

static struct dv_err *parse_name(struct cli *cli, const char *text, const char **ret)
{
	DV_CLEANUP(dv_freep) char *full = NULL;
	struct spec_ref ref;
	struct dv_err *e;

	if (!text)
		return NULL;
	e = spec_ref_parse(&cli->arena, text, SPEC_REF_FAMILIAR, &ref);
	if (e)
		return e;
	if (ref.has_digest)
		return dv_err_new(DV_INVALID,
				  "%s: a name with a digest cannot be given to an image", text);
	spec_ref_default_tag(&ref);
	full = spec_ref_format(&ref);
	*ret = dv_arena_strdup(&cli->arena, full);
	return NULL;
}

static struct dv_err *import(struct cli *cli, const struct import_opts *o, char **args)
{
	struct client_import im = { .archive = -1, .message = o->message };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	bool is_shown = isatty(STDERR_FILENO) && !o->is_quiet;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct client_imported imported;
	struct spec_platform platform;
	char id[DV_DIGEST_STR];
	struct dv_err *e;

	e = parse_name(cli, args[1], &im.name);
	if (!e && o->platform) {
		e = spec_platform_parse(&cli->arena, o->platform, &platform);
		im.platform = &platform;
	}
	if (!e)
		e = open_source(cli, args[0], &im, &fd);
	if (is_shown)
		im.on_progress = show_progress;
	if (!e)
		e = client_import_rootfs(cli->client, &im, &cli->arena, &imported);
	if (is_shown)
		dprintf(STDERR_FILENO, "\r\033[K");
	if (e)
		return e;
	dv_strbuf_addf(&out, "%s\n", dv_digest_str(&imported.id, id));
	return cli_print(&out);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct cli *cli = program;
	struct client *c;
	struct dv_err *e = cli_client(cli, &c);

	(void)ret_status;
	if (!e)
		e = import(cli, opts, args);
	return dv_err_wrap(e, "cannot import %s", args[0]);
}

const struct dv_opt_verb cli_verb_import = {
	.name = "import",
	.aliases = "image import",
	.args = "<file>|-|<directory> [<name>[:<tag>]]",
	.args_text = "A tar archive (plain, gzip or zstd; - is standard input) or a directory that "
		     "davitd can see.",
	.summary = "Make an image of a root file system",
	.text = "The image has one layer with all the files, and no command. What docker save and "
		"davit save have written is for davit load. The image's id is printed.",
	.example = "A Debian without any registry:\n\n"
		   "    # mmdebstrap bookworm - | $0 import - debian:bookworm",
	.opts = options,
	.opts_size = sizeof(struct import_opts),
	.min_args = 1,
	.max_args = 2,
	.stop_after = -1,
	.run = run,
};
