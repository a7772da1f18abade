/* SPDX-License-Identifier: Apache-2.0 */
/* What `spec` writes, byte for byte, and that it is valid. */

#include "test-private.h"

#define CAPS \
	"[\n\t\t\t\t\"CAP_AUDIT_WRITE\",\n\t\t\t\t\"CAP_KILL\",\n" \
	"\t\t\t\t\"CAP_NET_BIND_SERVICE\"\n\t\t\t]"

static const char head[] =
	"{\n"
	"\t\"ociVersion\": \"1.3.0\",\n"
	"\t\"process\": {\n"
	"\t\t\"terminal\": true,\n"
	"\t\t\"user\": {\n\t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n"
	"\t\t\"args\": [\n\t\t\t\"sh\"\n\t\t],\n"
	"\t\t\"env\": [\n"
	"\t\t\t\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
	"\t\t\t\"TERM=xterm\"\n"
	"\t\t],\n"
	"\t\t\"cwd\": \"/\",\n"
	"\t\t\"capabilities\": {\n"
	"\t\t\t\"bounding\": " CAPS ",\n"
	"\t\t\t\"effective\": " CAPS ",\n"
	"\t\t\t\"permitted\": " CAPS "\n"
	"\t\t},\n"
	"\t\t\"rlimits\": [\n"
	"\t\t\t{\n"
	"\t\t\t\t\"type\": \"RLIMIT_NOFILE\",\n"
	"\t\t\t\t\"hard\": 1024,\n"
	"\t\t\t\t\"soft\": 1024\n"
	"\t\t\t}\n"
	"\t\t],\n"
	"\t\t\"noNewPrivileges\": true\n"
	"\t},\n"
	"\t\"root\": {\n"
	"\t\t\"path\": \"rootfs\",\n"
	"\t\t\"readonly\": true\n"
	"\t},\n"
	"\t\"hostname\": \"runc\",\n"
	"\t\"mounts\": [\n"
	"\t\t{\n"
	"\t\t\t\"destination\": \"/proc\",\n"
	"\t\t\t\"type\": \"proc\",\n"
	"\t\t\t\"source\": \"proc\"\n"
	"\t\t},\n"
	"\t\t{\n"
	"\t\t\t\"destination\": \"/dev\",\n"
	"\t\t\t\"type\": \"tmpfs\",\n"
	"\t\t\t\"source\": \"tmpfs\",\n"
	"\t\t\t\"options\": [\n"
	"\t\t\t\t\"nosuid\",\n"
	"\t\t\t\t\"strictatime\",\n"
	"\t\t\t\t\"mode=755\",\n"
	"\t\t\t\t\"size=65536k\"\n"
	"\t\t\t]\n"
	"\t\t},\n";

static const char linux_as_root[] = "\t\"linux\": {\n"
				    "\t\t\"resources\": {\n"
				    "\t\t\t\"devices\": [\n"
				    "\t\t\t\t{\n"
				    "\t\t\t\t\t\"allow\": false,\n"
				    "\t\t\t\t\t\"access\": \"rwm\"\n"
				    "\t\t\t\t}\n"
				    "\t\t\t]\n"
				    "\t\t},\n"
				    "\t\t\"namespaces\": [\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"pid\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"network\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"ipc\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"uts\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}\n"
				    "\t\t],\n"
				    "\t\t\"maskedPaths\": [\n";

static const char linux_as_user[] = "\t\"linux\": {\n"
				    "\t\t\"uidMappings\": [\n"
				    "\t\t\t{\n"
				    "\t\t\t\t\"containerID\": 0,\n"
				    "\t\t\t\t\"hostID\": 1000,\n"
				    "\t\t\t\t\"size\": 1\n"
				    "\t\t\t}\n"
				    "\t\t],\n"
				    "\t\t\"gidMappings\": [\n"
				    "\t\t\t{\n"
				    "\t\t\t\t\"containerID\": 0,\n"
				    "\t\t\t\t\"hostID\": 1001,\n"
				    "\t\t\t\t\"size\": 1\n"
				    "\t\t\t}\n"
				    "\t\t],\n"
				    "\t\t\"namespaces\": [\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"pid\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"ipc\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"uts\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t},\n"
				    "\t\t\t{\n\t\t\t\t\"type\": \"user\"\n\t\t\t}\n"
				    "\t\t],\n"
				    "\t\t\"maskedPaths\": [\n";

static const char tail[] = "\t\t\"readonlyPaths\": [\n"
			   "\t\t\t\"/proc/bus\",\n"
			   "\t\t\t\"/proc/fs\",\n"
			   "\t\t\t\"/proc/irq\",\n"
			   "\t\t\t\"/proc/sys\",\n"
			   "\t\t\t\"/proc/sysrq-trigger\"\n"
			   "\t\t]\n"
			   "\t}\n"
			   "}";

static const struct spec_runtime *reparse(const struct dv_strbuf *b)
{
	struct spec_runtime *spec = NULL;

	cr_assert_null(spec_runtime_parse(&t_arena, b->data, b->len, &spec));
	return spec;
}

Test(default_config, as_root, .fini = t_fini)
{
	static const struct spec_env env = { .needs_process = true };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const struct spec_runtime *spec;

	spec_default_format(false, 0, 0, &b);
	cr_assert(dv_starts_with(b.data, head), "%s", b.data);
	cr_assert_not_null(strstr(b.data, linux_as_root), "%s", b.data);
	cr_assert(dv_ends_with(b.data, tail), "%s", b.data);

	spec = reparse(&b);
	cr_assert_null(spec_runtime_validate(spec, &env, NULL));
	cr_assert_eq(spec->n_mounts, 7);
	cr_assert_eq(spec->linux.n_masked_paths, 10);
	cr_assert_eq(spec->mounts[2].n_options, 6);
	cr_assert_str_eq(spec->mounts[2].options[5], "gid=5");
	cr_assert_str_eq(spec->mounts[6].type, "cgroup");
	cr_assert_str_eq(spec->mounts[6].options[4], "ro");
}

Test(default_config, as_user, .fini = t_fini)
{
	static const struct spec_env env = { .needs_process = true, .is_rootless = true };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const struct spec_runtime *spec;

	spec_default_format(true, 1000, 1001, &b);
	cr_assert(dv_starts_with(b.data, head), "%s", b.data);
	cr_assert_not_null(strstr(b.data, linux_as_user), "%s", b.data);
	cr_assert(dv_ends_with(b.data, tail), "%s", b.data);

	spec = reparse(&b);
	cr_assert_null(spec_runtime_validate(spec, &env, NULL));
	cr_assert_not(spec->linux.has_resources);
	cr_assert_not(spec->linux.namespaces[SPEC_NS_NET].is_listed);
	cr_assert_eq(spec->mounts[2].n_options, 5);
	cr_assert_str_eq(spec->mounts[2].options[4], "mode=0620");
	cr_assert_str_eq(spec->mounts[5].source, "/sys");
	cr_assert_str_eq(spec->mounts[5].type, "none");
	cr_assert_str_eq(spec->mounts[5].options[0], "rbind");
}

Test(default_config, without_cgroup2)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf with = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf without = DV_STRBUF_INIT;
	static const struct spec_default what = { .is_rootless = false };
	static const char ns[] = ",\n\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}";
	char *p;

	spec_default_format(false, 0, 0, &with);
	spec_default_format_for(&what, &without);
	p = strstr(with.data, ns);
	cr_assert_not_null(p);
	memmove(p, p + strlen(ns), strlen(p + strlen(ns)) + 1);
	cr_assert_str_eq(with.data, without.data);
}
