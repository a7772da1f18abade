/* SPDX-License-Identifier: Apache-2.0 */
/* spec: writes a config.json to start from. */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "sys/file.h"
#include "verbs.h"

#define CONFIG_NAME "config.json"

struct spec_opts {
	const char *bundle;
	bool rootless;
};

static struct dv_err *write_config(int dirfd, const struct dv_strbuf *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(dirfd, CONFIG_NAME, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (fd == -EEXIST)
		return dv_err_new(DV_EXISTS, "File %s exists. Remove it first", CONFIG_NAME);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", CONFIG_NAME);
	r = sys_write_all(fd, text->data, text->len);
	return r < 0 ? dv_err_sys(r, "write %s", CONFIG_NAME) : NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(sys_closep) int dirfd = -1;
	struct dv_strbuf text = DV_STRBUF_INIT;
	const struct spec_opts *o = opts;
	const char *dir = cli_given(o->bundle) ? o->bundle : ".";
	struct spec_default what;
	struct dv_err *e;
	long type;

	(void)program;
	(void)args;
	(void)ret_status;
	dirfd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	if (dirfd < 0)
		return dv_err_sys(dirfd, "chdir %s", dir);
	what = (struct spec_default){
		.is_rootless = o->rootless,
		.uid = geteuid(),
		.gid = getegid(),
		.has_cgroup2 = sys_statfs_type("/sys/fs/cgroup", &type) == 0 &&
			       type == CGROUP2_SUPER_MAGIC,
	};
	spec_default_format_for(&what, &text);
	e = write_config(dirfd, &text);
	dv_strbuf_fini(&text);
	return e;
}

static const struct dv_opt options[] = {
	{ .name = "bundle",
	  .letter = 'b',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct spec_opts, bundle),
	  .arg = "dir",
	  .help = "directory to write to; without it the working directory" },
	{ .name = "rootless",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct spec_opts, rootless),
	  .help = "write a configuration for a container without root's privileges" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_spec = {
	.name = "spec",
	.args = "",
	.summary = "write a config.json to start from",
	.text = "The file describes a container that runs \"sh\" on a terminal, with few privileges,\n"
		"on the root file system in the bundle's directory \"rootfs\". It is meant to be\n"
		"edited. A config.json that exists is not overwritten.\n"
		"\n"
		"With --rootless the container gets a user namespace in which the caller is root,\n"
		"and what an ordinary user cannot have (resource limits, a network namespace) is\n"
		"left out.",
	.example = "    # mkdir -p bundle/rootfs && cd bundle\n"
		   "    # docker export $(docker create busybox) | tar -C rootfs -xf -\n"
		   "    # $0 spec\n"
		   "    # $0 run c1",
	.opts = options,
	.min_args = 0,
	.max_args = 0,
	.stop_after = -1,
	.opts_size = sizeof(struct spec_opts),
	.run = run,
};
