/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules put in force: lines for the v1 devices controller (which hybrid hosts have
 * too), a program on v2.
 */

#include <errno.h>
#include <fcntl.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "device-bpf.h"
#include "device-rules.h"
#include "sys/file.h"

/* The first user namespace maps every id to itself. */
static bool is_in_userns(void)
{
	char text[256];
	unsigned long inside, outside, count;
	char *s = text;

	if (cgroup_read(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) < 0)
		return false;
	inside = strtoul(s, &s, 10);
	outside = strtoul(s, &s, 10);
	count = strtoul(s, &s, 10);
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}

/* ---- v1 ------------------------------------------------------------------------------- */

static int write_line(int fd, struct dv_strbuf *line)
{
	ssize_t n;

	dv_strbuf_addc(line, '\n');
	n = sys_write(fd, line->data, line->len);
	return n < 0 ? (int)n : 0;
}

static struct dv_err *apply_v1(struct host_cgroup *cg, int i, const struct device_rules *rules)
{
	const char *first = rules->allows ? "devices.allow" : "devices.deny";
	const char *second = rules->allows ? "devices.deny" : "devices.allow";
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;
	DV_CLEANUP(sys_closep) int fd = -1;
	int dirfd = cgroup_dir(cg, i), r;

	if (dirfd < 0)
		return dv_err_sys(dirfd, "open devices cgroup %s", cg->pub[i].path);
	/* The default first: it forgets what was inherited from the parent. */
	r = cgroup_write(cg, dirfd, first, "a *:* rwm\n");
	if (r < 0)
		return dv_err_sys(r, "failed to write \"a *:* rwm\" to %s", first);
	if (rules->n == 0)
		return NULL;
	fd = cgroup_open_file(cg, dirfd, second, O_WRONLY);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", second);
	for (size_t k = 0; k < rules->n; k++) {
		dv_strbuf_clear(&line);
		device_exception_format(&rules->items[k], &line);
		r = write_line(fd, &line);
		if (r < 0)
			return dv_err_sys(r, "failed to write \"%.*s\" to %s", (int)line.len - 1,
					  line.data, second);
	}
	return NULL;
}

/* ---- v2 ------------------------------------------------------------------------------- */

static struct dv_err *apply_v2(struct host_cgroup *cg, int i, const struct device_rules *rules)
{
	DV_CLEANUP(dv_freep) struct bpf_insn *insns = NULL;
	int dirfd = cgroup_dir(cg, i);
	struct dv_err *e;
	size_t n;

	if (dirfd < 0)
		return dv_err_sys(dirfd, "open cgroup %s", cg->pub[i].path);
	if (cg->is_test)
		return NULL;
	device_bpf_make(rules, &insns, &n);
	e = device_bpf_apply(dirfd, insns, n, cg->hiers[i].is_new && !cg->hiers[i].has_program,
			     cg->log);
	cg->hiers[i].has_program = true;
	return e;
}

static struct dv_err *make_rules(const struct spec_resources *res,
				 const struct spec_device *devices, size_t n_devices,
				 struct device_rules *ret)
{
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	struct dv_err *e = NULL;

	for (size_t k = 0; k < res->n_devices && !e; k++)
		e = device_rules_add(&rules, &res->devices[k]);
	if (!e)
		e = device_rules_add_defaults(&rules, devices, n_devices);
	if (e)
		return e;
	device_rules_sort(&rules);
	*ret = rules;
	rules = (struct device_rules){ 0 };
	return NULL;
}

struct dv_err *host_cgroup_set_devices(struct host_cgroup *cg, const struct spec_resources *res,
				       const struct spec_device *devices, size_t n_devices)
{
	DV_CLEANUP(device_rules_fini) struct device_rules rules = { 0 };
	bool is_v2 = cg->mode == HOST_CGROUP_V2;
	int i = is_v2 ? cgroup_find_v2(cg) : cgroup_find(cg, CGROUP_DEVICES);
	struct dv_err *e;

	e = make_rules(res, devices, n_devices, &rules);
	if (e)
		return e;
	if (i < 0)
		e = dv_err_new(
			DV_PRECONDITION,
			"cannot set devices limit: container could not join or create cgroup");
	else
		e = is_v2 ? apply_v2(cg, i, &rules) : apply_v1(cg, i, &rules);
	if (!e)
		return NULL;
	/* Without privilege no device nodes can be made, and those there are obey their modes. */
	if (cg->is_rootless || is_in_userns()) {
		dv_log(cg->log, DV_DEBUG, "device rules are not in force: %s", dv_err_message(e));
		return dv_err_free(e);
	}
	return dv_err_wrap(e, "unable to set device rules");
}
