/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out the plan of limits (cgroup-plan.h). A fresh cgroup has the kernel's defaults,
 * so nothing is read for it; an update first reads the few values that it is merged with.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/str.h"
#include "cgroup-plan.h"
#include "sys/file.h"

/* Where limits of @ctl go; -1 when there is no such place. */
static int place_of(const struct host_cgroup *cg, enum cgroup_ctl ctl, bool is_v2)
{
	return is_v2 ? cgroup_find_v2(cg) : cgroup_find(cg, ctl);
}

/* ---- what an update is merged with ---------------------------------------------------- */

static void read_current(struct host_cgroup *cg, const struct spec_resources *res,
			 struct cgroup_plan_env *env)
{
	bool is_v2, has_quota = cgroup_i64(res->cpu.quota) != 0;
	int dirfd;

	if (cgroup_i64(res->memory.swap) > 0) {
		dirfd = cgroup_memory_dir(cg, &is_v2);
		if (dirfd >= 0)
			(void)cgroup_read_u64(dirfd, is_v2 ? "memory.max" : "memory.limit_in_bytes",
					      &env->memory_limit);
		/* v1 shows "unlimited" as the largest number of whole pages. */
		if (env->memory_limit >= (uint64_t)INT64_MAX / 2)
			env->memory_limit = UINT64_MAX;
	}
	if (cg->mode == HOST_CGROUP_V2 && has_quota != (cgroup_u64(res->cpu.period) != 0)) {
		int i = cgroup_find_v2(cg);
		char buf[64], *period;

		dirfd = i < 0 ? -ENOENT : cgroup_dir(cg, i);
		if (dirfd < 0 || cgroup_read(dirfd, "cpu.max", buf, sizeof(buf)) < 0)
			return;
		buf[strcspn(buf, "\n")] = '\0';
		period = strchr(buf, ' ');
		if (!period)
			return;
		*period++ = '\0';
		if (!dv_parse_i64(buf, &env->cpu_quota))
			env->cpu_quota = -1;
		if (!dv_parse_u64(period, &env->cpu_period))
			env->cpu_period = 100000;
	}
}

static struct dv_err *check_usage(struct host_cgroup *cg, const struct spec_resources *res)
{
	int64_t limit = cgroup_i64(res->memory.limit), swap = cgroup_i64(res->memory.swap);
	uint64_t usage;
	bool is_v2;
	int dirfd;

	if (!res->memory.check_before_update.is_set || !res->memory.check_before_update.value ||
	    (limit <= 0 && swap <= 0))
		return NULL;
	/* Best effort: a use that cannot be read forbids nothing. */
	dirfd = cgroup_memory_dir(cg, &is_v2);
	if (dirfd < 0 ||
	    cgroup_read_u64(dirfd, is_v2 ? "memory.current" : "memory.usage_in_bytes", &usage) < 0)
		return NULL;
	if (swap > 0 && (uint64_t)swap <= usage)
		return dv_err_new(DV_PRECONDITION,
				  "rejecting memory+swap limit %" PRId64 " <= usage %" PRIu64, swap,
				  usage);
	if (limit > 0 && (uint64_t)limit <= usage)
		return dv_err_new(DV_PRECONDITION,
				  "rejecting memory limit %" PRId64 " <= usage %" PRIu64, limit,
				  usage);
	return NULL;
}

/* ---- writing -------------------------------------------------------------------------- */

/* The kernel takes one line per write. */
static int write_lines(const struct host_cgroup *cg, int dirfd, const char *name, const char *text)
{
	DV_CLEANUP(sys_closep) int fd = cgroup_open_file(cg, dirfd, name, O_WRONLY);

	if (fd < 0)
		return fd;
	do {
		size_t n = strcspn(text, "\n");
		ssize_t r = sys_write(fd, text, n + (text[n] == '\n'));

		if (r < 0)
			return (int)r;
		text += n + (text[n] == '\n');
	} while (*text);
	return 0;
}

static bool has_controller(int dirfd, const char *name)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf have = DV_STRBUF_INIT;

	return cgroup_read_text(dirfd, "cgroup.controllers", &have) == 0 &&
	       cgroup_has_word(have.data, name);
}

static struct dv_err *unified_error(int dirfd, const struct cgroup_write *w, int r)
{
	const char *dot = strchr(w->file, '.');
	DV_CLEANUP(dv_freep) char *ctl = NULL;

	if (r == -ENOENT || r == -EPERM || r == -EACCES) {
		if (!dot)
			return dv_err_new(DV_INVALID,
					  "unified resource \"%s\" must be in the form "
					  "CONTROLLER.PARAMETER",
					  w->file);
		ctl = dv_strndup(w->file, (size_t)(dot - w->file));
		if (!dv_streq(ctl, "cgroup") && !has_controller(dirfd, ctl))
			return dv_err_new(DV_INVALID,
					  "unified resource \"%s\" can't be set: controller \"%s\" "
					  "not available",
					  w->file, ctl);
	}
	return dv_err_sys(r, "unable to set unified resource \"%s\" to \"%s\"", w->file, w->value);
}

static struct dv_err *write_error(struct host_cgroup *cg, int i, const struct cgroup_write *w,
				  int r)
{
	const struct host_cgroup_hier *pub = &cg->pub[i];
	int dirfd = cg->hiers[i].dirfd;
	uint64_t usage, peak;

	if (w->flags & CGROUP_W_UNIFIED)
		return unified_error(dirfd, w, r);
	if (w->flags & CGROUP_W_MEMORY && r == -EBUSY &&
	    cgroup_read_u64(dirfd, "memory.usage_in_bytes", &usage) == 0 &&
	    cgroup_read_u64(dirfd, "memory.max_usage_in_bytes", &peak) == 0)
		return dv_err_new(DV_PRECONDITION,
				  "unable to set memory limit to %s (current usage: %" PRIu64
				  ", peak usage: %" PRIu64 ")",
				  w->value, usage, peak);
	if (r == -ENOENT && w->is_v2 && !has_controller(dirfd, cgroup_ctl_v2_name(w->ctl)))
		return dv_err_new(
			DV_PRECONDITION,
			"cannot set %s to \"%s\": controller \"%s\" not available in %s%s", w->file,
			w->value, cgroup_ctl_v2_name(w->ctl), pub->mountpoint, pub->path);
	return dv_err_sys(r, "failed to write \"%s\" to %s%s/%s", w->value, pub->mountpoint,
			  pub->path, w->file);
}

/* What the writes before have left open for those that follow. */
struct progress {
	bool is_missing; /* the last file did not exist */
	const char *deferred[4];
	size_t n_deferred;
};

static bool is_deferred(const struct progress *at, const char *file)
{
	for (size_t i = 0; i < at->n_deferred; i++) {
		if (dv_streq(at->deferred[i], file))
			return true;
	}
	return false;
}

static struct dv_err *write_one(struct host_cgroup *cg, const struct cgroup_write *w, bool has_else,
				struct progress *at)
{
	int i = place_of(cg, w->ctl, w->is_v2), r;
	bool was_missing = at->is_missing;

	at->is_missing = false;
	if ((w->flags & CGROUP_W_ELSE && !was_missing) ||
	    (w->flags & CGROUP_W_AGAIN && !is_deferred(at, w->file)))
		return NULL;
	if (i < 0)
		return dv_err_new(DV_PRECONDITION,
				  "cannot set %s limit: container could not join or create cgroup",
				  w->ctl < CGROUP_CTL__N ? cgroup_ctl_name(w->ctl) : w->file);
	if (w->ctl == CGROUP_CPUSET && cg->hiers[i].has_cpuset)
		return NULL; /* create did it: the cgroup could not be joined without */
	r = cgroup_dir(cg, i);
	if (r < 0)
		return dv_err_sys(r, "open cgroup %s%s", cg->pub[i].mountpoint, cg->pub[i].path);
	r = w->flags & CGROUP_W_UNIFIED ? write_lines(cg, r, w->file, w->value)
					: cgroup_write(cg, r, w->file, w->value);
	at->is_missing = r == -ENOENT;
	if (r == 0 || (r == -ENOENT && (has_else || w->flags & CGROUP_W_OPTIONAL)))
		return NULL;
	if (r == -EINVAL && w->flags & CGROUP_W_DEFER &&
	    at->n_deferred < DV_ARRAY_SIZE(at->deferred)) {
		at->deferred[at->n_deferred++] = w->file;
		return NULL;
	}
	return write_error(cg, i, w, r);
}

struct dv_err *host_cgroup_set(struct host_cgroup *cg, const struct spec_resources *res,
			       enum host_cgroup_op op)
{
	struct cgroup_plan_env env = { .mode = cg->mode, CGROUP_PLAN_ENV_FRESH };
	DV_CLEANUP(cgroup_plan_fini) struct cgroup_plan plan = { 0 };
	struct progress at = { 0 };
	struct dv_err *e;

	for (size_t i = 0; i < cg->n; i++)
		env.v1_ctls |= cg->hiers[i].ctls;
	if (op == HOST_CGROUP_UPDATE) {
		for (size_t i = 0; i < cg->n; i++)
			cg->hiers[i].has_cpuset = false;
		read_current(cg, res, &env);
	}
	e = check_usage(cg, res);
	if (!e)
		e = cgroup_plan_make(res, &env, cg->log, &plan);
	for (size_t k = 0; k < plan.n && !e; k++) {
		bool has_else = k + 1 < plan.n && plan.items[k + 1].flags & CGROUP_W_ELSE;

		e = write_one(cg, &plan.items[k], has_else, &at);
	}
	return e;
}
