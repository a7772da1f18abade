/* SPDX-License-Identifier: Apache-2.0 */
/* The file, and helpers as children. */

#include "registry/docker-config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "docker-auth.h"
#include "http.h"
#include "io/child.h"
#include "io/pidfd.h"
#include "sys/file.h"

enum { CONFIG_MAX = 1 << 20, HELPER_OUTPUT_MAX = 256 * 1024 };

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
	struct registry_ask *ask;
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

/* Ends the question; @take_error, or else what is in @cred. */
static void helper_answer(struct helper *h, struct dv_err *take_error,
			  const struct registry_cred *cred)
{
	if (take_error)
		take_error = dv_err_wrap(take_error, "%s", h->program);
	registry_ask_answer(h->ask, take_error, cred);
	*h->prev = h->next;
	if (h->next)
		h->next->prev = h->prev;
	dv_arena_fini(&h->arena);
	free(h->program);
	free(h);
}

/* A helper that fails prints why on its standard output, and a secret only if it succeeds. */
static struct dv_err *failure(const struct io_child_result *result)
{
	DV_CLEANUP(dv_freep) char *text = http_clean_text(result->out, result->n_out, 200);

	if (result->is_timed_out)
		return dv_err_new(DV_DEADLINE, "no answer within %llu s",
				  HELPER_TIMEOUT_NS / 1000000000);
	return dv_err_new(DV_UNAUTHENTICATED, "exit status %d%s%s", io_exit_status(&result->si),
			  *text && *text != '{' ? ": " : "", *text != '{' ? text : "");
}

static void on_helper_done(void *arg, const struct io_child_result *result)
{
	struct helper *h = arg;
	struct registry_cred cred = { 0 };
	struct dv_err *e;

	h->child = NULL;
	if (!result->is_timed_out && io_exit_status(&result->si) == 0) {
		e = docker_auth_helper_answer(&h->arena, result->out, result->n_out, &cred);
		helper_answer(h, e, &cred);
	} else if (!result->is_timed_out && strstr(result->out, "credentials not found")) {
		helper_answer(h, NULL, &h->auth.cred);
	} else {
		helper_answer(h, failure(result), NULL);
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

/* A file with the name of the server in it, to be read. */
static struct dv_err *input_of(const char *server, int *ret_fd)
{
	DV_CLEANUP(dv_freep) char *line = dv_printf("%s\n", server);
	DV_CLEANUP(sys_closep) int fd = sys_memfd("server", 0);
	int r;

	if (fd < 0)
		return dv_err_sys(fd, "make its input");
	r = sys_write_all(fd, line, strlen(line));
	if (r < 0)
		return dv_err_sys(r, "make its input");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return dv_err_sys(-errno, "make its input");
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

static struct dv_err *helper_run(struct helper *h)
{
	const char *argv[] = { h->program, "get", NULL };
	DV_CLEANUP(dv_freep) char *path = NULL;
	DV_CLEANUP(sys_closep) int input = -1;
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
		e = input_of(h->auth.server, &input);
	if (e)
		return e;
	opts.path = path;
	opts.stdio[0] = input;
	return io_child_run(h->c->loop, &opts, on_helper_done, h, &h->child);
}

/* Takes the arena with @auth in it. */
static void helper_start(struct registry_docker_config *c, struct registry_ask *ask,
			 const struct dv_arena *take_arena, const struct docker_auth *auth)
{
	struct helper *h = dv_new(struct helper);
	struct dv_err *e;

	h->c = c;
	h->ask = ask;
	h->arena = *take_arena;
	h->auth = *auth;
	h->program = dv_printf("docker-credential-%s", auth->helper);
	h->next = c->helpers;
	h->prev = &c->helpers;
	if (h->next)
		h->next->prev = &h->next;
	c->helpers = h;
	e = helper_run(h);
	if (e)
		helper_answer(h, e, NULL);
}

/* ---- Questions ---- */

static struct dv_err *look_up(struct registry_docker_config *c, struct dv_arena *arena,
			      const char *host, struct docker_auth *ret)
{
	DV_CLEANUP(dv_freep) char *text = dv_new_n(char, CONFIG_MAX);
	ssize_t n = sys_read_file_at(AT_FDCWD, c->path, text, CONFIG_MAX);
	struct dv_err *e;

	*ret = (struct docker_auth){ 0 };
	if (n == -ENOENT || n == -ENOTDIR)
		return NULL;
	if (n < 0)
		return dv_err_sys((int)n, "read %s", c->path);
	e = docker_auth_find(arena, text, (size_t)n, host, ret);
	explicit_bzero(text, (size_t)n);
	return e ? dv_err_wrap(e, "%s", c->path) : NULL;
}

static void get(void *arg, struct registry_ask *ask)
{
	struct registry_docker_config *c = arg;
	struct docker_auth auth;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = look_up(c, &arena, registry_ask_question(ask)->host, &auth);
	if (!e && auth.helper) {
		helper_start(c, ask, &arena, &auth);
		return;
	}
	registry_ask_answer(ask, e, &auth.cred);
	dv_arena_fini(&arena);
}

struct registry_cred_source registry_docker_config_source(struct registry_docker_config *c)
{
	return (struct registry_cred_source){ .get = get, .arg = c };
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
		helper_answer(h, dv_err_new(DV_CANCELLED, "not waited for"), NULL);
	}
	free(c->path);
	free(c);
	return NULL;
}
