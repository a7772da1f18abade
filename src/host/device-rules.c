/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules. See device-rules.h. */

#include "device-rules.h"

#include <inttypes.h>

#include "base/mem.h"

/*
 * runc's list. It comes after the container's own rules, so it cannot be denied: users have
 * come to rely on it, up to mknod for everything.
 */
static const struct {
	const char *path; /* NULL: no device that linux.devices could define anew */
	struct device_exception x;
} defaults[] = {
	{ NULL, { 'c', -1, -1, DEVICE_MKNOD } },    { NULL, { 'b', -1, -1, DEVICE_MKNOD } },
	{ "/dev/null", { 'c', 1, 3, DEVICE_RWM } }, { "/dev/random", { 'c', 1, 8, DEVICE_RWM } },
	{ "/dev/full", { 'c', 1, 7, DEVICE_RWM } }, { "/dev/tty", { 'c', 5, 0, DEVICE_RWM } },
	{ "/dev/zero", { 'c', 1, 5, DEVICE_RWM } }, { "/dev/urandom", { 'c', 1, 9, DEVICE_RWM } },
	{ NULL, { 'c', 136, -1, DEVICE_RWM } }, /* /dev/pts */
	{ NULL, { 'c', 5, 2, DEVICE_RWM } }, /* ptmx */
	{ NULL, { 'c', 10, 200, DEVICE_RWM } }, /* tun: since Docker's early days */
};

void device_rules_fini(struct device_rules *r)
{
	free(r->items);
	*r = (struct device_rules){ 0 };
}

static struct device_exception *find(const struct device_rules *r, char type, int64_t major,
				     int64_t minor)
{
	for (size_t i = 0; i < r->n; i++) {
		struct device_exception *x = &r->items[i];

		if (x->type == type && x->major == major && x->minor == minor)
			return x;
	}
	return NULL;
}

static void add(struct device_rules *r, const struct device_exception *x)
{
	struct device_exception *old = find(r, x->type, x->major, x->minor);

	if (old) {
		old->access |= x->access;
		return;
	}
	if (r->n == r->size) {
		r->size = r->size ? 2 * r->size : 32;
		r->items = dv_realloc_n(r->items, r->size, sizeof(*r->items));
	}
	r->items[r->n++] = *x;
}

/* "c 1:* rw" */
void device_exception_format(const struct device_exception *x, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "%c ", x->type);
	if (x->major < 0)
		dv_strbuf_add(out, "*:");
	else
		dv_strbuf_addf(out, "%" PRId64 ":", x->major);
	if (x->minor < 0)
		dv_strbuf_add(out, "* ");
	else
		dv_strbuf_addf(out, "%" PRId64 " ", x->minor);
	dv_strbuf_addf(out, "%s%s%s", x->access & DEVICE_READ ? "r" : "",
		       x->access & DEVICE_WRITE ? "w" : "", x->access & DEVICE_MKNOD ? "m" : "");
}

static struct dv_err *hole(const struct device_exception *x, const struct device_exception *wild)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf a = DV_STRBUF_INIT, b = DV_STRBUF_INIT;

	device_exception_format(x, &a);
	device_exception_format(wild, &b);
	return dv_err_new(
		DV_INVALID,
		"requested rule [%s] not supported by devices cgroupv1 (cannot punch hole "
		"in existing wildcard rule [%s])",
		a.data, b.data);
}

/*
 * Takes an exception back. The kernel silently ignores what would be a part of a wildcard,
 * which would leave open what somebody believes to be shut: refused.
 */
static struct dv_err *take_back(struct device_rules *r, const struct device_exception *x)
{
	const int64_t wild[3][2] = { { -1, x->minor }, { x->major, -1 }, { -1, -1 } };
	struct device_exception *old;

	for (size_t i = 0; i < DV_ARRAY_SIZE(wild); i++) {
		if (wild[i][0] == x->major && wild[i][1] == x->minor)
			continue;
		old = find(r, x->type, wild[i][0], wild[i][1]);
		if (old && old->access & x->access)
			return hole(x, old);
	}
	old = find(r, x->type, x->major, x->minor);
	if (!old)
		return NULL;
	old->access &= ~x->access;
	if (!old->access)
		*old = r->items[--r->n];
	return NULL;
}

struct dv_err *device_rules_add(struct device_rules *r, const struct spec_device_rule *rule)
{
	struct device_exception x = { .type = rule->type,
				      .major = rule->major < 0 ? -1 : rule->major,
				      .minor = rule->minor < 0 ? -1 : rule->minor };
	struct dv_err *e;

	if (rule->type == 'a') {
		r->allows = rule->is_allowed;
		r->n = 0;
		return NULL;
	}
	if (rule->type != 'b' && rule->type != 'c')
		return dv_err_new(DV_INVALID, "invalid cgroup device type \"%c\"", rule->type);
	if (rule->major > UINT32_MAX || rule->minor > UINT32_MAX)
		return dv_err_new(DV_INVALID, "invalid device number %" PRId64 ":%" PRId64,
				  rule->major, rule->minor);
	x.access = (rule->reads ? DEVICE_READ : 0u) | (rule->writes ? DEVICE_WRITE : 0u) |
		   (rule->mknods ? DEVICE_MKNOD : 0u);
	if (!x.access)
		return NULL;
	if (rule->is_allowed != r->allows) {
		add(r, &x);
		return NULL;
	}
	e = take_back(r, &x);
	return dv_err_wrap(e, "unable to remove '%s' exception", r->allows ? "deny" : "allow");
}

struct dv_err *device_rules_add_defaults(struct device_rules *r, const struct spec_device *devices,
					 size_t n_devices)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(defaults); i++) {
		const struct device_exception *x = &defaults[i].x;
		const struct spec_device_rule rule = {
			.is_allowed = true,
			.type = x->type,
			.major = x->major,
			.minor = x->minor,
			.reads = x->access & DEVICE_READ,
			.writes = x->access & DEVICE_WRITE,
			.mknods = x->access & DEVICE_MKNOD,
		};
		bool is_redefined = false;
		struct dv_err *e;

		for (size_t k = 0; k < n_devices && defaults[i].path; k++)
			is_redefined = is_redefined || dv_streq(devices[k].path, defaults[i].path);
		if (is_redefined)
			continue;
		e = device_rules_add(r, &rule);
		if (e)
			return e;
	}
	return NULL;
}

static int compare(const void *pa, const void *pb)
{
	const struct device_exception *a = pa, *b = pb;

	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return a->type - b->type;
}

void device_rules_sort(struct device_rules *r)
{
	if (r->n > 1)
		qsort(r->items, r->n, sizeof(*r->items), compare);
}
