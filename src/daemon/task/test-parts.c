/* SPDX-License-Identifier: Apache-2.0 */
/* What tasks are made of and needs no loop: shims' answers and programs, bundles. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/containerd/bootstrap.pb-c.h"
#include "base/str.h"
#include "base/test.h"
#include "rpc/pb.h"
#include "sys/file.h"
#include "task-private.h"

static enum dv_code code_of(struct dv_err *e)
{
	enum dv_code code = e ? dv_err_code(e) : 0;

	dv_err_free(e);
	return code;
}

/* ---- answers ---- */

Test(shim_answer, forms)
{
	static const struct {
		const char *text, *address;
		unsigned version;
	} cases[] = {
		{ "unix:///run/s/abc", "/run/s/abc", 2 },
		{ "unix:///run/s/abc\n", "/run/s/abc", 2 },
		{ "{\"version\":2,\"address\":\"unix:///a\",\"protocol\":\"ttrpc\"}", "/a", 2 },
		{ "{\"version\":3,\"address\":\"unix:///a\",\"protocol\":\"ttrpc\"}\n", "/a", 3 },
		{ "unix://@abstract", "@abstract", 2 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct shim_answer answer = {};
		struct dv_arena arena;

		dv_arena_init(&arena);
		T_INT(code_of(shim_answer_parse(cases[i].text, strlen(cases[i].text), &arena,
						&answer)),
		      ==, 0);
		T_STR(answer.address, cases[i].address);
		T_INT(answer.version, ==, cases[i].version);
		dv_arena_fini(&arena);
	}
}

Test(shim_answer, protobuf)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapResult msg =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_RESULT__INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct shim_answer answer = {};
	struct dv_arena arena;

	dv_arena_init(&arena);
	msg.version = 3;
	msg.address = (char *)"unix:///run/x";
	msg.protocol = (char *)"ttrpc";
	pb_pack(&msg.base, &b);
	T_INT(code_of(shim_answer_parse(b.data, b.len, &arena, &answer)), ==, 0);
	T_STR(answer.address, "/run/x");
	T_INT(answer.version, ==, 3);
	dv_strbuf_clear(&b);
	msg.version = 4;
	pb_pack(&msg.base, &b);
	T_INT(code_of(shim_answer_parse(b.data, b.len, &arena, &answer)), ==, DV_INVALID);
	dv_arena_fini(&arena);
}

Test(shim_answer, nonsense)
{
	static const struct {
		const char *text;
		enum dv_code code;
	} cases[] = {
		{ "", DV_INVALID },
		{ "\n\n", DV_INVALID },
		{ "no shim at all", DV_INVALID },
		{ "{}", DV_INVALID },
		{ "{\"version\":1,\"address\":\"unix:///a\",\"protocol\":\"ttrpc\"}", DV_INVALID },
		{ "{\"version\":2,\"address\":7,\"protocol\":\"ttrpc\"}", DV_INVALID },
		{ "{\"version\":2,\"address\":\"unix:///a\"", DV_INVALID },
		{ "{\"version\":2,\"address\":\"unix:///a\",\"protocol\":\"grpc\"}",
		  DV_UNIMPLEMENTED },
		{ "unix://relative", DV_INVALID },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct shim_answer answer = {};
		struct dv_arena arena;

		dv_arena_init(&arena);
		cr_expect_eq(code_of(shim_answer_parse(cases[i].text, strlen(cases[i].text), &arena,
						       &answer)),
			     cases[i].code, "%s", cases[i].text);
		dv_arena_fini(&arena);
	}
}

/* ---- files ---- */

static char *temporary(void)
{
	char path[] = "/tmp/davit-task-XXXXXX";

	cr_assert(mkdtemp(path));
	return dv_strdup(path);
}

static void write_file(const char *dir, const char *name, mode_t mode)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	cr_assert(fd >= 0);
	close(fd);
}

static void remove_all(const char *dir)
{
	cr_assert_eq(sys_remove_tree(AT_FDCWD, dir), 0);
}

Test(shim_find, names)
{
	DV_CLEANUP(dv_freep) char *ours = temporary();
	DV_CLEANUP(dv_freep) char *others = temporary();
	DV_CLEANUP(dv_freep) char *variable = dv_printf("PATH=/nowhere:%s", others);
	DV_CLEANUP(dv_freep) char *expected = dv_printf("%s/containerd-shim-davit-v2", ours);
	DV_CLEANUP(dv_freep) char *in_path = dv_printf("%s/containerd-shim-runc-v2", others);
	DV_CLEANUP(dv_freep) char *found = NULL, *again = NULL, *absolute = NULL;
	const char *envp[] = { "HOME=/", variable, NULL };

	write_file(ours, "containerd-shim-davit-v2", 0755);
	write_file(others, "containerd-shim-davit-v2", 0755);
	write_file(others, "containerd-shim-runc-v2", 0755);
	write_file(others, "plain", 0644);
	T_INT(code_of(shim_find("io.containerd.davit.v2", ours, envp, &found)), ==, 0);
	T_STR(found, expected);
	T_INT(code_of(shim_find("io.containerd.runc.v2", ours, envp, &again)), ==, 0);
	T_STR(again, in_path);
	T_INT(code_of(shim_find(in_path, ours, envp, &absolute)), ==, 0);
	T_STR(absolute, in_path);
	T_INT(code_of(shim_find("io.containerd.kata.v2", ours, envp, &found)), ==, DV_NOT_FOUND);
	T_INT(code_of(shim_find("runc", ours, envp, &found)), ==, DV_INVALID);
	T_INT(code_of(shim_find("runc.", ours, envp, &found)), ==, DV_INVALID);
	T_INT(code_of(shim_find("", ours, envp, &found)), ==, DV_INVALID);
	T_INT(code_of(shim_find("a/b", ours, envp, &found)), ==, DV_INVALID);
	T_INT(code_of(shim_find("/no/such", ours, envp, &found)), ==, DV_NOT_FOUND);
	remove_all(ours);
	remove_all(others);
}

Test(bundle, life)
{
	DV_CLEANUP(dv_freep) char *dir = temporary();
	DV_CLEANUP(dv_freep) char *all = dv_printf("%s/tasks", dir);
	DV_CLEANUP(dv_freep) char *path = NULL;
	DV_CLEANUP(dv_freep) char *other = NULL;
	DV_CLEANUP(dv_freep) char *fifo = NULL;
	struct bundle_opts opts = {
		.dir = all,
		.ns = "ns",
		.id = "c1",
		.config = "{}",
		.n_config = 2,
		.binary = "/usr/bin/shim",
	};
	struct bundle_info info;
	struct stat st;

	T_INT(code_of(bundle_new(&opts, &path)), ==, 0);
	cr_assert_eq(stat(path, &st), 0);
	T_INT(st.st_mode & 07777, ==, 0700);
	fifo = dv_printf("%s/log", path);
	cr_assert_eq(stat(fifo, &st), 0);
	T_TRUE(S_ISFIFO(st.st_mode));
	T_INT(code_of(bundle_new(&opts, &other)), ==, DV_EXISTS);

	bundle_load(path, &info);
	T_NULL(info.address);
	T_STR(info.binary, "/usr/bin/shim");
	free(info.binary);
	info = (struct bundle_info){ .address = (char *)"/run/s/x", .version = 3 };
	T_INT(code_of(bundle_save(path, &info)), ==, 0);
	bundle_load(path, &info);
	T_TRUE(!info.is_foreign);
	T_STR(info.address, "/run/s/x");
	T_STR(info.binary, "/usr/bin/shim");
	T_INT(info.version, ==, 3);
	free(info.address);
	free(info.binary);
	info = (struct bundle_info){ .address = (char *)"@x", .version = 2, .is_foreign = true };
	T_INT(code_of(bundle_save(path, &info)), ==, 0);
	bundle_load(path, &info);
	T_STR(info.address, "@x");
	T_TRUE(info.is_foreign);
	free(info.address);
	free(info.binary);

	T_INT(code_of(bundle_remove(path)), ==, 0);
	T_TRUE(stat(path, &st) != 0);
	T_INT(code_of(bundle_remove(path)), ==, 0); /* it is gone: fine */
	T_INT(code_of(bundle_remove("/no/such/place")), ==, 0);
	remove_all(dir);
}

Test(bundle, damaged_record)
{
	DV_CLEANUP(dv_freep) char *dir = temporary();
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/bootstrap.json", dir);
	static const char *const texts[] = { "", "{", "[]", "{\"version\":2}",
					     "{\"version\":\"2\",\"address\":\"unix:///a\"}" };
	struct bundle_info info;

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		FILE *file = fopen(path, "we");

		cr_assert(file);
		fputs(texts[i], file);
		fclose(file);
		bundle_load(dir, &info);
		T_NULL(info.address);
	}
	bundle_load("/no/such/place", &info);
	T_NULL(info.address);
	remove_all(dir);
}
