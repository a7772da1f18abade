/* SPDX-License-Identifier: Apache-2.0 */
/* The file, and helpers as children: get, store and erase. */

#include "registry/docker-config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "docker-auth.h"
#include "docker-file.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "sys/file.h"
#include "text.h"

enum { HELPER_OUTPUT_MAX = 256 * 1024 };

#define HELPER_TIMEOUT_NS (30ull * 1000000000)

struct registry_docker_config {
	uv_loop_t *loop;
	char *path;
	const char *const *envp;
	struct helper *helpers; /* that run */
};

struct helper {
	struct registry_docker_config *c;
	struct helper *next, **prev;
	registry_docker_config_fn done;
	void *arg;
	const char *verb; /* static: "get", "store", "erase" */
	struct io_child *child;
	char *program;
	struct dv_arena arena; /* of auth */
	struct docker_auth auth;
};

struct registry_docker_config *registry_docker_config_new(uv_loop_t *loop, const char *path,
							  const char *const *envp)
{
	struct registry_docker_config *c = dv_new(struct registry_docker_config);

	c->loop = loop;
	c->path = dv_strdup(path);
	c->envp = envp;
	return c;
}

/* ---- Helpers ---- */

/* Ends it; @take_error, or else what is in @cred. */
static void helper_end(struct helper *h, struct dv_err *take_error,
		       const struct registry_cred *cred)
{
	if (take_error)
		take_error = dv_err_wrap(take_error, "%s", h->program);
	*h->prev = h->next;
	if (h->next)
		h->next->prev = h->prev;
	h->done(h->arg, take_error ? NULL : cred, take_error);
	dv_arena_fini(&h->arena);
	free(h->program);
	free(h);
}

/* A helper that fails prints why on its standard output, and a secret only if it succeeds. */
static struct dv_err *failure(const struct io_child_result *result)
{
	DV_CLEANUP(dv_freep) char *text = text_clean(result->out, result->n_out, 200);

	if (result->is_timed_out)
		return dv_err_new(DV_DEADLINE, "no answer within %llu s",
				  HELPER_TIMEOUT_NS / 1000000000);
	return dv_err_new(DV_UNAUTHENTICATED, "exit status %d%s%s", io_exit_status(&result->si),
			  *text && *text != '{' ? ": " : "", *text != '{' ? text : "");
}

static void on_helper_done(void *arg, const struct io_child_result *result)
{
	static const struct registry_cred none = { 0 };
	struct helper *h = arg;
	bool is_good = !result->is_timed_out && io_exit_status(&result->si) == 0;
	bool is_missing = !result->is_timed_out && strstr(result->out, "credentials not found");
	struct registry_cred cred = { 0 };
	struct dv_err *e;

	h->child = NULL;
	if (dv_streq(h->verb, "get") && is_good) {
		e = docker_auth_helper_answer(&h->arena, result->out, result->n_out, &cred);
		helper_end(h, e, &cred);
	} else if (dv_streq(h->verb, "get") && is_missing) {
		helper_end(h, NULL, &h->auth.cred);
	} else if (is_good || (is_missing && dv_streq(h->verb, "erase"))) {
		helper_end(h, NULL, &none);
	} else {
		helper_end(h, failure(result), NULL);
	}
}

static const char *env_find(const char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; envp && envp[i]; i++) {
		if (strncmp(envp[i], name, n) == 0 && envp[i][n] == '=')
			return envp[i] + n + 1;
	}
	return NULL;
}

/* A file with @text in it, to be read. */
static struct dv_err *input_of(const char *text, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = sys_memfd("input", 0);
	int r;

	if (fd < 0)
		return dv_err_sys(fd, "make its input");
	r = sys_write_all(fd, text, strlen(text));
	if (r < 0)
		return dv_err_sys(r, "make its input");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return dv_err_sys(-errno, "make its input");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

static struct dv_err *helper_run(struct helper *h, const char *input)
{
	const char *argv[] = { h->program, h->verb, NULL };
	DV_CLEANUP(dv_freep) char *path = NULL;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct io_child_opts opts = {
		.argv = argv,
		.envp = h->c->envp,
		.stdio = { -1, IO_CHILD_CAPTURE, -1 },
		.timeout_ns = HELPER_TIMEOUT_NS,
		.capture_max = HELPER_OUTPUT_MAX,
		.has_new_group = true,
	};
	struct dv_err *e;

	e = io_path_find(h->program, env_find(h->c->envp, "PATH"), &path);
	if (!e)
		e = input_of(input, &fd);
	if (e)
		return e;
	opts.path = path;
	opts.stdio[0] = fd;
	return io_child_run(h->c->loop, &opts, on_helper_done, h, &h->child);
}

/* Takes the arena with @auth in it. */
static struct helper *helper_new(struct registry_docker_config *c, const char *verb,
				 const struct dv_arena *take_arena, const struct docker_auth *auth)
{
	struct helper *h = dv_new(struct helper);

	h->c = c;
	h->verb = verb;
	h->arena = *take_arena;
	h->auth = *auth;
	h->program = dv_printf("docker-credential-%s", auth->helper);
	h->next = c->helpers;
	h->prev = &c->helpers;
	if (h->next)
		h->next->prev = &h->next;
	c->helpers = h;
	return h;
}

static void helper_start(struct helper *h, const char *input, registry_docker_config_fn done,
			 void *arg)
{
	struct dv_err *e;

	h->done = done;
	h->arg = arg;
	e = helper_run(h, input);
	if (e)
		helper_end(h, e, NULL);
}

/* ---- Questions ---- */

static struct dv_err *look_up(struct registry_docker_config *c, struct dv_arena *arena,
			      const char *host, struct docker_auth *ret)
{
	char *text = NULL;
	struct dv_err *e;
	size_t n;

	*ret = (struct docker_auth){ .server = docker_auth_key(host) };
	e = docker_file_load(c->path, &text, &n);
	if (e || !text)
		return e;
	e = docker_auth_find(arena, text, n, host, ret);
	explicit_bzero(text, n);
	free(text);
	return e ? dv_err_wrap(e, "%s", c->path) : NULL;
}

void registry_docker_config_get(struct registry_docker_config *c, const char *host,
				registry_docker_config_fn done, void *arg)
{
	struct docker_auth auth;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = look_up(c, &arena, host, &auth);
	if (!e && auth.helper) {
		DV_CLEANUP(dv_freep) char *input = dv_printf("%s\n", auth.server);

		helper_start(helper_new(c, "get", &arena, &auth), input, done, arg);
		return;
	}
	done(arg, e ? NULL : &auth.cred, e);
	dv_arena_fini(&arena);
}

/* ---- Changes ---- */

/* @cred NULL: they are to be forgotten. */
static void change(struct registry_docker_config *c, const char *host,
		   const struct registry_cred *cred, registry_docker_config_fn done, void *arg)
{
	static const struct registry_cred none = { 0 };
	struct docker_auth auth;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = look_up(c, &arena, host, &auth);
	/* Also what is in the file from before there was a helper. */
	if (!e && auth.helper && !cred && auth.cred.kind != REGISTRY_CRED_NONE)
		e = docker_file_change(c->path, host, NULL);
	if (!e && auth.helper) {
		DV_CLEANUP(dv_freep)
		char *input = cred ? docker_auth_helper_input(auth.server, cred)
				   : dv_printf("%s\n", auth.server);

		helper_start(helper_new(c, cred ? "store" : "erase", &arena, &auth), input, done,
			     arg);
		explicit_bzero(input, strlen(input));
		return;
	}
	if (!e)
		e = docker_file_change(c->path, host, cred);
	done(arg, e ? NULL : &none, e);
	dv_arena_fini(&arena);
}

void registry_docker_config_store(struct registry_docker_config *c, const char *host,
				  const struct registry_cred *cred, registry_docker_config_fn done,
				  void *arg)
{
	change(c, host, cred, done, arg);
}

void registry_docker_config_erase(struct registry_docker_config *c, const char *host,
				  registry_docker_config_fn done, void *arg)
{
	change(c, host, NULL, done, arg);
}

struct registry_docker_config *registry_docker_config_free(struct registry_docker_config *c)
{
	if (!c)
		return NULL;
	while (c->helpers) {
		struct helper *h = c->helpers;

		if (h->child)
			io_child_kill(h->child, SIGKILL);
		io_child_forget(h->child);
		helper_end(h, dv_err_new(DV_CANCELLED, "not waited for"), NULL);
	}
	free(c->path);
	free(c);
	return NULL;
}
