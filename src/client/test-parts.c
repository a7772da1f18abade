/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that making and running a container is put together from: keys, environment, names, pumps. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "client/pump.h"
#include "client/start.h"
#include "client/unique.h"
#include "detach.h"
#include "env.h"
#include "sys/file.h"

/* ---- keys --------------------------------------------------------------------------- */

Test(parts, detach_keys)
{
	char keys[CLIENT_DETACH_KEYS_MAX];
	size_t n = 99;

	cr_assert(client_detach_keys_parse("ctrl-p,ctrl-q", keys, &n));
	T_INT(n, ==, 2);
	cr_assert(keys[0] == 0x10 && keys[1] == 0x11);
	cr_assert(client_detach_keys_parse("a,ctrl-],ctrl-@", keys, &n));
	cr_assert(n == 3 && keys[0] == 'a' && keys[1] == 0x1d && keys[2] == 0);
	cr_assert(client_detach_keys_parse("", keys, &n));
	T_INT(n, ==, 0);
	cr_assert_not(client_detach_keys_parse("ctrl-", keys, &n));
	cr_assert_not(client_detach_keys_parse("ctrl-P", keys, &n));
	cr_assert_not(client_detach_keys_parse("a,", keys, &n));
	cr_assert_not(client_detach_keys_parse(",a", keys, &n));
	cr_assert_not(client_detach_keys_parse("ab", keys, &n));
	cr_assert_not(client_detach_keys_parse("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", keys, &n));
	T_INT(n, ==, 0);
}

/* What passes, in chunks of every size; "!" at its end: the keys were typed. */
static void filter(const char *text, const char *want)
{
	for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
		struct detach d = { .keys = "PQ", .n_keys = 2 };
		bool is_left = false;

		for (size_t at = 0; at < strlen(text) && !is_left; at += chunk)
			is_left = detach_filter(&d, text + at, DV_MIN(chunk, strlen(text) - at),
						&out);
		if (is_left)
			dv_strbuf_addc(&out, '!');
		cr_assert_str_eq(out.data, want, "%s by %zu: %s", text, chunk, out.data);
	}
}

Test(parts, detach_filter)
{
	filter("abc", "abc");
	filter("aPQ", "a!");
	filter("PQxyz", "!");
	filter("aPbQ", "aPbQ");
	filter("PPQ", "P!");
	filter("aPPbPQ", "aPPb!");
}

Test(parts, no_keys_hold_nothing_back)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct detach d = { .keys = "" };

	cr_assert_not(detach_filter(&d, "\x10\x11", 2, &out));
	T_STR(out.data, "\x10\x11");
}

/* ---- environment, names ------------------------------------------------------------- */

Test(parts, env)
{
	struct dv_arena arena;
	struct env env;

	dv_arena_init(&arena);
	env_init(&env, &arena, 6);
	env_set(&env, "A=1");
	env_set(&env, "AB=2");
	env_set(&env, "C=");
	env_set(&env, "A=3=4");
	env_set(&env, "NONE");
	T_INT(env.n, ==, 3);
	T_STR(env.items[0], "A=3=4");
	T_STR(env.items[1], "AB=2");
	env_set(&env, "AB");
	T_INT(env.n, ==, 2);
	T_STR(env.items[1], "C=");
	dv_arena_fini(&arena);
}

Test(parts, ids_and_names)
{
	char id[CLIENT_ID_SIZE], other[CLIENT_ID_SIZE], name[CLIENT_NAME_SIZE];

	client_unique_id(id);
	client_unique_id(other);
	T_INT(strlen(id), ==, 64);
	T_INT(strspn(id, "0123456789abcdef"), ==, 64);
	cr_assert(strcmp(id, other) != 0);
	for (int i = 0; i < 100; i++) {
		client_unique_name(name);
		cr_assert_not_null(strchr(name, '_'));
		T_INT(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), ==, strlen(name));
	}
}

Test(parts, runtimes)
{
	cr_assert(client_runtime_is_ours(NULL));
	cr_assert(client_runtime_is_ours("runc"));
	cr_assert(client_runtime_is_ours("/usr/bin/crun"));
	cr_assert(client_runtime_is_ours("io.containerd.davit.v2"));
	cr_assert_not(client_runtime_is_ours("io.containerd.runc.v2"));
}

/* ---- pumps -------------------------------------------------------------------------- */

struct relay {
	struct client_source *source;
	struct client_sink *sink;
	bool is_ended;
};

static void on_data(void *arg, const void *p, size_t n)
{
	struct relay *r = arg;

	r->is_ended = n == 0;
	if (n == 0)
		return;
	client_sink_write(r->sink, p, n);
	if (client_sink_is_full(r->sink))
		client_source_pause(r->source);
}

static void on_empty(void *arg)
{
	struct relay *r = arg;

	client_source_resume(r->source);
}

static bool is_blocking(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Takes all that is there and returns how much that was. */
static size_t drain(int fd)
{
	static char buf[65536];
	size_t n = 0;
	ssize_t r;

	while ((r = sys_read(fd, buf, sizeof(buf))) > 0)
		n += (size_t)r;
	return n;
}

/* A pipe that nobody reads from fills, holds the source up, and neither becomes non-blocking. */
Test(parts, pump_with_back_pressure)
{
	enum { SIZE = 1000 * 1000 };
	struct relay r = { 0 };
	int in[2], out[2], file = sys_memfd("input", 0);
	char *text = dv_alloc(SIZE);
	uv_loop_t loop;
	size_t n = 0;

	cr_assert(sys_pipe(in) == 0 && sys_pipe(out) == 0 && uv_loop_init(&loop) == 0);
	memset(text, 'x', SIZE);
	cr_assert(sys_write_all(file, text, SIZE) == 0 && lseek(file, 0, SEEK_SET) == 0);
	r.sink = client_sink_new(&loop, out[1]);
	client_sink_on_empty(r.sink, on_empty, &r);
	r.source = client_source_new(&loop, file, on_data, &r);
	for (int i = 0; i < 100; i++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	cr_assert(client_sink_is_full(r.sink) && !r.is_ended);
	cr_assert(is_blocking(out[1]));
	(void)sys_set_nonblock(out[0], true);
	while (!r.is_ended || !client_sink_is_empty(r.sink)) {
		n += drain(out[0]);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	n += drain(out[0]);
	T_INT(n, ==, SIZE);
	cr_assert(client_source_is_ended(r.source));
	client_source_free(r.source);
	client_sink_free(r.sink);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	for (int i = 0; i < 2; i++) {
		sys_close(in[i]);
		sys_close(out[i]);
	}
	sys_close(file);
	free(text);
}

Test(parts, pump_whose_reader_is_gone)
{
	struct relay r = { 0 };
	uv_loop_t loop;
	int out[2];

	cr_assert(sys_pipe(out) == 0 && uv_loop_init(&loop) == 0);
	(void)signal(SIGPIPE, SIG_IGN);
	sys_close(out[0]);
	r.sink = client_sink_new(&loop, out[1]);
	client_sink_write(r.sink, "text", 4);
	T_INT(client_sink_error(r.sink), ==, -EPIPE);
	cr_assert(client_sink_is_empty(r.sink));
	client_sink_write(r.sink, "more", 4);
	cr_assert(client_sink_is_empty(r.sink));
	client_sink_free(r.sink);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	sys_close(out[1]);
}
