/* SPDX-License-Identifier: Apache-2.0 */
/* docker's options and what they become, without a daemon. */

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/test.h"
#include "run.h"

enum { MAX_ARGS = 32 };

static struct cli cli;
static struct run_opts opts;
static struct run_plan plan;

static void setup(void)
{
	dv_arena_init(&cli.arena);
	cli.name = "davit";
}

static void teardown(void)
{
	dv_opt_release(run_options, &opts);
	dv_arena_fini(&cli.arena);
}

TestSuite(run, .init = setup, .fini = teardown);

/* Words with spaces between, of which the first after the options is the image. */
static struct dv_err *try_words(const char *words)
{
	char *rest = dv_arena_strdup(&cli.arena, words), *argv[MAX_ARGS + 1] = { NULL };
	struct dv_err *e;
	int n = 0, n_args = 0;

	while (rest && n < MAX_ARGS)
		argv[n++] = strsep(&rest, " ");
	dv_opt_release(run_options, &opts);
	opts = (struct run_opts){ 0 };
	e = dv_opt_parse_docker(run_options, &opts, 1, n, argv, &n_args);
	argv[n_args] = NULL;
	if (e)
		return e;
	return run_plan_make(
		&cli, &opts,
		memcpy(dv_arena_new_n(&cli.arena, char *, MAX_ARGS + 1), argv, sizeof(argv)),
		&plan);
}

static const struct client_container_opts *parse(const char *words)
{
	struct dv_err *e = try_words(words);

	cr_assert_null(e, "%s: %s", words, e ? dv_err_message(e) : "");
	return &plan.container;
}

static void refused(const char *words, const char *message)
{
	struct dv_err *e = try_words(words);

	cr_assert_not_null(e, "%s", words);
	cr_assert_not_null(strstr(dv_err_message(e), message), "%s: %s", words, dv_err_message(e));
	dv_err_free(e);
}

Test(run, words)
{
	const struct client_container_opts *c = parse(
		"-it --name n1 -e A=b --entrypoint /e -u web -w /w -l x=y -l z img cmd -e arg");

	T_STR(c->image, "img");
	T_INT(c->n_args, ==, 3);
	T_STR(c->args[1], "-e");
	cr_assert(c->has_stdin && c->is_stdin_once && c->spec.has_terminal);
	T_STR(c->name, "n1");
	T_STR(c->env[0], "A=b");
	T_STR(c->entrypoint[0], "/e");
	T_STR(c->user, "web");
	T_STR(c->labels[0].value, "y");
	T_STR(c->labels[1].key, "z");
	T_STR(c->labels[1].value, "");
	c = parse("-di img");
	cr_assert(c->has_stdin && !c->is_stdin_once);
	c = parse("--rootfs --rm /tree sh");
	cr_assert(!c->image && c->is_removed);
	T_STR(c->rootfs, "/tree");
	c = parse("--entrypoint= img x");
	cr_assert(c->has_entrypoint && c->n_entrypoint == 0);
}

Test(run, limits)
{
	const struct spec_resources *r =
		parse("-m 64m --cpus 1.5 --pids-limit 9 -c 512 --cpuset-cpus 0-1 img")
			->spec.resources;

	T_INT(r->memory.limit.value, ==, 64 << 20);
	T_INT(r->memory.swap.value, ==, 128 << 20);
	T_INT(r->cpu.quota.value, ==, 150000);
	T_INT(r->cpu.period.value, ==, 100000);
	T_INT(r->cpu.shares.value, ==, 512);
	T_STR(r->cpu.cpus, "0-1");
	T_INT(r->pids_limit.value, ==, 9);
	r = parse("-m 64m --memory-swap -1 --cpus .01 img")->spec.resources;
	T_INT(r->memory.swap.value, ==, -1);
	T_INT(r->cpu.quota.value, ==, 1000);
	r = parse("-m 0 --cpus 0 img")->spec.resources;
	cr_assert(!r->memory.limit.is_set && !r->cpu.quota.is_set);
	refused("-m 1m img", "less than 6m");
	refused("-m x img", "is not a size");
	refused("--memory-swap 64m img", "needs --memory");
	refused("-m 64m --memory-swap 32m img", "must not be less");
	refused("--cpus 1,5 img", "is not a number of processors");
	refused("--cpus 0.001 img", "is not a number of processors");
	refused("--cpus 99999 img", "is not a number of processors");
	refused("--cpus 1 --cpu-quota 5000 img", "excludes");
}

Test(run, ulimits)
{
	const struct client_container_opts *c =
		parse("--ulimit nofile=10 --ulimit core=0:-1 --ulimit nofile=20:30 img");

	T_INT(c->spec.n_rlimits, ==, 2);
	T_STR(c->spec.rlimits[0].name, "RLIMIT_NOFILE");
	T_INT(c->spec.rlimits[0].soft, ==, 20);
	T_INT(c->spec.rlimits[0].hard, ==, 30);
	cr_assert(c->spec.rlimits[1].hard == RLIM_INFINITY);
	refused("--ulimit nofile img", "is not type=soft");
	refused("--ulimit wings=1 img", "no such limit");
	refused("--ulimit nofile=3:2 img", "above the hard");
	refused("--ulimit abcdefghijklmnopqrstuvwxyzabcdef=1 img", "is not type=soft");
}

static const struct spec_mount *mount_at(const struct client_container_opts *c, const char *target)
{
	for (size_t i = 0; i < c->spec.n_mounts; i++) {
		if (dv_streq(c->spec.mounts[i].destination, target))
			return &c->spec.mounts[i];
	}
	cr_assert_fail("no mount on %s", target);
	return NULL;
}

Test(run, mounts)
{
	const struct client_container_opts *c =
		parse("-v /tmp:/a/b//c/:ro,rslave -v /tmp:/a --tmpfs /t:size=1m,exec "
		      "--mount type=bind,src=/tmp,dst=/m,readonly img");
	const struct spec_mount *m = mount_at(c, "/a/b/c");

	T_INT(c->spec.n_mounts, ==, 4);
	T_STR(c->spec.mounts[3].destination, "/a/b/c"); /* the deepest comes last */
	T_STR(m->source, "/tmp");
	T_STR(m->options[0], "rbind");
	T_STR(m->options[1], "rslave");
	T_STR(m->options[2], "ro");
	T_INT(mount_at(c, "/a")->n_options, ==, 2);
	T_STR(mount_at(c, "/t")->options[4], "exec");
	T_STR(mount_at(c, "/m")->options[2], "ro");
	refused("-v /tmp:rel img", "is not an absolute path");
	refused("-v /tmp:/x/.. img", "must not be the root");
	refused("-v /tmp:/a:nonsense img", "is not an option of a volume");
	refused("-v /a:/b:/c:/d img", "it is not source:target");
	refused("-v vol:/a img", "not supported yet");
	refused("-v /a img", "not supported yet");
	refused("--mount type=bind,src=/tmp img", "target is missing");
	refused("--mount type=bind,src=/tmp,dst=/a,wings=1 img", "is not an option of a mount");
	refused("--mount type=volume,dst=/a img", "not supported yet");
	refused("--mount type=bind,src=/none/such,dst=/a img", "open /none/such");
}

Test(run, devices)
{
	const struct client_container_opts *c =
		parse("--device /dev/null:/dev/x:rm --device /dev/zero:r --device /dev/full img");
	const struct spec_device_grant *g = c->spec.devices;

	T_INT(c->spec.n_devices, ==, 3);
	T_STR(g[0].node.path, "/dev/x");
	T_STR(g[0].access, "rm");
	cr_assert(g[0].node.major == 1 && g[0].node.minor == 3 && g[0].node.type == 'c');
	T_STR(g[1].node.path, "/dev/zero");
	T_STR(g[1].access, "r");
	T_STR(g[2].access, "rwm");
	refused("--device /etc/passwd img", "is not a device");
	refused("--device null img", "absolute paths");
	refused("--device /dev/null:/x:q img", "absolute paths");
	refused("--device-cgroup-rule x img", "it is not like");
}

Test(run, namespaces)
{
	const struct client_container_opts *c =
		parse("--net host --pid host --ipc private --uts host img");

	cr_assert(c->network == CLIENT_NET_HOST && c->spec.ns[SPEC_NS_NET].mode == SPEC_NS_HOST);
	cr_assert(c->spec.ns[SPEC_NS_PID].mode == SPEC_NS_HOST);
	cr_assert(c->spec.ns[SPEC_NS_IPC].mode == SPEC_NS_PRIVATE);
	T_INT(c->spec.n_sysctl, ==, 0);
	c = parse("--sysctl net.ipv4.ip_unprivileged_port_start=80 img");
	T_INT(c->spec.n_sysctl, ==, 2);
	T_STR(c->spec.sysctl[1].value, "80");
	refused("--net bridge img", "not supported yet");
	refused("--pid maybe img", "it is not private");
	refused("--uts host --hostname x img", "exclude each other");
}

Test(run, security)
{
	const struct client_container_opts *c =
		parse("--security-opt no-new-privileges:true --security-opt apparmor=acme "
		      "--security-opt seccomp=unconfined --security-opt systempaths=unconfined "
		      "--cap-drop all --cap-add chown img");

	cr_assert(c->spec.is_no_new_privileges && c->spec.is_unmasked);
	T_STR(c->spec.apparmor_profile, "acme");
	T_INT(c->spec.seccomp, ==, SPEC_SECCOMP_UNCONFINED);
	T_INT(c->spec.caps, ==, 1);
	refused("--security-opt wings img", "there is no such option");
	refused("--security-opt seccomp img", "a value is missing");
	refused("--security-opt seccomp=/none/such img", "read /none/such");
	refused("--cap-add fly img", "unknown capability");
}

Test(run, names)
{
	refused("--name a img", "a name has letters");
	refused("--name -a img", "a name has letters");
	refused("--name a/b img", "a name has letters");
	refused("--pull always img", "not supported yet");
	refused("--log-driver syslog img", "not supported yet");
	refused("--label =x img", "a key must not be empty");
	refused("--env =x img", "a variable needs a name");
	refused("--platform a/b/c/d img", "is not os/architecture");
}
