/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most of it comes from the runtime's configuration, which is on record; members that docker has and
 * that would say nothing here are left out. See container-json.h.
 */

#include "container-json.h"

#include <string.h>

#include "base/clock.h"
#include "client/container.h"
#include "codec/json.h"
#include "containers.h"

struct describing {
	const struct client_record *r;
	const struct dv_json *spec; /* NULL: it has none that could be read */
	const char *data_dir;
	struct dv_jw w;
};

/* ---- the configuration ------------------------------------------------------------------------- */

/* "process.user.uid" */
static const struct dv_json *get(const struct dv_json *v, const char *path)
{
	while (v && *path) {
		DV_CLEANUP(dv_freep) char *key = dv_strndup(path, strcspn(path, "."));

		v = dv_json_get(v, key);
		path += strlen(key);
		path += *path == '.';
	}
	return v;
}

static const char *text_of(const struct dv_json *v)
{
	const char *text = v ? dv_json_string(v, NULL) : NULL;

	return text ? text : "";
}

static void write_raw(struct dv_jw *w, const char *key, const struct dv_json *v,
		      const char *otherwise)
{
	DV_CLEANUP(dv_freep) char *text = v ? dv_json_text(v) : NULL;

	dv_jw_raw(w, key, text ? text : otherwise);
}

static const char *label(const struct describing *d, const char *key)
{
	const char *value = client_record_label(d->r, key);

	return value ? value : "";
}

static bool has_label(const struct describing *d, const char *key)
{
	return client_record_label(d->r, key) != NULL;
}

/* ---- parts ---------------------------------------------------------------------------------------- */

static void write_time(struct dv_jw *w, const char *key, const struct timespec *ts)
{
	char buf[DV_CLOCK_SIZE] = "0001-01-01T00:00:00Z"; /* Go's for a time that is not set */

	if (ts->tv_sec)
		dv_clock_format(ts, DV_CLOCK_NANOS, buf);
	dv_jw_string(w, key, buf);
}

static void write_state(struct describing *d)
{
	const struct client_record *r = d->r;
	struct timespec started = cli_container_started(r);
	bool has_ended = r->state == CLIENT_EXITED;

	dv_jw_object_begin(&d->w, "State");
	dv_jw_string(&d->w, "Status", client_state_name(r->state));
	dv_jw_bool(&d->w, "Running", r->state == CLIENT_RUNNING || r->state == CLIENT_PAUSED);
	dv_jw_bool(&d->w, "Paused", r->state == CLIENT_PAUSED);
	dv_jw_bool(&d->w, "OOMKilled", has_ended && r->exit.is_oom);
	dv_jw_uint(&d->w, "Pid", r->pid);
	dv_jw_uint(&d->w, "ExitCode", has_ended ? r->exit.status : 0);
	write_time(&d->w, "StartedAt", has_ended ? &r->exit.started : &started);
	write_time(&d->w, "FinishedAt", &r->exit.finished);
	dv_jw_object_end(&d->w);
}

static void write_args(struct describing *d)
{
	const struct dv_json *args = get(d->spec, "process.args");

	dv_jw_string(&d->w, "Path", text_of(dv_json_array_at(args, 0)));
	dv_jw_array_begin(&d->w, "Args");
	for (size_t i = 1; i < dv_json_array_len(args); i++)
		dv_jw_string(&d->w, NULL, text_of(dv_json_array_at(args, i)));
	dv_jw_array_end(&d->w);
}

static bool has_option(const struct dv_json *mount, const char *name)
{
	const struct dv_json *options = dv_json_get(mount, "options");

	for (size_t i = 0; i < dv_json_array_len(options); i++) {
		if (dv_streq(text_of(dv_json_array_at(options, i)), name))
			return true;
	}
	return false;
}

/* Those of the user: neither the kernel's file systems nor the files that davit makes. */
static bool is_of_user(const struct describing *d, const struct dv_json *mount)
{
	return dv_streq(text_of(dv_json_get(mount, "type")), "bind") &&
	       !dv_starts_with(text_of(dv_json_get(mount, "source")), d->data_dir);
}

static void write_mounts(struct describing *d)
{
	const struct dv_json *mounts = get(d->spec, "mounts");

	dv_jw_array_begin(&d->w, "Mounts");
	for (size_t i = 0; i < dv_json_array_len(mounts); i++) {
		const struct dv_json *m = dv_json_array_at(mounts, i);

		if (!is_of_user(d, m))
			continue;
		dv_jw_object_begin(&d->w, NULL);
		dv_jw_string(&d->w, "Type", "bind");
		dv_jw_string(&d->w, "Source", text_of(dv_json_get(m, "source")));
		dv_jw_string(&d->w, "Destination", text_of(dv_json_get(m, "destination")));
		dv_jw_bool(&d->w, "RW", !has_option(m, "ro"));
		dv_jw_object_end(&d->w);
	}
	dv_jw_array_end(&d->w);
}

static void write_config(struct describing *d)
{
	const struct dv_json *user = get(d->spec, "process.user");
	const Containerd__Services__Containers__V1__Container *c = d->r->container;
	DV_CLEANUP(dv_freep)
	char *ids = dv_printf("%lld:%lld", (long long)dv_json_int(get(user, "uid")),
			      (long long)dv_json_int(get(user, "gid")));

	dv_jw_object_begin(&d->w, "Config");
	dv_jw_string(&d->w, "Hostname", text_of(get(d->spec, "hostname")));
	dv_jw_string(&d->w, "User", ids);
	dv_jw_bool(&d->w, "Tty", dv_json_bool(get(d->spec, "process.terminal")));
	dv_jw_bool(&d->w, "OpenStdin", has_label(d, CLIENT_LABEL_STDIN));
	write_raw(&d->w, "Env", get(d->spec, "process.env"), "[]");
	write_raw(&d->w, "Cmd", get(d->spec, "process.args"), "[]");
	dv_jw_string(&d->w, "Image", c->image);
	dv_jw_string(&d->w, "WorkingDir", text_of(get(d->spec, "process.cwd")));
	dv_jw_string(&d->w, "StopSignal", label(d, CLIENT_LABEL_STOP_SIGNAL));
	dv_jw_object_begin(&d->w, "Labels");
	for (size_t i = 0; i < c->n_labels; i++) {
		if (!dv_starts_with(c->labels[i]->key, "io.davit."))
			dv_jw_string(&d->w, c->labels[i]->key, c->labels[i]->value);
	}
	dv_jw_object_end(&d->w);
	dv_jw_object_end(&d->w);
}

/* A network namespace of its own has nothing but "lo" so far; none in the list: the host's. */
static const char *network_of(const struct describing *d)
{
	const struct dv_json *list = get(d->spec, "linux.namespaces");

	for (size_t i = 0; i < dv_json_array_len(list); i++) {
		const struct dv_json *ns = dv_json_array_at(list, i);

		if (dv_streq(text_of(dv_json_get(ns, "type")), "network"))
			return *text_of(dv_json_get(ns, "path")) ? "container" : "none";
	}
	return "host";
}

static int64_t nano_cpus(const struct dv_json *cpu)
{
	int64_t quota = dv_json_int(get(cpu, "quota")), period = dv_json_int(get(cpu, "period"));

	return quota > 0 && period > 0 ? quota * 1000000000LL / period : 0;
}

static void write_host_config(struct describing *d)
{
	const struct dv_json *resources = get(d->spec, "linux.resources");
	const struct dv_json *cpu = get(resources, "cpu");
	const Containerd__Services__Containers__V1__Container *c = d->r->container;

	dv_jw_object_begin(&d->w, "HostConfig");
	dv_jw_string(&d->w, "NetworkMode", network_of(d));
	dv_jw_bool(&d->w, "AutoRemove", has_label(d, CLIENT_LABEL_REMOVE));
	dv_jw_bool(&d->w, "ReadonlyRootfs", dv_json_bool(get(d->spec, "root.readonly")));
	dv_jw_string(&d->w, "Runtime", c->runtime ? c->runtime->name : "");
	dv_jw_string(&d->w, "CgroupParent", text_of(get(d->spec, "linux.cgroupsPath")));
	dv_jw_int(&d->w, "Memory", dv_json_int(get(resources, "memory.limit")));
	dv_jw_int(&d->w, "MemorySwap", dv_json_int(get(resources, "memory.swap")));
	dv_jw_int(&d->w, "NanoCpus", nano_cpus(cpu));
	dv_jw_int(&d->w, "CpuShares", dv_json_int(get(cpu, "shares")));
	dv_jw_string(&d->w, "CpusetCpus", text_of(get(cpu, "cpus")));
	dv_jw_int(&d->w, "PidsLimit", dv_json_int(get(resources, "pids.limit")));
	write_raw(&d->w, "MaskedPaths", get(d->spec, "linux.maskedPaths"), "[]");
	write_raw(&d->w, "ReadonlyPaths", get(d->spec, "linux.readonlyPaths"), "[]");
	dv_jw_object_begin(&d->w, "LogConfig");
	dv_jw_string(&d->w, "Type",
		     dv_streq(label(d, CLIENT_LABEL_LOG), "none") ? "none" : "json-file");
	dv_jw_object_end(&d->w);
	dv_jw_object_end(&d->w);
}

static void write_path(struct describing *d, const char *key, const char *file)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", d->data_dir, file);

	dv_jw_string(&d->w, key, path);
}

static void write_all(struct describing *d)
{
	const Containerd__Services__Containers__V1__Container *c = d->r->container;
	DV_CLEANUP(dv_freep) char *name = dv_printf("/%s", d->r->name);
	struct timespec created = { 0 };

	if (c->created_at)
		created = (struct timespec){ .tv_sec = c->created_at->seconds,
					     .tv_nsec = c->created_at->nanos };
	dv_jw_object_begin(&d->w, NULL);
	dv_jw_string(&d->w, "Id", c->id);
	dv_jw_string(&d->w, "Name", name);
	write_time(&d->w, "Created", &created);
	write_args(d);
	write_state(d);
	dv_jw_string(&d->w, "Image", c->image);
	if (d->r->is_managed) {
		write_path(d, "ResolvConfPath", "resolv.conf");
		write_path(d, "HostnamePath", "hostname");
		write_path(d, "HostsPath", "hosts");
		write_path(d, "LogPath", "log.json");
	}
	dv_jw_string(&d->w, "Driver", c->snapshotter);
	dv_jw_string(&d->w, "Platform", "linux");
	write_mounts(d);
	write_config(d);
	write_host_config(d);
	dv_jw_object_end(&d->w);
}

struct dv_err *cli_container_json(struct cli *cli, const struct client_record *r,
				  struct dv_strbuf *out)
{
	const Google__Protobuf__Any *any = r->container->spec;
	DV_CLEANUP(dv_json_freep) struct dv_json *spec = NULL;
	const char *root = NULL, *state = NULL;
	struct describing d = { .r = r };
	struct dv_err *e;

	e = cli_dirs(cli, &root, &state);
	if (!e && any && any->value.len > 0)
		e = dv_json_parse((const char *)any->value.data, any->value.len, &spec);
	if (e)
		return e;
	d.spec = spec;
	d.data_dir = client_data_dir(cli->client, root, r->container->id, &cli->arena);
	dv_jw_init(&d.w, out, NULL);
	write_all(&d);
	return NULL;
}
