/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: memory, processors, processes, ulimits. What is refused here would be refused later, worse. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "run.h"

enum { CPU_PERIOD = 100000, MEMORY_MIN = 6 * 1024 * 1024, NAME_MAX_SIZE = 32 };

static struct dv_err *parse_size(const char *option, const char *text, struct spec_i64 *ret)
{
	if (!text)
		return NULL;
	if (!dv_parse_size(text, &ret->value) || ret->value < -1)
		return dv_err_new(DV_INVALID, "--%s \"%.50s\" is not a size like 512m or 2g",
				  option, text);
	ret->is_set = ret->value != 0; /* 0 is no limit */
	return NULL;
}

/* docker's rule: as much swap as memory, unless it is said. */
static struct dv_err *memory(struct run_plan *p)
{
	struct spec_resources *r = &p->resources;
	const struct run_opts *o = p->opts;
	struct dv_err *e;

	e = parse_size("memory", o->memory, &r->memory.limit);
	if (!e)
		e = parse_size("memory-swap", o->memory_swap, &r->memory.swap);
	if (!e)
		e = parse_size("memory-reservation", o->memory_reservation, &r->memory.reservation);
	if (e)
		return e;
	if (r->memory.limit.is_set && r->memory.limit.value < MEMORY_MIN)
		return dv_err_new(DV_INVALID, "--memory %s: less than 6m is not enough to start",
				  o->memory);
	if (r->memory.swap.is_set && !r->memory.limit.is_set)
		return dv_err_new(DV_INVALID, "--memory-swap needs --memory, too");
	if (r->memory.swap.is_set && r->memory.swap.value != -1 &&
	    r->memory.swap.value < r->memory.limit.value)
		return dv_err_new(DV_INVALID, "--memory-swap is memory and swap together, and must "
					      "not be less than --memory");
	if (r->memory.limit.is_set && !r->memory.swap.is_set &&
	    r->memory.limit.value <= INT64_MAX / 2)
		r->memory.swap = (struct spec_i64){ true, 2 * r->memory.limit.value };
	if (o->memory_swappiness.is_set)
		r->memory.swappiness =
			(struct spec_u64){ true, (uint64_t)o->memory_swappiness.value };
	if (o->is_oom_kill_disabled)
		r->memory.disable_oom_killer = (struct spec_bool){ true, true };
	return NULL;
}

/* "1.5", "0.25": in thousandths of a percent of one processor, exactly. */
static bool parse_cpus(const char *text, int64_t *ret_quota)
{
	int64_t whole = 0, rest = 0;
	int digits = 0;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		whole = 10 * whole + (*text - '0');
		if (whole > 65536)
			return false;
	}
	if (*text == '.') {
		for (text++; isdigit((unsigned char)*text); text++) {
			if (digits == 5)
				continue;
			rest = 10 * rest + (*text - '0');
			digits++;
		}
	}
	for (; digits < 5; digits++)
		rest *= 10;
	*ret_quota = whole * CPU_PERIOD + rest;
	return !*text;
}

static struct dv_err *cpu(struct run_plan *p)
{
	struct spec_resources *r = &p->resources;
	const struct run_opts *o = p->opts;
	int64_t quota = 0;

	if (o->cpus) {
		if (o->cpu_quota.is_set || o->cpu_period.is_set)
			return dv_err_new(DV_INVALID,
					  "--cpus excludes --cpu-quota and --cpu-period");
		if (!parse_cpus(o->cpus, &quota) || (quota > 0 && quota < 1000))
			return dv_err_new(
				DV_INVALID,
				"--cpus \"%.50s\" is not a number of processors from 0.01",
				o->cpus);
		if (quota > 0) {
			r->cpu.quota = (struct spec_i64){ true, quota };
			r->cpu.period = (struct spec_u64){ true, CPU_PERIOD };
		}
	}
	if (o->cpu_quota.is_set && o->cpu_quota.value != 0)
		r->cpu.quota = (struct spec_i64){ true, o->cpu_quota.value };
	if (o->cpu_period.is_set && o->cpu_period.value > 0)
		r->cpu.period = (struct spec_u64){ true, (uint64_t)o->cpu_period.value };
	if (o->cpu_shares.is_set && o->cpu_shares.value > 0)
		r->cpu.shares = (struct spec_u64){ true, (uint64_t)o->cpu_shares.value };
	r->cpu.cpus = o->cpuset_cpus;
	r->cpu.mems = o->cpuset_mems;
	return NULL;
}

static bool parse_limit(const char *text, uint64_t *ret)
{
	if (!dv_streq(text, "-1") && !dv_streq(text, "unlimited"))
		return dv_parse_u64(text, ret);
	*ret = RLIM_INFINITY;
	return true;
}

/* "nofile=1024:2048" */
static struct dv_err *parse_ulimit(struct cli *cli, const char *text, struct spec_rlimit *ret)
{
	char *copy = dv_arena_strdup(&cli->arena, text), name[NAME_MAX_SIZE];
	char *equals = strchr(copy, '='), *colon;

	if (!equals || (size_t)(equals - copy) > sizeof(name) - sizeof("RLIMIT_"))
		return dv_err_new(DV_INVALID, "--ulimit \"%.50s\" is not type=soft[:hard]", text);
	*equals = '\0';
	snprintf(name, sizeof(name), "RLIMIT_%s", copy);
	for (char *p = name; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	if (spec_rlimit_find(name) < 0)
		return dv_err_new(DV_INVALID, "--ulimit \"%.50s\": there is no such limit", text);
	colon = strchr(equals + 1, ':');
	if (colon)
		*colon = '\0';
	if (!parse_limit(equals + 1, &ret->soft) ||
	    !parse_limit(colon ? colon + 1 : equals + 1, &ret->hard))
		return dv_err_new(DV_INVALID, "--ulimit \"%.50s\" is not type=soft[:hard]", text);
	if (ret->soft > ret->hard)
		return dv_err_new(DV_INVALID,
				  "--ulimit \"%.50s\": the soft limit is above the hard", text);
	ret->name = dv_arena_strdup(&cli->arena, name);
	return NULL;
}

static struct dv_err *ulimits(struct run_plan *p)
{
	const struct dv_opt_list *list = &p->opts->ulimits;
	struct dv_err *e = NULL;
	size_t n = 0;

	p->rlimits = dv_arena_new_n(&p->cli->arena, struct spec_rlimit, list->n_items + 1);
	for (size_t i = 0; !e && i < list->n_items; i++) {
		struct spec_rlimit limit = { 0 };
		size_t at = 0;

		e = parse_ulimit(p->cli, list->items[i], &limit);
		while (!e && at < n && !dv_streq(p->rlimits[at].name, limit.name))
			at++;
		p->rlimits[at] = limit; /* the last one of a type wins */
		n += at == n;
	}
	p->container.spec.rlimits = p->rlimits;
	p->container.spec.n_rlimits = n;
	return e;
}

struct dv_err *run_plan_limits(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	struct dv_err *e;

	e = memory(p);
	if (!e)
		e = cpu(p);
	if (!e)
		e = ulimits(p);
	if (o->pids_limit.is_set && o->pids_limit.value != 0)
		p->resources.pids_limit = (struct spec_i64){ true, o->pids_limit.value };
	if (o->blkio_weight.is_set && o->blkio_weight.value != 0)
		p->resources.block_io.weight =
			(struct spec_u64){ true, (uint64_t)o->blkio_weight.value };
	if (o->oom_score_adj.is_set)
		p->container.spec.oom_score_adj = (struct spec_i64){ true, o->oom_score_adj.value };
	p->container.spec.resources = &p->resources;
	return e;
}
