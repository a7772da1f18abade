/* SPDX-License-Identifier: Apache-2.0 */
/* davit events: what happens, as it happens, in docker's words. */

#include <string.h>

#include "api/containerd/events-grpc.pb-c.h"
#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "api/containerd/types.pb-c.h"
#include "base/clock.h"
#include "cli-private.h"
#include "client/services.h"
#include "filters.h"
#include "human.h"
#include "pb-json.h"
#include "rpc/pb.h"
#include "template.h"

typedef Containerd__Types__Envelope envelope_msg;

struct events_opts {
	const char *format;
	struct dv_opt_list filter;
	bool is_all;
};

static const ProtobufCMessageDescriptor *const types[] = {
	&containerd__events__task_create__descriptor,
	&containerd__events__task_start__descriptor,
	&containerd__events__task_delete__descriptor,
	&containerd__events__task_exit__descriptor,
	&containerd__events__task_oom__descriptor,
	&containerd__events__task_exec_added__descriptor,
	&containerd__events__task_exec_started__descriptor,
	&containerd__events__task_paused__descriptor,
	&containerd__events__task_resumed__descriptor,
	&containerd__events__task_checkpointed__descriptor,
	&containerd__events__sandbox_create__descriptor,
	&containerd__events__sandbox_start__descriptor,
	&containerd__events__sandbox_exit__descriptor,
	&containerd__events__namespace_create__descriptor,
	&containerd__events__namespace_update__descriptor,
	&containerd__events__namespace_delete__descriptor,
	&containerd__events__container_create__descriptor,
	&containerd__events__container_update__descriptor,
	&containerd__events__container_delete__descriptor,
	&containerd__events__content_create__descriptor,
	&containerd__events__content_delete__descriptor,
	&containerd__events__snapshot_prepare__descriptor,
	&containerd__events__snapshot_commit__descriptor,
	&containerd__events__snapshot_remove__descriptor,
	&containerd__services__images__v1__image_create__descriptor,
	&containerd__services__images__v1__image_update__descriptor,
	&containerd__services__images__v1__image_delete__descriptor,
};

/* Topics that docker has a word for. The others are "/<type>s/<action>". */
static const struct {
	const char *topic, *type, *action;
} words[] = {
	{ "/containers/delete", "container", "destroy" },
	{ "/tasks/create", "container", "task-create" },
	{ "/tasks/delete", "container", "task-delete" },
	{ "/tasks/start", "container", "start" },
	{ "/tasks/exit", "container", "die" },
	{ "/tasks/oom", "container", "oom" },
	{ "/tasks/paused", "container", "pause" },
	{ "/tasks/resumed", "container", "unpause" },
	{ "/tasks/exec-added", "container", "exec_create" },
	{ "/tasks/exec-started", "container", "exec_start" },
	{ "/tasks/checkpointed", "container", "checkpoint" },
};

struct event {
	const char *topic, *ns, *time;
	const char *type, *action;
	const char *id; /* of what it is about */
	struct timespec at;
	const ProtobufCMessage *msg; /* NULL: of a type that we do not know */
};

static const ProtobufCMessage *unpack(const Google__Protobuf__Any *any, struct dv_arena *arena)
{
	for (size_t i = 0; any && i < DV_ARRAY_SIZE(types); i++) {
		ProtobufCMessage *msg = NULL;

		if (!pb_any_is(any->type_url, types[i]))
			continue;
		dv_err_free(pb_unpack(types[i], any->value.data, any->value.len, arena, 0, &msg));
		return msg;
	}
	return NULL;
}

/* The first member with one of the names that ids have. */
static void note_id(void *arg, const char *name, const char *value)
{
	static const char *const names[] = { "container_id", "sandbox_id", "id",
					     "name",	     "digest",	   "key" };
	struct dv_strbuf *id = arg;

	for (size_t i = 0; i < DV_ARRAY_SIZE(names) && id->len == 0; i++) {
		if (dv_streq(name, names[i]))
			dv_strbuf_add(id, value);
	}
}

static void name_topic(struct event *ev, struct dv_arena *arena)
{
	const char *slash;

	for (size_t i = 0; i < DV_ARRAY_SIZE(words); i++) {
		if (dv_streq(ev->topic, words[i].topic)) {
			ev->type = words[i].type;
			ev->action = words[i].action;
			return;
		}
	}
	slash = strrchr(ev->topic, '/');
	ev->action = slash ? slash + 1 : ev->topic;
	ev->type = dv_arena_strndup(arena, ev->topic + (*ev->topic == '/'),
				    strcspn(ev->topic + (*ev->topic == '/'), "/"));
	if (dv_ends_with(ev->type, "s"))
		((char *)ev->type)[strlen(ev->type) - 1] = '\0';
}

static void read_event(const envelope_msg *env, struct dv_arena *arena, struct event *ev)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf id = DV_STRBUF_INIT;
	char *time = dv_arena_alloc(arena, DV_CLOCK_SIZE);
	const Containerd__Events__TaskExit *exit;

	*ev = (struct event){ .topic = env->topic, .ns = env->namespace_, .time = time };
	if (env->timestamp &&
	    pb_timestamp_to(env->timestamp->seconds, env->timestamp->nanos, &ev->at))
		dv_clock_format(&ev->at, DV_CLOCK_NANOS, time);
	ev->msg = unpack(env->event, arena);
	if (ev->msg)
		cli_pb_each(ev->msg, note_id, &id);
	ev->id = dv_arena_strdup(arena, id.data);
	name_topic(ev, arena);
	if (ev->msg && ev->msg->descriptor == &containerd__events__task_exit__descriptor) {
		exit = (const Containerd__Events__TaskExit *)ev->msg;
		if (!dv_streq(exit->id, exit->container_id))
			ev->action = "exec_die";
	}
}

/* ---- Output ---- */

struct attributes {
	struct dv_strbuf *line; /* either of these */
	struct dv_jw *json;
	const char *separator;
};

static void add_attribute(void *arg, const char *name, const char *value)
{
	struct attributes *a = arg;

	if (a->json) {
		dv_jw_string(a->json, name, value);
		return;
	}
	dv_strbuf_addf(a->line, "%s%s=", a->separator, name);
	cli_human_safe(value, a->line);
	a->separator = ", ";
}

static void add_line(const struct event *ev, struct dv_strbuf *out)
{
	struct attributes a = { .line = out, .separator = "" };

	dv_strbuf_addf(out, "%s %s %s ", ev->time, ev->type, ev->action);
	cli_human_safe(ev->id, out);
	dv_strbuf_add(out, " (");
	if (ev->msg)
		cli_pb_each(ev->msg, add_attribute, &a);
	dv_strbuf_add(out, ")\n");
}

/* docker's object, and what containerd says. */
static void add_json(const struct event *ev, struct dv_strbuf *out)
{
	struct attributes a;
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	a = (struct attributes){ .json = &w };
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "Type", ev->type);
	dv_jw_string(&w, "Action", ev->action);
	dv_jw_object_begin(&w, "Actor");
	dv_jw_string(&w, "ID", ev->id);
	dv_jw_object_begin(&w, "Attributes");
	if (ev->msg)
		cli_pb_each(ev->msg, add_attribute, &a);
	dv_jw_object_end(&w);
	dv_jw_object_end(&w);
	dv_jw_string(&w, "scope", "local");
	dv_jw_int(&w, "time", ev->at.tv_sec);
	dv_jw_int(&w, "timeNano", ev->at.tv_sec * 1000000000 + ev->at.tv_nsec);
	dv_jw_string(&w, "Time", ev->time);
	dv_jw_string(&w, "Namespace", ev->ns);
	dv_jw_string(&w, "Topic", ev->topic);
	dv_jw_object_begin(&w, "Event");
	if (ev->msg)
		cli_pb_json(ev->msg, &w);
	dv_jw_object_end(&w);
	dv_jw_object_end(&w);
}

static struct dv_err *show(const struct event *ev, const char *format,
			   const struct cli_template *template)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf json = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = NULL;

	if (!format || !*format) {
		add_line(ev, &out);
		return cli_print(&out);
	}
	add_json(ev, &json);
	if (template) {
		e = dv_json_parse(json.data, json.len, &doc);
		if (!e)
			e = cli_template_run(template, &(struct cli_template_data){ .root = doc },
					     &out);
		if (e)
			return dv_err_wrap(e, "--format");
	}
	dv_strbuf_addf(&out, "%s\n", template ? "" : json.data);
	return cli_print(&out);
}

/* ---- The verb ---- */

static bool is_about(const char *value, const void *arg)
{
	const struct event *ev = arg;

	return *value && dv_starts_with(ev->id, value);
}

static bool is_wanted(const struct event *ev, const struct cli_filters *f)
{
	bool is_container = dv_streq(ev->type, "container"), is_image = dv_streq(ev->type, "image");

	if (cli_filters_have(f, "container") && !is_container)
		return false;
	if (cli_filters_have(f, "image") && !is_image)
		return false;
	return cli_filters_match_text(f, "type", ev->type) &&
	       cli_filters_match_text(f, "event", ev->action) &&
	       cli_filters_match_text(f, "namespace", ev->ns) &&
	       cli_filters_match_text(f, "topic", ev->topic) &&
	       cli_filters_match(f, "container", is_about, ev) &&
	       cli_filters_match(f, "image", is_about, ev);
}

static struct dv_err *follow(struct client_stream *st, const struct events_opts *o,
			     const struct cli_filters *f, const struct cli_template *template)
{
	struct dv_err *e = NULL;

	while (!e) {
		const envelope_msg *env = NULL;
		struct dv_arena arena;
		struct event ev;

		e = client_stream_receive(st, &env);
		if (e || !env)
			return e ? e : dv_err_new(DV_UNAVAILABLE, "davitd has ended the stream");
		dv_arena_init(&arena);
		read_event(env, &arena, &ev);
		if (is_wanted(&ev, f))
			e = show(&ev, o->format, template);
		dv_arena_fini(&arena);
	}
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	static const char *const keys[] = { "type",	 "event", "container", "image",
					    "namespace", "topic", NULL };
	Containerd__Services__Events__V1__SubscribeRequest request =
		CONTAINERD__SERVICES__EVENTS__V1__SUBSCRIBE_REQUEST__INIT;
	DV_CLEANUP(cli_template_freep) struct cli_template *template = NULL;
	DV_CLEANUP(client_stream_closep) struct client_stream *st = NULL;
	const struct events_opts *o = opts;
	struct cli_filters filters;
	struct client *client = NULL;
	struct cli *cli = program;
	char *filter = NULL;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = cli_filters_parse(&o->filter, keys, &cli->arena, &filters);
	if (!e && o->format && *o->format && !dv_streq(o->format, "json"))
		e = cli_template_parse(o->format, &template);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	filter = dv_arena_printf(&cli->arena, "namespace==\"%s\"", client_namespace(client));
	if (!o->is_all && !cli_filters_have(&filters, "namespace")) {
		request.filters = &filter;
		request.n_filters = 1;
	}
	st = client_stream_open(client, CLIENT_EVENTS("Subscribe", &request), false);
	return dv_err_wrap(follow(st, o, &filters, template), "cannot follow events");
}

#define FIELD(name) offsetof(struct events_opts, name)

static const struct dv_opt options[] = {
	{ .name = "all-namespaces",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_all),
	  .help = "also those of other namespaces" },
	CLI_OPT_FILTER(FIELD(filter)),
	{ .name = "format",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(format),
	  .arg = "format",
	  .help = "json, or a template such as {{.Actor.ID}}" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_events = {
	.name = "events",
	.aliases = "system events",
	.args = "",
	.summary = "Show what happens, as it happens",
	.text = "Filters are type, event, container, image, namespace and topic. davitd keeps no history:\n"
		"events from before the command began are not shown.",
	.example =
		"    $0 events --filter event=die --format '{{.Actor.ID}} {{.Event.exit_status}}'",
	.opts = options,
	.opts_size = sizeof(struct events_opts),
	.stop_after = -1,
	.run = run,
};
