/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <uv.h>

#include "api/containerd/events-store.pb-c.h"
#include "api/containerd/events.pb-c.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "events.h"
#include "rpc/pb.h"

struct rig {
	uv_loop_t loop;
	uv_timer_t alive;
	struct io_work_pool *pool;
	struct events *ev;
};

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void rig_init(struct rig *rig)
{
	struct io_work_pool_opts opts = { .loop = &rig->loop, .name = "test", .max_threads = 1 };

	cr_assert_eq(uv_loop_init(&rig->loop), 0);
	uv_timer_init(&rig->loop, &rig->alive);
	uv_timer_start(&rig->alive, on_alive, 10, 10);
	cr_assert_null(io_work_pool_new(&opts, &rig->pool));
	rig->ev = events_new(rig->pool);
}

static void rig_fini(struct rig *rig)
{
	io_work_pool_free(rig->pool);
	events_free(rig->ev);
	uv_close((uv_handle_t *)&rig->alive, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&rig->loop), 0);
}

/* All that was published is delivered. */
static void settle(struct rig *rig, uint64_t n_published)
{
	struct events_stats stats;

	do {
		uv_run(&rig->loop, UV_RUN_ONCE);
		events_stats(rig->ev, &stats);
	} while (stats.published < n_published);
}

static enum dv_code publish(struct rig *rig, const char *ns, const char *topic,
			    const ProtobufCMessage *msg)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct event event = { .ns = ns, .topic = topic, .type_url = msg ? pb_any_url(msg) : "" };
	struct dv_err *e;
	enum dv_code code;

	if (msg)
		pb_pack(msg, &b);
	event.payload = b.data;
	event.n_payload = b.len;
	e = events_publish(rig->ev, &event);
	code = e ? dv_err_code(e) : 0;
	dv_err_free(e);
	return code;
}

static enum dv_code publish_exit(struct rig *rig, const char *ns, const char *id)
{
	Containerd__Events__TaskExit msg = CONTAINERD__EVENTS__TASK_EXIT__INIT;

	msg.container_id = msg.id = (char *)id;
	return publish(rig, ns, "/tasks/exit", &msg.base);
}

struct ear {
	struct events_listener *l;
	struct dv_strbuf heard;
	bool leaves; /* with the first event */
};

static void hear(void *arg, struct event *event)
{
	struct ear *ear = arg;

	dv_strbuf_addf(&ear->heard, "%s%s ", event->ns, event->topic);
	if (ear->leaves)
		ear->l = events_unlisten(ear->l);
}

static void listen_to(struct rig *rig, struct ear *ear, const char *filter)
{
	struct dv_filter *f = NULL;

	*ear = (struct ear){ .heard = DV_STRBUF_INIT };
	if (filter)
		cr_assert_null(dv_filter_parse(&filter, 1, &f));
	ear->l = events_listen(rig->ev, f, hear, ear);
}

static void ear_fini(struct ear *ear)
{
	events_unlisten(ear->l);
	dv_strbuf_fini(&ear->heard);
}

Test(events, everybody_hears_the_same_order)
{
	Containerd__Events__NamespaceCreate created = CONTAINERD__EVENTS__NAMESPACE_CREATE__INIT;
	struct ear ears[2];
	struct rig rig;

	rig_init(&rig);
	listen_to(&rig, &ears[0], NULL);
	listen_to(&rig, &ears[1], NULL);
	T_INT(publish_exit(&rig, "a", "c1"), ==, 0);
	created.name = (char *)"b";
	T_INT(publish(&rig, "b", "/namespaces/create", &created.base), ==, 0);
	T_STR(ears[0].heard.data, ""); /* never from within */
	settle(&rig, 2);
	T_STR(ears[0].heard.data, "a/tasks/exit b/namespaces/create ");
	T_STR(ears[1].heard.data, ears[0].heard.data);
	ear_fini(&ears[0]);
	ear_fini(&ears[1]);
	rig_fini(&rig);
}

Test(events, filters)
{
	static const struct {
		const char *filter, *heard;
	} cases[] = {
		{ "namespace==a", "a/tasks/exit a/namespaces/create " },
		{ "topic==\"/tasks/exit\"", "a/tasks/exit b/tasks/exit " },
		{ "topic~=|^/tasks|,namespace==b", "b/tasks/exit " },
		{ "event.container_id==c2", "b/tasks/exit " },
		{ "event.container_id", "a/tasks/exit b/tasks/exit " },
		{ "event.name==nn", "a/namespaces/create " },
		{ "event.labels.\"x.y/z\"==1", "a/namespaces/create " },
		{ "event.labels.other", "" },
		{ "event.nothing", "" },
		{ "nothing", "" },
	};
	Containerd__Events__NamespaceCreate created = CONTAINERD__EVENTS__NAMESPACE_CREATE__INIT;
	Containerd__Events__NamespaceCreate__LabelsEntry label =
		CONTAINERD__EVENTS__NAMESPACE_CREATE__LABELS_ENTRY__INIT;
	Containerd__Events__NamespaceCreate__LabelsEntry *labels[] = { &label };
	struct ear ears[DV_ARRAY_SIZE(cases)];
	struct rig rig;

	rig_init(&rig);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		listen_to(&rig, &ears[i], cases[i].filter);
	label.key = (char *)"x.y/z";
	label.value = (char *)"1";
	created.name = (char *)"nn";
	created.labels = labels;
	created.n_labels = 1;
	publish_exit(&rig, "a", "c1");
	publish_exit(&rig, "b", "c2");
	publish(&rig, "a", "/namespaces/create", &created.base);
	settle(&rig, 3);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		cr_expect(dv_streq(ears[i].heard.data, cases[i].heard), "%s: \"%s\"",
			  cases[i].filter, ears[i].heard.data);
		ear_fini(&ears[i]);
	}
	rig_fini(&rig);
}

Test(events, what_is_not_an_event)
{
	Containerd__Events__TaskExit msg = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	static const char *const topics[] = {
		"", "/", "tasks/exit", "/tasks//exit", "/ta sks", "//"
	};
	struct events_stats stats;
	struct rig rig;

	rig_init(&rig);
	for (size_t i = 0; i < DV_ARRAY_SIZE(topics); i++)
		T_INT(publish(&rig, "a", topics[i], &msg.base), ==, DV_INVALID);
	T_INT(publish(&rig, "", "/tasks/exit", &msg.base), ==, DV_INVALID);
	T_INT(publish(&rig, "a", "/tasks/exit", NULL), ==, DV_INVALID);
	events_stats(rig.ev, &stats);
	T_INT(stats.published, ==, 0);
	rig_fini(&rig);
}

/* A payload that is not what its type says has no fields, and is handed on all the same. */
Test(events, damaged_payload)
{
	struct event event = { .ns = "a",
			       .topic = "/tasks/exit",
			       .type_url = "containerd.events.TaskExit",
			       .payload = "\xff\xff",
			       .n_payload = 2 };
	struct ear all, some;
	struct rig rig;

	rig_init(&rig);
	listen_to(&rig, &all, NULL);
	listen_to(&rig, &some, "event.container_id");
	cr_assert_null(events_publish(rig.ev, &event));
	settle(&rig, 1);
	T_STR(all.heard.data, "a/tasks/exit ");
	T_STR(some.heard.data, "");
	ear_fini(&all);
	ear_fini(&some);
	rig_fini(&rig);
}

Test(events, listeners_come_and_go)
{
	struct ear leaves, stays;
	struct events_stats stats;
	struct rig rig;

	rig_init(&rig);
	listen_to(&rig, &leaves, NULL);
	listen_to(&rig, &stays, NULL);
	leaves.leaves = true;
	publish_exit(&rig, "a", "c1");
	publish_exit(&rig, "b", "c1");
	settle(&rig, 2);
	T_STR(leaves.heard.data, "a/tasks/exit ");
	T_STR(stays.heard.data, "a/tasks/exit b/tasks/exit ");
	events_stats(rig.ev, &stats);
	T_INT(stats.listeners, ==, 1);
	ear_fini(&leaves);
	ear_fini(&stays);
	rig_fini(&rig);
}
