/* SPDX-License-Identifier: Apache-2.0 */
/* The whole plan from the options, and the container that is made by it. */

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "run.h"
#include "spec/image.h"
#include "sys/file.h"

enum { NAME_MAX_LENGTH = 253, HOSTNAME_MAX = 64 };

/* ---- names -------------------------------------------------------------------------- */

/* docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static struct dv_err *check_name(const char *name)
{
	size_t n = strlen(name);
	bool is_good = n >= 2 && n <= NAME_MAX_LENGTH && isalnum((unsigned char)name[0]);

	for (size_t i = 1; is_good && i < n; i++)
		is_good = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
	if (is_good)
		return NULL;
	return dv_err_new(DV_INVALID,
			  "--name \"%.100s\": a name has letters, digits, _ . and -, begins with a "
			  "letter or digit, and has two of them at least",
			  name);
}

static struct dv_err *check_names(const struct run_opts *o)
{
	if (o->hostname && (!*o->hostname || strlen(o->hostname) > HOSTNAME_MAX))
		return dv_err_new(DV_INVALID, "--hostname: one to %d characters", HOSTNAME_MAX);
	return o->name ? check_name(o->name) : NULL;
}

/* ---- the image, the command --------------------------------------------------------- */

static struct dv_err *put_image(struct run_plan *p, const char *text)
{
	struct client_container_opts *c = &p->container;
	struct spec_platform *platform;
	struct dv_err *e;
	char here[4096];
	int r;

	if (p->opts->is_rootfs) {
		r = text[0] == '/' ? 0 : sys_getcwd(here, sizeof(here));
		if (r < 0)
			return dv_err_sys(r, "find the current directory");
		c->rootfs = text[0] == '/' ? text
					   : dv_arena_printf(&p->cli->arena, "%s/%s", here, text);
		return NULL;
	}
	c->image = text;
	if (!p->opts->platform)
		return NULL;
	platform = dv_arena_new(&p->cli->arena, struct spec_platform);
	e = spec_platform_parse(&p->cli->arena, p->opts->platform, platform);
	if (e)
		return dv_err_wrap(e, "--platform");
	c->platform = platform;
	return NULL;
}

static void put_command(struct run_plan *p, char **args)
{
	struct client_container_opts *c = &p->container;
	const char *entrypoint = p->opts->entrypoint;

	c->args = (const char *const *)args;
	while (args[c->n_args])
		c->n_args++;
	if (!entrypoint)
		return;
	c->has_entrypoint = true;
	c->n_entrypoint = *entrypoint != '\0';
	c->entrypoint = &p->opts->entrypoint;
}

static struct dv_err *put_log(struct run_plan *p)
{
	const char *driver = p->opts->log_driver;

	if (!driver || dv_streq(driver, "json-file"))
		return NULL;
	if (!dv_streq(driver, "none"))
		return dv_err_new(
			DV_UNIMPLEMENTED,
			"--log-driver %s is not supported yet; there are json-file and none",
			driver);
	p->container.has_no_log = true;
	return NULL;
}

static struct dv_err *put_texts(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	struct client_container_opts *c = &p->container;
	struct spec_string_pair *pairs;
	struct dv_err *e;
	int64_t size;

	e = run_pairs(p->cli, "label", &o->labels, &pairs, &c->n_labels);
	c->labels = pairs;
	if (!e)
		e = run_pairs(p->cli, "annotation", &o->annotations, &pairs,
			      &c->spec.n_annotations);
	c->spec.annotations = pairs;
	if (!e && o->shm_size) {
		if (!dv_parse_size(o->shm_size, &size) || size <= 0)
			e = dv_err_new(DV_INVALID, "--shm-size \"%.50s\" is not a size",
				       o->shm_size);
		else
			c->spec.shm_size = size;
	}
	if (o->stop_timeout.is_set)
		c->stop_timeout = dv_arena_printf(&p->cli->arena, "%d", o->stop_timeout.value);
	return e;
}

static void put_simple(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	struct client_container_opts *c = &p->container;

	c->name = o->name;
	c->user = o->user;
	c->groups = o->groups.items;
	c->n_groups = o->groups.n_items;
	c->working_dir = o->working_dir;
	c->hostname = o->hostname;
	c->hosts = o->hosts.items;
	c->n_hosts = o->hosts.n_items;
	c->stop_signal = o->stop_signal;
	c->snapshotter = o->snapshotter;
	c->runtime = o->runtime;
	c->has_stdin = o->has_stdin;
	c->is_stdin_once = o->has_stdin && !o->is_detached;
	c->is_removed = o->is_removed;
	c->spec.has_terminal = o->has_tty;
	c->spec.is_root_readonly = o->is_read_only;
}

static struct dv_err *check_pull(const char *when)
{
	if (!when || dv_streq(when, "never"))
		return NULL;
	return dv_err_new(DV_UNIMPLEMENTED, "--pull %s: fetching images is not supported yet",
			  when);
}

struct dv_err *run_plan_make(struct cli *cli, const struct run_opts *opts, char **args,
			     struct run_plan *ret)
{
	static struct dv_err *(*const parts[])(struct run_plan * p) = {
		put_log,	   put_texts,	    run_plan_env,     run_plan_limits,
		run_plan_security, run_plan_mounts, run_plan_devices, run_plan_namespaces,
	};
	struct dv_err *e;

	*ret = (struct run_plan){ .cli = cli, .opts = opts };
	e = check_names(opts);
	if (!e)
		e = check_pull(opts->pull);
	if (!e)
		e = put_image(ret, args[0]);
	put_simple(ret);
	put_command(ret, args + 1);
	for (size_t i = 0; !e && i < DV_ARRAY_SIZE(parts); i++)
		e = parts[i](ret);
	return e;
}

/* ---- making it ---------------------------------------------------------------------- */

static struct dv_err *open_cidfile(const char *path, int *ret)
{
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return dv_err_sys(fd, "make the --cidfile %s", path);
	*ret = fd;
	return NULL;
}

static void hint(struct cli *cli, const struct run_plan *plan, const struct dv_err *e)
{
	if (dv_err_code(e) == DV_EXISTS && plan->opts->name)
		cli_hint(cli, "Choose another name, or remove that container: %s rm %s", cli->name,
			 plan->opts->name);
	else if (dv_err_code(e) == DV_NOT_FOUND && plan->container.image)
		cli_hint(cli, "See '%s images'. An archive becomes an image by: %s load -i FILE",
			 cli->name, cli->name);
}

struct dv_err *run_create(struct cli *cli, const struct run_plan *plan,
			  struct client_container *ret)
{
	DV_CLEANUP(sys_closep) int cidfile = -1;
	const char *path = plan->opts->cidfile;
	struct client *c = NULL;
	struct dv_err *e = NULL;

	/* First, since it fails most easily. */
	if (path)
		e = open_cidfile(path, &cidfile);
	if (!e)
		e = cli_client(cli, &c);
	if (!e)
		e = client_container_create(c, &plan->container, &cli->arena, ret);
	if (e) {
		hint(cli, plan, e);
		if (cidfile >= 0)
			(void)sys_unlinkat(AT_FDCWD, path, 0);
		return e;
	}
	if (cidfile >= 0)
		(void)sys_write_all(cidfile, ret->id, strlen(ret->id));
	return NULL;
}
