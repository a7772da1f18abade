/* SPDX-License-Identifier: Apache-2.0 */
/* Generated configurations, read back by the parser that the runtime uses. */

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include "spec/generate.h"
#include "test-private.h"

#define BIT(name) (UINT64_C(1) << CAP_##name)

static const char *const sh[] = { "sh", "-c", "true" };

static struct spec_container least(void)
{
	return (struct spec_container){
		.args = sh,
		.n_args = 3,
		.caps = spec_caps_default(),
		.cgroups_path = "/default/c1",
		.has_cgroup2 = true,
	};
}

/* Generates, parses and validates. */
static struct spec_runtime *make(const struct spec_container *c)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct spec_env env = { .needs_process = true };
	struct spec_runtime *spec = NULL;
	struct dv_err *e;

	spec_container_format(c, &out);
	e = spec_runtime_parse(&t_arena, out.data, out.len, &spec);
	cr_assert_null(e, "%s: %s", out.data, e ? dv_err_message(e) : "");
	e = spec_runtime_validate(spec, &env, NULL);
	cr_assert_null(e, "%s: %s", out.data, e ? dv_err_message(e) : "");
	return spec;
}

static const struct spec_mount *mount_at(const struct spec_runtime *spec, const char *destination)
{
	const struct spec_mount *found = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!dv_streq(spec->mounts[i].destination, destination))
			continue;
		cr_assert_null(found, "two mounts on %s", destination);
		found = &spec->mounts[i];
	}
	cr_assert_not_null(found, "no mount on %s", destination);
	return found;
}

static bool has_option(const struct spec_mount *m, const char *option)
{
	for (size_t i = 0; i < m->n_options; i++) {
		if (dv_streq(m->options[i], option))
			return true;
	}
	return false;
}

static bool lists(const char **items, size_t n, const char *item)
{
	for (size_t i = 0; i < n; i++) {
		if (dv_streq(items[i], item))
			return true;
	}
	return false;
}

static const struct spec_seccomp_rule *rule_of(const struct spec_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		if (lists(s->rules[i].names, s->rules[i].n_names, name))
			return &s->rules[i];
	}
	return NULL;
}

Test(spec_generate, defaults)
{
	struct spec_container c = least();
	struct spec_runtime *s = make(&c);

	cr_assert_str_eq(s->process->args[2], "true");
	cr_assert_str_eq(s->process->cwd, "/");
	cr_assert_eq(s->process->capabilities->bounding, spec_caps_default());
	cr_assert_eq(s->process->capabilities->effective, spec_caps_default());
	cr_assert_eq(s->process->capabilities->inheritable, 0);
	cr_assert_eq(s->process->capabilities->ambient, 0);
	cr_assert_not(s->process->no_new_privileges);
	cr_assert_eq(s->n_mounts, 7);
	cr_assert(has_option(mount_at(s, "/proc"), "nosuid"));
	cr_assert(has_option(mount_at(s, "/dev/shm"), "size=67108864"));
	cr_assert(has_option(mount_at(s, "/sys"), "ro"));
	cr_assert(has_option(mount_at(s, "/sys/fs/cgroup"), "ro"));
	cr_assert(lists(s->linux.masked_paths, s->linux.n_masked_paths, "/proc/kcore"));
	cr_assert(lists(s->linux.readonly_paths, s->linux.n_readonly_paths, "/proc/sys"));
	for (int ns = 0; ns < SPEC_NS__N; ns++)
		cr_assert_eq(s->linux.namespaces[ns].is_listed,
			     ns != SPEC_NS_USER && ns != SPEC_NS_TIME, "%d", ns);
	cr_assert_not(s->linux.resources->devices[0].is_allowed);
	cr_assert_eq(s->linux.resources->devices[0].type, 'a');
	cr_assert_str_eq(s->linux.cgroups_path, "/default/c1");
	t_fini();
}

Test(spec_generate, who_is_not_root_has_no_effective_capabilities)
{
	const uint32_t groups[] = { 5, 7 };
	struct spec_container c = least();
	struct spec_runtime *s;

	c.uid = 1000;
	c.gid = 100;
	c.groups = groups;
	c.n_groups = 2;
	s = make(&c);
	cr_assert_eq(s->process->user.uid, 1000);
	cr_assert_eq(s->process->user.gid, 100);
	cr_assert_eq(s->process->user.n_additional_gids, 2);
	cr_assert_eq(s->process->user.additional_gids[1], 7);
	cr_assert_eq(s->process->capabilities->bounding, spec_caps_default());
	cr_assert_eq(s->process->capabilities->effective, 0);
	cr_assert_eq(s->process->capabilities->permitted, 0);
	t_fini();
}

Test(spec_generate, process)
{
	const char *const env[] = { "A=b", "C=\"d\"" };
	const struct spec_rlimit limit = { .name = "RLIMIT_NOFILE", .soft = 10, .hard = 20 };
	struct spec_container c = least();
	struct spec_runtime *s;

	c.env = env;
	c.n_env = 2;
	c.cwd = "/srv";
	c.has_terminal = true;
	c.console_width = 132;
	c.console_height = 50;
	c.is_no_new_privileges = true;
	c.rlimits = &limit;
	c.n_rlimits = 1;
	c.oom_score_adj = (struct spec_i64){ true, -5 };
	c.apparmor_profile = "acme";
	c.hostname = "host1";
	c.is_root_readonly = true;
	s = make(&c);
	cr_assert(s->process->terminal);
	cr_assert_eq(s->process->console_width, 132);
	cr_assert_str_eq(s->process->env[1], "C=\"d\"");
	cr_assert_str_eq(s->process->cwd, "/srv");
	cr_assert(s->process->no_new_privileges);
	cr_assert_eq(s->process->rlimits[0].resource, RLIMIT_NOFILE);
	cr_assert_eq(s->process->rlimits[0].hard, 20);
	cr_assert_eq(s->process->oom_score_adj.value, -5);
	cr_assert_str_eq(s->process->apparmor_profile, "acme");
	cr_assert_str_eq(s->hostname, "host1");
	cr_assert(s->root.is_readonly);
	t_fini();
}

Test(spec_generate, mounts_of_its_own)
{
	const char *options[] = { "rbind", "ro" };
	const struct spec_mount mounts[] = {
		{ .destination = "/data",
		  .type = "bind",
		  .source = "/srv",
		  .options = options,
		  .n_options = 2 },
		{ .destination = "/dev/shm",
		  .type = "bind",
		  .source = "/x",
		  .options = options,
		  .n_options = 1 },
	};
	struct spec_container c = least();
	struct spec_runtime *s;

	c.mounts = mounts;
	c.n_mounts = 2;
	s = make(&c);
	cr_assert_eq(s->n_mounts, 8);
	cr_assert_str_eq(mount_at(s, "/data")->source, "/srv");
	cr_assert(has_option(mount_at(s, "/data"), "ro"));
	cr_assert_str_eq(mount_at(s, "/dev/shm")->source, "/x");
	t_fini();
}

Test(spec_generate, privileged)
{
	struct spec_container c = least();
	struct spec_runtime *s;

	c.is_privileged = true;
	s = make(&c);
	cr_assert_eq(s->linux.n_masked_paths, 0);
	cr_assert_eq(s->linux.n_readonly_paths, 0);
	cr_assert_null(s->linux.seccomp);
	cr_assert_not(has_option(mount_at(s, "/sys"), "ro"));
	cr_assert_not(has_option(mount_at(s, "/sys/fs/cgroup"), "ro"));
	cr_assert_eq(s->linux.resources->n_devices, 1);
	cr_assert(s->linux.resources->devices[0].is_allowed);
	t_fini();
}

Test(spec_generate, namespaces)
{
	const struct spec_id_mapping map = { 0, 100000, 65536 };
	struct spec_container c = least();
	struct spec_runtime *s;

	c.ns[SPEC_NS_NET].mode = SPEC_NS_HOST;
	c.ns[SPEC_NS_IPC].mode = SPEC_NS_HOST;
	c.ns[SPEC_NS_PID] = (struct spec_ns_choice){ SPEC_NS_JOIN, "/proc/7/ns/pid" };
	s = make(&c);
	cr_assert_not(s->linux.namespaces[SPEC_NS_NET].is_listed);
	cr_assert_str_eq(s->linux.namespaces[SPEC_NS_PID].path, "/proc/7/ns/pid");
	cr_assert_str_eq(mount_at(s, "/dev/shm")->type, "bind");
	cr_assert_str_eq(mount_at(s, "/dev/mqueue")->type, "bind");
	cr_assert_str_eq(mount_at(s, "/sys")->type, "sysfs");

	c.uid_mappings = c.gid_mappings = &map;
	c.n_uid_mappings = c.n_gid_mappings = 1;
	s = make(&c);
	cr_assert(s->linux.namespaces[SPEC_NS_USER].is_listed);
	cr_assert_eq(s->linux.uid_mappings[0].host_id, 100000);
	cr_assert_str_eq(mount_at(s, "/sys")->type, "bind");

	c.has_cgroup2 = false;
	s = make(&c);
	cr_assert_not(s->linux.namespaces[SPEC_NS_CGROUP].is_listed);
	t_fini();
}

Test(spec_generate, resources)
{
	struct spec_throttle_device throttle = { 8, 0, 1024 };
	struct spec_string_pair unified = { "memory.high", "1000" };
	struct spec_hugepage_limit huge = { "2MB", 4096 };
	struct spec_resources r = {
		.memory = { .limit = { true, 1 << 20 }, .swap = { true, -1 } },
		.cpu = { .quota = { true, 50000 },
			 .period = { true, 100000 },
			 .shares = { true, 512 },
			 .cpus = "0-1" },
		.pids_limit = { true, 99 },
		.block_io = { .weight = { true, 300 },
			      .throttle[SPEC_THROTTLE_WRITE_BPS] = { &throttle, 1 } },
		.hugepage_limits = &huge,
		.n_hugepage_limits = 1,
		.unified = &unified,
		.n_unified = 1,
	};
	struct spec_container c = least();
	const struct spec_resources *got;

	c.resources = &r;
	got = make(&c)->linux.resources;
	cr_assert_eq(got->memory.limit.value, 1 << 20);
	cr_assert_eq(got->memory.swap.value, -1);
	cr_assert_not(got->memory.reservation.is_set);
	cr_assert_eq(got->cpu.quota.value, 50000);
	cr_assert_eq(got->cpu.period.value, 100000);
	cr_assert_eq(got->cpu.shares.value, 512);
	cr_assert_str_eq(got->cpu.cpus, "0-1");
	cr_assert_eq(got->pids_limit.value, 99);
	cr_assert_eq(got->block_io.weight.value, 300);
	cr_assert_eq(got->block_io.throttle[SPEC_THROTTLE_WRITE_BPS].items[0].rate, 1024);
	cr_assert_eq(got->hugepage_limits[0].limit, 4096);
	cr_assert_str_eq(got->unified[0].value, "1000");
	t_fini();
}

Test(spec_generate, update_has_no_device_rules)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct spec_resources r = { .pids_limit = { true, 3 } };

	spec_resources_format(&r, &out);
	cr_assert_str_eq(out.data, "{\"pids\":{\"limit\":3}}");
}

Test(spec_generate, devices)
{
	const struct spec_device_grant grants[] = {
		{ { .path = "/dev/fuse",
		    .type = 'c',
		    .major = 10,
		    .minor = 229,
		    .file_mode = { true, 0666 },
		    .uid = { true, 0 } },
		  "rw" },
		{ { .type = 'b', .major = 8, .minor = 1 }, "r" },
	};
	struct spec_container c = least();
	const struct spec_device_rule *rule;
	struct spec_runtime *s;

	c.devices = grants;
	c.n_devices = 2;
	s = make(&c);
	cr_assert_eq(s->linux.n_devices, 1);
	cr_assert_str_eq(s->linux.devices[0].path, "/dev/fuse");
	cr_assert_eq(s->linux.devices[0].file_mode.value, 0666);
	rule = &s->linux.resources->devices[s->linux.resources->n_devices - 2];
	cr_assert(rule->is_allowed && rule->major == 10 && rule->minor == 229);
	cr_assert(rule->reads && rule->writes && !rule->mknods);
	cr_assert_eq(rule[1].type, 'b');
	cr_assert_not(rule[1].writes);
	t_fini();
}

Test(spec_generate, capabilities)
{
	const char *const all[] = { "all" }, *const admin[] = { "sys_admin" };
	const char *const raw[] = { "CAP_NET_RAW" }, *const bad[] = { "FLY" };
	const uint64_t known = (UINT64_C(1) << 41) - 1;
	struct dv_err *e;
	uint64_t caps = 0;

	cr_assert_null(spec_caps_choose(NULL, 0, NULL, 0, known, &caps));
	cr_assert_eq(caps, spec_caps_default());
	cr_assert_eq(__builtin_popcountll(caps), 14);
	cr_assert_null(spec_caps_choose(admin, 1, raw, 1, known, &caps));
	cr_assert_eq(caps, (spec_caps_default() | BIT(SYS_ADMIN)) & ~BIT(NET_RAW));
	cr_assert_null(spec_caps_choose(raw, 1, all, 1, known, &caps));
	cr_assert_eq(caps, BIT(NET_RAW));
	cr_assert_null(spec_caps_choose(all, 1, raw, 1, known, &caps));
	cr_assert_eq(caps, known & ~BIT(NET_RAW));
	e = spec_caps_choose(bad, 1, NULL, 0, known, &caps);
	cr_assert_str_eq(dv_err_message(e), "unknown capability \"FLY\"");
	dv_err_free(e);
}

/* ---- seccomp ------------------------------------------------------------------------ */

Test(spec_generate, default_profile)
{
	struct spec_container c = least();
	const struct spec_seccomp *s = make(&c)->linux.seccomp;
	const struct spec_seccomp_rule *clone;

	cr_assert_eq(s->default_action, SPEC_ACT_ERRNO);
	cr_assert_not_null(rule_of(s, "openat"));
	cr_assert_not_null(rule_of(s, "waitpid"));
	cr_assert_not_null(rule_of(s, "ptrace"));
	cr_assert_not_null(rule_of(s, "chroot"), "a default capability");
	cr_assert_null(rule_of(s, "mount"));
	cr_assert_null(rule_of(s, "bpf"));
	cr_assert_null(rule_of(s, "io_uring_setup"));
	clone = rule_of(s, "clone");
	cr_assert_eq(clone->args[0].op, SPEC_CMP_MASKED_EQ);
	cr_assert_eq(clone->args[0].value, 0x7e020000);
	cr_assert_eq(clone->args[0].value_two, 0);
	cr_assert_eq(rule_of(s, "clone3")->action, SPEC_ACT_ERRNO);
	cr_assert_eq(rule_of(s, "clone3")->errno_ret.value, 38);
	cr_assert_eq(rule_of(s, "socket")->args[0].value, 38);

	c.caps |= BIT(SYS_ADMIN);
	s = make(&c)->linux.seccomp;
	cr_assert_not_null(rule_of(s, "mount"));
	cr_assert_eq(rule_of(s, "clone")->n_args, 0);
	cr_assert_eq(rule_of(s, "clone3")->action, SPEC_ACT_ALLOW);
	t_fini();
}

static const char docker_profile[] =
	"{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':1,"
	"'archMap':[{'architecture':'SCMP_ARCH_X86_64','subArchitectures':['SCMP_ARCH_X86']},"
	"{'architecture':'SCMP_ARCH_AARCH64','subArchitectures':['SCMP_ARCH_ARM']},"
	"{'architecture':'SCMP_ARCH_RISCV64'}],"
	"'syscalls':[{'names':['read'],'action':'SCMP_ACT_ALLOW','args':[],'comment':'x',"
	"'includes':{},'excludes':{}},"
	"{'name':'write','names':[],'action':'SCMP_ACT_ALLOW'},"
	"{'names':['mount'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_SYS_ADMIN']}},"
	"{'names':['clone'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':['CAP_SYS_ADMIN']},"
	"'args':[{'index':0,'value':1,'op':'SCMP_CMP_MASKED_EQ'}]},"
	"{'names':['swapcontext'],'action':'SCMP_ACT_ALLOW','includes':{'arches':['ppc64le']}},"
	"{'names':['fork'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8'},"
	"'excludes':{'arches':['s390x']}}]}";

static const struct spec_seccomp *convert(const char *text, uint64_t caps)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);
	DV_CLEANUP(dv_freep) char *profile = NULL;
	struct spec_container c = least();
	struct dv_err *e;

	e = spec_seccomp_from_profile(json, strlen(json), caps, &profile);
	cr_assert_null(e, "%s", e ? dv_err_message(e) : "");
	c.seccomp = SPEC_SECCOMP_PROFILE;
	c.seccomp_profile = profile;
	return make(&c)->linux.seccomp;
}

Test(spec_generate, docker_profile)
{
	const struct spec_seccomp *s = convert(docker_profile, spec_caps_default());

	cr_assert_eq(s->default_errno_ret.value, 1);
	cr_assert_geq(s->n_architectures, 1);
	cr_assert_not_null(rule_of(s, "read"));
	cr_assert_not_null(rule_of(s, "write"));
	cr_assert_null(rule_of(s, "mount"));
	cr_assert_eq(rule_of(s, "clone")->n_args, 1);
	cr_assert_null(rule_of(s, "swapcontext"));
	cr_assert_not_null(rule_of(s, "fork"));

	s = convert(docker_profile, BIT(SYS_ADMIN));
	cr_assert_not_null(rule_of(s, "mount"));
	cr_assert_null(rule_of(s, "clone"));
	t_fini();
}

Test(spec_generate, profiles_refused)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":3}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[3]}",
		("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{}],"
		 "\"architectures\":[\"SCMP_ARCH_X86\"]}"),
		"{",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		char *profile = NULL;
		struct dv_err *e = spec_seccomp_from_profile(bad[i], strlen(bad[i]), 0, &profile);

		cr_assert_eq(dv_err_code(e), DV_INVALID, "%s", bad[i]);
		cr_assert_null(profile);
		dv_err_free(e);
	}
}
