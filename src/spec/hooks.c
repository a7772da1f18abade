/* SPDX-License-Identifier: Apache-2.0 */
/* The `hooks` object (config.md, "POSIX-platform Hooks"): tables, and the way back to JSON. */

#include "spec/runtime.h"

#include "table-private.h"

static const char *const kind_names[SPEC_HOOK__N] = {
	[SPEC_HOOK_PRESTART] = "prestart",
	[SPEC_HOOK_CREATE_RUNTIME] = "createRuntime",
	[SPEC_HOOK_CREATE_CONTAINER] = "createContainer",
	[SPEC_HOOK_START_CONTAINER] = "startContainer",
	[SPEC_HOOK_POSTSTART] = "poststart",
	[SPEC_HOOK_POSTSTOP] = "poststop",
};

const char *spec_hook_kind_name(enum spec_hook_kind kind)
{
	return kind < SPEC_HOOK__N ? kind_names[kind] : NULL;
}

static struct dv_err *finish_hook(struct decoder *d, void *out)
{
	const struct spec_hook *hook = out;

	if (hook->path[0] != '/')
		return spec_decode_error(d, "path \"%s\" is not absolute", hook->path);
	return NULL;
}

#define T struct spec_hook
static const struct decode_field hook_fields[] = {
	{ STRING("path", path), REQUIRED },
	{ STRINGS("args", args, n_args), MANY },
	{ STRINGS("env", env, n_env), MANY, FLAGGED(has_env) },
	{ INT("timeout", timeout, 1, INT32_MAX) },
};
static const struct decode_object hook_object = {
	DECODE_OBJECT_OF(hook_fields),
	.finish = finish_hook,
};
#undef T

/* An array is a struct when its elements are at known offsets. */
struct hook_lists {
	struct spec_hook_list kinds[SPEC_HOOK__N];
};

#define T	    struct hook_lists
#define HOOKS(k, i) LIST(k, kinds[i].items, kinds[i].n_items, hook_object)
static const struct decode_field hooks_fields[] = {
	{ HOOKS("prestart", SPEC_HOOK_PRESTART) },
	{ HOOKS("createRuntime", SPEC_HOOK_CREATE_RUNTIME) },
	{ HOOKS("createContainer", SPEC_HOOK_CREATE_CONTAINER) },
	{ HOOKS("startContainer", SPEC_HOOK_START_CONTAINER) },
	{ HOOKS("poststart", SPEC_HOOK_POSTSTART) },
	{ HOOKS("poststop", SPEC_HOOK_POSTSTOP) },
};
const struct decode_object spec_hooks_object = { DECODE_OBJECT_OF(hooks_fields) };
#undef HOOKS
#undef T

struct dv_err *spec_hooks_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_hook_list ret[SPEC_HOOK__N])
{
	struct hook_lists lists = { 0 };
	struct dv_err *e;

	e = spec_decode_document(arena, &spec_hooks_object, text, len, &lists);
	if (e)
		return e;
	for (size_t i = 0; i < SPEC_HOOK__N; i++)
		ret[i] = lists.kinds[i];
	return NULL;
}

static void format_strings(struct dv_jw *w, const char *key, const char **items, size_t n)
{
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, NULL, items[i]);
	dv_jw_array_end(w);
}

static void format_hook(struct dv_jw *w, const struct spec_hook *hook)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "path", hook->path);
	if (hook->n_args > 0)
		format_strings(w, "args", hook->args, hook->n_args);
	if (hook->has_env)
		format_strings(w, "env", hook->env, hook->n_env);
	if (hook->timeout > 0)
		dv_jw_int(w, "timeout", hook->timeout);
	dv_jw_object_end(w);
}

void spec_hooks_format(const struct spec_hook_list hooks[SPEC_HOOK__N], struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	for (size_t kind = 0; kind < SPEC_HOOK__N; kind++) {
		if (hooks[kind].n_items == 0)
			continue;
		dv_jw_array_begin(&w, kind_names[kind]);
		for (size_t i = 0; i < hooks[kind].n_items; i++)
			format_hook(&w, &hooks[kind].items[i]);
		dv_jw_array_end(&w);
	}
	dv_jw_object_end(&w);
}
