/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of hosts.toml, with files. */

#include "registry/hosts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "sys/file.h"

static char root[] = "/tmp/test-hosts-XXXXXX";
static struct dv_arena arena;

static void setup(void)
{
	cr_assert(mkdtemp(root) != NULL);
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
	sys_remove_tree(AT_FDCWD, root);
}

TestSuite(hosts, .init = setup, .fini = teardown);

static void put(const char *dir, const char *name, const char *text)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", root, dir);
	int fd;

	sys_mkdirat(AT_FDCWD, path, 0755);
	free(path);
	path = dv_printf("%s/%s/%s", root, dir, name);
	fd = sys_openat(AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	cr_assert(fd >= 0);
	cr_assert_eq(sys_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static struct dv_err *load(const char *host, struct registry_hosts *ret)
{
	struct registry_hosts_opts opts = { .directories = root };

	return registry_hosts_load(&arena, host, &opts, ret);
}

static struct registry_hosts load_well(const char *host)
{
	struct registry_hosts hosts = { 0 };
	struct dv_err *e = load(host, &hosts);

	cr_assert(!e, "%s", dv_err_message(e));
	return hosts;
}

Test(hosts, nothing_is_configured)
{
	static const struct {
		const char *host, *scheme, *base;
		bool may_be_plain;
	} cases[] = {
		{ "docker.io", NULL, "https://registry-1.docker.io/v2", false },
		{ "example.com", NULL, "https://example.com/v2", false },
		{ "example.com:80", NULL, "https://example.com:80/v2", false },
		{ "example.com:5000", "http", "http://example.com:5000/v2", false },
		{ "localhost", NULL, "http://localhost/v2", false },
		{ "localhost:80", NULL, "http://localhost:80/v2", false },
		{ "localhost:443", NULL, "https://localhost:443/v2", false },
		{ "localhost:5000", NULL, "https://localhost:5000/v2", true },
		{ "localhost:5000", "https", "https://localhost:5000/v2", false },
		{ "[::1]", NULL, "http://[::1]/v2", false },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct registry_hosts_opts opts = { .default_scheme = cases[i].scheme };
		struct registry_hosts hosts;

		T_NULL(registry_hosts_load(&arena, cases[i].host, &opts, &hosts));
		T_INT(hosts.n_hosts, ==, 1);
		T_STR(hosts.hosts[0].base, cases[i].base);
		T_INT(hosts.hosts[0].capabilities, ==, REGISTRY_CAN_ALL);
		cr_expect(hosts.hosts[0].may_be_plain == cases[i].may_be_plain, "%s",
			  cases[i].host);
		T_FALSE(hosts.hosts[0].is_mirror);
	}
}

Test(hosts, order_and_every_key)
{
	struct registry_hosts h;

	put("docker.io", "hosts.toml",
	    "server = \"https://registry-1.docker.io\"\n"
	    "capabilities = [\"pull\", \"resolve\"]\n"
	    "[host.\"https://mirror.one:5000\"]\n"
	    "  capabilities = [\"pull\"]\n"
	    "  ca = [\"a.crt\", \"b.crt\"]\n"
	    "  client = [[\"c.cert\", \"c.key\"]]\n"
	    "  dial_timeout = \"3s\"\n"
	    "  [host.\"https://mirror.one:5000\".header]\n"
	    "    x-one = \"1\"\n"
	    "    x-two = [\"2\", \"3\"]\n"
	    "[host.\"http://mirror.two/cache/v2\"]\n"
	    "  skip_verify = true\n"
	    "[host.\"mirror.three/docker\"]\n"
	    "  override_path = true\n");
	put("docker.io", "a.crt", "A");
	put("docker.io", "b.crt", "B");
	put("docker.io", "c.cert", "C");
	put("docker.io", "c.key", "K");
	h = load_well("docker.io");
	T_INT(h.n_hosts, ==, 4);
	T_STR(h.hosts[0].base, "https://mirror.one:5000/v2");
	T_STR(h.hosts[0].name, "mirror.one:5000");
	T_INT(h.hosts[0].capabilities, ==, REGISTRY_CAN_PULL);
	T_STR(h.hosts[0].ca.data, "A\nB\n");
	T_STR(h.hosts[0].cert.data, "C");
	T_STR(h.hosts[0].key.data, "K");
	T_INT(h.hosts[0].dial_timeout_ns, ==, 3000000000);
	T_INT(h.hosts[0].n_headers, ==, 3);
	T_STR(h.hosts[0].headers[2].name, "x-two");
	T_STR(h.hosts[0].headers[2].value, "3");
	T_TRUE(h.hosts[0].is_mirror);
	T_STR(h.hosts[1].base, "http://mirror.two/cache/v2");
	T_TRUE(h.hosts[1].is_plain && h.hosts[1].skip_verify);
	T_STR(h.hosts[2].base, "https://mirror.three/docker");
	T_STR(h.hosts[3].base, "https://registry-1.docker.io/v2");
	T_INT(h.hosts[3].capabilities, ==, REGISTRY_CAN_PULL | REGISTRY_CAN_RESOLVE);
	T_FALSE(h.hosts[3].is_mirror);
}

Test(hosts, which_directory)
{
	put("_default", "hosts.toml", "server = \"https://default.io\"\n");
	T_STR(load_well("example.com:5000").hosts[0].name, "default.io");
	put("example.com:5000", "hosts.toml", "server = \"https://colon.io\"\n");
	T_STR(load_well("example.com:5000").hosts[0].name, "colon.io");
	put("example.com_5000_", "hosts.toml", "server = \"https://underscore.io\"\n");
	T_STR(load_well("example.com:5000").hosts[0].name, "underscore.io");
	T_STR(load_well("example.com").hosts[0].name, "default.io");
	/* Read again each time. */
	put("_default", "hosts.toml", "[host.\"https://first.io\"]\n");
	T_STR(load_well("example.com").hosts[0].name, "first.io");
	T_STR(load_well("example.com").hosts[1].name, "example.com");
}

Test(hosts, dockers_certificates)
{
	struct registry_hosts h;

	put("example.com", "one.crt", "ONE");
	put("example.com", "two.crt", "TWO");
	put("example.com", "client.cert", "C");
	put("example.com", "client.key", "K");
	h = load_well("example.com");
	T_STR(h.hosts[0].ca.data, "ONE\nTWO\n");
	T_STR(h.hosts[0].cert.data, "C");
	T_STR(h.hosts[0].key.data, "K");
}

Test(hosts, what_is_refused)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "server = 5", "line 1: server" },
		{ "x = 1", "line 1: there is no key \"x\"" },
		{ "server = \"ftp://x\"", "http:// or https://" },
		{ "server = \"https://user:pass@x\"", "no host" },
		{ "server = \"https://x/?a=b\"", "plain path" },
		{ "server = \"https://\"", "no host" },
		{ "capabilities = [\"fly\"]", "\"fly\" is none of" },
		{ "ca = \"none.crt\"", "none.crt: no such file" },
		{ "dial_timeout = \"x\"", "\"x\" is no duration" },
		{ "client = [\"a\", \"b\"]", "not supported yet: more than one client" },
		{ "[host.\"https://x\"]\nskip_verify = \"yes\"", "line 2: skip_verify: a string" },
		{ "[header]\n\"a b\" = \"x\"", "not the name of a header" },
		{ "[header]\na = \"x\\r\\ny\"", "control characters" },
		{ "host = 1", "an integer, and not a table" },
		{ "[", "line 1, column" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct registry_hosts hosts;
		struct dv_err *e;

		put("example.com", "hosts.toml", cases[i].text);
		e = load("example.com", &hosts);
		cr_assert(e != NULL, "%s", cases[i].text);
		cr_expect(strstr(dv_err_message(e), cases[i].message) &&
				  strstr(dv_err_message(e), "/example.com/hosts.toml"),
			  "%s: %s", cases[i].text, dv_err_message(e));
		dv_err_free(e);
	}
}
