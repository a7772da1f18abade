/* SPDX-License-Identifier: Apache-2.0 */
/* davit cp: between a container and the host, with docker's rules for what becomes what. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/root.h"
#include "containers.h"
#include "copy.h"
#include "sys/file.h"

struct cp_opts {
	bool keeps_owner, follows;
};

static const struct dv_opt options[] = {
	{ .name = "archive",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct cp_opts, keeps_owner),
	  .help = "keep the owners of files" },
	{ .name = "follow-link",
	  .letter = 'L',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct cp_opts, follows),
	  .help = "copy what a link at the source leads to" },
	DV_OPT_END,
};

/* One side: a tree and a path in it. */
struct place {
	const char *text; /* as given */
	const char *container; /* NULL: the host */
	const char *path; /* absolute */
	int root;
};

/* ---- paths ------------------------------------------------------------------------------------- */

/* "container:path"; what has a slash in front of the colon, or begins with a dot, is the host's. */
static struct dv_err *parse(struct cli *cli, const char *text, struct place *p)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	char cwd[PATH_MAX];

	*p = (struct place){ .text = text, .path = text, .root = -1 };
	if (dv_streq(text, "-"))
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: tar streams (\"-\")");
	if (*text != '.' && colon && colon > text && (!slash || slash > colon)) {
		p->container = dv_arena_strndup(&cli->arena, text, (size_t)(colon - text));
		p->path = colon + 1;
		if (*p->path != '/')
			p->path = dv_arena_printf(&cli->arena, "/%s", p->path);
		return NULL;
	}
	if (*text != '/') {
		int r = sys_getcwd(cwd, sizeof(cwd));

		if (r < 0)
			return dv_err_sys(r, "find the working directory");
		p->path = dv_arena_printf(&cli->arena, "%s/%s", cwd, text);
	}
	return NULL;
}

static struct dv_err *open_root(struct cli *cli, struct place *p)
{
	struct client_record r;
	struct dv_err *e;

	if (!p->container) {
		p->root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
		return p->root < 0 ? dv_err_sys(p->root, "open /") : NULL;
	}
	e = cli_container(cli, p->container, &r);
	return e ? e : client_root_open(cli->client, &r, &cli->arena, &p->root);
}

static int open_at(const struct place *p, const char *path, int flags)
{
	return sys_openat2(p->root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static const char *last_component(const char *path, struct dv_arena *arena)
{
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(path);
	const char *slash = strrchr(clean, '/');

	return dv_arena_strdup(arena, slash ? slash + 1 : clean);
}

static const char *parent(const char *path, struct dv_arena *arena)
{
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(path);
	const char *slash = strrchr(clean, '/');

	return slash > clean ? dv_arena_strndup(arena, clean, (size_t)(slash - clean)) : "/";
}

/* ---- copying ------------------------------------------------------------------------------------- */

struct copying {
	struct cli *cli;
	struct copy_opts how;
	const struct place *from, *to;
	int source; /* O_PATH */
	bool is_directory;
};

/* Into a directory that is there. */
static struct dv_err *into(const struct copying *c, int dir)
{
	const char *name = last_component(c->from->path, &c->cli->arena);

	if (c->is_directory && (dv_ends_with(c->from->path, "/.") || !*name))
		return copy_content(c->source, dir, &c->how);
	return copy_tree(c->source, dir, name, &c->how);
}

/* Under a name of its own. */
static struct dv_err *as(const struct copying *c)
{
	const char *path = parent(c->to->path, &c->cli->arena);
	const char *name = last_component(c->to->path, &c->cli->arena);
	DV_CLEANUP(sys_closep) int dir = open_at(c->to, path, O_PATH | O_DIRECTORY);

	if (dir < 0)
		return dv_err_sys(dir, "open the directory %s", path);
	if (!c->is_directory && dv_ends_with(c->to->path, "/"))
		return dv_err_new(DV_NOT_FOUND, "%s: no such directory", c->to->text);
	return copy_tree(c->source, dir, name, &c->how);
}

static struct dv_err *copy(const struct copying *c)
{
	DV_CLEANUP(sys_closep) int target = open_at(c->to, c->to->path, O_PATH);
	struct stat st;
	int r;

	if (target == -ENOENT)
		return as(c);
	r = target < 0 ? target : sys_fstat(target, &st);
	if (r < 0)
		return dv_err_sys(r, "open %s", c->to->text);
	if (S_ISDIR(st.st_mode))
		return into(c, target);
	if (c->is_directory)
		return dv_err_new(DV_PRECONDITION, "%s is no directory", c->to->text);
	return as(c);
}

static struct dv_err *open_source(struct copying *c, bool follows)
{
	struct stat st;
	int r;

	follows = follows || dv_ends_with(c->from->path, "/") || dv_ends_with(c->from->path, "/.");
	c->source = open_at(c->from, c->from->path, O_PATH | (follows ? 0 : O_NOFOLLOW));
	r = c->source < 0 ? c->source : sys_fstat(c->source, &st);
	if (r < 0)
		return dv_err_sys(r, "open %s", c->from->text);
	c->is_directory = S_ISDIR(st.st_mode);
	return NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct place from = { .root = -1 }, to = { .root = -1 };
	const struct cp_opts *o = opts;
	struct cli *cli = program;
	struct copying c = { .cli = cli, .from = &from, .to = &to, .source = -1 };
	struct dv_err *e;

	(void)ret_status;
	e = parse(cli, args[0], &from);
	if (!e)
		e = parse(cli, args[1], &to);
	if (!e && !from.container == !to.container)
		e = dv_err_new(DV_INVALID, "one of the two must be in a container: container:path");
	if (!e)
		e = open_root(cli, &from);
	if (!e)
		e = open_root(cli, &to);
	c.how = (struct copy_opts){ .keeps_owner = o->keeps_owner };
	if (!to.container) {
		c.how.uid = geteuid();
		c.how.gid = getegid();
	}
	if (!e)
		e = open_source(&c, o->follows);
	if (!e)
		e = copy(&c);
	sys_closep(&c.source);
	sys_closep(&from.root);
	sys_closep(&to.root);
	return dv_err_wrap(e, "cannot copy %s to %s", args[0], args[1]);
}

const struct dv_opt_verb cli_verb_cp = {
	.name = "cp",
	.aliases = "container cp",
	.args = "SOURCE TARGET",
	.args_text =
		"One of the two is in a container, as container:path; the container need not run.",
	.summary = "Copy files between a container and the host",
	.opts = options,
	.min_args = 2,
	.max_args = 2,
	.stop_after = -1,
	.opts_size = sizeof(struct cp_opts),
	.run = run,
};
