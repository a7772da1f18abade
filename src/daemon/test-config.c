/* SPDX-License-Identifier: Apache-2.0 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "daemon/config-file.h"
#include "sys/file.h"

struct rig {
	char dir[64];
	struct dv_arena arena;
	struct daemon_config c;
	struct dv_strbuf warning;
	struct dv_err *e;
};

static void setup(struct rig *r)
{
	*r = (struct rig){ .dir = "/tmp/davit-config-XXXXXX",
			   .c = DAEMON_CONFIG_DEFAULT,
			   .warning = DV_STRBUF_INIT };
	cr_assert(mkdtemp(r->dir));
	dv_arena_init(&r->arena);
}

static char *path_of(struct rig *r, const char *name)
{
	return dv_arena_printf(&r->arena, "%s/%s", r->dir, name);
}

static void put(struct rig *r, const char *name, const char *text)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(AT_FDCWD, path_of(r, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
}

/* Loads config.toml; its error is r->e. */
static void load(struct rig *r, const char *text)
{
	if (text)
		put(r, "config.toml", text);
	r->e = dv_err_free(r->e);
	dv_strbuf_clear(&r->warning);
	r->c = (struct daemon_config)DAEMON_CONFIG_DEFAULT;
	r->e = daemon_config_load(path_of(r, "config.toml"), false, &r->arena, &r->c, &r->warning);
}

#define T_LOADED(r)    cr_assert(!(r).e, "%s", dv_err_message((r).e))
#define T_STRING(a, b) cr_expect(dv_streq((a), (b)), "%s: %s, not %s", #a, (a), (b))

static void teardown(struct rig *r)
{
	int fd = sys_openat(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY, 0);

	(void)sys_remove_tree(fd, r->dir + strlen("/tmp/"));
	sys_close(fd);
	dv_err_free(r->e);
	dv_strbuf_fini(&r->warning);
	dv_arena_fini(&r->arena);
}

Test(config, all_kinds)
{
	struct rig r;

	setup(&r);
	load(&r, "root = '/r'\noom_score = -999\n"
		 "[grpc]\naddress = '/r/s'\nuid = 7\nmode = 0o600\nmax_message_size = '1MiB'\n"
		 "[read_only]\nmode = '0666'\n"
		 "[log]\nlevel = 'warning'\nformat = 'json'\n"
		 "[content]\nsharing_policy = 'isolated'\nverity = true\n"
		 "[overlayfs]\nmount_options = ['volatile', 'index=off']\n"
		 "[gc]\npause_threshold = 0.5\nschedule_delay = '1m30s'\n");
	T_LOADED(r);
	T_INT(r.warning.len, ==, 0);
	T_STRING(r.c.root, "/r");
	T_STRING(r.c.state, "/run/davit");
	T_INT(r.c.oom_score, ==, -999);
	T_STRING(r.c.address, "/r/s");
	T_INT(r.c.uid, ==, 7);
	T_INT(r.c.mode, ==, 0600);
	T_INT(r.c.max_message, ==, 1 << 20);
	T_INT(r.c.read_only_mode, ==, 0666);
	T_INT(r.c.log_level, ==, DV_WARN);
	T_INT(r.c.log_format, ==, DV_LOG_JSON);
	T_INT(r.c.content_sharing, ==, DAEMON_ISOLATED);
	T_INT(r.c.has_verity, ==, true);
	T_INT(r.c.overlay_options.n_items, ==, 2);
	T_STRING(r.c.overlay_options.items[1], "index=off");
	cr_expect(r.c.gc.pause_threshold == 0.5);
	T_INT(r.c.gc.schedule_delay_ns, ==, 90000000000);
	teardown(&r);
}

static void note(void *arg, const char *name, bool is_live)
{
	dv_strbuf_addf(arg, "%s%s ", name, is_live ? "!" : "");
}

/* What is printed loads as the same, with and without comments, and with values that need care. */
Test(config, printed_and_read_again)
{
	static const char *const values[] = { "a \"b\" \\ \n\t", "", "\xc3\xa9" };
	static const struct daemon_proxy proxy = { "soci x", "snapshot", "/p", { values, 3 } };
	struct daemon_config presets[2] = { DAEMON_CONFIG_DEFAULT, DAEMON_CONFIG_DEFAULT };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf differing = DV_STRBUF_INIT;
	struct rig r;

	setup(&r);
	presets[1].shim_env = presets[1].overlay_options = (struct daemon_strings){ values, 3 };
	presets[1].gc.pause_threshold = 1.0 / 3;
	presets[1].gc.schedule_delay_ns = 1234567;
	presets[1].shim_load_ns = 7200000000000;
	presets[1].proxies = &proxy;
	presets[1].n_proxies = 1;
	for (int i = 0; i < 4; i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

		daemon_config_print(&presets[i / 2], i % 2, &text);
		load(&r, text.data);
		T_LOADED(r);
		T_STRING(r.warning.data, "");
		daemon_config_compare(&presets[i / 2], &r.c, note, &differing);
		T_STRING(differing.data, "");
	}
	daemon_config_compare(&presets[0], &presets[1], note, &differing);
	T_STRING(differing.data, "overlayfs.mount_options shim.env shim.load_timeout "
				 "gc.pause_threshold gc.schedule_delay proxy_plugins ");
	teardown(&r);
}

Test(config, live_options_alone_are_adopted)
{
	struct daemon_config a = DAEMON_CONFIG_DEFAULT, b = DAEMON_CONFIG_DEFAULT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf differing = DV_STRBUF_INIT;

	b.log_level = DV_DEBUG;
	b.root = "/x";
	daemon_config_compare(&a, &b, note, &differing);
	T_STRING(differing.data, "root log.level! ");
	daemon_config_adopt(&a, &b);
	T_INT(a.log_level, ==, DV_DEBUG);
	T_STRING(a.root, "/var/lib/davit");
}

Test(config, containerds_files)
{
	struct rig r;

	setup(&r);
	load(&r, "version = 2\nroot = '/var/lib/containerd'\nrequired_plugins = []\n"
		 "[debug]\nlevel = 'debug'\nformat = ''\naddress = ''\n"
		 "[grpc]\naddress = '/run/c.sock'\ngid = 5\nmax_recv_message_size = 1048576\n"
		 "max_send_message_size = 5\n[cgroup]\n"
		 "[timeouts]\n'io.containerd.timeout.shim.load' = '7s'\n"
		 "[plugins.'io.containerd.gc.v1.scheduler']\npause_threshold = 0.1\n"
		 "deletion_threshold = 3\nschedule_delay = '0s'\n"
		 "[plugins.'io.containerd.metadata.v1.bolt']\n"
		 "content_sharing_policy = 'isolated'\n"
		 "[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'x'\n"
		 "[proxy_plugins.soci]\ntype = 'snapshot'\naddress = '/run/soci.sock'\n"
		 "platform = 'linux/amd64'\n");
	T_LOADED(r);
	T_INT(r.c.log_level, ==, DV_DEBUG);
	T_STRING(r.c.address, "/run/c.sock");
	T_INT(r.c.gid, ==, 5);
	T_INT(r.c.max_message, ==, 1 << 20);
	T_INT(r.c.shim_load_ns, ==, 7000000000);
	cr_expect(r.c.gc.pause_threshold == 0.1);
	T_INT(r.c.content_sharing, ==, DAEMON_ISOLATED);
	T_INT(r.c.n_proxies, ==, 1);
	T_STRING(r.c.proxies[0].name, "soci");
	T_STRING(r.c.proxies[0].address, "/run/soci.sock");
	cr_expect(strstr(r.warning.data, "required_plugins of "), "%s", r.warning.data);
	cr_expect(strstr(r.warning.data, "plugins.\"io.containerd.grpc.v1.cri\" of "), "%s",
		  r.warning.data);
	load(&r, "version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/s4'\n");
	T_LOADED(r);
	T_STRING(r.c.address, "/s4");
	load(&r, "version = 1");
	T_INT(dv_err_code(r.e), ==, DV_INVALID);
	teardown(&r);
}

Test(config, unknown_options_have_neighbours)
{
	struct rig r;

	setup(&r);
	load(&r, "rot = '/x'\n[grpc]\nadress = '/y'\n[nothing]\na = 1\n[like.this]\n");
	T_LOADED(r);
	cr_expect(dv_starts_with(r.warning.data, "options that davitd does not have: rot of "),
		  "%s", r.warning.data);
	cr_expect(strstr(r.warning.data, "(root?), grpc.adress of "), "%s", r.warning.data);
	cr_expect(strstr(r.warning.data, "(grpc.address?), nothing of "), "%s", r.warning.data);
	teardown(&r);
}

Test(config, imports_and_drop_ins)
{
	struct rig r;

	setup(&r);
	mkdir(path_of(&r, "conf.d"), 0700);
	mkdir(path_of(&r, "more"), 0700);
	put(&r, "more/1.toml", "root = '/more'\nstate = '/more'\nimports = ['../config.toml']");
	put(&r, "conf.d/2.toml", "state = '/two'\noom_score = 2");
	put(&r, "conf.d/1.toml", "state = '/one'\noom_score = 1\n[grpc]\nuid = 1");
	put(&r, "conf.d/3.txt", "oom_score = 3");
	load(&r, "imports = ['more/*.toml', '/nowhere/*.toml']\nroot = '/r'\nstate = '/r'");
	T_LOADED(r);
	T_STRING(r.c.root, "/more");
	T_STRING(r.c.state, "/two");
	T_INT(r.c.oom_score, ==, 2);
	T_INT(r.c.uid, ==, 1);
	teardown(&r);
}

Test(config, errors_name_file_line_and_option)
{
	static const char *const wrong[][2] = {
		{ "root = 'x'", "line 1: root: \"x\" is not an absolute path" },
		{ "root = 1", "line 1: root: an integer, and not a string" },
		{ "\n[log]\nlevel = 'loud'",
		  "line 3: log.level: \"loud\" is none of debug, info, warn, error" },
		{ "oom_score = 1001", "line 1: oom_score: 1001 is not between -1000 and 1000" },
		{ "oom_score = '1'", "line 1: oom_score: a string, and not an integer" },
		{ "[grpc]\nuid = -1", "line 2: grpc.uid: -1 is not between 0 and 4294967294" },
		{ "[grpc]\nmode = '0888'", "line 2: grpc.mode: \"0888\" is no mode such as" },
		{ "[grpc]\nmax_message_size = 1", "line 2: grpc.max_message_size: 1 is not" },
		{ "[content]\nverity = 1", "line 2: content.verity: an integer, and not true" },
		{ "[gc]\npause_threshold = nan", "line 2: gc.pause_threshold: nan is not" },
		{ "[gc]\nschedule_delay = '-1s'", "line 2: gc.schedule_delay: \"-1s\" is no time" },
		{ "[shim]\nenv = 'A=1'", "line 2: shim.env: a string, and not an array" },
		{ "[shim]\nenv = ['A', 1]", "line 2: shim.env: an integer, and not a string" },
		{ "[proxy_plugins.x]\ntype = 'snapshot'",
		  "line 1: proxy_plugins.x: an address is needed" },
		{ "[proxy_plugins.x]\naddress = '/a'", "line 1: proxy_plugins.x: type \"\" is" },
		{ "imports = 1", "line 1: imports: an integer, and not an array" },
		{ "a = ", "line 1, column 5: a value expected" },
	};
	struct rig r;

	setup(&r);
	for (size_t i = 0; i < DV_ARRAY_SIZE(wrong); i++) {
		load(&r, wrong[i][0]);
		cr_expect(r.e && dv_err_code(r.e) == DV_INVALID &&
				  strstr(dv_err_message(r.e), r.dir) &&
				  strstr(dv_err_message(r.e), wrong[i][1]),
			  "%s\n gives %s\n not %s", wrong[i][0],
			  r.e ? dv_err_message(r.e) : "nothing", wrong[i][1]);
	}
	r.e = dv_err_free(r.e);
	r.e = daemon_config_load(path_of(&r, "none"), false, &r.arena, &r.c, &r.warning);
	T_INT(dv_err_code(r.e), ==, DV_NOT_FOUND);
	r.e = dv_err_free(r.e);
	r.e = daemon_config_load(path_of(&r, "none"), true, &r.arena, &r.c, &r.warning);
	T_LOADED(r);
	teardown(&r);
}

Test(config, flags)
{
	struct daemon_config c = DAEMON_CONFIG_DEFAULT;
	struct dv_err *e;

	cr_expect(!daemon_config_set(&c, "log.level", "trace"));
	T_INT(c.log_level, ==, DV_DEBUG);
	e = daemon_config_set(&c, "log.level", "x");
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	e = daemon_config_set(&c, "x", "x");
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
}
