/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks that run in the container's namespaces: createContainer and startContainer. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"

/*
 * The state's pid is "as seen by the container" for these two (runtime-spec, runtime.md,
 * State), which only we know.
 */
static int run(struct rt_launch *l, enum spec_hook_kind kind, char *const *env, char *text)
{
	const struct spec_hook_list *hooks = &l->spec->hooks[kind];
	int created = kind == SPEC_HOOK_START_CONTAINER;
	char why[RT_TEXT_MAX];
	int n;

	n = snprintf(l->hook_buf, l->hook_buf_size, "%s%d%s", l->hook_state[created].head, getpid(),
		     l->hook_state[created].tail);
	for (size_t i = 0; i < hooks->n_items; i++) {
		int r;

		why[0] = '\0';
		r = rt_hook_run(&hooks->items[i], env, l->hook_buf, (size_t)n, why);
		if (r < 0)
			return rt_explain(text, r, "error running %s hook #%zu: %.800s",
					  spec_hook_kind_name(kind), i, why);
	}
	return 0;
}

int rt_child_create_hooks(struct rt_launch *l, char *text)
{
	int r = sys_fchdir(l->rootfd);

	if (r < 0)
		return rt_explain(text, r, "enter the root for createContainer hooks");
	(void)umask(l->umask);
	r = run(l, SPEC_HOOK_CREATE_CONTAINER, NULL, text);
	(void)umask(0);
	return r;
}

int rt_child_start_hooks(struct rt_launch *l, char *text)
{
	return run(l, SPEC_HOOK_START_CONTAINER, l->envp, text);
}
