/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process may still have open when it becomes the container's, and its limits.
 *
 * Marking descriptors close-on-exec is not enough: the program's path is resolved before they
 * go ("/proc/self/fd/7/..", CVE-2024-21626), and a created container may wait in its fifo for
 * days. So all but two are closed here: the sync socket, which goes when the parent has its
 * answer, and the fifo. Neither leads anywhere. They get the numbers behind the preserved ones,
 * and nothing is opened after this: RLIMIT_NOFILE may be as small as that.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/process.h"

int rt_child_descriptors(struct rt_launch *l, char *text)
{
	int *keep[] = { &l->sync[1], &l->fifofd };
	int first = 3 + (int)l->preserve_fds, n = 0, r;

	/* Out of the way first: one may sit where another is to go. */
	for (size_t i = 0; i < DV_ARRAY_SIZE(keep); i++) {
		if (*keep[i] < 0)
			continue;
		*keep[i] = sys_dup_cloexec(*keep[i], first + (int)DV_ARRAY_SIZE(keep));
		if (*keep[i] < 0)
			return rt_explain(text, *keep[i], "move descriptors");
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(keep); i++) {
		if (*keep[i] < 0)
			continue;
		if (dup3(*keep[i], first + n, O_CLOEXEC) < 0)
			return rt_explain(text, -errno, "move descriptors");
		*keep[i] = first + n++;
	}
	r = sys_close_range((unsigned)(first + n), ~0U, 0);
	if (r < 0)
		return rt_explain(text, r, "close descriptors");
	l->procfd = l->rootfd = l->console_sock = l->pidfd_sock = l->seccomp_fd = -1;
	return 0;
}

int rt_rlimits_set(const struct rt_launch *l, pid_t pid, char *text)
{
	for (size_t i = 0; i < l->process->n_rlimits; i++) {
		const struct spec_rlimit *p = &l->process->rlimits[i];
		struct rlimit64 limit = { .rlim_cur = p->soft, .rlim_max = p->hard };
		int r = sys_prlimit(pid, p->resource, &limit, NULL);

		if (r < 0)
			return rt_explain(
				text, r,
				"error setting rlimit type %d: %s to soft %llu, hard %llu%s",
				p->resource, p->name, (unsigned long long)p->soft,
				(unsigned long long)p->hard,
				r == -EPERM ? ": raising a hard limit needs CAP_SYS_RESOURCE" : "");
	}
	return 0;
}

int rt_child_rlimits(struct rt_launch *l, char *text)
{
	return rt_rlimits_set(l, 0, text);
}
