/* SPDX-License-Identifier: Apache-2.0 */
/* update: new limits for a live container, from options or a file. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli.h"
#include "sys/file.h"
#include "verbs.h"

/* No document of a few limits is larger. */
enum { RESOURCES_MAX = 1 << 20 };

struct update_opts {
	const char *resources;
	const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period, *cpu_rt_runtime;
	const char *cpu_idle, *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap;
	const char *l3_schema, *mem_bw_schema;
	struct dv_opt_int blkio_weight, pids_limit;
};

/* One option whose value is a number, and where it goes. */
struct number {
	const char *option, *text;
	struct spec_i64 *i64; /* one of the three; @size has units */
	struct spec_u64 *u64;
	struct spec_i64 *size;
};

static bool parse_number(const struct number *n)
{
	if (n->u64)
		return n->u64->is_set = dv_parse_u64(n->text, &n->u64->value);
	if (n->size)
		return n->size->is_set = dv_parse_size(n->text, &n->size->value);
	return n->i64->is_set = dv_parse_i64(n->text, &n->i64->value);
}

static struct dv_err *apply_numbers(const struct update_opts *o, struct spec_resources *r)
{
	const struct number numbers[] = {
		{ "cpu-idle", o->cpu_idle, .i64 = &r->cpu.idle },
		{ "cpu-burst", o->cpu_burst, .u64 = &r->cpu.burst },
		{ "cpu-period", o->cpu_period, .u64 = &r->cpu.period },
		{ "cpu-rt-period", o->cpu_rt_period, .u64 = &r->cpu.realtime_period },
		{ "cpu-share", o->cpu_share, .u64 = &r->cpu.shares },
		{ "cpu-quota", o->cpu_quota, .i64 = &r->cpu.quota },
		{ "cpu-rt-runtime", o->cpu_rt_runtime, .i64 = &r->cpu.realtime_runtime },
		{ "memory", o->memory, .size = &r->memory.limit },
		{ "memory-swap", o->memory_swap, .size = &r->memory.swap },
		{ "memory-reservation", o->memory_reservation, .size = &r->memory.reservation },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(numbers); i++) {
		if (cli_given(numbers[i].text) && !parse_number(&numbers[i]))
			return dv_err_new(DV_INVALID, "invalid value for %s: \"%s\"",
					  numbers[i].option, numbers[i].text);
	}
	return NULL;
}

static struct dv_err *apply_options(const struct update_opts *o, struct spec_resources *r)
{
	if (cli_given(o->cpuset_cpus))
		r->cpu.cpus = o->cpuset_cpus;
	if (cli_given(o->cpuset_mems))
		r->cpu.mems = o->cpuset_mems;
	if (o->pids_limit.is_set)
		r->pids_limit = (struct spec_i64){ .is_set = true, .value = o->pids_limit.value };
	if (o->blkio_weight.value < 0 || o->blkio_weight.value > UINT16_MAX)
		return dv_err_new(DV_INVALID, "invalid value for blkio-weight: %d",
				  o->blkio_weight.value);
	if (o->blkio_weight.value)
		r->block_io.weight = (struct spec_u64){
			.is_set = true,
			.value = (uint64_t)o->blkio_weight.value,
		};
	return apply_numbers(o, r);
}

/* "-" is standard input. */
static struct dv_err *read_resources(const char *path, struct dv_arena *arena,
				     struct spec_resources **ret)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(RESOURCES_MAX);
	DV_CLEANUP(sys_closep) int opened = -1;
	const char *name = "standard input";
	int fd = STDIN_FILENO;
	struct dv_err *e;
	ssize_t n;

	if (!dv_streq(path, "-")) {
		name = path;
		fd = opened = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
		if (fd < 0)
			return dv_err_sys(fd, "open %s", path);
	}
	n = sys_read_all(fd, text, RESOURCES_MAX);
	if (n < 0)
		return dv_err_sys((int)n, "read %s", name);
	e = spec_resources_parse(arena, text, (size_t)n, ret);
	return dv_err_wrap(e, "parse %s", name);
}

static struct dv_err *update(const struct cli *cli, const struct update_opts *o, const char *id,
			     struct dv_arena *arena)
{
	struct spec_resources none = { 0 }, *r = &none;
	struct dv_err *e;

	if (cli_given(o->resources)) {
		e = read_resources(o->resources, arena, &r);
		if (e)
			return e;
	}
	e = apply_options(o, r);
	if (e)
		return e;
	return rt_update(&cli->ctx, id, r, cli_given(o->l3_schema), cli_given(o->mem_bw_schema));
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct dv_arena arena;
	struct dv_err *e;

	(void)ret_status;
	dv_arena_init(&arena);
	e = update(program, opts, args[0], &arena);
	dv_arena_fini(&arena);
	return e;
}

#define FIELD(f) offsetof(struct update_opts, f)

static const struct dv_opt options[] = {
	{ .name = "resources",
	  .letter = 'r',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(resources),
	  .arg = "path",
	  .help = "JSON file with limits, \"-\" for standard input" },
	{ .name = "blkio-weight",
	  .type = DV_OPT_INT,
	  .offset = FIELD(blkio_weight),
	  .arg = "n",
	  .help = "weight of block I/O, from 10 to 1000" },
	{ .name = "cpu-period",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_period),
	  .arg = "usecs",
	  .help = "CPU period that the quota is for; 0 for the system's default" },
	{ .name = "cpu-quota",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_quota),
	  .arg = "usecs",
	  .help = "CPU time allowed in each period" },
	{ .name = "cpu-burst",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_burst),
	  .arg = "usecs",
	  .help = "unused CPU time that may be saved up for a burst" },
	{ .name = "cpu-share",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_share),
	  .arg = "n",
	  .help = "CPU weight relative to other containers (1024 is usual)" },
	{ .name = "cpu-rt-period",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_rt_period),
	  .arg = "usecs",
	  .help = "period of the realtime limit; 0 for the system's default" },
	{ .name = "cpu-rt-runtime",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_rt_runtime),
	  .arg = "usecs",
	  .help = "realtime CPU time allowed in each of its periods" },
	{ .name = "cpu-idle",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpu_idle),
	  .arg = "n",
	  .help = "1 runs the container with SCHED_IDLE, 0 normally" },
	{ .name = "cpuset-cpus",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpuset_cpus),
	  .arg = "list",
	  .help = "CPUs to use (\"0-3,7\")" },
	{ .name = "cpuset-mems",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cpuset_mems),
	  .arg = "list",
	  .help = "memory nodes to use" },
	{ .name = "kernel-memory",
	  .is_hidden = true,
	  .type = DV_OPT_IGNORED_STRING,
	  .arg = "bytes",
	  .help = "(obsolete, ignored)" },
	{ .name = "kernel-memory-tcp",
	  .is_hidden = true,
	  .type = DV_OPT_IGNORED_STRING,
	  .arg = "bytes",
	  .help = "(obsolete, ignored)" },
	{ .name = "memory",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(memory),
	  .arg = "bytes",
	  .help = "memory limit (\"512m\"); -1 for none" },
	{ .name = "memory-reservation",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(memory_reservation),
	  .arg = "bytes",
	  .help = "soft memory limit" },
	{ .name = "memory-swap",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(memory_swap),
	  .arg = "bytes",
	  .help = "limit of memory and swap together; -1 for none" },
	{ .name = "pids-limit",
	  .type = DV_OPT_INT,
	  .offset = FIELD(pids_limit),
	  .arg = "n",
	  .help = "largest number of processes and threads; -1 for no limit" },
	{ .name = "l3-cache-schema",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(l3_schema),
	  .arg = "schema",
	  .help = "L3 cache schema of Intel RDT/CAT" },
	{ .name = "mem-bw-schema",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(mem_bw_schema),
	  .arg = "schema",
	  .help = "memory bandwidth schema of Intel RDT/MBA" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_update = {
	.name = "update",
	.args = "<container-id>",
	.summary = "change the limits of a container",
	.text = "What is not mentioned stays as it is. Sizes take the units k, m, g, t (powers of 1024).\n"
		"\n"
		"The file given by --resources is an object like linux.resources of config.json;\n"
		"devices in it are ignored. Limits given by options win over those of the file.",
	.example =
		"    # $0 update --memory 512m --pids-limit 100 c1\n"
		"    # echo '{\"cpu\": {\"quota\": 50000, \"period\": 100000}}' | $0 update -r - c1",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.opts_size = sizeof(struct update_opts),
	.run = run,
};
