/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezing and thawing.
 *
 * v2 freezes for good once asked, also what is forked meanwhile, and says when it is done.
 * v1 walks over the tasks and may miss one that is just being forked; it then says FREEZING
 * for ever, and has to be asked again, sometimes after letting everything run on for a moment
 * (kernel documentation, freezer-subsystem, before ef9fe980c6fc).
 */

#include <errno.h>
#include <sched.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

enum { V1_PAUSE_EVERY = 20, V1_THAW_EVERY = 60 }; /* tries; most freezes need one or two */

static int freezer_v1(struct host_cgroup *cg)
{
	int i = cgroup_find(cg, CGROUP_FREEZER);

	return i < 0 ? -ENOENT : cgroup_dir(cg, i);
}

void cgroup_thaw_v1(struct host_cgroup *cg)
{
	int dirfd = freezer_v1(cg);

	if (dirfd >= 0)
		(void)cgroup_write(cg, dirfd, "freezer.state", "THAWED");
}

static struct dv_err *freeze_v1(struct host_cgroup *cg, int dirfd, int64_t deadline)
{
	char state[32];
	ssize_t n;
	int r;

	for (unsigned i = 1;; i++) {
		r = cgroup_write(cg, dirfd, "freezer.state", "FROZEN");
		if (r < 0)
			return dv_err_sys(r, "freeze");
		n = cgroup_read(dirfd, "freezer.state", state, sizeof(state));
		if (n < 0)
			return dv_err_sys((int)n, "read freezer.state");
		state[strcspn(state, "\n")] = '\0';
		if (dv_streq(state, "FROZEN"))
			return NULL;
		if (!dv_streq(state, "FREEZING"))
			return dv_err_new(DV_INTERNAL, "unexpected state %s while freezing", state);
		if (cgroup_now_ms() >= deadline)
			return dv_err_new(DV_DEADLINE, "unable to freeze");
		if (i % V1_THAW_EVERY == 0)
			(void)cgroup_write(cg, dirfd, "freezer.state", "THAWED");
		if (i % V1_PAUSE_EVERY == 0)
			cgroup_pause_ms(1);
		else
			sched_yield();
	}
}

static struct dv_err *freeze_v2(struct host_cgroup *cg, int dirfd, int64_t deadline)
{
	int r = cgroup_write(cg, dirfd, "cgroup.freeze", "1");

	if (r < 0)
		return dv_err_sys(r, "freezer not supported");
	r = cgroup_wait_event(dirfd, "frozen", 1, deadline);
	if (r == -ETIMEDOUT)
		return dv_err_new(DV_DEADLINE, "timeout reached waiting for the cgroup to freeze");
	return r < 0 ? dv_err_sys(r, "read cgroup.events") : NULL;
}

/* Where the freezer is; -errno. */
static int freezer_dir(struct host_cgroup *cg)
{
	int i;

	if (cg->mode != HOST_CGROUP_V2)
		return freezer_v1(cg);
	i = cgroup_find_v2(cg);
	return i < 0 ? -ENOENT : cgroup_dir(cg, i);
}

struct dv_err *host_cgroup_freeze(struct host_cgroup *cg, int timeout_ms)
{
	int64_t deadline = cgroup_now_ms() + timeout_ms;
	bool is_v2 = cg->mode == HOST_CGROUP_V2;
	int dirfd = freezer_dir(cg);
	struct dv_err *e;

	if (dirfd < 0)
		return dv_err_new(DV_PRECONDITION,
				  "cannot toggle freezer: cgroups not configured for container");
	e = is_v2 ? freeze_v2(cg, dirfd, deadline) : freeze_v1(cg, dirfd, deadline);
	/* Half frozen is worse than not at all. */
	if (e)
		(void)cgroup_write(cg, dirfd, is_v2 ? "cgroup.freeze" : "freezer.state",
				   is_v2 ? "0" : "THAWED");
	return e;
}

struct dv_err *host_cgroup_thaw(struct host_cgroup *cg)
{
	bool is_v2 = cg->mode == HOST_CGROUP_V2;
	int dirfd = freezer_dir(cg), r;

	if (dirfd < 0)
		return dv_err_new(DV_PRECONDITION,
				  "cannot toggle freezer: cgroups not configured for container");
	r = cgroup_write(cg, dirfd, is_v2 ? "cgroup.freeze" : "freezer.state",
			 is_v2 ? "0" : "THAWED");
	/* A kernel without freezer (v2 before 5.2) has nothing frozen. */
	if (r == -ENOENT && is_v2)
		r = 0;
	return r < 0 ? dv_err_sys(r, "thaw") : NULL;
}

struct dv_err *host_cgroup_is_frozen(struct host_cgroup *cg, bool *ret)
{
	int dirfd = freezer_dir(cg);
	uint64_t value = 0;
	int r;

	*ret = false;
	if (dirfd == -ENOENT || dirfd == -ENODEV)
		return NULL;
	if (dirfd < 0)
		return dv_err_sys(dirfd, "open freezer cgroup");
	/* Both are about this cgroup alone; an ancestor's state does not show in them. */
	r = cgroup_read_u64(dirfd,
			    cg->mode == HOST_CGROUP_V2 ? "cgroup.freeze" : "freezer.self_freezing",
			    &value);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return dv_err_sys(r, "read freezer state");
	*ret = r == 0 && value == 1;
	return NULL;
}
