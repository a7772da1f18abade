/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: what this runtime can do, as the runtime specification's features.md lays it
 * out. Callers switch functions of their own by it (containerd: rro and idmap), so it must
 * say neither more nor less than is true.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "cli.h"
#include "codec/json.h"
#include "davit-version.h"
#include "help.h"
#include "host/mount-plan.h"
#include "host/seccomp.h"
#include "verbs.h"

/* The version of runc whose command line and behaviour this program has. */
#define RUNC_VERSION "1.5.1"

static void add_strings(struct dv_jw *w, const char *key, const char *const *items, size_t n)
{
	dv_jw_array_begin(w, key);
	for (size_t i = 0; i < n; i++)
		dv_jw_string(w, NULL, items[i]);
	dv_jw_array_end(w);
}

static void add_hooks(struct dv_jw *w)
{
	dv_jw_array_begin(w, "hooks");
	for (int i = 0; i < SPEC_HOOK__N; i++)
		dv_jw_string(w, NULL, spec_hook_kind_name((enum spec_hook_kind)i));
	dv_jw_array_end(w);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_namespaces(struct dv_jw *w)
{
	const char *names[SPEC_NS__N];

	for (int i = 0; i < SPEC_NS__N; i++)
		names[i] = spec_ns_name((enum spec_ns)i);
	qsort(names, SPEC_NS__N, sizeof(names[0]), compare_strings);
	add_strings(w, "namespaces", names, SPEC_NS__N);
}

static void add_capabilities(struct dv_jw *w)
{
	const char *name;

	dv_jw_array_begin(w, "capabilities");
	for (unsigned cap = 0; (name = spec_cap_name(cap)); cap++)
		dv_jw_string(w, NULL, name);
	dv_jw_array_end(w);
}

static void add_cgroup(struct dv_jw *w)
{
	dv_jw_object_begin(w, "cgroup");
	dv_jw_bool(w, "v1", true);
	dv_jw_bool(w, "v2", true);
	dv_jw_bool(w, "systemd", false);
	dv_jw_bool(w, "systemdUser", false);
	dv_jw_bool(w, "rdma", true);
	dv_jw_object_end(w);
}

static void add_seccomp(struct dv_jw *w)
{
	const char *const *items;
	const char **supported;
	size_t n;

	dv_jw_object_begin(w, "seccomp");
	dv_jw_bool(w, "enabled", true);
	items = host_seccomp_known_actions(&n);
	add_strings(w, "actions", items, n);
	items = host_seccomp_known_operators(&n);
	add_strings(w, "operators", items, n);
	items = host_seccomp_known_archs(&n);
	add_strings(w, "archs", items, n);
	items = host_seccomp_known_flags(&n);
	add_strings(w, "knownFlags", items, n);
	supported = dv_new_n(const char *, n);
	n = host_seccomp_supported_flags(supported);
	add_strings(w, "supportedFlags", supported, n);
	free(supported);
	dv_jw_object_end(w);
}

/* { "enabled": true } below @key */
static void add_enabled(struct dv_jw *w, const char *key)
{
	dv_jw_object_begin(w, key);
	dv_jw_bool(w, "enabled", true);
	dv_jw_object_end(w);
}

static void add_memory_policy(struct dv_jw *w)
{
	const char *name;

	dv_jw_object_begin(w, "memoryPolicy");
	dv_jw_array_begin(w, "modes");
	for (size_t i = 0; (name = spec_memory_policy_mode_name(i)); i++)
		dv_jw_string(w, NULL, name);
	dv_jw_array_end(w);
	dv_jw_array_begin(w, "flags");
	for (size_t i = 0; (name = spec_memory_policy_flag_name(i)); i++)
		dv_jw_string(w, NULL, name);
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

static void add_linux(struct dv_jw *w)
{
	dv_jw_object_begin(w, "linux");
	add_namespaces(w);
	add_capabilities(w);
	add_cgroup(w);
	add_seccomp(w);
	add_enabled(w, "apparmor");
	add_enabled(w, "selinux");
	dv_jw_object_begin(w, "intelRdt");
	dv_jw_bool(w, "enabled", true);
	dv_jw_bool(w, "schemata", true);
	dv_jw_bool(w, "monitoring", true);
	dv_jw_object_end(w);
	add_memory_policy(w);
	dv_jw_object_begin(w, "mountExtensions");
	add_enabled(w, "idmap");
	dv_jw_object_end(w);
	add_enabled(w, "netDevices");
	dv_jw_object_end(w);
}

/* runc's documentation invites others to use its keys, except for the commit's. */
static void add_annotations(struct dv_jw *w)
{
	char version[32];

	host_seccomp_libseccomp_version(version, sizeof(version));
	dv_jw_object_begin(w, "annotations");
	if (help_commit())
		dv_jw_string(w, "davit.commit", help_commit());
	dv_jw_string(w, "davit.version", DAVIT_VERSION);
	dv_jw_string(w, "io.github.seccomp.libseccomp.version", version);
	dv_jw_string(w, "org.opencontainers.runc.checkpoint.enabled", "false");
	dv_jw_string(w, "org.opencontainers.runc.version", RUNC_VERSION);
	dv_jw_object_end(w);
}

static void format(struct dv_strbuf *out)
{
	/* Annotations of config.json that an untrusted user must not choose. */
	static const char *const unsafe[] = { "bundle" };
	const char *const *options;
	struct dv_jw w;
	size_t n;

	dv_jw_init(&w, out, "    ");
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "ociVersionMin", "1.0.0");
	dv_jw_string(&w, "ociVersionMax", SPEC_VERSION);
	add_hooks(&w);
	options = host_mount_option_names(&n);
	add_strings(&w, "mountOptions", options, n);
	add_linux(&w);
	add_annotations(&w);
	add_strings(&w, "potentiallyUnsafeConfigAnnotations", unsafe, DV_ARRAY_SIZE(unsafe));
	dv_jw_object_end(&w);
	dv_strbuf_addc(out, '\n');
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;

	(void)program;
	(void)opts;
	(void)args;
	(void)ret_status;
	format(&out);
	e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

const struct dv_opt_verb verb_features = {
	.name = "features",
	.args = "",
	.summary = "print what this runtime supports as JSON",
	.text = "The document is that of features.md of the OCI runtime specification. It does not\n"
		"depend on containers, and on the kernel only for seccomp's flags.",
	.opts = dv_opt_none,
	.min_args = 0,
	.max_args = 0,
	.stop_after = -1,
	.run = run,
};
