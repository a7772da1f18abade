/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look into config.json for single strings, without making a document of it: start has a few
 * milliseconds for everything, and the file may be long. What is passed over is only
 * checked as far as it takes to pass over it; the runtime is going to read the file in full.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"
#include "start-private.h"
#include "sys/file.h"

#define CONFIG_FILE "config.json"

enum { CONFIG_MAX = 16 * 1024 * 1024 };

/* In the order of precedence. */
static const char *const group_annotations[] = {
	"io.containerd.runc.v2.group",
	"io.kubernetes.cri.sandbox-id",
};

/* ---- passing over JSON ---------------------------------------------------------------------- */

struct scan {
	const char *p, *end;
};

struct span {
	const char *p;
	size_t n;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool take_char(struct scan *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* The quotes are part of it. */
static bool take_string(struct scan *s, struct span *ret)
{
	const char *start = s->p;

	if (!take_char(s, '"'))
		return false;
	start = s->p - 1;
	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
	if (s->p >= s->end)
		return false;
	s->p++;
	*ret = (struct span){ start, (size_t)(s->p - start) };
	return true;
}

/* Objects and arrays of any depth, by counting. */
static bool skip_nested(struct scan *s)
{
	size_t depth = 0;
	struct span string;

	while (s->p < s->end) {
		switch (*s->p) {
		case '"':
			if (!take_string(s, &string))
				return false;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0) {
				s->p++;
				return true;
			}
			break;
		default:
			break;
		}
		s->p++;
	}
	return false;
}

static bool take_value(struct scan *s, struct span *ret)
{
	const char *start;

	skip_space(s);
	start = s->p;
	if (s->p == s->end)
		return false;
	if (*s->p == '"')
		return take_string(s, ret);
	if (*s->p == '{' || *s->p == '[') {
		if (!skip_nested(s))
			return false;
	} else {
		while (s->p < s->end && !strchr(",]} \n\t\r", *s->p))
			s->p++;
	}
	*ret = (struct span){ start, (size_t)(s->p - start) };
	return ret->n > 0;
}

enum member { MEMBER_FOUND, MEMBER_END, MEMBER_BROKEN };

/* The next member of the object that @s is in; @s starts in front of the brace. */
static enum member next_member(struct scan *s, bool *is_first, struct span *key, struct span *value)
{
	if (*is_first && !take_char(s, '{'))
		return MEMBER_BROKEN;
	if (take_char(s, '}'))
		return MEMBER_END;
	if (!*is_first && !take_char(s, ','))
		return MEMBER_BROKEN;
	*is_first = false;
	if (!take_string(s, key) || !take_char(s, ':') || !take_value(s, value))
		return MEMBER_BROKEN;
	return MEMBER_FOUND;
}

static bool is_key(struct span key, const char *name)
{
	return key.n == strlen(name) + 2 && memcmp(key.p + 1, name, key.n - 2) == 0;
}

static struct dv_err *broken(const char *json, const struct scan *s)
{
	return dv_err_new(DV_INVALID, CONFIG_FILE ": not JSON at byte %td", s->p - json);
}

/* The member @name of the object @in; an empty span when there is none. The last one counts. */
static struct dv_err *find_member(const char *json, struct span in, const char *name,
				  struct span *ret)
{
	struct scan s = { in.p, in.p + in.n };
	struct span key, value;
	bool is_first = true;

	*ret = (struct span){ NULL, 0 };
	for (;;) {
		switch (next_member(&s, &is_first, &key, &value)) {
		case MEMBER_END:
			return NULL;
		case MEMBER_BROKEN:
			return broken(json, &s);
		case MEMBER_FOUND:
			if (is_key(key, name))
				*ret = value;
			break;
		}
	}
}

/* The text of a JSON string; heap. */
static struct dv_err *to_text(struct span v, const char *name, char **ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(v.p, v.n, &doc);
	size_t n = 0;

	if (!e && dv_json_type(doc) != DV_JSON_STRING)
		e = dv_err_new(DV_INVALID, "not a string");
	if (!e && strlen(dv_json_string(doc, &n)) != n)
		e = dv_err_new(DV_INVALID, "has a NUL byte");
	if (e)
		return dv_err_wrap(e, CONFIG_FILE ": %s", name);
	*ret = dv_strdup(dv_json_string(doc, NULL));
	return NULL;
}

struct dv_err *shim_group_scan(const char *json, size_t n, char **ret)
{
	struct span annotations, value;
	struct dv_err *e;

	*ret = NULL;
	e = find_member(json, (struct span){ json, n }, "annotations", &annotations);
	if (e || annotations.n == 0 || *annotations.p == 'n')
		return e;
	for (size_t i = 0; i < DV_ARRAY_SIZE(group_annotations); i++) {
		e = find_member(json, annotations, group_annotations[i], &value);
		if (e)
			return e;
		if (value.n > 0)
			return to_text(value, group_annotations[i], ret);
	}
	return NULL;
}

struct dv_err *shim_cgroups_path_scan(const char *json, size_t n, char **ret)
{
	struct span linux_part, value;
	struct dv_err *e;

	*ret = NULL;
	e = find_member(json, (struct span){ json, n }, "linux", &linux_part);
	if (e || linux_part.n == 0 || *linux_part.p != '{')
		return e;
	e = find_member(json, linux_part, "cgroupsPath", &value);
	if (e || value.n == 0)
		return e;
	return to_text(value, "linux.cgroupsPath", ret);
}

/* ---- the file ------------------------------------------------------------------------------- */

typedef struct dv_err *(*scan_fn)(const char *json, size_t n, char **ret);

static struct dv_err *scan_file(int bundle_fd, scan_fn scan, char **ret)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	DV_CLEANUP(dv_freep) char *text = NULL;
	struct dv_err *e;
	struct stat st;
	ssize_t n;
	int r;

	/* O_NONBLOCK: nobody makes us wait for the writer of a fifo. */
	fd = sys_openat(bundle_fd, CONFIG_FILE, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open " CONFIG_FILE " of the bundle");
	r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "stat " CONFIG_FILE);
	if (!S_ISREG(st.st_mode))
		return dv_err_new(DV_INVALID, CONFIG_FILE ": not a file");
	e = dv_alloc_limited((size_t)st.st_size + 1, CONFIG_MAX, CONFIG_FILE, (void **)&text);
	if (e)
		return e;
	n = sys_read_all(fd, text, (size_t)st.st_size + 1);
	if (n < 0)
		return dv_err_sys((int)n, "read " CONFIG_FILE);
	return scan(text, (size_t)n, ret);
}

struct dv_err *shim_group_read(int bundle_fd, const char *id, char **ret)
{
	char *group = NULL;
	struct dv_err *e = scan_file(bundle_fd, shim_group_scan, &group);

	if (e)
		return e;
	*ret = group ? group : dv_strdup(id);
	return NULL;
}

struct dv_err *shim_cgroups_path_read(int bundle_fd, char **ret)
{
	return scan_file(bundle_fd, shim_cgroups_path_scan, ret);
}
