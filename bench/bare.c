/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bare: the system calls of a container and nothing else.
 *
 * Does what `runc spec`'s default config asks for, hard-wired: no JSON, no options that matter, no
 * hooks, no log. davit-oci is measured against it (ARCHITECTURE.md, budgets), so every call here is
 * one that a runtime cannot do without, in the cheapest form known and in the plain order: parent,
 * then child, then parent. The tricks are explained where they are: bare-cgroup.c, bare-mount.c.
 *
 * Hybrid (v1 controllers beside a v2 tree at .../unified) and pure v2 are both served. Every call is
 * checked; the first that fails is named on stderr and ends the program with status 125.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_EXEC 127
#define KEYCTL_JOIN 1 /* KEYCTL_JOIN_SESSION_KEYRING; linux/keyctl.h lives in keyutils */
#define NS_SETNS    (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define NS_CLONE    (NS_SETNS | CLONE_NEWPID)

static const char *const the_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm",
	"HOME=/root",
	NULL,
};

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fputs("bare: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(err));
	_exit(STATUS_SETUP);
}

long must(long r, const char *what, const char *arg)
{
	if (r < 0)
		die("%s %s", what, arg);
	return r;
}

void format_path(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		die("path %s", buf);
	}
}

size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), "open", path);
	ssize_t n = must(read(fd, buf, size - 1), "read", path);

	close(fd);
	buf[n] = '\0';
	return (size_t)n;
}

void write_file(const char *path, int flags, const char *data, size_t size)
{
	int fd = (int)must(open(path, O_WRONLY | O_CLOEXEC | flags, 0644), "open", path);

	must(write(fd, data, size), "write", path);
	close(fd);
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = (int)must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", "inet");

	must(ioctl(fd, SIOCSIFFLAGS, &ifr), "up", "lo");
	close(fd);
}

static void capabilities_drop(void)
{
	const uint64_t keep =
		1ull << CAP_AUDIT_WRITE | 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	/* EINVAL marks the end of what the kernel knows. A read costs a tenth of a drop. */
	for (unsigned cap = 0; cap < 64; cap++) {
		int r = keep & 1ull << cap ? 0 : prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r < 0)
			break;
		if (r > 0)
			must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "drop", "capability");
	}
	data[0].effective = data[0].permitted = (uint32_t)keep;
	data[1].effective = data[1].permitted = (uint32_t)(keep >> 32);
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl", "ambient");
	must(syscall(SYS_capset, &header, data), "capset", "");
}

/* Everything that `process` asks for, then the program. */
static void __attribute__((noreturn)) process_exec(char **argv)
{
	struct rlimit nofile = { 1024, 1024 };

	must(setrlimit(RLIMIT_NOFILE, &nofile), "setrlimit", "nofile");
	must(setgroups(0, NULL), "setgroups", "");
	umask(0022);
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", "no_new_privs");
	capabilities_drop();
	must(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), "close_range", "");
	execve(argv[0], argv, (char *const *)the_env);
	fprintf(stderr, "bare: execve %s: %s\n", argv[0], strerror(errno));
	_exit(STATUS_EXEC);
}

static void process_isolate(const struct container *c)
{
	char name[128];

	must(setsid(), "setsid", "");
	format_path(name, sizeof(name), "_ses.%s", c->id);
	must(syscall(SYS_keyctl, KEYCTL_JOIN, name), "keyctl", name);
}

static void container_setup(const struct container *c, const char *rootfs, const int *tasks)
{
	cgroups_join_v1(tasks);
	if (c->new_cgroup_ns)
		must(unshare(CLONE_NEWCGROUP), "unshare", "cgroup");
	process_isolate(c);
	umask(0);
	loopback_up();
	must(sethostname("runc", 4), "sethostname", "");
	mounts_make(c, rootfs);
}

/* clone3 into the v2 cgroup @cgroup (-1: none); returns 0 in the child. */
static pid_t process_clone(uint64_t flags, int cgroup, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)must(syscall(SYS_clone3, &args, sizeof(args)), "clone3", "");
}

/* As a shell would report it. */
static int process_wait(int pidfd)
{
	siginfo_t si = {};

	must(waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED), "waitid", "");
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static int verb_run(struct container *c, char **argv)
{
	int tasks[HIERARCHIES_MAX + 1], cgroup, pidfd = -1, status;

	cgroups_find(c);
	cgroups_make(c);
	cgroup = cgroups_open_v2(c);
	cgroups_open_v1(c, tasks);
	if (process_clone(NS_CLONE, cgroup, &pidfd) == 0) {
		container_setup(c, argv[0], tasks);
		process_exec(argv + 1);
	}
	status = process_wait(pidfd);
	cgroups_remove(c);
	return status;
}

static void state_path(const struct container *c, const char *file, char *buf, size_t size)
{
	format_path(buf, size, "%s/%s/%s", c->state, c->id, file);
}

static void state_make(const struct container *c)
{
	char path[512];

	state_path(c, "", path, sizeof(path));
	must(mkdir(path, 0700), "mkdir", path);
	state_path(c, "exec.fifo", path, sizeof(path));
	must(mkfifo(path, 0600), "mkfifo", path);
}

static void state_save_pid(const struct container *c, pid_t pid)
{
	char path[512], text[16];

	state_path(c, "pid", path, sizeof(path));
	format_path(text, sizeof(text), "%d", pid);
	write_file(path, O_CREAT | O_EXCL, text, strlen(text));
}

/* -1: the container's first process is gone. */
static int state_open_init(const struct container *c)
{
	char path[512], text[16];
	int pidfd;

	state_path(c, "pid", path, sizeof(path));
	read_file(path, text, sizeof(text));
	pidfd = (int)syscall(SYS_pidfd_open, strtol(text, NULL, 10), 0);
	if (pidfd < 0 && errno == ESRCH)
		return -1;
	return (int)must(pidfd, "pidfd_open", text);
}

/*
 * Says that all is ready, and waits for `start` to write to the fifo. This direction, because `start`
 * then ends without waiting for us to wake up.
 */
static void start_await(int fifo, int ready)
{
	char path[64], byte;
	int fd;

	must(write(ready, "1", 1), "write", "ready");
	close(ready);
	format_path(path, sizeof(path), "/proc/self/fd/%d", fifo);
	fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), "open", "exec.fifo");
	must(read(fd, &byte, 1), "read", "exec.fifo");
}

static int verb_create(struct container *c, char **argv)
{
	int tasks[HIERARCHIES_MAX + 1], ready[2], cgroup, fifo, pidfd = -1;
	char path[512], byte;
	pid_t pid;

	state_make(c);
	state_path(c, "exec.fifo", path, sizeof(path));
	fifo = (int)must(open(path, O_PATH | O_CLOEXEC), "open", path);
	must(pipe2(ready, O_CLOEXEC), "pipe2", "");
	cgroups_find(c);
	cgroups_make(c);
	cgroup = cgroups_open_v2(c);
	cgroups_open_v1(c, tasks);
	pid = process_clone(NS_CLONE, cgroup, &pidfd);
	if (pid == 0) {
		container_setup(c, argv[0], tasks);
		start_await(fifo, ready[1]);
		process_exec(argv + 1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		errno = ECHILD;
		die("create %s", c->id);
	}
	state_save_pid(c, pid);
	return 0;
}

static int verb_start(struct container *c, char **argv)
{
	char path[512];
	int fd;

	(void)argv;
	state_path(c, "exec.fifo", path, sizeof(path));
	fd = (int)must(open(path, O_WRONLY | O_CLOEXEC), "open", path);
	must(unlink(path), "unlink", path);
	/* Last: whom this wakes may well take our CPU. */
	must(write(fd, "1", 1), "write", path);
	return 0;
}

static int verb_exec(struct container *c, char **argv)
{
	int tasks[HIERARCHIES_MAX + 1], init, cgroup, pidfd = -1;
	int ns = NS_SETNS | (c->new_cgroup_ns ? CLONE_NEWCGROUP : 0);

	init = state_open_init(c);
	cgroups_find(c);
	cgroups_open_v1(c, tasks);
	cgroup = cgroups_open_v2(c);
	must(setns(init, CLONE_NEWPID), "setns", "pid");
	if (process_clone(0, cgroup, &pidfd) == 0) {
		cgroups_join_v1(tasks);
		must(setns(init, ns), "setns", "");
		process_isolate(c);
		process_exec(argv);
	}
	return process_wait(pidfd);
}

static int verb_delete(struct container *c, char **argv)
{
	static const char *const files[] = { "pid", "exec.fifo" };
	int init = state_open_init(c);
	struct pollfd exited = { .fd = init, .events = POLLIN };
	char path[512];

	(void)argv;
	cgroups_find(c);
	if (init >= 0) {
		must(syscall(SYS_pidfd_send_signal, init, SIGKILL, NULL, 0), "pidfd_send_signal",
		     "KILL");
		must(poll(&exited, 1, -1), "poll", "pidfd");
	}
	cgroups_remove(c);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		state_path(c, files[i], path, sizeof(path));
		if (unlink(path) < 0 && errno != ENOENT)
			die("unlink %s", path);
	}
	state_path(c, "", path, sizeof(path));
	must(rmdir(path), "rmdir", path);
	return 0;
}

/*
 * The peak memory of a command, in KiB, on fd 3. A process starts with the peak of what it was before
 * execve, so a small program has to be its parent.
 */
static int verb_measure(struct container *c, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;

	(void)c;
	pid = (pid_t)must(vfork(), "vfork", "");
	if (pid == 0) {
		execve(argv[0], argv, environ);
		_exit(STATUS_EXEC);
	}
	must(wait4(pid, &status, 0, &usage), "wait4", argv[0]);
	must(dprintf(3, "%ld\n", usage.ru_maxrss), "write", "fd 3");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What starting any program costs; the harness shows it beside the rest. */
static int verb_nothing(struct container *c, char **argv)
{
	(void)c;
	(void)argv;
	return 0;
}

struct verb {
	const char *name;
	int n_args; /* at least */
	bool has_state;
	int (*fn)(struct container *c, char **argv);
};

static const struct verb verbs[] = {
	{ "run", 2, false, verb_run },	       { "create", 2, true, verb_create },
	{ "start", 0, true, verb_start },      { "exec", 1, true, verb_exec },
	{ "delete", 0, true, verb_delete },    { "nothing", 0, false, verb_nothing },
	{ "measure", 1, false, verb_measure },
};

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: bare [--id ID] [--state DIR] [--cgroupns] VERB\n"
	      "  run ROOTFS COMMAND [ARG...]     all of it, in the foreground\n"
	      "  create ROOTFS COMMAND [ARG...]  up to the command; needs --state, as the rest\n"
	      "  start                           the command of a created container\n"
	      "  exec COMMAND [ARG...]           one more process in a running container\n"
	      "  delete                          kill, wait, remove\n"
	      "  nothing                         exit at once\n"
	      "  measure PROGRAM [ARG...]        peak memory in KiB, on fd 3\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	struct container c = { .id = "bare" };
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--cgroupns") == 0)
			c.new_cgroup_ns = true;
		else if (strcmp(argv[i], "--id") == 0 && i + 1 < argc)
			c.id = argv[++i];
		else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
			c.state = argv[++i];
		else
			usage();
	}
	for (size_t v = 0; i < argc && v < ARRAY_SIZE(verbs); v++) {
		if (strcmp(argv[i], verbs[v].name) != 0)
			continue;
		if (argc - i - 1 < verbs[v].n_args || (verbs[v].has_state && !c.state))
			usage();
		return verbs[v].fn(&c, argv + i + 1);
	}
	usage();
}
