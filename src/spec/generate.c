/* SPDX-License-Identifier: Apache-2.0 */
/* config.json from a struct: the document and its process. See spec/generate.h. */

#include "spec/generate.h"

#include "generate-private.h"

/* All that is written here was in it, and older runtimes refuse newer ones. */
#define VERSION "1.0.2"

void generate_strings(struct dv_jw *w, const char *key, const char *const *items, size_t n)
{
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, NULL, items[i]);
	dv_jw_array_end(w);
}

void generate_pairs(struct dv_jw *w, const char *key, const struct spec_string_pair *pairs,
		    size_t n)
{
	if (n == 0)
		return;
	dv_jw_object_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, pairs[i].key, pairs[i].value);
	dv_jw_object_end(w);
}

static void generate_user(struct dv_jw *w, const struct spec_container *c)
{
	dv_jw_object_begin(w, "user");
	dv_jw_uint(w, "uid", c->uid);
	dv_jw_uint(w, "gid", c->gid);
	if (c->n_groups > 0) {
		dv_jw_array_begin(w, "additionalGids");
		for (size_t i = 0; i < c->n_groups; i++)
			dv_jw_uint(w, NULL, c->groups[i]);
		dv_jw_array_end(w);
	}
	dv_jw_object_end(w);
}

static void generate_caps(struct dv_jw *w, uint64_t caps, const char *set)
{
	dv_jw_array_begin(w, set);
	for (unsigned cap = 0; spec_cap_name(cap); cap++) {
		if (caps & UINT64_C(1) << cap)
			dv_jw_string(w, NULL, spec_cap_name(cap));
	}
	dv_jw_array_end(w);
}

/* Who is not root has what execve(2) would leave: nothing, within the bounding set. */
static void generate_capabilities(struct dv_jw *w, const struct spec_container *c)
{
	dv_jw_object_begin(w, "capabilities");
	generate_caps(w, c->caps, "bounding");
	if (c->uid == 0) {
		generate_caps(w, c->caps, "effective");
		generate_caps(w, c->caps, "permitted");
	}
	dv_jw_object_end(w);
}

static void generate_rlimits(struct dv_jw *w, const struct spec_container *c)
{
	if (c->n_rlimits == 0)
		return;
	dv_jw_array_begin(w, "rlimits");
	for (size_t i = 0; i < c->n_rlimits; i++) {
		dv_jw_object_begin(w, NULL);
		dv_jw_string(w, "type", c->rlimits[i].name);
		dv_jw_uint(w, "hard", c->rlimits[i].hard);
		dv_jw_uint(w, "soft", c->rlimits[i].soft);
		dv_jw_object_end(w);
	}
	dv_jw_array_end(w);
}

static void generate_console(struct dv_jw *w, const struct spec_container *c)
{
	if (!c->has_terminal)
		return;
	dv_jw_bool(w, "terminal", true);
	if (c->console_width == 0 || c->console_height == 0)
		return;
	dv_jw_object_begin(w, "consoleSize");
	dv_jw_uint(w, "height", c->console_height);
	dv_jw_uint(w, "width", c->console_width);
	dv_jw_object_end(w);
}

static void generate_process(struct dv_jw *w, const char *key, const struct spec_container *c)
{
	dv_jw_object_begin(w, key);
	generate_console(w, c);
	generate_user(w, c);
	generate_strings(w, "args", c->args, c->n_args);
	generate_strings(w, "env", c->env, c->n_env);
	dv_jw_string(w, "cwd", c->cwd ? c->cwd : "/");
	generate_capabilities(w, c);
	generate_rlimits(w, c);
	if (c->is_no_new_privileges)
		dv_jw_bool(w, "noNewPrivileges", true);
	if (c->apparmor_profile)
		dv_jw_string(w, "apparmorProfile", c->apparmor_profile);
	if (c->selinux_label)
		dv_jw_string(w, "selinuxLabel", c->selinux_label);
	if (c->oom_score_adj.is_set)
		dv_jw_int(w, "oomScoreAdj", c->oom_score_adj.value);
	dv_jw_object_end(w);
}

void spec_container_process_format(const struct spec_container *c, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	generate_process(&w, NULL, c);
}

void spec_container_format(const struct spec_container *c, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersion", VERSION);
	generate_process(&w, "process", c);
	dv_jw_object_begin(&w, "root");
	dv_jw_string(&w, "path", c->root_path ? c->root_path : "rootfs");
	if (c->is_root_readonly)
		dv_jw_bool(&w, "readonly", true);
	dv_jw_object_end(&w);
	if (c->hostname)
		dv_jw_string(&w, "hostname", c->hostname);
	generate_mounts(&w, c);
	generate_pairs(&w, "annotations", c->annotations, c->n_annotations);
	generate_linux(&w, c);
	dv_jw_object_end(&w);
}
