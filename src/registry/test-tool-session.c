/* SPDX-License-Identifier: Apache-2.0 */
/* registry-tool: the same by threads that block. */

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "registry/session.h"
#include "sys/file.h"
#include "test-tool.h"

enum { BUFFER = 200000, THREADS = 4 };

struct job {
	struct tool *t;
	struct io_work_pool *pool;
	const struct registry_repo_opts *repo_opts;
	const char *path; /* a directory, or a file */
	struct registry_session *session;
	uv_timer_t alive; /* the loop runs as long as there is work */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t n_left; /* parts that are being fetched */
	struct dv_err *error; /* the first one */
};

struct part {
	struct job *job;
	const struct spec_descriptor *desc;
};

static void keep_error(struct job *j, struct dv_err *take_error)
{
	pthread_mutex_lock(&j->lock);
	if (j->error)
		dv_err_free(take_error);
	else
		j->error = take_error;
	pthread_mutex_unlock(&j->lock);
}

static struct dv_err *copy_blob(struct job *j, const struct spec_descriptor *desc, int fd)
{
	DV_CLEANUP(registry_reader_closep) struct registry_reader *reader = NULL;
	DV_CLEANUP(dv_freep) char *buffer = dv_new_n(char, BUFFER);
	struct dv_err *e;
	int64_t total = 0;
	size_t n = 1;

	e = registry_reader_open(j->session, desc, 0, &reader);
	while (!e && n) {
		e = registry_reader_read(reader, buffer, BUFFER, &n);
		if (!e && sys_write_all(fd, buffer, n) < 0)
			e = dv_err_new(DV_EXHAUSTED, "the file takes no more");
		total += (int64_t)n;
		if (j->t->stop_at >= 0 && total >= j->t->stop_at)
			registry_session_interrupt(j->session);
	}
	return e;
}

static void fetch_part(void *arg)
{
	struct part *p = arg;
	char hex[DV_DIGEST_HEX];
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s/%s", p->job->path, dv_digest_hex(&p->desc->digest, hex));
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	struct dv_err *e = copy_blob(p->job, p->desc, fd);

	close(fd);
	keep_error(p->job, e);
	pthread_mutex_lock(&p->job->lock);
	p->job->n_left--;
	pthread_cond_signal(&p->job->changed);
	pthread_mutex_unlock(&p->job->lock);
	free(p);
}

static void fetch_parts(struct job *j, const struct spec_manifest *m)
{
	j->n_left = m->n_layers + 1;
	for (size_t i = 0; i <= m->n_layers; i++) {
		struct part *p = dv_new(struct part);

		*p = (struct part){ .job = j, .desc = i ? &m->layers[i - 1] : &m->config };
		io_work_submit(j->pool, fetch_part, NULL, p);
	}
	pthread_mutex_lock(&j->lock);
	while (j->n_left)
		pthread_cond_wait(&j->changed, &j->lock);
	pthread_mutex_unlock(&j->lock);
}

static void pull(void *arg)
{
	struct job *j = arg;
	struct registry_document doc;
	struct spec_descriptor found;
	struct spec_manifest *m;
	struct dv_err *e;

	e = registry_session_open(j->t->registry, j->pool, j->repo_opts, &j->session);
	if (!e)
		e = registry_session_resolve(j->session, j->t->ref.tag, &j->t->arena, &found);
	if (!e)
		e = registry_session_document(j->session, &found, &j->t->arena, &doc);
	if (!e)
		e = spec_manifest_parse(&j->t->arena, doc.data, doc.n, &m);
	if (!e)
		fetch_parts(j, m);
	keep_error(j, e);
	registry_session_close(j->session);
}

/* ---- Pushing ---- */

static struct dv_err *read_file(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n)
{
	ssize_t got = pread(*(int *)arg, p, n, offset);

	if (got < 0)
		return dv_err_new(DV_DATA_LOSS, "the file cannot be read");
	*ret_n = (size_t)got;
	return NULL;
}

static struct dv_err *push_file(struct job *j)
{
	int fd = open(j->path, O_RDONLY | O_CLOEXEC);
	struct spec_descriptor desc = { .digest = j->t->ref.digest };
	struct registry_push_opts o = {
		.blob = &desc,
		.source = { .read = read_file, .arg = &fd },
		.chunk_size = j->t->chunk_size,
	};
	enum registry_pushed how;
	struct stat st = { 0 };
	struct dv_err *e;

	sys_fstat(fd, &st);
	desc.size = st.st_size + (j->t->stop_at >= 0 ? 1 : 0); /* a source that is too short */
	e = registry_session_push_blob(j->session, &o, &how);
	if (!e)
		puts(how == REGISTRY_PUSHED_SENT ? "sent" : "existed");
	close(fd);
	return e;
}

static void push(void *arg)
{
	struct job *j = arg;
	struct dv_err *e;

	e = registry_session_open(j->t->registry, j->pool, j->repo_opts, &j->session);
	keep_error(j, e ? e : push_file(j));
	registry_session_close(j->session);
}

/* ---- Both ---- */

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of(handle, struct job, alive));
}

static void on_done(void *arg)
{
	struct job *j = arg;

	tool_fail(j->t, j->error);
	uv_close((uv_handle_t *)&j->alive, on_closed);
}

void tool_session(struct tool *t, const struct registry_repo_opts *repo_opts, const char *path,
		  bool is_push)
{
	struct job *j = dv_new(struct job);
	struct io_work_pool_opts o = { .loop = &t->loop,
				       .name = "session",
				       .max_threads = THREADS };

	dv_assert(!io_work_pool_new(&o, &t->pool));
	spec_ref_default_tag(&t->ref);
	j->t = t;
	j->pool = t->pool;
	j->path = path;
	j->repo_opts = repo_opts;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->changed, NULL);
	uv_timer_init(&t->loop, &j->alive);
	uv_timer_start(&j->alive, on_alive, 1000, 1000);
	io_work_submit(j->pool, is_push ? push : pull, on_done, j);
}
