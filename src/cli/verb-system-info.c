/* SPDX-License-Identifier: Apache-2.0 */
/* davit system info. */

#include <string.h>

#include "api/davit/system.pb-c.h"
#include "base/clock.h"
#include "client/services.h"
#include "codec/json.h"
#include "davit-version.h"
#include "human.h"
#include "inspect.h"
#include "rpc/pb.h"

typedef Davit__System__V1__InfoResponse info_msg;

struct info_opts {
	const char *format;
};

static const char *cgroup_version(const info_msg *info)
{
	return dv_streq(info->cgroup_mode, "unified") ? "2" : *info->cgroup_mode ? "1" : "";
}

/* docker's names where docker has them. */
static void add_json(const struct client *client, const info_msg *info, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ID", info->uuid);
	dv_jw_string(&w, "Name", info->hostname);
	dv_jw_string(&w, "ServerVersion", info->version);
	dv_jw_string(&w, "ServerRevision", info->revision);
	dv_jw_string(&w, "ClientVersion", DAVIT_VERSION);
	dv_jw_uint(&w, "Pid", info->pid);
	dv_jw_string(&w, "Namespace", client_namespace(client));
	dv_jw_uint(&w, "Namespaces", info->namespaces);
	dv_jw_uint(&w, "Containers", info->containers);
	dv_jw_uint(&w, "ContainersRunning", info->running);
	dv_jw_uint(&w, "ContainersPaused", info->paused);
	dv_jw_uint(&w, "ContainersStopped", info->stopped);
	dv_jw_uint(&w, "Images", info->images);
	dv_jw_string(&w, "Driver", info->default_snapshotter);
	dv_jw_array_begin(&w, "Snapshotters");
	for (size_t i = 0; i < info->n_snapshotters; i++) {
		dv_jw_object_begin(&w, NULL);
		dv_jw_string(&w, "Name", info->snapshotters[i]->name);
		dv_jw_string(&w, "Problem", info->snapshotters[i]->problem);
		dv_jw_object_end(&w);
	}
	dv_jw_array_end(&w);
	dv_jw_string(&w, "DefaultRuntime", info->default_runtime);
	dv_jw_string(&w, "CgroupDriver", "cgroupfs");
	dv_jw_string(&w, "CgroupVersion", cgroup_version(info));
	dv_jw_string(&w, "CgroupMode", info->cgroup_mode);
	dv_jw_array_begin(&w, "SecurityOptions");
	for (size_t i = 0; i < info->n_security; i++)
		dv_jw_string(&w, NULL, info->security[i]);
	dv_jw_array_end(&w);
	dv_jw_string(&w, "KernelVersion", info->kernel);
	dv_jw_string(&w, "OperatingSystem", info->os);
	dv_jw_string(&w, "OSType", "linux");
	dv_jw_string(&w, "Architecture", info->architecture);
	dv_jw_uint(&w, "NCPU", info->cpus);
	dv_jw_uint(&w, "MemTotal", info->memory);
	dv_jw_uint(&w, "SwapTotal", info->swap);
	dv_jw_string(&w, "Root", info->root);
	dv_jw_string(&w, "State", info->state);
	dv_jw_string(&w, "Address", info->address);
	dv_jw_string(&w, "ReadOnlyAddress", info->read_only_address);
	dv_jw_string(&w, "MetricsAddress", info->metrics_address);
	dv_jw_string(&w, "LogLevel", info->log_level);
	dv_jw_object_end(&w);
}

static void add_line(struct dv_strbuf *out, const char *name, const char *value)
{
	if (*value)
		dv_strbuf_addf(out, " %s: %s\n", name, value);
}

static void add_size(struct dv_strbuf *out, const char *name, uint64_t bytes)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf size = DV_STRBUF_INIT;

	cli_human_size_binary((int64_t)bytes, &size);
	add_line(out, name, size.data);
}

static void add_snapshotters(const info_msg *info, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, " Storage Driver: %s\n", info->default_snapshotter);
	for (size_t i = 0; i < info->n_snapshotters; i++) {
		const char *problem = info->snapshotters[i]->problem;

		dv_strbuf_addf(out, "  %s: %s\n", info->snapshotters[i]->name,
			       *problem ? problem : "usable");
	}
}

static void add_text(const struct client *client, const info_msg *info, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "Client:\n Version: %s\n Namespace: %s\n\nServer:\n", DAVIT_VERSION,
		       client_namespace(client));
	dv_strbuf_addf(out, " Containers: %llu\n", (unsigned long long)info->containers);
	dv_strbuf_addf(out, "  Running: %llu\n", (unsigned long long)info->running);
	dv_strbuf_addf(out, "  Paused: %llu\n", (unsigned long long)info->paused);
	dv_strbuf_addf(out, "  Stopped: %llu\n", (unsigned long long)info->stopped);
	dv_strbuf_addf(out, " Images: %llu\n", (unsigned long long)info->images);
	dv_strbuf_addf(out, " Namespaces: %llu\n", (unsigned long long)info->namespaces);
	dv_strbuf_addf(out, " Server Version: %s, build %s\n", info->version, info->revision);
	add_snapshotters(info, out);
	add_line(out, "Default Runtime", info->default_runtime);
	dv_strbuf_addf(out, " Cgroup Version: %s (%s)\n", cgroup_version(info), info->cgroup_mode);
	dv_strbuf_add(out, " Security Options:\n");
	for (size_t i = 0; i < info->n_security; i++)
		dv_strbuf_addf(out, "  %s\n", info->security[i]);
	add_line(out, "Kernel Version", info->kernel);
	add_line(out, "Operating System", info->os);
	add_line(out, "Architecture", info->architecture);
	dv_strbuf_addf(out, " CPUs: %u\n", info->cpus);
	add_size(out, "Total Memory", info->memory);
	add_size(out, "Total Swap", info->swap);
	add_line(out, "Name", info->hostname);
	add_line(out, "ID", info->uuid);
	add_line(out, "Root Dir", info->root);
	add_line(out, "State Dir", info->state);
	add_line(out, "Address", info->address);
	add_line(out, "Read-Only Address", info->read_only_address);
	add_line(out, "Metrics Address", info->metrics_address);
	add_line(out, "Log Level", info->log_level);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	Davit__System__V1__InfoRequest request = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *inspect = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	const struct info_opts *o = opts;
	const info_msg *info = NULL;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = cli_inspect_new(cli, o->format && *o->format ? o->format : "json", &inspect);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	request.namespace_ = (char *)client_namespace(client);
	e = client_call(client, CLIENT_SYSTEM("Info", &request), &cli->arena, &info);
	if (e)
		return dv_err_wrap(e, "cannot get information from davitd");
	if (!o->format || !*o->format) {
		add_text(client, info, &out);
		return cli_print(&out);
	}
	add_json(client, info, &out);
	e = cli_inspect_add(inspect, out.data);
	return e ? e : cli_inspect_print(inspect);
}

static const struct dv_opt options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct info_opts, format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_system_info = {
	.name = "system info",
	.aliases = "info",
	.args = "",
	.summary = "Show what davitd is and what it has",
	.opts = options,
	.opts_size = sizeof(struct info_opts),
	.stop_after = -1,
	.run = run,
};
