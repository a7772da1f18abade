/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The container's cgroups. v1: the child writes "0" to `tasks` itself; any other pid there, and any
 * write to cgroup.procs, takes the global threadgroup lock and with it an RCU grace period (7.5 ms on
 * an idle machine). v2: CLONE_INTO_CGROUP, for the same reason.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static void hierarchy_add(struct container *c, const char *controllers, const char *own)
{
	struct hierarchy *h = &c->hierarchies[c->n_hierarchies++];

	h->is_v2 = controllers[0] == '\0';
	if (h->is_v2 && !c->is_pure_v2)
		controllers = "unified";
	if (strncmp(controllers, "name=", 5) == 0)
		controllers += 5;
	format_path(h->name, sizeof(h->name), "%s", controllers);
	format_path(h->base, sizeof(h->base), CGROUP_ROOT "%s%s%s", h->name[0] ? "/" : "", h->name,
		    strcmp(own, "/") == 0 ? "" : own);
	format_path(h->dir, sizeof(h->dir), "%s/%s", h->base, c->id);
}

void cgroups_find(struct container *c)
{
	char text[4096], *line, *rest = text;
	struct statfs sfs;

	must(statfs(CGROUP_ROOT, &sfs), "statfs", CGROUP_ROOT);
	c->is_pure_v2 = sfs.f_type == CGROUP2_SUPER_MAGIC;
	read_file("/proc/self/cgroup", text, sizeof(text));
	while ((line = strsep(&rest, "\n")) && *line) {
		char *controllers, *own;

		strsep(&line, ":");
		controllers = strsep(&line, ":");
		own = line;
		if (!own || c->n_hierarchies == HIERARCHIES_MAX) {
			errno = EPROTO;
			die("parse /proc/self/cgroup");
		}
		if (!c->is_pure_v2 || controllers[0] == '\0')
			hierarchy_add(c, controllers, own);
	}
}

/* An empty cpuset takes no process: both lists come from the parent. */
static void cpuset_fill(const struct hierarchy *h)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char path[512], list[256];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		format_path(path, sizeof(path), "%s/%s", h->base, files[i]);
		n = read_file(path, list, sizeof(list));
		format_path(path, sizeof(path), "%s/%s", h->dir, files[i]);
		write_file(path, 0, list, n);
	}
}

/* Nothing, but mknod of anything and the devices every container has. */
static void devices_limit_v1(const struct hierarchy *h)
{
	static const char *const allow[] = {
		"c *:* m",   "b *:* m",	  "c 1:3 rwm", "c 1:5 rwm",    "c 1:7 rwm",   "c 1:8 rwm",
		"c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 10:200 rwm", "c 136:* rwm",
	};
	char path[512];
	int fd;

	format_path(path, sizeof(path), "%s/devices.deny", h->dir);
	write_file(path, 0, "a", 1);
	format_path(path, sizeof(path), "%s/devices.allow", h->dir);
	fd = (int)must(open(path, O_WRONLY | O_CLOEXEC), "open", path);
	for (size_t i = 0; i < ARRAY_SIZE(allow); i++)
		must(write(fd, allow[i], strlen(allow[i])), "write devices.allow", allow[i]);
	close(fd);
}

#define INSN(c, d, s, o, i) \
	{ \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define LOAD_WORD(d, o)	 INSN(BPF_LDX | BPF_W | BPF_MEM, d, 1, o, 0)
#define JUMP_EQ(d, i, o) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define JUMP_NE(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)

/* The same rules as a program: r2 type, r3 access, r4 major, r5 minor. */
static int devices_program_load(void)
{
	static const struct bpf_insn insns[] = {
		LOAD_WORD(2, 0),
		INSN(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0),
		INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
		INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16),
		LOAD_WORD(4, 4),
		LOAD_WORD(5, 8),
		JUMP_EQ(3, BPF_DEVCG_ACC_MKNOD, 15), /* 6: mknod and nothing else: allow */
		JUMP_NE(2, BPF_DEVCG_DEV_CHAR, 12),
		JUMP_EQ(4, 136, 13), /* 8: pts */
		JUMP_NE(4, 1, 5),
		JUMP_EQ(5, 3, 11), /* 10: null, zero, full, random, urandom */
		JUMP_EQ(5, 5, 10),
		JUMP_EQ(5, 7, 9),
		JUMP_EQ(5, 8, 8),
		JUMP_EQ(5, 9, 7),
		JUMP_NE(4, 5, 2), /* 15: tty, ptmx */
		JUMP_EQ(5, 0, 5),
		JUMP_EQ(5, 2, 4),
		JUMP_NE(4, 10, 1), /* 18: tun */
		JUMP_EQ(5, 200, 2),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1), /* 22: allow */
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = ARRAY_SIZE(insns),
		.insns = (uintptr_t)insns,
		.license = (uintptr_t) "GPL",
	};

	return (int)must(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)), "bpf", "load");
}

static void devices_limit_v2(const struct hierarchy *h)
{
	int cgroup = (int)must(open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", h->dir);
	int prog = devices_program_load();
	union bpf_attr attr = {
		.target_fd = (uint32_t)cgroup,
		.attach_bpf_fd = (uint32_t)prog,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	must(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)), "bpf", "attach");
	close(prog);
	close(cgroup);
}

void cgroups_make(const struct container *c)
{
	for (size_t i = 0; i < c->n_hierarchies; i++) {
		const struct hierarchy *h = &c->hierarchies[i];

		must(mkdir(h->dir, 0755), "mkdir", h->dir);
		if (strcmp(h->name, "cpuset") == 0)
			cpuset_fill(h);
		else if (strcmp(h->name, "devices") == 0)
			devices_limit_v1(h);
		else if (c->is_pure_v2)
			devices_limit_v2(h);
	}
}

int cgroups_open_v2(const struct container *c)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	for (size_t i = 0; i < c->n_hierarchies; i++) {
		const struct hierarchy *h = &c->hierarchies[i];

		if (h->is_v2)
			return (int)must(open(h->dir, flags), "open", h->dir);
	}
	return -1;
}

void cgroups_remove(const struct container *c)
{
	for (size_t i = 0; i < c->n_hierarchies; i++)
		must(rmdir(c->hierarchies[i].dir), "rmdir", c->hierarchies[i].dir);
}

void cgroups_open_v1(const struct container *c, int fds[HIERARCHIES_MAX + 1])
{
	char path[512];
	size_t n = 0;

	for (size_t i = 0; i < c->n_hierarchies; i++) {
		const struct hierarchy *h = &c->hierarchies[i];

		if (h->is_v2)
			continue;
		format_path(path, sizeof(path), "%s/tasks", h->dir);
		fds[n++] = (int)must(open(path, O_WRONLY | O_CLOEXEC), "open", path);
	}
	fds[n] = -1;
}

void cgroups_join_v1(const int *fds)
{
	for (; *fds >= 0; fds++)
		must(write(*fds, "0", 1), "write", "tasks");
}
