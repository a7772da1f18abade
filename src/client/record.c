/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and states. The record comes from Containers, the state from Tasks: a container without a
 * task was never started, or davitd wrote down how it ended. See client/record.h.
 */

#include "client/record.h"

#include <stdlib.h>
#include <string.h>

#include "api/containerd/tasks.pb-c.h"
#include "base/clock.h"
#include "base/str.h"
#include "client/services.h"
#include "codec/json.h"

typedef Containerd__Services__Containers__V1__Container container_msg;
typedef Containerd__V1__Types__Process process_msg;

const char *client_state_name(enum client_state state)
{
	static const char *const names[] = { [CLIENT_CREATED] = "created",
					     [CLIENT_RUNNING] = "running",
					     [CLIENT_PAUSED] = "paused",
					     [CLIENT_EXITED] = "exited",
					     [CLIENT_UNKNOWN] = "unknown" };

	_Static_assert(DV_ARRAY_SIZE(names) == CLIENT_STATE__N, "a name for each state");
	return names[state];
}

const char *client_record_label(const struct client_record *r, const char *key)
{
	for (size_t i = 0; i < r->container->n_labels; i++) {
		if (dv_streq(r->container->labels[i]->key, key))
			return r->container->labels[i]->value;
	}
	return NULL;
}

const char *client_record_title(const struct client_record *r, struct dv_arena *arena)
{
	return *r->name ? r->name : dv_arena_printf(arena, "%.12s", r->container->id);
}

/* ---- What is known of the end ---- */

static void time_of(const struct dv_json *doc, const char *key, struct timespec *ret)
{
	const char *text = dv_json_string(dv_json_get(doc, key), NULL);

	if (!text || !dv_clock_parse(text, ret))
		*ret = (struct timespec){ 0 };
}

bool client_exit_parse(const char *text, struct client_exit *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, strlen(text), &doc);
	uint64_t status = 0;

	if (e || !dv_json_uint(dv_json_get(doc, "status"), &status) || status > UINT32_MAX) {
		dv_err_free(e);
		return false;
	}
	ret->status = (uint32_t)status;
	ret->is_oom = dv_json_bool(dv_json_get(doc, "oom"));
	time_of(doc, "started", &ret->started);
	time_of(doc, "finished", &ret->finished);
	return true;
}

/* ---- One container ---- */

static enum client_state state_of(const process_msg *p)
{
	switch (p->status) {
	case CONTAINERD__V1__TYPES__STATUS__CREATED:
		return CLIENT_CREATED;
	case CONTAINERD__V1__TYPES__STATUS__RUNNING:
		return CLIENT_RUNNING;
	case CONTAINERD__V1__TYPES__STATUS__PAUSED:
	case CONTAINERD__V1__TYPES__STATUS__PAUSING:
		return CLIENT_PAUSED;
	case CONTAINERD__V1__TYPES__STATUS__STOPPED:
		return CLIENT_EXITED;
	default:
		return CLIENT_UNKNOWN;
	}
}

static void set_task(struct client_record *r, const process_msg *p)
{
	r->has_task = true;
	r->state = state_of(p);
	r->pid = r->state == CLIENT_EXITED ? 0 : p->pid;
	r->stdin = p->stdin;
	r->stdout = p->stdout;
	r->stderr = p->stderr;
	r->has_terminal = p->terminal;
	if (r->state == CLIENT_EXITED) {
		r->exit.status = p->exit_status;
		if (p->exited_at)
			r->exit.finished = (struct timespec){ .tv_sec = p->exited_at->seconds,
							      .tv_nsec = p->exited_at->nanos };
	}
}

/* @p: its task, or NULL. */
static void set_record(struct client_record *r, const container_msg *c, const process_msg *p)
{
	const char *text;

	*r = (struct client_record){
		.container = c, .stdin = "", .stdout = "", .stderr = "", .state = CLIENT_CREATED
	};
	text = client_record_label(r, CLIENT_LABEL_NAME);
	r->name = text ? text : "";
	r->is_managed = client_record_label(r, CLIENT_LABEL_MANAGED) != NULL;
	text = client_record_label(r, CLIENT_LABEL_EXIT);
	if (text && client_exit_parse(text, &r->exit))
		r->state = CLIENT_EXITED;
	if (p)
		set_task(r, p);
}

/* ---- Lists ---- */

static struct dv_err *
list_containers(struct client *c, const char *const *filters, size_t n_filters,
		struct dv_arena *arena,
		const Containerd__Services__Containers__V1__ListContainersResponse **ret)
{
	Containerd__Services__Containers__V1__ListContainersRequest r =
		CONTAINERD__SERVICES__CONTAINERS__V1__LIST_CONTAINERS_REQUEST__INIT;

	r.filters = (char **)filters;
	r.n_filters = n_filters;
	return client_call(c, CLIENT_CONTAINERS("List", &r), arena, ret);
}

static int compare_ids(const void *a, const void *b)
{
	const process_msg *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static const process_msg *find_task(const Containerd__Services__Tasks__V1__ListTasksResponse *tasks,
				    const char *id)
{
	process_msg wanted = { .id = (char *)id }, *key = &wanted;
	process_msg **found =
		bsearch(&key, tasks->tasks, tasks->n_tasks, sizeof(*tasks->tasks), compare_ids);

	return found ? *found : NULL;
}

static int compare_created(const void *a, const void *b)
{
	static const Google__Protobuf__Timestamp never = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	const struct client_record *x = a, *y = b;
	const Google__Protobuf__Timestamp *s = x->container->created_at;
	const Google__Protobuf__Timestamp *t = y->container->created_at;

	s = s ? s : &never;
	t = t ? t : &never;
	if (s->seconds != t->seconds)
		return s->seconds < t->seconds ? -1 : 1;
	return s->nanos < t->nanos ? -1 : s->nanos > t->nanos;
}

struct dv_err *client_record_list(struct client *c, const char *const *filters, size_t n_filters,
				  struct dv_arena *arena, struct client_record **ret, size_t *ret_n)
{
	const Containerd__Services__Containers__V1__ListContainersResponse *containers = NULL;
	Containerd__Services__Tasks__V1__ListTasksRequest r =
		CONTAINERD__SERVICES__TASKS__V1__LIST_TASKS_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__ListTasksResponse *tasks = NULL;
	struct client_record *records;
	struct dv_err *e;

	e = list_containers(c, filters, n_filters, arena, &containers);
	if (!e)
		e = client_call(c, CLIENT_TASKS("List", &r), arena, &tasks);
	if (e)
		return dv_err_wrap(e, "list containers");
	qsort(tasks->tasks, tasks->n_tasks, sizeof(*tasks->tasks), compare_ids);
	records = dv_arena_new_n(arena, struct client_record, containers->n_containers);
	for (size_t i = 0; i < containers->n_containers; i++)
		set_record(&records[i], containers->containers[i],
			   find_task(tasks, containers->containers[i]->id));
	qsort(records, containers->n_containers, sizeof(*records), compare_created);
	*ret = records;
	*ret_n = containers->n_containers;
	return NULL;
}

/* ---- One by its name ---- */

/* What may be in a name or an id, and means nothing in a pattern but for the dot. */
static bool is_name(const char *ref)
{
	return *ref && strlen(ref) <= 128 &&
	       strspn(ref, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       strlen(ref);
}

static const char *prefix_filter(const char *ref, struct dv_arena *arena)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;

	dv_strbuf_add(&b, "id~=/^");
	for (const char *p = ref; *p; p++) {
		if (*p == '.')
			dv_strbuf_add(&b, "[.]");
		else
			dv_strbuf_addc(&b, *p);
	}
	dv_strbuf_addc(&b, '/');
	return dv_arena_strdup(arena, b.data);
}

/* The best of those that matched: a whole name or id, or the only one. */
static struct dv_err *choose(const container_msg *const *found, size_t n, const char *ref,
			     const container_msg **ret)
{
	struct client_record r;

	for (size_t i = 0; i < n; i++) {
		set_record(&r, found[i], NULL);
		if (dv_streq(r.name, ref) || dv_streq(r.container->id, ref)) {
			*ret = found[i];
			return NULL;
		}
	}
	if (n == 0)
		return dv_err_new(DV_NOT_FOUND, "no such container: %s", ref);
	if (n > 1)
		return dv_err_new(DV_INVALID, "%s: the ids of %zu containers begin like that", ref,
				  n);
	*ret = found[0];
	return NULL;
}

static struct dv_err *get_task(struct client *c, const char *id, struct dv_arena *arena,
			       const process_msg **ret)
{
	Containerd__Services__Tasks__V1__GetRequest r =
		CONTAINERD__SERVICES__TASKS__V1__GET_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__GetResponse *reply = NULL;
	struct dv_err *e;

	r.container_id = (char *)id;
	e = client_call(c, CLIENT_TASKS("Get", &r), arena, &reply);
	if (e && dv_err_code(e) == DV_NOT_FOUND) {
		dv_err_free(e);
		return NULL;
	}
	if (!e)
		*ret = reply->process;
	return e;
}

struct dv_err *client_record_find(struct client *c, const char *ref, struct dv_arena *arena,
				  struct client_record *ret)
{
	const Containerd__Services__Containers__V1__ListContainersResponse *reply = NULL;
	const container_msg *found = NULL;
	const process_msg *task = NULL;
	const char *filters[2];
	struct dv_err *e;

	if (!is_name(ref))
		return dv_err_new(DV_NOT_FOUND, "no such container: %s", ref);
	filters[0] = dv_arena_printf(arena, "labels.\"" CLIENT_LABEL_NAME "\"==\"%s\"", ref);
	filters[1] = prefix_filter(ref, arena);
	e = list_containers(c, filters, DV_ARRAY_SIZE(filters), arena, &reply);
	if (!e)
		e = choose((const container_msg *const *)reply->containers, reply->n_containers,
			   ref, &found);
	if (e)
		return e;
	dv_assert(found);
	e = get_task(c, found->id, arena, &task);
	if (!e)
		set_record(ret, found, task);
	return e;
}
