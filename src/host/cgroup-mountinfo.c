/* SPDX-License-Identifier: Apache-2.0 */
/* Finding cgroup mounts in /proc/self/mountinfo. */

#include <string.h>

#include "base/str.h"
#include "cgroup-private.h"

struct mount_line {
	char *root, *point, *type, *options;
};

/* "36 35 98:0 /root /point opts tag:1 - type source superopts"; cuts @line up. */
static bool parse_mount(char *line, struct mount_line *ret)
{
	char *tail = strstr(line, " - "), *word;

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (int i = 0; i < 3; i++)
		strsep(&line, " ");
	ret->root = strsep(&line, " ");
	ret->point = strsep(&line, " ");
	ret->type = strsep(&tail, " ");
	word = strsep(&tail, " ");
	ret->options = tail;
	if (!ret->root || !ret->point || !ret->type || !word || !ret->options)
		return false;
	dv_unescape_octal(ret->root);
	dv_unescape_octal(ret->point);
	return true;
}

/* True when the comma-separated @options have each name of @wanted. */
static bool has_options(const char *options, const char *wanted, size_t n)
{
	const char *end = wanted + n;

	while (wanted < end) {
		const char *comma = memchr(wanted, ',', (size_t)(end - wanted));
		size_t len = (size_t)((comma ? comma : end) - wanted);
		const char *at = options;

		while (at && (strncmp(at, wanted, len) != 0 || (at[len] && at[len] != ','))) {
			at = strchr(at, ',');
			at = at ? at + 1 : NULL;
		}
		if (!at)
			return false;
		wanted += len + 1;
	}
	return true;
}

bool cgroup_mountinfo_find(const char *text, const char *controllers, size_t n, char **ret_root,
			   char **ret_point)
{
	const char *type = controllers ? "cgroup" : "cgroup2";

	while (*text) {
		size_t len = strcspn(text, "\n");
		DV_CLEANUP(dv_freep) char *line = dv_strndup(text, len);
		struct mount_line m;

		text += len + (text[len] == '\n');
		if (!parse_mount(line, &m) || !dv_streq(m.type, type) || strpbrk(m.point, "\n\t"))
			continue;
		if (controllers && !has_options(m.options, controllers, n))
			continue;
		*ret_root = dv_strdup(m.root);
		*ret_point = dv_strdup(m.point);
		return true;
	}
	return false;
}
