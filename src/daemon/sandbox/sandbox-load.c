/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes that an earlier daemon left. The bundles are looked through before anything is served:
 * there are a few hundred at most, and each takes two small files. Their shims are asked then, all
 * at once; a call for a sandbox goes to its shim meanwhile, and waits for nobody else's.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "codec/json.h"
#include "rpc/pb.h"
#include "sandbox-private.h"
#include "store/meta.h"
#include "sys/file.h"

typedef Containerd__Runtime__Sandbox__V1__SandboxStatusResponse StatusResponse;

#define EXIT_FILE "exit.json"

enum { EXIT_FILE_MAX = 4096, STATUS_LOST = 255 };

/* ---- the record of an end ---------------------------------------------------------------------- */

struct dv_err *sandbox_exit_save(const char *bundle, uint32_t status, const struct timespec *at)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_jw w;

	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_uint(&w, "status", status);
	dv_jw_int(&w, "seconds", at->tv_sec);
	dv_jw_int(&w, "nanoseconds", at->tv_nsec);
	dv_jw_object_end(&w);
	return bundle_write(bundle, EXIT_FILE, text.data, text.len);
}

bool sandbox_exit_load(const char *bundle, uint32_t *ret_status, struct timespec *ret_at)
{
	DV_CLEANUP(sys_closep) int dir = sys_openat(AT_FDCWD, bundle, O_PATH | O_DIRECTORY, 0);
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	char text[EXIT_FILE_MAX];
	ssize_t n = dir < 0 ? dir : sys_read_file_at(dir, EXIT_FILE, text, sizeof(text));
	struct dv_err *e;
	uint64_t status;

	if (n < 0)
		return false;
	/* Whatever is in it, the end was told. */
	*ret_status = STATUS_LOST;
	*ret_at = (struct timespec){ .tv_sec = 1 };
	e = dv_json_parse(text, (size_t)n, &doc);
	if (e) {
		dv_err_free(e);
		return true;
	}
	if (dv_json_uint(dv_json_get(doc, "status"), &status) && status <= UINT32_MAX)
		*ret_status = (uint32_t)status;
	if (!pb_timestamp_to(dv_json_int(dv_json_get(doc, "seconds")),
			     (int32_t)dv_json_int(dv_json_get(doc, "nanoseconds")), ret_at) ||
	    ret_at->tv_sec == 0)
		*ret_at = (struct timespec){ .tv_sec = 1 };
	return true;
}

/* ---- what the shims say --------------------------------------------------------------------------- */

/* The daemon died before the client had an answer: it is undone. */
static void undo(struct sandbox *s)
{
	dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: was being created; cleaning up", s->ns,
	       s->id);
	sandbox_end(s, &(struct sandbox_end){ .needs_delete = true });
}

static void take_status(struct sandbox *s, const StatusResponse *r)
{
	s->pid = r->pid;
	if (r->created_at &&
	    !pb_timestamp_to(r->created_at->seconds, r->created_at->nanos, &s->created_at))
		s->created_at = (struct timespec){};
	if (s->state != SANDBOX_LOADING)
		return; /* a Start or a Stop was faster */
	if (dv_streq(r->state, "SANDBOX_READY") || r->exited_at) {
		/* Also for one that has ended: its status comes with the answer to a Wait. */
		sandbox_state_set(s, SANDBOX_READY);
		sandbox_watch(s);
	} else {
		sandbox_state_set(s, SANDBOX_CREATED);
	}
}

static void on_status(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	struct sandbox *s = arg;

	if (s->ss->is_freed || !s->is_in_table || s->state == SANDBOX_ENDING)
		return;
	if (!e) {
		take_status(s, (const StatusResponse *)reply);
		return;
	}
	if (s->state != SANDBOX_LOADING)
		return;
	if (dv_err_code(e) == DV_NOT_FOUND)
		undo(s);
	else
		sandbox_lost(s);
}

static void ask(struct sandbox *s)
{
	Containerd__Runtime__Sandbox__V1__SandboxStatusRequest req =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_REQUEST__INIT;
	struct sandbox_call call = {
		.method = "SandboxStatus",
		.msg = &req.base,
		.reply = &containerd__runtime__sandbox__v1__sandbox_status_response__descriptor,
		.timeout_ns = s->ss->d->config->shim_load_ns
	};
	struct shim_at at = sandbox_shim(s);

	s->log = shim_log_open(&at);
	sandbox_connect(s);
	req.sandbox_id = s->id;
	sandbox_call(s, &call, on_status, s);
}

/* ---- the bundles --------------------------------------------------------------------------------- */

static void load(struct sandboxes *ss, const char *ns, const char *id)
{
	struct bundle_info info;
	struct sandbox *s;
	struct dv_err *e = sandbox_add(ss, ns, id, SANDBOX_LOADING, &s);

	if (e) { /* a directory has a name once */
		dv_err_free(e);
		return;
	}
	bundle_load(s->bundle, &info);
	s->address = info.address;
	s->binary = info.binary;
	s->version = info.version;
	if (sandbox_exit_load(s->bundle, &s->exit_status, &s->exited_at))
		sandbox_state_set(s, SANDBOX_STOPPED);
	if (s->address)
		ask(s);
	else if (s->state == SANDBOX_LOADING)
		undo(s);
	sandbox_unref(s);
}

static DIR *open_directory(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		sys_close(fd);
	return dir;
}

static bool is_name(const char *name)
{
	struct dv_err *e = meta_id_check("name", name);

	dv_err_free(e);
	return !e;
}

static void scan_ns(struct sandboxes *ss, const char *ns)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", ss->dir, ns);
	DIR *dir = open_directory(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		/* ".id": a removal that was interrupted. */
		if (*entry->d_name == '.' && is_name(entry->d_name + 1))
			(void)sys_remove_tree(dirfd(dir), entry->d_name);
		else if (is_name(entry->d_name))
			load(ss, ns, entry->d_name);
	}
	closedir(dir);
}

void sandboxes_load(struct sandboxes *ss)
{
	DIR *dir = open_directory(ss->dir);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (is_name(entry->d_name))
			scan_ns(ss, entry->d_name);
	}
	closedir(dir);
}
