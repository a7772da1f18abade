/* SPDX-License-Identifier: Apache-2.0 */
/* registry-tool: what is pushed. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "test-tool.h"

struct upload {
	struct tool *t;
	struct registry_request *request;
	uv_timer_t timer; /* a slow source */
	bool is_ready;
	int fd;
	char *text; /* of a document */
};

static void on_upload_closed(uv_handle_t *handle)
{
	struct upload *u = dv_container_of(handle, struct upload, timer);

	sys_close(u->fd);
	free(u->text);
	free(u);
}

static void on_ready(uv_timer_t *timer)
{
	struct upload *u = dv_container_of(timer, struct upload, timer);

	u->is_ready = true;
	registry_push_resume(u->request);
}

static struct dv_err *upload_read(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n)
{
	struct upload *u = arg;
	ssize_t r;

	if (u->t->stop_at >= 0 && offset >= u->t->stop_at)
		return dv_err_new(DV_DATA_LOSS, "the file cannot be read");
	if (u->t->is_slow && !u->is_ready) {
		uv_timer_start(&u->timer, on_ready, 1, 0);
		return NULL;
	}
	u->is_ready = false;
	r = pread(u->fd, p, n, offset);
	if (r <= 0)
		return dv_err_new(DV_DATA_LOSS, "the file is too short");
	*ret_n = (size_t)r;
	return NULL;
}

static void on_pushed(void *arg, enum registry_pushed how, struct dv_err *take_error)
{
	static const char *const words[] = { "existed", "mounted", "sent" };
	struct upload *u = arg;

	if (!take_error)
		puts(words[how]);
	tool_fail(u->t, take_error);
	uv_close((uv_handle_t *)&u->timer, on_upload_closed);
}

static struct upload *upload_new(struct tool *t, const char *file)
{
	struct upload *u = dv_new(struct upload);

	u->t = t;
	u->fd = open(file, O_RDONLY | O_CLOEXEC);
	uv_timer_init(&t->loop, &u->timer);
	return u;
}

void tool_push_blob(struct tool *t, const char *file)
{
	struct upload *u = upload_new(t, file);
	struct spec_descriptor desc = { .digest = t->ref.digest };
	struct registry_push_opts o = {
		.blob = &desc,
		.source = { .read = upload_read, .arg = u },
		.mount_from = &t->mount_from,
		.n_mount_from = t->mount_from ? 1 : 0,
		.chunk_size = t->chunk_size,
	};
	struct stat st = { 0 };

	sys_fstat(u->fd, &st);
	desc.size = st.st_size;
	u->request = registry_push_blob(t->repo, &o, on_pushed, u);
}

static void on_document_pushed(void *arg, struct dv_err *take_error)
{
	on_pushed(arg, REGISTRY_PUSHED_SENT, take_error);
}

void tool_push_document(struct tool *t, const char *file, const char *media_type)
{
	enum { TEXT_MAX = 1 << 20 };
	struct upload *u = upload_new(t, file);
	struct registry_push_document doc = { .media_type = media_type, .tag = t->ref.tag };
	ssize_t n;

	u->text = dv_new_n(char, TEXT_MAX);
	n = sys_read_all(u->fd, u->text, TEXT_MAX);
	doc.data = u->text;
	doc.n = n > 0 ? (size_t)n : 0;
	u->request = registry_push_document(t->repo, &doc, on_document_pushed, u);
}
