/* SPDX-License-Identifier: Apache-2.0 */
/* The document itself (config.md): its table, and spec_runtime_parse(). */

#include "spec/runtime.h"

#include <ctype.h>

#include "table-private.h"

/* A number of a version: "0" or digits that do not begin with 0. */
static bool skip_version_number(const char **p)
{
	const char *start = *p;

	while (isdigit((unsigned char)**p))
		(*p)++;
	return *p > start && (*start != '0' || *p == start + 1);
}

/* Semantic versioning 2.0.0: X.Y.Z, then "-pre.release" and "+build.data". */
static bool is_version(const char *s)
{
	for (int i = 0; i < 3; i++) {
		if (i > 0 && *s++ != '.')
			return false;
		if (!skip_version_number(&s))
			return false;
	}
	if (!*s)
		return true;
	if ((*s != '-' && *s != '+') || !s[1])
		return false;
	for (s++; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(".-+", *s))
			return false;
	}
	return true;
}

static struct dv_err *decode_version(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_runtime *spec = out;
	struct dv_err *e;

	e = spec_decode_text(d, v, true, &spec->oci_version);
	if (e)
		return e;
	if (!is_version(spec->oci_version))
		return spec_decode_expected(d, v, "a version like " SPEC_VERSION);
	if (!dv_starts_with(spec->oci_version, "1."))
		return spec_decode_error(d, "version %s is not supported, only 1.x is",
					 spec->oci_version);
	return NULL;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct spec_string_pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static struct dv_err *finish_runtime(struct decoder *d, void *out)
{
	struct spec_runtime *spec = out;

	if (!spec->linux.resources)
		spec->linux.resources = dv_arena_new(d->arena, struct spec_resources);
	if (spec->n_annotations > 1)
		qsort(spec->annotations, spec->n_annotations, sizeof(*spec->annotations),
		      compare_pairs);
	return NULL;
}

#define T struct spec_runtime
static const struct decode_field runtime_fields[] = {
	{ CUSTOM("ociVersion", decode_version), REQUIRED },
	{ OBJECT_NEW("process", process, spec_process_object) },
	{ OBJECT("root", root, spec_root_object), REQUIRED },
	{ STRING("hostname", hostname) },
	{ STRING("domainname", domainname) },
	{ LIST("mounts", mounts, n_mounts, spec_mount_object) },
	{ OBJECT("hooks", hooks, spec_hooks_object) },
	{ PAIRS("annotations", annotations, n_annotations), MANY },
	{ OBJECT("linux", linux, spec_linux_object), FLAGGED(has_linux) },
};
static const struct decode_object runtime_object = {
	DECODE_OBJECT_OF(runtime_fields),
	.finish = finish_runtime,
};
#undef T

struct dv_err *spec_runtime_parse(struct dv_arena *arena, const char *text, size_t len,
				  struct spec_runtime **ret)
{
	struct spec_runtime *spec = dv_arena_new(arena, struct spec_runtime);
	struct dv_err *e;

	e = spec_decode_document(arena, &runtime_object, text, len, spec);
	if (e)
		return e;
	*ret = spec;
	return NULL;
}
