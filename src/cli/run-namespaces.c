/* SPDX-License-Identifier: Apache-2.0 */
/* Which namespaces a container shares with the host or another container, and sysctls in them. */

#include <string.h>

#include "client/record.h"
#include "run.h"
#include "spec/image.h"

static const char container_prefix[] = "container:";

/* That of another container's process, by its number: whoever has that is root on this machine. */
static struct dv_err *join(struct run_plan *p, const char *ref, const char *file,
			   struct spec_ns_choice *ret)
{
	struct client_record other;
	struct client *c = NULL;
	struct dv_err *e;

	e = cli_client(p->cli, &c);
	if (!e)
		e = client_record_find(c, ref, &p->cli->arena, &other);
	if (e)
		return e;
	if (other.pid == 0)
		return dv_err_new(DV_PRECONDITION, "container %s is not running",
				  client_record_title(&other, &p->cli->arena));
	ret->mode = SPEC_NS_JOIN;
	ret->path = dv_arena_printf(&p->cli->arena, "/proc/%u/ns/%s", other.pid, file);
	return NULL;
}

struct option {
	const char *name, *value;
	enum spec_ns ns;
	const char *file; /* NULL: that of a container cannot be joined */
	const char *other; /* a word that means private, too */
};

static struct dv_err *choose(struct run_plan *p, const struct option *o)
{
	struct spec_ns_choice *ns = &p->container.spec.ns[o->ns];

	if (!o->value || !*o->value || dv_streq(o->value, "private") ||
	    dv_streq(o->value, o->other))
		return NULL;
	if (dv_streq(o->value, "host")) {
		ns->mode = SPEC_NS_HOST;
		return NULL;
	}
	if (o->file && dv_starts_with(o->value, container_prefix))
		return join(p, o->value + strlen(container_prefix), o->file, ns);
	return dv_err_new(DV_INVALID, "it is not private%s or host",
			  o->file ? ", container:NAME" : "");
}

static struct dv_err *choose_network(struct run_plan *p)
{
	struct spec_ns_choice *ns = &p->container.spec.ns[SPEC_NS_NET];
	const char *mode = p->opts->network ? p->opts->network : "none";

	if (dv_streq(mode, "none"))
		return NULL;
	if (dv_streq(mode, "host")) {
		ns->mode = SPEC_NS_HOST;
		p->container.network = CLIENT_NET_HOST;
		return NULL;
	}
	if (!dv_starts_with(mode, container_prefix))
		return dv_err_new(DV_UNIMPLEMENTED,
				  "--network %s: networks are not supported yet; there are none, "
				  "host and container:NAME",
				  mode);
	p->container.network = CLIENT_NET_CONTAINER;
	return dv_err_wrap(join(p, mode + strlen(container_prefix), "net", ns), "--network %s",
			   mode);
}

/* docker's presets for a network of its own: ports and pings for everybody in it. */
static struct dv_err *sysctls(struct run_plan *p)
{
	static const struct spec_string_pair presets[] = {
		{ "net.ipv4.ip_unprivileged_port_start", "0" },
		{ "net.ipv4.ping_group_range", "0 2147483647" },
	};
	bool is_private = p->container.spec.ns[SPEC_NS_NET].mode == SPEC_NS_PRIVATE;
	struct spec_string_pair *given, *all;
	struct dv_err *e;
	size_t n = 0, n_given;

	e = run_pairs(p->cli, "sysctl", &p->opts->sysctls, &given, &n_given);
	if (e)
		return e;
	all = dv_arena_new_n(&p->cli->arena, struct spec_string_pair,
			     n_given + DV_ARRAY_SIZE(presets));
	for (size_t i = 0; is_private && i < DV_ARRAY_SIZE(presets); i++) {
		if (!spec_pairs_find(given, n_given, presets[i].key))
			all[n++] = presets[i];
	}
	for (size_t i = 0; i < n_given; i++)
		all[n++] = given[i];
	p->container.spec.sysctl = all;
	p->container.spec.n_sysctl = n;
	return NULL;
}

struct dv_err *run_plan_namespaces(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	const struct option options[] = {
		{ "pid", o->pid, SPEC_NS_PID, "pid", "" },
		{ "ipc", o->ipc, SPEC_NS_IPC, "ipc", "shareable" },
		{ "uts", o->uts, SPEC_NS_UTS, NULL, "" },
		{ "cgroupns", o->cgroupns, SPEC_NS_CGROUP, NULL, "" },
	};
	struct dv_err *e = NULL;

	for (size_t i = 0; !e && i < DV_ARRAY_SIZE(options); i++)
		e = dv_err_wrap(choose(p, &options[i]), "--%s %s", options[i].name,
				options[i].value);
	if (!e)
		e = choose_network(p);
	if (!e && o->hostname && p->container.spec.ns[SPEC_NS_UTS].mode == SPEC_NS_HOST)
		e = dv_err_new(DV_INVALID, "--hostname and --uts host exclude each other");
	return e ? e : sysctls(p);
}
