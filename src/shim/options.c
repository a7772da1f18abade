/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"
#include "sys/file.h"

#define OPTIONS_FILE "options.json"
#define RUNTIME_FILE "runtime"

enum { FILE_MAX = 64 * 1024 };

struct shim_options *shim_options_new(void)
{
	return dv_new(struct shim_options);
}

struct shim_options *shim_options_dup(const struct shim_options *options)
{
	struct shim_options *copy = shim_options_new();

	if (!options)
		return copy;
	*copy = *options;
	copy->shim_cgroup = dv_strdup(options->shim_cgroup);
	copy->binary_name = dv_strdup(options->binary_name);
	copy->root = dv_strdup(options->root);
	return copy;
}

struct shim_options *shim_options_free(struct shim_options *options)
{
	if (!options)
		return NULL;
	free(options->shim_cgroup);
	free(options->binary_name);
	free(options->root);
	free(options);
	return NULL;
}

/* ---- the files ------------------------------------------------------------------------------ */

/* Go writes these with encoding/json: the field names of the protobuf message. */
static const struct {
	const char *key;
	enum { BOOL, ID, STRING } type;
	size_t offset;
} fields[] = {
	{ "no_pivot_root", BOOL, offsetof(struct shim_options, no_pivot_root) },
	{ "no_new_keyring", BOOL, offsetof(struct shim_options, no_new_keyring) },
	{ "systemd_cgroup", BOOL, offsetof(struct shim_options, systemd_cgroup) },
	{ "io_uid", ID, offsetof(struct shim_options, io_uid) },
	{ "io_gid", ID, offsetof(struct shim_options, io_gid) },
	{ "shim_cgroup", STRING, offsetof(struct shim_options, shim_cgroup) },
	{ "binary_name", STRING, offsetof(struct shim_options, binary_name) },
	{ "root", STRING, offsetof(struct shim_options, root) },
};

_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t),
	       "ids are written as 32-bit numbers");

static void format(const struct shim_options *options, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++) {
		const void *p = (const char *)options + fields[i].offset;
		const char *text;

		if (fields[i].type == BOOL && *(const bool *)p)
			dv_jw_bool(&w, fields[i].key, true);
		if (fields[i].type == ID && *(const uint32_t *)p)
			dv_jw_uint(&w, fields[i].key, *(const uint32_t *)p);
		if (fields[i].type == STRING && (text = *(char *const *)p))
			dv_jw_string(&w, fields[i].key, text);
	}
	dv_jw_object_end(&w);
}

static int write_file(int dir_fd, const char *name, const void *p, size_t n)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);

	return fd < 0 ? fd : sys_write_all(fd, p, n);
}

struct dv_err *shim_options_save(const struct shim_options *options, int bundle_fd)
{
	const char *binary = options->binary_name ? options->binary_name : "";
	struct dv_strbuf text = DV_STRBUF_INIT;
	int r;

	format(options, &text);
	r = write_file(bundle_fd, OPTIONS_FILE, text.data, text.len);
	dv_strbuf_fini(&text);
	if (r < 0)
		return dv_err_sys(r, "write %s", OPTIONS_FILE);
	r = write_file(bundle_fd, RUNTIME_FILE, binary, strlen(binary));
	return r < 0 ? dv_err_sys(r, "write %s", RUNTIME_FILE) : NULL;
}

static void take_field(struct shim_options *options, size_t i, const struct dv_json *v)
{
	void *p = (char *)options + fields[i].offset;
	uint64_t number;

	if (!v)
		return;
	if (fields[i].type == BOOL)
		*(bool *)p = dv_json_type(v) == DV_JSON_BOOL && dv_json_bool(v);
	if (fields[i].type == ID && dv_json_uint(v, &number) && number < UINT32_MAX)
		*(uint32_t *)p = (uint32_t)number;
	if (fields[i].type == STRING && dv_json_type(v) == DV_JSON_STRING) {
		const char *text = dv_json_string(v, NULL);

		if (*text)
			*(char **)p = dv_strdup(text);
	}
}

static struct dv_err *load_options(struct shim_options *options, int bundle_fd, char *buf)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	ssize_t n = sys_read_file_at(bundle_fd, OPTIONS_FILE, buf, FILE_MAX);
	struct dv_err *e;

	if (n == -ENOENT || n == 0)
		return NULL;
	if (n < 0)
		return dv_err_sys((int)n, "read %s", OPTIONS_FILE);
	e = dv_json_parse(buf, (size_t)n, &doc);
	if (!e && dv_json_type(doc) != DV_JSON_OBJECT)
		e = dv_err_new(DV_DATA_LOSS, "not an object");
	if (e)
		return dv_err_wrap(e, "%s", OPTIONS_FILE);
	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++)
		take_field(options, i, dv_json_get(doc, fields[i].key));
	return NULL;
}

struct dv_err *shim_options_load(int bundle_fd, struct shim_options **ret)
{
	DV_CLEANUP(shim_options_freep) struct shim_options *options = shim_options_new();
	DV_CLEANUP(dv_freep) char *buf = dv_alloc(FILE_MAX);
	struct dv_err *e;
	ssize_t n;

	e = load_options(options, bundle_fd, buf);
	if (e)
		return e;
	n = sys_read_file_at(bundle_fd, RUNTIME_FILE, buf, FILE_MAX);
	if (n < 0 && n != -ENOENT)
		return dv_err_sys((int)n, "read %s", RUNTIME_FILE);
	if (n > 0) {
		buf[strcspn(buf, "\n")] = '\0';
		free(options->binary_name);
		options->binary_name = *buf ? dv_strdup(buf) : NULL;
	}
	*ret = dv_steal(&options);
	return NULL;
}
