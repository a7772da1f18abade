/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global options. This runs in front of every command, so it makes as few system calls as
 * it can and reads no file unless it has to.
 */

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

/* The inode number of the kernel's first user namespace (PROC_USER_INIT_INO). */
#define INITIAL_USERNS_INO 0xEFFFFFFDU

/* sd_listen_fds(3): the descriptors are ours only if the variable was meant for this process. */
static unsigned n_listen_fds(void)
{
	const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	uint32_t pid, n;

	if (!pid_text || !n_text || !dv_parse_u32(pid_text, &pid) || !dv_parse_u32(n_text, &n))
		return 0;
	return pid == (uint32_t)getpid() ? n : 0;
}

/* A descriptor of ours in the place of a closed standard stream would be the container's. */
static void fill_standard_streams(void)
{
	for (int i = 0; i < 3; i++) {
		if (sys_fcntl(i, F_GETFD, 0) == -EBADF)
			(void)sys_set_cloexec(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0), false);
	}
}

void cli_init(struct cli *cli, int argc, char **argv)
{
	const char *argv0 = argc > 0 ? argv[0] : "";
	const char *slash = strrchr(argv0, '/');

	*cli = (struct cli){
		.argv0 = argv0,
		.name = slash	 ? slash + 1
			: *argv0 ? argv0
				 : davit_oci_program.name,
		.log = { .fd = STDERR_FILENO, .format = DV_LOG_TEXT, .level = DV_INFO },
	};
	cli->ctx = (struct rt_context){
		.program = cli->name,
		.log = &cli->log,
		.search_path = getenv("PATH"),
		.n_listen_fds = n_listen_fds(),
		.notify_socket = getenv("NOTIFY_SOCKET"),
	};
	fill_standard_streams();
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would hide the end of hooks */
	cli->argv = dv_new_n(char *, (size_t)argc + 1);
	memcpy(cli->argv, argv, ((size_t)argc + 1) * sizeof(*argv));
}

void cli_fini(struct cli *cli)
{
	free(cli->argv);
	if (cli->log.fd != STDERR_FILENO)
		sys_close(cli->log.fd);
	free(cli->root);
}

/*
 * Kernels give the first user namespace a fixed inode number, which saves reading a file.
 * With any other number the mapping decides: the whole range mapped to itself is no
 * namespace that takes rights away.
 */
static bool is_in_userns(void)
{
	char map[128];
	unsigned inside, outside, size;
	struct stat st;

	if (sys_fstatat(AT_FDCWD, "/proc/self/ns/user", &st, 0) == 0 &&
	    st.st_ino == INITIAL_USERNS_INO)
		return false;
	if (sys_read_file_at(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) < 0)
		return false;
	return sscanf(map, "%u %u %u", &inside, &outside, &size) != 3 || inside != 0 ||
	       outside != 0 || size != UINT32_MAX;
}

static struct dv_err *parse_rootless(const char *text, bool *ret)
{
	if (!*text || strcasecmp(text, "auto") == 0)
		*ret = geteuid() != 0 || is_in_userns();
	else if (!dv_parse_bool(text, ret))
		return dv_err_new(DV_INVALID, "invalid --rootless value: %s", text);
	return NULL;
}

/* $XDG_RUNTIME_DIR when its owner is who we are, and not a sudo that kept it. */
static const char *xdg_runtime_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *user;

	if (!dir || !*dir)
		return NULL;
	if (geteuid() != 0)
		return dir;
	if (!is_in_userns())
		return NULL;
	user = getenv("USER");
	return user && dv_streq(user, "root") ? NULL : dir;
}

/* The sticky bit keeps systemd-tmpfiles from clearing the directory away. */
static struct dv_err *make_xdg_root(const char *root)
{
	int r = sys_mkdirat(AT_FDCWD, root, 0700);

	if (r < 0 && r != -EEXIST)
		return dv_err_sys(
			r, "the path in $XDG_RUNTIME_DIR must be writable by the user: mkdir %s",
			root);
	r = sys_fchmodat(AT_FDCWD, root, S_ISVTX | 0700);
	if (r < 0)
		return dv_err_sys(
			r, "you should check permission of the path in $XDG_RUNTIME_DIR: chmod %s",
			root);
	return NULL;
}

static struct dv_err *choose_root(struct cli *cli)
{
	const char *xdg;
	struct dv_err *e;
	char *path;

	if (!cli->opts.root) {
		xdg = xdg_runtime_dir();
		cli->root = dv_printf("%s/davit-oci", xdg ? xdg : "/run");
		return xdg ? make_xdg_root(cli->root) : NULL;
	}
	e = cli_absolute(*cli->opts.root ? cli->opts.root : ".", &path);
	if (e)
		return dv_err_wrap(e, "--root");
	cli->root = dv_path_clean(path);
	free(path);
	if (dv_streq(cli->root, "/"))
		return dv_err_new(DV_INVALID, "Option --root argument should not be set to /");
	return NULL;
}

static struct dv_err *open_log(struct cli *cli)
{
	const char *format = cli->opts.log_format, *path = cli->opts.log;
	int fd;

	if (cli->opts.is_debug)
		cli->log.level = DV_DEBUG;
	if (dv_streq(format, "json"))
		cli->log.format = DV_LOG_JSON;
	else if (*format && !dv_streq(format, "text"))
		return dv_err_new(DV_INVALID, "invalid log-format: %s", format);
	if (!path || !*path)
		return NULL;
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_SYNC, 0644);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	cli->log.fd = fd;
	return NULL;
}

struct dv_err *cli_configure(struct cli *cli)
{
	struct dv_err *e;

	/* The order of runc: a bad root is reported to standard error, not to the log. */
	e = choose_root(cli);
	if (e)
		return e;
	cli->ctx.root = cli->root;
	e = open_log(cli);
	if (e)
		return e;
	return parse_rootless(cli->opts.rootless, &cli->ctx.is_rootless);
}

void cli_report(const struct cli *cli, struct dv_err *take)
{
	struct dv_strbuf line = DV_STRBUF_INIT;

	dv_log(&cli->log, DV_ERROR, "%s", dv_err_message(take));
	if (cli->log.fd != STDERR_FILENO) {
		dv_strbuf_addf(&line, "%s\n", dv_err_message(take));
		(void)sys_write_all(STDERR_FILENO, line.data, line.len);
		dv_strbuf_fini(&line);
	}
	dv_err_free(take);
}

struct dv_err *cli_print(const struct dv_strbuf *text)
{
	int r = sys_write_all(STDOUT_FILENO, text->data, text->len);

	return r < 0 ? dv_err_sys(r, "write to standard output") : NULL;
}

struct dv_err *cli_absolute(const char *path, char **ret)
{
	char cwd[PATH_MAX];
	int r;

	if (!path || !*path) {
		*ret = NULL;
		return NULL;
	}
	if (path[0] == '/') {
		*ret = dv_strdup(path);
		return NULL;
	}
	r = sys_getcwd(cwd, sizeof(cwd));
	if (r < 0)
		return dv_err_sys(r, "get the working directory");
	*ret = dv_printf("%s/%s", cwd, path);
	return NULL;
}

struct dv_err *cli_check_cgroup_driver(const struct cli *cli)
{
	if (cli->opts.is_systemd_cgroup)
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: systemd cgroup driver");
	return NULL;
}

struct dv_err *cli_preserve_fds(const struct dv_opt_int *opt, unsigned *ret)
{
	if (opt->value < 0)
		return dv_err_new(DV_INVALID, "invalid --preserve-fds value: %d", opt->value);
	*ret = (unsigned)opt->value;
	return NULL;
}

struct dv_err *cli_hint_cgroup(const struct cli *cli, const char *op, struct dv_err *e)
{
	if (e && dv_err_code(e) == DV_PERMISSION)
		dv_log(&cli->log, DV_WARN,
		       "%s %s failure might be caused by lack of full access to cgroups", cli->name,
		       op);
	return e;
}
