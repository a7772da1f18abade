/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of hooks in the runtime's namespaces, and the ones that wait in the state directory. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "hook-private.h"
#include "launch-private.h"
#include "state-private.h"
#include "sys/file.h"

enum {
	OUTPUT_MAX = 64 * 1024, /* of each stream, in the message of a failure */
	HOOKS_MAX = 16 << 20, /* hooks.json */
};

static struct dv_err *run_hook(const struct spec_hook *h, const char *state)
{
	DV_CLEANUP(dv_freep) char *buf = dv_alloc(2 * OUTPUT_MAX);
	struct rt_hook_output out[2] = {
		{ .data = buf, .size = OUTPUT_MAX },
		{ .data = buf + OUTPUT_MAX, .size = OUTPUT_MAX },
	};
	DV_CLEANUP(dv_freep) char *text = NULL;
	struct rt_hook_end end;
	size_t size;
	int r;

	if (h->path[0] != '/')
		return dv_err_new(DV_INVALID, "path of the hook is not absolute: %s", h->path);
	r = rt_hook_exec(h, NULL, state, strlen(state), out, &end);
	if (r < 0)
		return dv_err_sys(r, "fork/exec %s", h->path);
	if (!rt_hook_has_failed(&end))
		return NULL;
	size = out[0].len + out[1].len + 256;
	text = dv_alloc(size);
	rt_hook_explain(h, &end, out, text, size);
	return dv_err_new(end.is_late ? DV_DEADLINE : DV_ABORTED, "%s", text);
}

/*
 * The first failure ends it; but after the container is gone (poststop) there is nothing left to
 * stop: failures are warnings then, and all hooks run (runtime-spec, runtime.md, Lifecycle).
 */
struct dv_err *rt_hooks_run(const struct spec_hook_list *hooks, enum spec_hook_kind kind,
			    const char *state, const struct dv_log *log)
{
	for (size_t i = 0; i < hooks->n_items; i++) {
		struct dv_err *e = run_hook(&hooks->items[i], state);

		if (!e)
			continue;
		e = dv_err_wrap(e, "error running %s hook #%zu", spec_hook_kind_name(kind), i);
		if (kind != SPEC_HOOK_POSTSTOP)
			return e;
		dv_log(log, DV_WARN, "%s", dv_err_message(e));
		dv_err_free(e);
	}
	return NULL;
}

/* ---- on disk -------------------------------------------------------------------------------- */

struct dv_err *rt_hooks_save(const struct rt_container *c,
			     const struct spec_hook_list hooks[SPEC_HOOK__N])
{
	struct spec_hook_list late[SPEC_HOOK__N] = {
		[SPEC_HOOK_POSTSTART] = hooks[SPEC_HOOK_POSTSTART],
		[SPEC_HOOK_POSTSTOP] = hooks[SPEC_HOOK_POSTSTOP],
	};
	struct dv_strbuf text = DV_STRBUF_INIT;
	int fd, r;

	if (late[SPEC_HOOK_POSTSTART].n_items + late[SPEC_HOOK_POSTSTOP].n_items == 0)
		return NULL;
	spec_hooks_format(late, &text);
	fd = sys_openat(c->state->dirfd, RT_HOOKS, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, text.data, text.len);
	sys_close(fd);
	dv_strbuf_fini(&text);
	return r < 0 ? dv_err_sys(r, "write %s of container %s", RT_HOOKS, c->id) : NULL;
}

struct dv_err *rt_hooks_load(struct rt_container *c, struct spec_hook_list ret[SPEC_HOOK__N])
{
	struct rt_state *st = c->state;
	struct dv_err *e;
	size_t len;
	char *text;

	memset(ret, 0, sizeof(*ret) * SPEC_HOOK__N);
	if (!st->has_hooks)
		return NULL;
	e = rt_read_file(&st->arena, st->dirfd, RT_HOOKS, HOOKS_MAX, &text, &len);
	if (!e)
		e = spec_hooks_parse(&st->arena, text, len, ret);
	return dv_err_wrap(e, "load hooks of container %s", c->id);
}
