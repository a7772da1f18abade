/* SPDX-License-Identifier: Apache-2.0 */
/* registry-tool: what is fetched. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "test-tool.h"

static const char *reference(struct tool *t)
{
	static char digest[DV_DIGEST_STR];

	if (t->ref.has_digest)
		return dv_digest_str(&t->ref.digest, digest);
	spec_ref_default_tag(&t->ref);
	return t->ref.tag;
}

static void on_resolved(void *arg, const struct spec_descriptor *found, struct dv_err *take_error)
{
	struct tool *t = arg;

	if (!take_error)
		printf("%s %s %lld\n", found->digest_text, found->media_type,
		       (long long)found->size);
	tool_fail(t, take_error);
}

void tool_resolve(struct tool *t)
{
	registry_resolve(t->repo, reference(t), on_resolved, t);
}

static void on_document(void *arg, const struct registry_document *doc, struct dv_err *take_error)
{
	struct tool *t = arg;

	if (!take_error)
		fwrite(doc->data, 1, doc->n, stdout);
	tool_fail(t, take_error);
}

void tool_document(struct tool *t)
{
	struct spec_descriptor desc = { .digest = t->ref.digest, .size = -1 };

	registry_fetch_document(t->repo, &desc, on_document, t);
}

static void on_referrers(void *arg, const struct spec_index *index, struct dv_err *take_error)
{
	struct tool *t = arg;

	for (size_t i = 0; !take_error && i < index->n_manifests; i++)
		printf("%s %s\n", index->manifests[i].digest_text,
		       index->manifests[i].artifact_type ? index->manifests[i].artifact_type : "-");
	tool_fail(t, take_error);
}

void tool_referrers(struct tool *t, const char *artifact_type)
{
	registry_referrers(t->repo, &t->ref.digest, artifact_type, on_referrers, t);
}

static void on_ping(void *arg, struct dv_err *take_error)
{
	if (!take_error)
		puts("welcome");
	tool_fail(arg, take_error);
}

void tool_ping(struct tool *t)
{
	registry_ping(t->repo, on_ping, t);
}

/* ---- Blobs ---- */

struct copy {
	struct tool *t;
	struct registry_request *request;
	uv_timer_t timer; /* a slow sink */
	int fd;
};

static void on_copy_closed(uv_handle_t *handle)
{
	struct copy *c = dv_container_of(handle, struct copy, timer);

	sys_close(c->fd);
	free(c);
}

static void copy_end(struct copy *c)
{
	uv_close((uv_handle_t *)&c->timer, on_copy_closed);
}

static void on_copied(void *arg, struct dv_err *take_error)
{
	struct copy *c = arg;

	tool_fail(c->t, take_error);
	copy_end(c);
}

static void on_ready(uv_timer_t *timer)
{
	struct copy *c = dv_container_of(timer, struct copy, timer);

	registry_fetch_resume(c->request);
}

static void on_stop(uv_timer_t *timer)
{
	struct copy *c = dv_container_of(timer, struct copy, timer);

	fputs("stopped\n", stderr);
	registry_cancel(c->request);
	copy_end(c);
}

static struct dv_err *copy_write(void *arg, int64_t offset, const void *p, size_t n, bool *ret_wait)
{
	struct copy *c = arg;
	ssize_t r = pwrite(c->fd, p, n, offset);

	if (r != (ssize_t)n)
		return dv_err_new(DV_EXHAUSTED, "the file takes no more");
	if (c->t->stop_at >= 0 && offset + (int64_t)n >= c->t->stop_at) {
		*ret_wait = true;
		uv_timer_start(&c->timer, on_stop, 0, 0);
	} else if (c->t->is_slow) {
		*ret_wait = true;
		uv_timer_start(&c->timer, on_ready, 1, 0);
	}
	return NULL;
}

static struct dv_err *copy_restart(void *arg)
{
	const struct copy *c = arg;

	fputs("restart\n", stderr);
	return sys_ftruncate(c->fd, 0) < 0 ? dv_err_new(DV_INTERNAL, "truncate") : NULL;
}

/* What a file has of the blob already. */
static void hash_start(int fd, int64_t n, struct dv_hash *hash)
{
	char piece[4096];

	for (int64_t at = 0; at < n;) {
		ssize_t got = pread(fd, piece, (size_t)DV_MIN((int64_t)sizeof(piece), n - at), at);

		if (got <= 0)
			return;
		dv_hash_add(hash, piece, (size_t)got);
		at += got;
	}
}

static struct dv_err *fetch(struct tool *t, const struct spec_descriptor *desc, int take_fd)
{
	struct copy *c = dv_new(struct copy);
	struct registry_blob_opts o = {
		.blob = desc,
		.sink = { .write = copy_write, .restart = copy_restart, .arg = c },
		.offset = t->offset,
		.n_parallel = t->n_parallel,
	};
	DV_CLEANUP(dv_hash_freep) struct dv_hash *hash = dv_hash_new(desc->digest.alg);
	struct dv_err *e;

	c->t = t;
	c->fd = take_fd;
	uv_timer_init(&t->loop, &c->timer);
	hash_start(take_fd, t->offset, hash);
	o.hash = hash;
	e = registry_fetch_blob(t->repo, &o, on_copied, c, &c->request);
	if (e)
		copy_end(c);
	return e;
}

void tool_blob(struct tool *t, const char *size)
{
	struct spec_descriptor desc = { .digest = t->ref.digest, .size = strtol(size, NULL, 10) };

	/* To stdout, which is a file that holds the first --offset bytes already. */
	tool_fail(t, fetch(t, &desc, dup(STDOUT_FILENO)));
}

/* ---- Images ---- */

struct pull {
	struct tool *t;
	const char *directory;
	struct spec_descriptor desc;
};

static int create(struct pull *p, const char *name)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", p->directory, name);

	return open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
}

static void fetch_part(struct pull *p, const struct spec_descriptor *desc)
{
	char hex[DV_DIGEST_HEX];

	tool_fail(p->t, fetch(p->t, desc, create(p, dv_digest_hex(&desc->digest, hex))));
}

static void on_pull_document(void *arg, const struct registry_document *doc,
			     struct dv_err *take_error)
{
	struct pull *p = arg;
	struct spec_manifest *manifest;
	struct dv_err *e = take_error;
	int fd;

	if (!e)
		e = spec_manifest_parse(&p->t->arena, doc->data, doc->n, &manifest);
	if (!e) {
		fd = create(p, "manifest.json");
		if (sys_write_all(fd, doc->data, doc->n) < 0)
			e = dv_err_new(DV_INTERNAL, "write");
		sys_close(fd);
		fetch_part(p, &manifest->config);
		for (size_t i = 0; i < manifest->n_layers; i++)
			fetch_part(p, &manifest->layers[i]);
	}
	tool_fail(p->t, e);
	free(p);
}

static void on_pull_resolved(void *arg, const struct spec_descriptor *found,
			     struct dv_err *take_error)
{
	struct pull *p = arg;

	if (take_error) {
		tool_fail(p->t, take_error);
		free(p);
		return;
	}
	registry_fetch_document(p->t->repo, found, on_pull_document, p);
}

void tool_pull(struct tool *t, const char *directory)
{
	struct pull *p = dv_new(struct pull);

	p->t = t;
	p->directory = directory;
	registry_resolve(t->repo, reference(t), on_pull_resolved, p);
}
