/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large blob over several connections. The blob is cut into ranges, and a lane fetches one at a
 * time. The sink sees the bytes in their order: the lane whose turn it is writes into it, the others
 * into memory. A lane that has its range in memory is done and holds no connection, so those
 * that wait for their turn never keep the one whose turn it is from getting on.
 *
 *	idle --lane_start()--> fetching into memory --its turn: pump()--> fetching into the sink
 *	  ^                            |                                          |
 *	  |                          whole                                        |
 *	  |                            v                                          |
 *	  +---------- pump() ------ in memory                                     |
 *	  +--------------------------- on_lane_done() ----------------------------+
 *
 * A server without ranges is asked again for one stream from where the sink is.
 */

#include <stdlib.h>
#include <string.h>

#include "blob-private.h"

enum { RANGE = 2 * 1024 * 1024, LANES_MAX = 8, PIECE = 128 * 1024 };

struct lane {
	struct ranges *owner;
	struct registry_request *request; /* NULL: idle, or whole */
	bool is_used;
	int64_t from, end;
	char *buffer; /* what came before its turn: [from, from + n) */
	size_t n, n_given; /* of that, what the sink has */
};

struct ranges {
	struct registry_request r;
	struct spec_descriptor blob;
	struct registry_sink sink;
	struct dv_hash *hash; /* NULL: the sink's business */
	int64_t at; /* of the sink */
	int64_t next; /* the first byte that no lane has */
	struct lane lanes[LANES_MAX];
	unsigned n_lanes;
	bool is_waiting; /* for the sink */
	bool is_ending;
	struct registry_request *stream; /* instead of lanes */
	bool is_late; /* it is started when the sink goes on */
	struct dv_err *error;
	registry_done_fn fn;
	void *arg;
};

static void pump(struct ranges *q);

static struct lane *lane_at(struct ranges *q, int64_t at)
{
	for (unsigned i = 0; i < q->n_lanes; i++) {
		struct lane *l = &q->lanes[i];

		if (l->is_used && l->from <= at && at < l->end)
			return l;
	}
	return NULL;
}

static void lanes_stop(struct ranges *q)
{
	for (unsigned i = 0; i < q->n_lanes; i++) {
		q->lanes[i].request = registry_cancel(q->lanes[i].request);
		free(q->lanes[i].buffer);
		q->lanes[i].buffer = NULL;
		q->lanes[i].is_used = false;
	}
}

/* ---- The end ---- */

static void end_task(struct http_task *task)
{
	struct registry_request *r = dv_container_of(task, struct registry_request, task);
	struct ranges *q = dv_container_of(r, struct ranges, r);

	q->fn(q->arg, dv_steal(&q->error));
	registry_cancel(r);
}

/* Not at once: a lane may be on the stack. */
static void ranges_end(struct ranges *q, struct dv_err *take_error)
{
	if (q->is_ending) {
		dv_err_free(take_error);
		return;
	}
	q->is_ending = true;
	q->error = take_error;
	http_post(q->r.repo->registry->http, &q->r.task, end_task);
}

static void check_digest(struct ranges *q)
{
	struct dv_digest got = q->blob.digest;
	char text[DV_DIGEST_STR];

	if (q->hash)
		dv_hash_get(q->hash, &got);
	ranges_end(q, dv_digest_eq(&got, &q->blob.digest)
			      ? NULL
			      : dv_err_new(DV_DATA_LOSS,
					   "repository %s/%s: blob %s: registry %s: what it sends "
					   "does not have this digest",
					   q->r.repo->host, q->r.repo->path,
					   dv_digest_str(&q->blob.digest, text),
					   q->r.repo->hosts.hosts[0].name));
}

/* ---- The sink ---- */

static struct dv_err *give(struct ranges *q, const void *p, size_t n)
{
	struct dv_err *e;

	e = q->sink.write(q->sink.arg, q->at, p, n, &q->is_waiting);
	if (e)
		return e;
	if (q->hash)
		dv_hash_add(q->hash, p, n);
	q->at += (int64_t)n;
	return NULL;
}

static struct dv_err *lane_write(void *arg, int64_t offset, const void *p, size_t n, bool *ret_wait)
{
	struct lane *l = arg;
	struct ranges *q = l->owner;
	struct dv_err *e;

	if (q->is_ending)
		return dv_err_new(DV_ABORTED, "another range failed");
	if (offset == q->at && l->n_given == l->n && !q->is_waiting) {
		e = give(q, p, n);
		*ret_wait = q->is_waiting;
		return e;
	}
	if (!l->buffer)
		l->buffer = dv_new_n(char, RANGE);
	dv_assert(l->n + n <= RANGE);
	memcpy(l->buffer + l->n, p, n);
	l->n += n;
	return NULL;
}

/* ---- Lanes ---- */

/* One stream from here on, which finds out by itself whether there is a server that can. */
static void on_stream_done(void *arg, struct dv_err *take_error)
{
	struct ranges *q = arg;

	q->stream = NULL;
	if (take_error)
		ranges_end(q, take_error);
	else
		check_digest(q);
}

static struct dv_err *stream_write(void *arg, int64_t offset, const void *p, size_t n,
				   bool *ret_wait)
{
	struct ranges *q = arg;
	struct dv_err *e;

	(void)offset;
	e = give(q, p, n);
	*ret_wait = q->is_waiting;
	return e;
}

static void fall_back(struct ranges *q)
{
	struct registry_blob_opts o = {
		.blob = &q->blob,
		.sink = { .write = stream_write, .arg = q },
		.offset = q->at,
		.is_hashed_by_sink = true,
	};

	lanes_stop(q);
	if (q->is_waiting) {
		q->is_late = true;
		return;
	}
	q->is_late = false;
	q->stream = blob_start(q->r.repo, &o, q->blob.size, false, on_stream_done, q);
}

static void on_lane_done(void *arg, struct dv_err *take_error)
{
	struct lane *l = arg;
	struct ranges *q = l->owner;

	l->request = NULL;
	if (q->is_ending) {
		dv_err_free(take_error);
	} else if (take_error && dv_err_code(take_error) == DV_UNIMPLEMENTED) {
		dv_err_free(take_error);
		fall_back(q);
	} else if (take_error) {
		ranges_end(q, take_error);
	} else {
		pump(q);
	}
}

static void lane_start(struct ranges *q, struct lane *l)
{
	struct registry_blob_opts o = {
		.blob = &q->blob,
		.sink = { .write = lane_write, .arg = l },
		.offset = q->next,
		.is_hashed_by_sink = true,
	};

	l->owner = q;
	l->is_used = true;
	l->from = q->next;
	l->end = DV_MIN(q->next + RANGE, q->blob.size);
	l->n = l->n_given = 0;
	q->next = l->end;
	l->request = blob_start(q->r.repo, &o, l->end, true, on_lane_done, l);
}

static void lanes_fill(struct ranges *q)
{
	for (unsigned i = 0; i < q->n_lanes && q->next < q->blob.size; i++) {
		if (!q->lanes[i].is_used)
			lane_start(q, &q->lanes[i]);
	}
}

/* What @l has in memory goes to the sink; false: the sink waits, or has failed. */
static bool lane_give(struct ranges *q, struct lane *l)
{
	while (l->n_given < l->n) {
		size_t n = DV_MIN(l->n - l->n_given, (size_t)PIECE);
		struct dv_err *e;

		if (q->is_waiting)
			return false;
		e = give(q, l->buffer + l->n_given, n);
		if (e) {
			ranges_end(q, e);
			return false;
		}
		l->n_given += n;
	}
	return true;
}

/* Whose turn is it, and what can be given away now? */
static void pump(struct ranges *q)
{
	struct lane *l;

	while (!q->is_ending && q->at < q->blob.size) {
		l = lane_at(q, q->at);
		if (!l || !lane_give(q, l) || q->at < l->end)
			break;
	}
	for (unsigned i = 0; i < q->n_lanes && !q->is_ending; i++) {
		l = &q->lanes[i];
		if (l->is_used && !l->request && l->end <= q->at) {
			free(l->buffer);
			l->buffer = NULL;
			l->is_used = false;
		}
	}
	if (q->is_ending)
		return;
	if (q->at == q->blob.size)
		check_digest(q);
	else
		lanes_fill(q);
}

void ranges_resume(struct registry_request *r)
{
	struct ranges *q = dv_container_of(r, struct ranges, r);
	struct lane *l;

	q->is_waiting = false;
	if (q->stream) {
		registry_fetch_resume(q->stream);
		return;
	}
	if (q->is_late) {
		fall_back(q);
		return;
	}
	pump(q);
	l = q->is_ending || q->is_waiting ? NULL : lane_at(q, q->at);
	if (l && l->request)
		registry_fetch_resume(l->request);
}

/* ---- The whole ---- */

static void ranges_fini(struct registry_request *r)
{
	struct ranges *q = dv_container_of(r, struct ranges, r);

	lanes_stop(q);
	registry_cancel(q->stream);
	q->hash = dv_hash_free(q->hash);
	q->error = dv_err_free(q->error);
}

/* Only for the list of requests, and its cancelling: the lanes are requests themselves. */
static const struct request_kind ranges_kind = {
	.size = sizeof(struct ranges),
	.fini = ranges_fini,
};

static void first_task(struct http_task *task)
{
	struct registry_request *r = dv_container_of(task, struct registry_request, task);

	lanes_fill(dv_container_of(r, struct ranges, r));
}

struct registry_request *ranges_start(struct registry_repo *repo,
				      const struct registry_blob_opts *opts, registry_done_fn done,
				      void *arg)
{
	struct registry_request *r = request_new(repo, &ranges_kind);
	struct ranges *q = dv_container_of(r, struct ranges, r);

	q->blob.digest = opts->blob->digest;
	q->blob.size = opts->blob->size;
	q->sink = opts->sink;
	q->at = q->next = opts->offset;
	q->n_lanes = DV_MIN(opts->n_parallel, (unsigned)LANES_MAX);
	if (!opts->is_hashed_by_sink)
		q->hash = opts->offset ? dv_hash_dup(opts->hash)
				       : dv_hash_new(opts->blob->digest.alg);
	q->fn = done;
	q->arg = arg;
	r->what = "ranges";
	http_post(repo->registry->http, &r->task, first_task);
	return r;
}
