/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities and --security-opt. */

#include <stdlib.h>
#include <string.h>

#include "client/caps.h"
#include "run.h"

static struct dv_err *choose_caps(struct run_plan *p)
{
	static const char *const all[] = { "ALL" };
	const struct run_opts *o = p->opts;
	bool is_all = o->is_privileged;

	return spec_caps_choose(is_all ? all : o->caps_added.items,
				is_all ? 1 : o->caps_added.n_items, o->caps_dropped.items,
				is_all ? 0 : o->caps_dropped.n_items, client_caps_known(),
				&p->container.spec.caps);
}

static struct dv_err *seccomp(struct run_plan *p, const char *value)
{
	struct spec_container *s = &p->container.spec;
	struct dv_err *e;
	char *text, *profile = NULL;
	size_t n;

	if (dv_streq(value, "unconfined")) {
		s->seccomp = SPEC_SECCOMP_UNCONFINED;
		return NULL;
	}
	if (dv_streq(value, "builtin"))
		return NULL;
	e = run_read_file(p->cli, value, &text, &n);
	if (e)
		return e;
	e = spec_seccomp_from_profile(text, n, s->caps, &profile);
	if (e)
		return dv_err_wrap(e, "profile %s", value);
	s->seccomp = SPEC_SECCOMP_PROFILE;
	s->seccomp_profile = dv_arena_strdup(&p->cli->arena, profile);
	free(profile);
	return NULL;
}

static struct dv_err *no_new_privileges(struct run_plan *p, const char *value)
{
	bool is_on = true;

	if (value && !dv_parse_bool(value, &is_on))
		return dv_err_new(DV_INVALID, "it is true or false, not \"%.50s\"", value);
	p->container.spec.is_no_new_privileges = is_on;
	return NULL;
}

static struct dv_err *apparmor(struct run_plan *p, const char *value)
{
	p->container.spec.apparmor_profile = value;
	return NULL;
}

static struct dv_err *systempaths(struct run_plan *p, const char *value)
{
	if (!dv_streq(value, "unconfined"))
		return dv_err_new(DV_INVALID, "it can be unconfined alone");
	p->container.spec.is_unmasked = true;
	return NULL;
}

/* The process' whole label; docker puts it together from parts, for which it asks SELinux' policy. */
static struct dv_err *label(struct run_plan *p, const char *value)
{
	if (!dv_streq(value, "disable"))
		return dv_err_new(DV_UNIMPLEMENTED, "labels are not supported yet, except disable");
	p->container.spec.selinux_label = NULL;
	return NULL;
}

/* "key=value", or docker's old "key:value". */
static struct dv_err *add(struct run_plan *p, const char *text)
{
	static const struct {
		const char *key;
		bool has_value;
		struct dv_err *(*fn)(struct run_plan *p, const char *value);
	} options[] = {
		{ "apparmor", true, apparmor },
		{ "label", true, label },
		{ "no-new-privileges", false, no_new_privileges },
		{ "seccomp", true, seccomp },
		{ "systempaths", true, systempaths },
	};
	size_t n = strcspn(text, "=:");
	const char *value = text[n] ? text + n + 1 : NULL;

	for (size_t i = 0; i < DV_ARRAY_SIZE(options); i++) {
		if (strlen(options[i].key) != n || strncmp(text, options[i].key, n) != 0)
			continue;
		if (options[i].has_value && !value)
			return dv_err_new(DV_INVALID, "a value is missing");
		return options[i].fn(p, value);
	}
	return dv_err_new(DV_INVALID, "there is no such option");
}

struct dv_err *run_plan_security(struct run_plan *p)
{
	const struct dv_opt_list *list = &p->opts->security;
	struct dv_err *e = choose_caps(p);

	p->container.spec.is_privileged = p->opts->is_privileged;
	for (size_t i = 0; !e && i < list->n_items; i++)
		e = dv_err_wrap(add(p, list->items[i]), "--security-opt %s", list->items[i]);
	return e;
}
