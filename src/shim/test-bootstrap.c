/* SPDX-License-Identifier: Apache-2.0 */
/* What daemons of each generation write, byte by byte, and what they get for it. */

#include <stdlib.h>

#include "api/containerd/bootstrap.pb-c.h"
#include "base/mem.h"
#include "base/test.h"
#include "bootstrap.h"
#include "rpc/pb.h"

/* A C string's bytes without its end; it may contain NUL bytes. */
#define BYTES(s) (s), sizeof(s) - 1

/* Any{ type_url: "containerd.runc.v1.Options", value: Options{ shim_cgroup: "/x" } } */
#define OPTIONS \
	"\x0a\x1a" \
	"containerd.runc.v1.Options" \
	"\x12\x04" \
	"\x1a\x02/x"

/* What 2.3 says: id, namespace, version, addresses, binary. */
#define PARAMS \
	"\x0a\x02" \
	"c1" \
	"\x12\x02" \
	"ns" \
	"\x22\x05" \
	"2.3.4" \
	"\x2a\x07" \
	"/t.sock" \
	"\x32\x07" \
	"/g.sock" \
	"\x3a\x0f" \
	"/bin/containerd"
#define DEBUG_LEVEL "\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01"
#define EXTENSION \
	"\x42\x24" \
	"\x0a\x22" OPTIONS
#define SOCKET_DIR \
	"\x4a\x06" \
	"/run/s"

static struct dv_arena arena;

static void init(void)
{
	dv_arena_init(&arena);
}

static void fini(void)
{
	dv_arena_fini(&arena);
}

TestSuite(bootstrap, .init = init, .fini = fini);

static const struct shim_bootstrap_args args_16 = {
	.id = "c1",
	.ns = "ns",
	.address = "/g.sock",
	.publish_binary = "/bin/containerd",
	.ttrpc_address = "/t.sock",
};

static struct shim_bootstrap parse(const struct shim_bootstrap_args *args, const char *bytes,
				   size_t n)
{
	struct shim_bootstrap b = { 0 };
	struct dv_err *e = shim_bootstrap_parse(args, bytes, n, &arena, &b);

	cr_assert_null(e, "%s", e ? dv_err_message(e) : "");
	T_STR(b.id, "c1");
	T_STR(b.ns, "ns");
	T_STR(b.grpc_address, "/g.sock");
	T_STR(b.ttrpc_address, "/t.sock");
	T_STR(b.publish_binary, "/bin/containerd");
	return b;
}

static void check_cgroup(const struct shim_bootstrap *b, const char *expected)
{
	const char *cgroup = NULL;

	T_NULL(shim_bootstrap_cgroup(b, &arena, &cgroup));
	T_STR(cgroup, expected);
}

static void check_refused(const struct shim_bootstrap_args *args, const char *bytes, size_t n,
			  enum dv_code code)
{
	struct shim_bootstrap b = { 0 };
	struct dv_err *e = shim_bootstrap_parse(args, bytes, n, &arena, &b);

	cr_expect_not_null(e, "accepted: %s", bytes);
	if (e)
		T_INT(dv_err_code(e), ==, code);
	dv_err_free(e);
}

Test(bootstrap, of_1_6)
{
	struct shim_bootstrap b = parse(&args_16, BYTES(""));

	T_INT(b.daemon, ==, SHIM_DAEMON_PLAIN);
	T_NULL(b.options);
	T_FALSE(b.is_debug);
	check_cgroup(&b, "");
	b = parse(&args_16, BYTES(OPTIONS));
	T_INT(b.daemon, ==, SHIM_DAEMON_PLAIN);
	check_cgroup(&b, "/x");
}

/* These options are as valid a text as any: they would also pass as BootstrapParams. */
Test(bootstrap, of_1_7_to_2_2)
{
	struct shim_bootstrap_args args = args_16;
	struct shim_bootstrap b;

	args.max_version = "2";
	args.is_debug = true;
	b = parse(&args, BYTES(OPTIONS));
	T_INT(b.daemon, ==, SHIM_DAEMON_JSON);
	T_TRUE(b.is_debug);
	T_STR(b.socket_dir, "");
	check_cgroup(&b, "/x");
	b = parse(&args, BYTES(""));
	T_INT(b.daemon, ==, SHIM_DAEMON_JSON);
}

Test(bootstrap, of_2_3)
{
	struct shim_bootstrap_args args = args_16;
	struct shim_bootstrap b;

	args.max_version = "2";
	b = parse(&args, BYTES(PARAMS));
	T_INT(b.daemon, ==, SHIM_DAEMON_PROTOBUF);
	T_FALSE(b.is_debug);
	T_NULL(b.options);
	b = parse(&args, BYTES(PARAMS DEBUG_LEVEL EXTENSION SOCKET_DIR));
	T_INT(b.daemon, ==, SHIM_DAEMON_PROTOBUF);
	T_TRUE(b.is_debug);
	T_STR(b.socket_dir, "/run/s");
	T_NOT_NULL(b.options);
	check_cgroup(&b, "/x");
}

/* The arguments are on their way out; then all is in the parameters. */
Test(bootstrap, without_arguments)
{
	static const struct shim_bootstrap_args none;
	struct shim_bootstrap b = parse(&none, BYTES(PARAMS));

	T_INT(b.daemon, ==, SHIM_DAEMON_PROTOBUF);
}

Test(bootstrap, parameters_count_more)
{
	static const struct shim_bootstrap_args args = {
		.id = "c1", .ns = "other", .address = "/other", .ttrpc_address = "/other"
	};
	struct shim_bootstrap b = parse(&args, BYTES(PARAMS));

	T_INT(b.daemon, ==, SHIM_DAEMON_PROTOBUF);
}

Test(bootstrap, options_of_other_types_are_kept)
{
	struct shim_bootstrap b = parse(&args_16, BYTES("\x0a\x03"
							"a.B"
							"\x12\x02"
							"\xff\xff"));

	T_NOT_NULL(b.options);
	T_STR(b.options->type_url, "a.B");
	check_cgroup(&b, "");
}

Test(bootstrap, broken_options)
{
	struct shim_bootstrap b = parse(&args_16, BYTES("\x0a\x1a"
							"containerd.runc.v1.Options"
							"\x12\x02"
							"\x1a\x7f"));
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	const char *cgroup;

	e = shim_bootstrap_cgroup(&b, &arena, &cgroup);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_INVALID);
}

Test(bootstrap, refused)
{
	struct shim_bootstrap_args args = args_16;

	check_refused(&args, BYTES("\xff\xff\xff"), DV_INVALID);
	check_refused(&args, BYTES("hello, daemon"), DV_INVALID);
	check_refused(&args,
		      BYTES("\x12\x01"
			    "x"),
		      DV_INVALID); /* an Any of no type */
	check_refused(&args,
		      BYTES(PARAMS "\x4a\x03"
				   "rel"),
		      DV_INVALID);
	args.ns = "";
	check_refused(&args, BYTES(""), DV_INVALID);
	args.ns = "..";
	check_refused(&args, BYTES(""), DV_INVALID);
	args = args_16;
	args.id = "a/b";
	check_refused(&args, BYTES(""), DV_INVALID);
	args.id = NULL;
	check_refused(&args, BYTES(""), DV_INVALID);
}

Test(bootstrap, too_much)
{
	DV_CLEANUP(dv_freep) char *big = dv_alloc(SHIM_BOOTSTRAP_MAX + 1);

	check_refused(&args_16, big, SHIM_BOOTSTRAP_MAX + 1, DV_EXHAUSTED);
}

/* Cut anywhere it is refused, or is what it says; it never reads too far. */
Test(bootstrap, cut_at_every_byte)
{
	static const char whole[] = PARAMS EXTENSION SOCKET_DIR;

	for (size_t n = 0; n < sizeof(whole); n++) {
		DV_CLEANUP(dv_freep) char *cut = dv_alloc(n + 1);
		struct shim_bootstrap b = { 0 };

		memcpy(cut, whole, n);
		dv_err_free(shim_bootstrap_parse(&args_16, cut, n, &arena, &b));
	}
}

static char *answer(enum shim_daemon daemon, bool is_sandbox, size_t *n)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	shim_bootstrap_answer(daemon, "unix:///s", is_sandbox, &out);
	*n = out.len;
	return dv_strbuf_steal(&out);
}

Test(bootstrap, answers_in_text)
{
	size_t n;
	char *text = answer(SHIM_DAEMON_PLAIN, false, &n);

	T_STR(text, "unix:///s");
	free(text);
	text = answer(SHIM_DAEMON_JSON, false, &n);
	T_STR(text, "{\"version\":2,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}");
	free(text);
	text = answer(SHIM_DAEMON_JSON, true, &n);
	T_STR(text, "{\"version\":3,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}");
	free(text);
}

Test(bootstrap, answer_in_protobuf)
{
	static const char expected[] = "\x08\x03"
				       "\x12\x09"
				       "unix:///s"
				       "\x1a\x05"
				       "ttrpc";
	size_t n;
	DV_CLEANUP(dv_freep) char *bytes = answer(SHIM_DAEMON_PROTOBUF, false, &n);

	T_INT(n, ==, sizeof(expected) - 1);
	T_INT(memcmp(bytes, expected, n), ==, 0);
}
