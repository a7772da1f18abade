/* SPDX-License-Identifier: Apache-2.0 */
/* One entry after the other. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unpack-private.h"

/* As containerd cleans names: leading slashes go, and whatever would lead out is refused. */
static struct dv_err *set_path(struct layer *l, const char *given)
{
	char *path, *slash;

	if (!given)
		return dv_err_new(DV_INVALID, "a name that cannot be read");
	if (dv_path_has_dotdot(given))
		return dv_err_new(DV_INVALID, "its name has \"..\"");
	if (strlen(given) >= PATH_MAX)
		return dv_err_new(DV_INVALID, "its name is longer than %d bytes", PATH_MAX - 1);
	while (*given == '/')
		given++;
	path = dv_path_clean(*given ? given : ".");
	free(l->path);
	l->path = path;
	if (dv_streq(path, "."))
		*path = '\0';
	slash = strrchr(path, '/');
	l->name = slash ? slash + 1 : path;
	return NULL;
}

static bool may_replace_a_directory(struct archive_entry *entry)
{
	return archive_entry_filetype(entry) != AE_IFDIR || archive_entry_hardlink(entry);
}

static struct dv_err *one(struct layer *l, struct archive *a, struct archive_entry *entry)
{
	bool is_done = false;
	struct dv_err *e;

	e = set_path(l, archive_entry_pathname(entry));
	if (e)
		return e;
	/* The root is the snapshot's, as with containerd. */
	if (!*l->path)
		return NULL;
	/* It may be, or lead to, the parent that is open. */
	if (l->parent && may_replace_a_directory(entry) &&
	    strncmp(l->parent, l->path, strlen(l->path)) == 0)
		layer_leave_parent(l);
	e = layer_enter_parent(l);
	if (!e)
		e = layer_whiteout(l, entry, &is_done);
	if (e || is_done)
		return e;
	layer_note(l);
	return layer_create(l, a, entry);
}

static const char *name_of(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name ? name : "?";
}

static struct dv_err *all(struct layer *l, struct archive *a)
{
	struct archive_entry *entry;
	uint64_t n = 0;
	struct dv_err *e;
	int r;

	while ((r = archive_read_next_header(a, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		if (++n > l->opts->max_entries)
			return dv_err_new(DV_EXHAUSTED,
					  "entry %.512s: the archive has more than %llu",
					  name_of(entry), (unsigned long long)l->opts->max_entries);
		e = one(l, a, entry);
		if (e)
			return dv_err_wrap(e, "entry %.512s", name_of(entry));
	}
	if (r != ARCHIVE_EOF)
		return dv_err_new(DV_INVALID, "entry %llu: %s", (unsigned long long)n + 1,
				  archive_error_string(a));
	return layer_set_late_times(l);
}

struct dv_err *layer_unpack(const struct unpack_opts *opts, struct archive *a)
{
	struct layer l = { .opts = opts, .parent_fd = -1 };
	struct dv_err *e = all(&l, a);

	while (l.times) {
		struct late_time *t = l.times;

		l.times = t->next;
		free(t);
	}
	layer_forget(&l);
	layer_leave_parent(&l);
	free(l.path);
	return e;
}
