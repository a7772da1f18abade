/* SPDX-License-Identifier: Apache-2.0 */
/* --device, --device-cgroup-rule, and all devices there are for --privileged. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "run.h"
#include "sys/file.h"

enum { MAX_DEVICES = 4096, MAX_DEPTH = 8 };

static struct dv_err *add(struct run_plan *p, const char *inside, const struct stat *st,
			  const char *access)
{
	struct spec_device_grant *g;

	if (p->n_devices == MAX_DEVICES)
		return dv_err_new(DV_EXHAUSTED, "more than %d devices", MAX_DEVICES);
	g = &p->devices[p->n_devices++];
	*g = (struct spec_device_grant){
		.node = { .path = dv_arena_strdup(&p->cli->arena, inside),
			  .type = S_ISBLK(st->st_mode) ? 'b' : 'c',
			  .major = (int64_t)major(st->st_rdev),
			  .minor = (int64_t)minor(st->st_rdev),
			  .file_mode = { true, st->st_mode & 07777 },
			  .uid = { true, st->st_uid },
			  .gid = { true, st->st_gid } },
		.access = access,
	};
	return NULL;
}

/* ---- directories -------------------------------------------------------------------- */

/* What every container has of its own. */
static bool is_own(const char *inside)
{
	static const char *const paths[] = { "/dev/pts",     "/dev/shm",  "/dev/mqueue",
					     "/dev/console", "/dev/null", "/dev/zero",
					     "/dev/full",    "/dev/tty",  "/dev/random",
					     "/dev/urandom", "/dev/ptmx", "/dev/fd" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(paths); i++) {
		if (dv_streq(inside, paths[i]))
			return true;
	}
	return false;
}

static struct dv_err *add_tree(struct run_plan *p, int dirfd, const char *inside,
			       const char *access, int depth);

static struct dv_err *add_entry(struct run_plan *p, int dirfd, const char *name, const char *inside,
				const char *access, int depth)
{
	const char *path = dv_arena_printf(&p->cli->arena, "%s/%s", inside, name);
	struct stat st;
	int fd;

	if (is_own(path) || sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return add(p, path, &st, access);
	if (!S_ISDIR(st.st_mode) || depth == MAX_DEPTH)
		return NULL;
	fd = sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return fd < 0 ? NULL : add_tree(p, fd, path, access, depth + 1);
}

/* Takes @dirfd. What goes away meanwhile is passed over. */
static struct dv_err *add_tree(struct run_plan *p, int dirfd, const char *inside,
			       const char *access, int depth)
{
	DIR *dir = fdopendir(dirfd);
	struct dv_err *e = NULL;
	struct dirent *d;

	if (!dir) {
		sys_close(dirfd);
		return NULL;
	}
	while (!e && (d = readdir(dir))) {
		if (!dv_streq(d->d_name, ".") && !dv_streq(d->d_name, ".."))
			e = add_entry(p, dirfd, d->d_name, inside, access, depth);
	}
	closedir(dir);
	return e;
}

/* ---- one option --------------------------------------------------------------------- */

static bool is_access(const char *s)
{
	return *s && strspn(s, "rwm") == strlen(s);
}

static struct dv_err *add_path(struct run_plan *p, const char *path, const char *inside,
			       const char *access)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, path, &st, 0), fd;

	if (r < 0)
		return dv_err_sys(r, "look at %s", path);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return add(p, inside, &st, access);
	if (!S_ISDIR(st.st_mode))
		return dv_err_new(DV_INVALID, "%s is not a device", path);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	return add_tree(p, fd, inside, access, 0);
}

/* "path", "path:inside", "path:rwm", "path:inside:rwm" */
static struct dv_err *add_device(struct run_plan *p, const char *text)
{
	char *rest = dv_arena_strdup(&p->cli->arena, text), *parts[3] = { NULL };
	const char *inside, *access = "rwm";
	size_t n = 0;

	while (rest && n < 3)
		parts[n++] = strsep(&rest, ":");
	inside = parts[0];
	if (n == 2 && is_access(parts[1]))
		access = parts[1];
	else if (n >= 2)
		inside = parts[1];
	if (n == 3)
		access = parts[2];
	if (rest || !is_access(access) || parts[0][0] != '/' || inside[0] != '/')
		return dv_err_new(DV_INVALID, "it is not path[:inside][:rwm] with absolute paths");
	return add_path(p, parts[0], inside, access);
}

/* "c 10:229 rwm", "a *:* m" */
static struct dv_err *add_rule(const char *text, struct spec_device_rule *ret)
{
	char major_text[16], minor_text[16], access[4], type, end;
	struct spec_device_rule rule = { .is_allowed = true, .major = -1, .minor = -1 };

	if (sscanf(text, "%c %15[0-9*]:%15[0-9*] %3[rwm]%c", &type, major_text, minor_text, access,
		   &end) != 4 ||
	    !strchr("abc", type) ||
	    (!dv_streq(major_text, "*") && !dv_parse_i64(major_text, &rule.major)) ||
	    (!dv_streq(minor_text, "*") && !dv_parse_i64(minor_text, &rule.minor)))
		return dv_err_new(DV_INVALID, "it is not like \"c 10:229 rwm\" or \"b 8:* r\"");
	rule.type = type;
	rule.reads = strchr(access, 'r') != NULL;
	rule.writes = strchr(access, 'w') != NULL;
	rule.mknods = strchr(access, 'm') != NULL;
	*ret = rule;
	return NULL;
}

static struct dv_err *rules(struct run_plan *p)
{
	const struct dv_opt_list *list = &p->opts->device_rules;
	struct spec_device_rule *rows =
		dv_arena_new_n(&p->cli->arena, struct spec_device_rule, list->n_items + 1);
	struct dv_err *e = NULL;

	for (size_t i = 0; !e && i < list->n_items; i++)
		e = dv_err_wrap(add_rule(list->items[i], &rows[i]), "--device-cgroup-rule %s",
				list->items[i]);
	p->container.spec.device_rules = rows;
	p->container.spec.n_device_rules = list->n_items;
	return e;
}

struct dv_err *run_plan_devices(struct run_plan *p)
{
	const struct dv_opt_list *list = &p->opts->devices;
	struct dv_err *e = NULL;

	if (list->n_items > 0 || p->opts->is_privileged)
		p->devices = dv_arena_new_n(&p->cli->arena, struct spec_device_grant, MAX_DEVICES);
	for (size_t i = 0; !e && i < list->n_items; i++)
		e = dv_err_wrap(add_device(p, list->items[i]), "--device %s", list->items[i]);
	if (!e && p->opts->is_privileged)
		e = add_path(p, "/dev", "/dev", "rwm");
	p->container.spec.devices = p->devices;
	p->container.spec.n_devices = p->n_devices;
	return e ? e : rules(p);
}
