/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles as docker's users write them, made into linux.seccomp: the architectures of this
 * machine, and of the rules those that its capabilities and architecture ask for. A profile without
 * docker's additions comes out as it is. Whether names, actions and operators are good is left to
 * spec_runtime_parse() and the runtime.
 */

#include <linux/capability.h>

#include "generate-private.h"

#if defined(__x86_64__)
#define OWN_ARCH    "SCMP_ARCH_X86_64"
#define DOCKER_ARCH "amd64"
#elif defined(__aarch64__)
#define OWN_ARCH    "SCMP_ARCH_AARCH64"
#define DOCKER_ARCH "arm64"
#elif defined(__riscv)
#define OWN_ARCH    "SCMP_ARCH_RISCV64"
#define DOCKER_ARCH "riscv64"
#else
#error "which architecture is this?"
#endif

static bool is_own_arch(const struct dv_json *name)
{
	const char *s = dv_json_string(name, NULL);

	return s && dv_streq(s, DOCKER_ARCH);
}

static bool has_cap(const struct dv_json *name, uint64_t caps)
{
	const char *s = dv_json_string(name, NULL);
	int cap = s ? spec_cap_find(s) : -1;

	return cap >= 0 && (caps & UINT64_C(1) << cap);
}

static size_t count_caps(const struct dv_json *filter, uint64_t caps)
{
	const struct dv_json *list = dv_json_get(filter, "caps");
	size_t n = 0;

	for (size_t i = 0; i < dv_json_array_len(list); i++)
		n += has_cap(dv_json_array_at(list, i), caps);
	return n;
}

static bool lists_arch(const struct dv_json *filter)
{
	const struct dv_json *list = dv_json_get(filter, "arches");

	for (size_t i = 0; i < dv_json_array_len(list); i++) {
		if (is_own_arch(dv_json_array_at(list, i)))
			return true;
	}
	return false;
}

/*
 * docker's reading: of `includes` all that is named must be, of `excludes` none may be. `minKernel`
 * is always met: no supported kernel is older than what profiles ask for.
 */
static bool is_wanted(const struct dv_json *rule, uint64_t caps)
{
	const struct dv_json *includes = dv_json_get(rule, "includes");
	const struct dv_json *excludes = dv_json_get(rule, "excludes");

	if (count_caps(includes, caps) < dv_json_array_len(dv_json_get(includes, "caps")))
		return false;
	if (dv_json_array_len(dv_json_get(includes, "arches")) > 0 && !lists_arch(includes))
		return false;
	return count_caps(excludes, caps) == 0 && !lists_arch(excludes);
}

static void copy(struct dv_jw *w, const struct dv_json *from, const char *key)
{
	const struct dv_json *v = dv_json_get(from, key);
	DV_CLEANUP(dv_freep) char *text = NULL;

	if (!v || dv_json_type(v) == DV_JSON_NULL)
		return;
	text = dv_json_text(v);
	dv_jw_raw(w, key, text);
}

static void add_rule(struct dv_jw *w, const struct dv_json *rule)
{
	const char *name = dv_json_string(dv_json_get(rule, "name"), NULL);

	dv_jw_object_begin(w, NULL);
	if (name && *name) /* the old form: one name */
		generate_strings(w, "names", &name, 1);
	else
		copy(w, rule, "names");
	copy(w, rule, "action");
	copy(w, rule, "errnoRet");
	if (dv_json_array_len(dv_json_get(rule, "args")) > 0)
		copy(w, rule, "args");
	dv_jw_object_end(w);
}

static void add_mapped_architectures(struct dv_jw *w, const struct dv_json *map)
{
	dv_jw_array_begin(w, "architectures");
	for (size_t i = 0; i < dv_json_array_len(map); i++) {
		const struct dv_json *row = dv_json_array_at(map, i);
		const struct dv_json *subs = dv_json_get(row, "subArchitectures");
		const char *arch = dv_json_string(dv_json_get(row, "architecture"), NULL);

		if (!arch || !dv_streq(arch, OWN_ARCH))
			continue;
		dv_jw_string(w, NULL, arch);
		for (size_t s = 0; s < dv_json_array_len(subs); s++) {
			const char *sub = dv_json_string(dv_json_array_at(subs, s), NULL);

			if (sub)
				dv_jw_string(w, NULL, sub);
		}
	}
	dv_jw_array_end(w);
}

static struct dv_err *add_rules(struct dv_jw *w, const struct dv_json *rules, uint64_t caps)
{
	if (rules && dv_json_type(rules) != DV_JSON_ARRAY && dv_json_type(rules) != DV_JSON_NULL)
		return dv_err_new(DV_INVALID, "syscalls: expected an array");
	dv_jw_array_begin(w, "syscalls");
	for (size_t i = 0; i < dv_json_array_len(rules); i++) {
		const struct dv_json *rule = dv_json_array_at(rules, i);

		if (dv_json_type(rule) != DV_JSON_OBJECT)
			return dv_err_new(DV_INVALID, "syscalls[%zu]: expected an object", i);
		if (is_wanted(rule, caps))
			add_rule(w, rule);
	}
	dv_jw_array_end(w);
	return NULL;
}

static struct dv_err *convert(struct dv_jw *w, const struct dv_json *doc, uint64_t caps)
{
	const struct dv_json *map = dv_json_get(doc, "archMap");
	struct dv_err *e;

	if (!dv_json_string(dv_json_get(doc, "defaultAction"), NULL))
		return dv_err_new(DV_INVALID, "defaultAction: required property is missing");
	if (dv_json_array_len(map) > 0 && dv_json_array_len(dv_json_get(doc, "architectures")) > 0)
		return dv_err_new(DV_INVALID, "architectures and archMap exclude each other");
	dv_jw_object_begin(w, NULL);
	copy(w, doc, "defaultAction");
	copy(w, doc, "defaultErrnoRet");
	if (dv_json_array_len(map) > 0)
		add_mapped_architectures(w, map);
	else
		copy(w, doc, "architectures");
	copy(w, doc, "flags");
	copy(w, doc, "listenerPath");
	copy(w, doc, "listenerMetadata");
	e = add_rules(w, dv_json_get(doc, "syscalls"), caps);
	dv_jw_object_end(w);
	return e;
}

struct dv_err *spec_seccomp_from_profile(const char *text, size_t len, uint64_t caps, char **ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;
	struct dv_jw w;

	e = dv_json_parse(text, len, &doc);
	if (!e && dv_json_type(doc) != DV_JSON_OBJECT)
		e = dv_err_new(DV_INVALID, "document: expected an object");
	if (e)
		return e;
	dv_jw_init(&w, &out, NULL);
	e = convert(&w, doc, caps);
	if (!e)
		*ret = dv_strbuf_steal(&out);
	return e;
}
