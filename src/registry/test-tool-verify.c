/* SPDX-License-Identifier: Apache-2.0 */
/* registry-tool: a policy, and the signatures that it wants. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "registry/signature.h"
#include "sys/file.h"
#include "test-tool.h"

enum { TEXT_MAX = 1 << 20 };

struct verify {
	struct tool *t;
	struct registry_policy policy;
	const struct registry_policy_rule *rule;
};

static struct dv_err *read_file(struct tool *t, const char *path, struct registry_pem *ret)
{
	DV_CLEANUP(dv_freep) char *text = dv_new_n(char, TEXT_MAX);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, text, TEXT_MAX);

	if (n < 0)
		return dv_err_sys((int)n, "read %s", path);
	ret->data = dv_arena_strndup(&t->arena, text, (size_t)n);
	ret->n = (size_t)n;
	return NULL;
}

/* The keys of files become keys of the policy. */
static struct dv_err *load_keys(struct tool *t, struct registry_policy_requirement *q)
{
	struct registry_pem *keys;
	struct dv_err *e = NULL;

	keys = dv_arena_new_n(&t->arena, struct registry_pem, q->n_keys + q->n_key_paths + 1);
	for (size_t i = 0; i < q->n_keys; i++)
		keys[i] = q->keys[i];
	for (size_t i = 0; i < q->n_key_paths && !e; i++)
		e = read_file(t, q->key_paths[i], &keys[q->n_keys++]);
	q->keys = keys;
	return e;
}

static void on_verified(void *arg, struct dv_err *take_error)
{
	struct verify *v = arg;

	if (!take_error)
		puts("signed");
	tool_fail(v->t, take_error);
	free(v);
}

static void on_resolved(void *arg, const struct spec_descriptor *found, struct dv_err *take_error)
{
	struct verify *v = arg;
	struct registry_verify_opts o = { .ref = &v->t->ref, .rule = v->rule };

	if (take_error) {
		on_verified(v, take_error);
		return;
	}
	o.digest = found->digest;
	registry_verify(v->t->repo, &o, on_verified, v);
}

static struct dv_err *prepare(struct verify *v, const char *file, bool *ret_needs)
{
	struct tool *t = v->t;
	struct registry_pem text;
	struct dv_err *e = read_file(t, file, &text);

	if (!e)
		e = registry_policy_parse(&t->arena, text.data, text.n, &v->policy);
	if (e)
		return e;
	v->rule = registry_policy_find(&v->policy, &t->ref);
	e = registry_policy_check(v->rule, &t->ref, ret_needs);
	for (size_t i = 0; i < v->rule->n_requirements && !e; i++)
		e = load_keys(t, &v->rule->requirements[i]);
	return e;
}

void tool_verify(struct tool *t, const char *policy)
{
	struct verify *v = dv_new(struct verify);
	bool needs = false;
	struct dv_err *e;

	v->t = t;
	spec_ref_default_tag(&t->ref);
	e = prepare(v, policy, &needs);
	if (!e && needs) {
		registry_resolve(t->repo, t->ref.tag, on_resolved, v);
		return;
	}
	if (!e)
		puts("accepted");
	tool_fail(t, e);
	free(v);
}
