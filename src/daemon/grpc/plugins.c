/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd calls plugins. Services are listed because they are there, drivers as the store
 * knows them, proxies as they are configured; a part that cannot be used has its reason.
 */

#include "plugins.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"
#include "convert.h"
#include "services.h"
#include "store/snapshot.h"

typedef Containerd__Services__Introspection__V1__Plugin Plugin;

static const struct {
	const char *type, *id;
} parts[] = {
	{ "io.containerd.content.v1", "content" },
	{ "io.containerd.differ.v1", "walking" },
	{ "io.containerd.event.v1", "exchange" },
	{ "io.containerd.grpc.v1", "healthcheck" },
	{ "io.containerd.metadata.v1", "sqlite" },
	{ "io.containerd.runtime.v2", "task" },
	{ "io.containerd.sandbox.controller.v1", "shim" },
	{ "io.containerd.shim.v1", "manager" },
	{ "io.containerd.transfer.v1", "local" },
};

static const char *architecture(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },
						{ "aarch64", "arm64" },
						{ "i686", "386" } };
	static struct utsname name;

	if (uname(&name) < 0)
		return "";
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (dv_streq(name.machine, names[i][0]))
			return names[i][1];
	}
	return name.machine;
}

static Plugin *add(struct plugin_list *l, const char *type, const char *id)
{
	Plugin *plugin = dv_arena_new(l->arena, Plugin);

	containerd__services__introspection__v1__plugin__init(plugin);
	plugin->type = (char *)type;
	plugin->id = (char *)id;
	if (l->n_items < PLUGINS_MAX)
		l->items[l->n_items++] = plugin;
	return plugin;
}

static void add_platform(struct plugin_list *l, Plugin *plugin)
{
	plugin->platforms = dv_arena_new(l->arena, Containerd__Types__Platform *);
	plugin->platforms[0] = dv_arena_new(l->arena, Containerd__Types__Platform);
	containerd__types__platform__init(plugin->platforms[0]);
	plugin->platforms[0]->os = (char *)"linux";
	plugin->platforms[0]->architecture = (char *)architecture();
	plugin->n_platforms = 1;
}

static void add_export(struct plugin_list *l, Plugin *plugin, const char *key, const char *value)
{
	struct meta_label label = { key, value };
	struct meta_labels exports = { &label, 1 };

	CONVERT_LABELS_OUT(plugin, exports, &exports, l->arena);
}

static void add_problem(struct plugin_list *l, Plugin *plugin, enum dv_code code, char *text)
{
	plugin->init_err = dv_arena_new(l->arena, Google__Rpc__Status);
	google__rpc__status__init(plugin->init_err);
	plugin->init_err->code = (int32_t)code;
	plugin->init_err->message = text;
}

/* "containerd.services.images.v1.Images" is the plugin images. */
static void add_services(struct plugin_list *l)
{
	static const char prefix[] = "containerd.services.";
	const char *name;

	for (size_t i = 0; (name = daemon_service_name(i)); i++) {
		const char *id = name + strlen(prefix);

		if (dv_starts_with(name, prefix))
			add(l, "io.containerd.grpc.v1",
			    dv_arena_strndup(l->arena, id, strcspn(id, ".")));
	}
}

static void add_driver(struct plugin_list *l, const struct snapshot_driver_info *info)
{
	Plugin *plugin = add(l, "io.containerd.snapshotter.v1", info->name);

	add_platform(l, plugin);
	if (info->root)
		add_export(l, plugin, "root", info->root);
	while (info->capabilities && info->capabilities[plugin->n_capabilities])
		plugin->n_capabilities++;
	plugin->capabilities = (char **)info->capabilities;
	/* As containerd marks a part that is left out on this machine. */
	if (info->problem)
		add_problem(l, plugin, DV_UNKNOWN,
			    dv_arena_printf(l->arena, "%s: skip plugin", info->problem));
}

static void set_proxy(struct plugin_list *l, Plugin *plugin, const struct daemon_proxy *proxy)
{
	if (plugin->n_exports > 0)
		return; /* one of our own drivers has the name */
	plugin->capabilities = (char **)proxy->capabilities.items;
	plugin->n_capabilities = proxy->capabilities.n_items;
	add_export(l, plugin, "address", proxy->address);
}

static void add_proxy(struct plugin_list *l, const struct daemon_proxy *proxy)
{
	static const char *const types[][2] = {
		{ "snapshot", "io.containerd.snapshotter.v1" },
		{ "content", "io.containerd.content.v1" },
		{ "diff", "io.containerd.differ.v1" },
		{ "sandbox", "io.containerd.sandbox.controller.v1" },
	};
	Plugin *plugin;

	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		if (!dv_streq(proxy->type, types[i][0]))
			continue;
		plugin = plugin_list_find(l, types[i][1], proxy->name);
		if (plugin) { /* a driver is it, and knows less of it */
			set_proxy(l, plugin, proxy);
			return;
		}
		plugin = add(l, types[i][1], proxy->name);
		set_proxy(l, plugin, proxy);
		if (dv_streq(proxy->type, "diff"))
			return;
		add_problem(l, plugin, DV_UNIMPLEMENTED,
			    dv_arena_printf(l->arena, "not supported yet: proxies of type %s",
					    proxy->type));
	}
}

void plugin_list_make(struct daemon *d, struct dv_arena *arena, struct plugin_list *ret)
{
	struct snapshot_driver_info info;

	ret->arena = arena;
	ret->n_items = 0;
	for (size_t i = 0; i < DV_ARRAY_SIZE(parts); i++) {
		Plugin *plugin = add(ret, parts[i].type, parts[i].id);

		if (dv_streq(parts[i].type, "io.containerd.runtime.v2"))
			add_platform(ret, plugin);
	}
	if (d->gc)
		add(ret, "io.containerd.gc.v1", "scheduler");
	add_services(ret);
	for (size_t i = 0; snapshots_driver_info(d->snapshots, i, &info); i++)
		add_driver(ret, &info);
	for (size_t i = 0; i < d->config->n_proxies; i++)
		add_proxy(ret, &d->config->proxies[i]);
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const Plugin *plugin = object;

	if (path->n_parts != 1)
		return NULL;
	if (dv_streq(path->parts[0], "type"))
		return plugin->type;
	return dv_streq(path->parts[0], "id") ? plugin->id : NULL;
}

void plugin_list_filter(struct plugin_list *list, const struct dv_filter *filter)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_items; i++) {
		if (dv_filter_match(filter, field, list->items[i]))
			list->items[n++] = list->items[i];
	}
	list->n_items = n;
}

Plugin *plugin_list_find(struct plugin_list *list, const char *type, const char *id)
{
	for (size_t i = 0; i < list->n_items; i++) {
		if (dv_streq(list->items[i]->type, type) && dv_streq(list->items[i]->id, id))
			return list->items[i];
	}
	return NULL;
}
