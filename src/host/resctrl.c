/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the resctrl filesystem. See host/resctrl.h. */

#include "host/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "resctrl-private.h"
#include "sys/file.h"

#define RESCTRL_MAGIC	   0x7655821 /* RDTGROUP_SUPER_MAGIC */
#define RESCTRL_MOUNTPOINT "/sys/fs/resctrl"

enum { STATUS_SIZE = 256, PATH_SIZE = 2 * NAME_MAX + 64 };

/* Field 5 of a line whose type, behind " - ", is resctrl; octal escapes are undone. */
static char *mountpoint_of(const char *line)
{
	const char *type = strstr(line, " - "), *p = line;
	char *path;

	if (!type || !dv_starts_with(type, " - resctrl "))
		return NULL;
	for (int i = 0; i < 4; i++) {
		p = strchr(p, ' ');
		if (!p)
			return NULL;
		p++;
	}
	path = dv_strndup(p, strcspn(p, " "));
	dv_unescape_octal(path);
	return path;
}

char *resctrl_find_mountpoint(int procfd)
{
	int fd = sys_openat(procfd, "self/mountinfo", O_RDONLY, 0);
	char *line = NULL, *path = NULL;
	size_t size = 0;
	FILE *f;

	f = fd >= 0 ? fdopen(fd, "re") : NULL;
	if (!f) {
		sys_close(fd);
		return NULL;
	}
	while (!path && getline(&line, &size, f) >= 0)
		path = mountpoint_of(line);
	free(line);
	fclose(f);
	return path;
}

struct dv_err *host_resctrl_open(int procfd, int *ret_rootfd)
{
	DV_CLEANUP(dv_freep) char *found = NULL;
	const char *path = RESCTRL_MOUNTPOINT;
	long type = 0;
	int r;

	if (sys_statfs_type(path, &type) < 0)
		return dv_err_new(DV_PRECONDITION, "Intel RDT is not enabled");
	if (type != RESCTRL_MAGIC) {
		found = resctrl_find_mountpoint(procfd); /* somebody put it elsewhere */
		if (!found)
			return dv_err_new(DV_PRECONDITION, "Intel RDT is not enabled");
		path = found;
	}
	r = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	if (r < 0)
		return dv_err_sys(r, "open %s", path);
	*ret_rootfd = r;
	return NULL;
}

static bool exists(int rootfd, const char *path)
{
	struct stat st;

	return sys_fstatat(rootfd, path, &st, 0) == 0;
}

bool host_resctrl_has_cat(int rootfd)
{
	return exists(rootfd, "info/L3");
}

bool host_resctrl_has_mba(int rootfd)
{
	return exists(rootfd, "info/MB");
}

static bool is_given(const char *s)
{
	return s && *s;
}

static bool is_bad_clos_id(const char *id)
{
	return dv_streq(id, ".") || dv_streq(id, "..") || (strlen(id) > 1 && strchr(id, '/')) ||
	       strlen(id) > NAME_MAX;
}

struct dv_err *host_resctrl_check(int rootfd, const struct spec_intel_rdt *rdt)
{
	if (rootfd < 0)
		return dv_err_new(DV_PRECONDITION,
				  "intelRdt is specified in config, but Intel RDT is not enabled");
	if (is_given(rdt->clos_id) && is_bad_clos_id(rdt->clos_id))
		return dv_err_new(DV_INVALID, "invalid intelRdt.ClosID \"%s\"", rdt->clos_id);
	if (is_given(rdt->l3_cache_schema) && !host_resctrl_has_cat(rootfd))
		return dv_err_new(
			DV_PRECONDITION,
			"intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled");
	if (is_given(rdt->mem_bw_schema) && !host_resctrl_has_mba(rootfd))
		return dv_err_new(
			DV_PRECONDITION,
			"intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled");
	return NULL;
}

/* Directory of the group, relative to the root. */
static const char *group_of(const char *clos_id, const char *id)
{
	if (!is_given(clos_id))
		return id;
	return dv_streq(clos_id, "/") ? "." : clos_id;
}

/* The kernel keeps the reason of the last refusal in a file. */
static struct dv_err *fail(int rootfd, int err, const char *what)
{
	char status[STATUS_SIZE];

	if (sys_read_file_at(rootfd, "info/last_cmd_status", status, sizeof(status)) < 0)
		return dv_err_sys(err, "intelrdt: %s", what);
	status[strcspn(status, "\n")] = '\0';
	return dv_err_sys(err, "intelrdt: %s (last_cmd_status: %s)", what, status);
}

static int write_file(int rootfd, const char *path, const char *text, size_t n)
{
	/* The files are there already, but not below the stand-in of a test. */
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(rootfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	return fd < 0 ? fd : sys_write_all(fd, text, n);
}

static struct dv_err *add_task(int rootfd, const char *dir, pid_t pid)
{
	char path[PATH_SIZE], text[32], what[64];
	int r;

	if (pid < 0)
		return NULL;
	snprintf(path, sizeof(path), "%s/tasks", dir);
	snprintf(text, sizeof(text), "%d", pid);
	r = write_file(rootfd, path, text, strlen(text));
	snprintf(what, sizeof(what), "unable to add pid %d", pid);
	return r < 0 ? fail(rootfd, r, what) : NULL;
}

static struct dv_err *make_dir(int rootfd, const char *path, bool *ret_was_created)
{
	int r = sys_mkdirat(rootfd, path, 0755);

	*ret_was_created = r == 0;
	if (r < 0 && r != -EEXIST)
		return fail(rootfd, r, "unable to create group");
	return NULL;
}

static bool has_schemata(const struct spec_intel_rdt *rdt)
{
	return is_given(rdt->l3_cache_schema) || is_given(rdt->mem_bw_schema) ||
	       rdt->n_schemata > 0;
}

static void mon_group_path(const char *group, const char *id, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/mon_groups/%s", group, id);
}

static struct dv_err *make_groups(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
				  pid_t pid, struct host_resctrl_state *st)
{
	const char *group = group_of(rdt->clos_id, id);
	char mon[PATH_SIZE];
	struct dv_err *e;
	bool was_created;

	e = make_dir(rootfd, group, &st->was_created);
	if (!e)
		e = add_task(rootfd, group, pid);
	if (e || !rdt->enable_monitoring)
		return e;
	mon_group_path(group, id, mon);
	e = make_dir(rootfd, mon, &was_created);
	if (e)
		return e;
	st->has_monitoring = true;
	return add_task(rootfd, mon, pid);
}

void host_resctrl_plan(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
		       struct host_resctrl_state *ret)
{
	*ret = (struct host_resctrl_state){
		.is_used = true,
		.was_created = !exists(rootfd, group_of(rdt->clos_id, id)),
		.has_clos_id = is_given(rdt->clos_id),
		.has_monitoring = rdt->enable_monitoring,
	};
}

struct dv_err *host_resctrl_apply(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
				  pid_t pid, struct host_resctrl_state *ret)
{
	struct host_resctrl_state st = { .is_used = true, .has_clos_id = is_given(rdt->clos_id) };
	struct dv_err *e;

	if (strchr(id, '/') || is_bad_clos_id(id))
		return dv_err_new(DV_INVALID, "intelrdt: invalid container id \"%s\"", id);
	if (st.has_clos_id && !has_schemata(rdt)) {
		struct stat sb;
		int r = sys_fstatat(rootfd, group_of(rdt->clos_id, id), &sb, 0);

		if (r < 0)
			return dv_err_sys(r, "clos dir not accessible (must be pre-created when "
					     "schemata, l3CacheSchema and memBwSchema are empty)");
	}
	e = make_groups(rootfd, rdt, id, pid, &st);
	if (e) {
		(void)dv_err_free(host_resctrl_destroy(rootfd, &st, rdt->clos_id, id));
		return e;
	}
	*ret = st;
	return NULL;
}

struct dv_err *host_resctrl_set(int rootfd, const struct spec_intel_rdt *rdt, const char *id)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf what = DV_STRBUF_INIT;
	char path[PATH_SIZE];
	int r;

	if (is_given(rdt->l3_cache_schema))
		dv_strbuf_addf(&text, "%s\n", rdt->l3_cache_schema);
	if (is_given(rdt->mem_bw_schema))
		dv_strbuf_addf(&text, "%s\n", rdt->mem_bw_schema);
	for (size_t i = 0; i < rdt->n_schemata; i++) {
		if (is_given(rdt->schemata[i]))
			dv_strbuf_addf(&text, "%s\n", rdt->schemata[i]);
	}
	if (text.len == 0)
		return NULL;
	snprintf(path, sizeof(path), "%s/schemata", group_of(rdt->clos_id, id));
	r = write_file(rootfd, path, text.data, text.len);
	if (r == 0)
		return NULL;
	dv_strbuf_add(&what, "unable to write ");
	dv_strbuf_add_json(&what, text.data);
	return fail(rootfd, r, what.data);
}

struct dv_err *host_resctrl_add(int rootfd, const struct spec_intel_rdt *rdt, const char *id,
				pid_t pid)
{
	const char *group = group_of(rdt->clos_id, id);
	char mon[PATH_SIZE];
	struct dv_err *e;

	e = add_task(rootfd, group, pid);
	if (e || !rdt->enable_monitoring)
		return e;
	mon_group_path(group, id, mon);
	return add_task(rootfd, mon, pid);
}

struct dv_err *host_resctrl_destroy(int rootfd, const struct host_resctrl_state *st,
				    const char *clos_id, const char *id)
{
	const char *group = group_of(clos_id, id);
	char path[PATH_SIZE];
	int r;

	if (!st->is_used)
		return NULL;
	if (!st->has_clos_id && st->was_created)
		snprintf(path, sizeof(path), "%s", group); /* its monitoring group goes with it */
	else if (st->has_monitoring)
		mon_group_path(group, id, path);
	else
		return NULL;
	r = sys_unlinkat(rootfd, path, AT_REMOVEDIR);
	if (r < 0 && r != -ENOENT)
		return dv_err_sys(r, "intelrdt: remove group %s", path);
	return NULL;
}
