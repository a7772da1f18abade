/* SPDX-License-Identifier: Apache-2.0 */
/* The rules between properties, each kept and broken. Those of seccomp are in test-seccomp.c. */

#include "test-private.h"

#include <stdio.h>
#include <unistd.h>

#define LINUX(members) ",'linux':{" members "}"
#define NS(list)       "'namespaces':[" list "]"
#define NEW(type)      "{'type':'" type "'}"
#define JOIN(type)     "{'type':'" type "','path':'/p'}"
#define MAP1	       "[{'containerID':0,'hostID':1000,'size':10}]"
#define USERNS	       NS(NEW("user")) ",'uidMappings':" MAP1 ",'gidMappings':" MAP1
#define MOUNT(members) ",'mounts':[{" members "}]"

struct rule_case {
	const char *members; /* added to the smallest document */
	const char *message; /* NULL: valid */
};

static const struct spec_env as_root = { 0 };
static const struct spec_env as_user = { .is_rootless = true };

static void check(const char *members, const struct spec_env *env, const char *message)
{
	DV_CLEANUP(dv_freep)
	char *doc = dv_printf("{'ociVersion':'1.0.0','root':{'path':'r'}%s}", members);
	DV_CLEANUP(dv_err_freep) struct dv_err *e = spec_runtime_validate(t_parse(doc), env, NULL);
	DV_CLEANUP(dv_freep) char *want = message ? t_json(message) : NULL;

	if (!message) {
		cr_assert_null(e, "%s: %s", doc, e ? dv_err_message(e) : "");
		return;
	}
	cr_assert_not_null(e, "%s: expected: %s", doc, message);
	cr_assert_eq(dv_err_code(e), DV_INVALID);
	cr_assert_str_eq(dv_err_message(e), want, "%s\n got: %s\nwant: %s", doc, dv_err_message(e),
			 want);
}

static void check_all(const struct rule_case *cases, size_t n, const struct spec_env *env)
{
	for (size_t i = 0; i < n; i++)
		check(cases[i].members, env, cases[i].message);
}

Test(validate, process, .fini = t_fini)
{
	static const struct spec_env needing = { .needs_process = true };

	check("", &as_root, NULL);
	check("", &needing, "process property must not be empty");
	check(",'process':" PROCESS(""), &needing, NULL);
	check(",'process':{'cwd':'/','args':[]}", &as_root, "process.args: args must not be empty");
}

Test(validate, uts, .fini = t_fini)
{
#define TEN "0123456789"
	static const struct rule_case cases[] = {
		{ ",'hostname':'h'" LINUX(NS(NEW("uts"))), NULL },
		{ ",'hostname':'h'" LINUX(NS(JOIN("uts"))), NULL },
		{ ",'hostname':''", NULL },
		{ ",'hostname':'h'", "unable to set hostname without a private UTS namespace" },
		{ ",'domainname':'d'" LINUX(NS(NEW("pid"))),
		  "unable to set domainname without a private UTS namespace" },
		{ ",'hostname':'" TEN TEN TEN TEN TEN TEN "0123'" LINUX(NS(NEW("uts"))), NULL },
		{ ",'hostname':'" TEN TEN TEN TEN TEN TEN "01234'" LINUX(NS(NEW("uts"))),
		  "hostname is longer than 64 bytes" },
		{ ",'domainname':'" TEN TEN TEN TEN TEN TEN "01234'" LINUX(NS(NEW("uts"))),
		  "domainname is longer than 64 bytes" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, security, .fini = t_fini)
{
	static const struct rule_case cases[] = {
		{ LINUX("'maskedPaths':['/a']," NS(NEW("mount"))), NULL },
		{ LINUX("'maskedPaths':[],'readonlyPaths':[]"), NULL },
		{ LINUX("'maskedPaths':['/a']"),
		  "unable to restrict sys entries without a private MNT namespace" },
		{ LINUX("'readonlyPaths':['/a']"),
		  "unable to restrict sys entries without a private MNT namespace" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, user_namespace, .fini = t_fini)
{
	static const struct rule_case cases[] = {
		{ LINUX(USERNS), NULL },
		{ LINUX(NS(JOIN("user"))), NULL },
		{ LINUX(NS(JOIN("user")) ",'uidMappings':" MAP1), NULL },
		{ LINUX(NS(NEW("user"))), "user namespaces enabled, but no namespace path to join "
					  "nor mappings to apply specified" },
		{ LINUX(NS(NEW("user")) ",'gidMappings':" MAP1),
		  "user namespaces enabled, but no uid mappings found" },
		{ LINUX(NS(NEW("user")) ",'uidMappings':" MAP1),
		  "user namespaces enabled, but no gid mappings found" },
		{ LINUX("'uidMappings':" MAP1),
		  "user namespace mappings specified, but user namespace isn't enabled in the "
		  "config" },
		{ LINUX("'gidMappings':" MAP1),
		  "user namespace mappings specified, but user namespace isn't enabled in the "
		  "config" },
		{ LINUX(NS(NEW("user")) ",'gidMappings':" MAP1
					",'uidMappings':[{'containerID':1,'hostID':0,'size':1}]"),
		  "user namespaces enabled, but no mapping found for uid 0" },
		{ LINUX(NS(NEW("user")) ",'uidMappings':" MAP1
					",'gidMappings':[{'containerID':1,'hostID':0,'size':1}]"),
		  "user namespaces enabled, but no mapping found for gid 0" },
		{ ",'process':" PROCESS(",'user':{'uid':9,'gid':9}") LINUX(USERNS), NULL },
		{ ",'process':" PROCESS(",'user':{'uid':10,'gid':0}") LINUX(USERNS),
		  "process.user.uid: cannot setuid to unmapped uid 10 in user namespace" },
		{ ",'process':" PROCESS(",'user':{'uid':0,'gid':10}") LINUX(USERNS),
		  "process.user.gid: cannot setgid to unmapped gid 10 in user namespace" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, time_namespace, .fini = t_fini)
{
	static const struct rule_case cases[] = {
		{ LINUX("'timeOffsets':{'boottime':{}}," NS(NEW("time"))), NULL },
		{ LINUX(NS(NEW("time"))), NULL },
		{ LINUX(NS(JOIN("time"))), NULL },
		{ LINUX("'timeOffsets':{'boottime':{}}"),
		  "time namespace offsets specified, but time namespace isn't enabled in the "
		  "config" },
		{ LINUX("'timeOffsets':{'monotonic':{}}," NS(JOIN("time"))),
		  "time namespace enabled, but both namespace path and time offsets specified -- "
		  "you may only provide one" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, net_devices, .fini = t_fini)
{
#define DEVICE(name) LINUX("'netDevices':{'" name "':{}}," NS(NEW("network")))
	static const struct rule_case cases[] = {
		{ DEVICE("eth0"), NULL },
		{ DEVICE("0123456789abcde"), NULL },
		{ LINUX("'netDevices':{'eth0':{'name':'ct0'}}," NS(JOIN("network"))), NULL },
		{ DEVICE("ct%d"), "invalid network device name 'ct%d'" },
		{ LINUX("'netDevices':{}"), NULL },
		{ LINUX("'netDevices':{'eth0':{}}"),
		  "unable to move network devices without a NET namespace" },
		{ DEVICE("0123456789abcdef"), "invalid network device name '0123456789abcdef'" },
		{ DEVICE("."), "invalid network device name '.'" },
		{ DEVICE(".."), "invalid network device name '..'" },
		{ DEVICE("a/b"), "invalid network device name 'a/b'" },
		{ DEVICE("a:b"), "invalid network device name 'a:b'" },
		{ DEVICE("a b"), "invalid network device name 'a b'" },
		{ LINUX("'netDevices':{'eth0':{'name':'a/b'}}," NS(NEW("network"))),
		  "invalid network device name 'a/b'" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
	check(",'linux':{'netDevices':{'eth0':{}},'namespaces':[{'type':'network'},"
	      "{'type':'user'}],'uidMappings':" MAP1 ",'gidMappings':" MAP1 "}",
	      &as_user, "network devices are not supported for rootless containers");
}

Test(validate, sysctl, .fini = t_fini)
{
#define SYSCTL(name, ns) LINUX("'sysctl':{'" name "':'1'}," NS(ns))
	static const struct rule_case cases[] = {
		{ SYSCTL("kernel.msgmax", NEW("ipc")), NULL },
		{ SYSCTL("kernel/shm_rmid_forced", NEW("ipc")), NULL },
		{ SYSCTL("fs.mqueue.msg_max", JOIN("ipc")), NULL },
		{ SYSCTL("fs/mqueue/msg_max", NEW("ipc")), NULL },
		{ SYSCTL("net.ipv4.ip_forward", NEW("network")), NULL },
		{ SYSCTL("net/ipv4/conf/eno2.100/rp_filter", NEW("network")), NULL },
		{ SYSCTL("net.ipv4.conf.eno2/100.rp_filter", JOIN("network")), NULL },
		{ SYSCTL("kernel.domainname", NEW("uts")), NULL },
		{ SYSCTL("kernel.sem", NEW("uts")),
		  "sysctl 'kernel.sem' is not allowed in the hosts ipc namespace" },
		{ SYSCTL("fs/mqueue/x", ""),
		  "sysctl 'fs.mqueue.x' is not allowed in the hosts ipc namespace" },
		{ SYSCTL("net.ipv4.x", NEW("ipc")),
		  "sysctl 'net.ipv4.x' not allowed in host network namespace" },
		{ SYSCTL("kernel.domainname", ""),
		  "sysctl 'kernel.domainname' is not in a separate kernel namespace" },
		{ SYSCTL("kernel.hostname", NEW("uts")),
		  "sysctl 'kernel.hostname' is not allowed as it conflicts with the OCI "
		  "'hostname' field" },
		{ SYSCTL("kernel.hostname", ""),
		  "sysctl 'kernel.hostname' is not in a separate kernel namespace" },
		{ SYSCTL("user.max_ipc_namespaces", ""),
		  "setting ucounts without a user namespace not allowed: "
		  "user.max_ipc_namespaces" },
		{ LINUX("'sysctl':{'user.max_net_namespaces':'1'}," USERNS), NULL },
		{ SYSCTL("kernel.msgmaxx", NEW("ipc")),
		  "sysctl 'kernel.msgmaxx' is not in a separate kernel namespace" },
		{ SYSCTL("vm.swappiness", NEW("ipc")),
		  "sysctl 'vm.swappiness' is not in a separate kernel namespace" },
		{ SYSCTL("net", NEW("network")),
		  "sysctl 'net' is not in a separate kernel namespace" },
		{ SYSCTL("net.", NEW("network")), "sysctl 'net.' is not a valid name" },
		{ SYSCTL("net..x", NEW("network")), "sysctl 'net..x' is not a valid name" },
		{ SYSCTL("net/../kernel/x", NEW("network")),
		  "sysctl 'net.//.kernel.x' is not a valid name" },
		{ SYSCTL("net.//.kernel.x", NEW("network")),
		  "sysctl 'net.//.kernel.x' is not a valid name" },
		{ SYSCTL("net./.x", NEW("network")), "sysctl 'net./.x' is not a valid name" },
		{ SYSCTL("/net/x", NEW("network")), "sysctl '.net.x' is not a valid name" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, net_sysctl_is_found, .fini = t_fini)
{
	const struct spec_runtime *spec =
		t_parse(CONFIG(LINUX("'sysctl':{'kernel.sem':'1','net/core/x':'2'}")));

	cr_assert_str_eq(spec_runtime_net_sysctl(spec), "net/core/x");
	spec = t_parse(CONFIG(LINUX("'sysctl':{'kernel.sem':'1','network.x':'2'}")));
	cr_assert_null(spec_runtime_net_sysctl(spec));
	cr_assert_null(spec_runtime_net_sysctl(t_parse(CONFIG(""))));
}

Test(validate, mount_destinations, .fini = t_fini)
{
	static const struct rule_case cases[] = {
		{ MOUNT("'destination':'/proc'"), NULL },
		{ MOUNT("'destination':'not/abs'"), NULL },
		{ MOUNT("'destination':'../../path'"), NULL },
		{ MOUNT("'destination':'/abs/but/../unclean'"), NULL },
		{ MOUNT("'destination':'/'"),
		  "invalid mount mounts[0] (/): mountpoint '/' is on the top of rootfs" },
		{ MOUNT("'destination':'//./'"),
		  "invalid mount mounts[0] (//./): mountpoint '//./' is on the top of rootfs" },
		{ MOUNT("'destination':'a/..'"),
		  "invalid mount mounts[0] (a/..): mountpoint 'a/..' is on the top of rootfs" },
		{ MOUNT("'destination':'/a'},{'destination':'/..'"),
		  "invalid mount mounts[1] (/..): mountpoint '/..' is on the top of rootfs" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, idmapped_mounts, .fini = t_fini)
{
#define IDMAP(rest) MOUNT("'destination':'/a','source':'/b'," rest)
#define MAPPED	    "'uidMappings':" MAP1 ",'gidMappings':" MAP1
#define BOTH_MISSING \
	"invalid mount mounts[0] (/a): id-mapped mounts must have both uid and gid mappings " \
	"specified"
	static const struct rule_case cases[] = {
		{ IDMAP("'options':['bind']," MAPPED), NULL },
		{ IDMAP("'options':['rbind','ridmap']," MAPPED), NULL },
		{ IDMAP("'type':'bind'," MAPPED), NULL },
		{ IDMAP("'options':['bind','idmap']") LINUX(USERNS), NULL },
		{ IDMAP("'options':['bind','idmap']") LINUX(NS(JOIN("user"))), NULL },
		{ IDMAP("'options':['bind','idmap']"), BOTH_MISSING },
		{ IDMAP("'options':['bind'],'uidMappings':" MAP1), BOTH_MISSING },
		{ IDMAP("'options':['bind'],'gidMappings':" MAP1), BOTH_MISSING },
		{ IDMAP("'options':['bind','idmap'],'gidMappings':" MAP1) LINUX(USERNS),
		  BOTH_MISSING },
		{ IDMAP("'type':'tmpfs'," MAPPED),
		  "invalid mount mounts[0] (/a): id-mapped mounts are only supported for "
		  "bind-mounts" },
		{ IDMAP("'type':'tmpfs','options':['ridmap']") LINUX(USERNS),
		  "invalid mount mounts[0] (/a): id-mapped mounts are only supported for "
		  "bind-mounts" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
	check(IDMAP("'options':['bind']," MAPPED) LINUX(USERNS), &as_user,
	      "invalid mount mounts[0] (/a): id-mapped mounts are not supported for rootless "
	      "containers");
}

Test(validate, rootless, .fini = t_fini)
{
#define OWNED(options) MOUNT("'destination':'/a','type':'tmpfs','options':[" options "]")
	static const struct rule_case cases[] = {
		{ LINUX(USERNS), NULL },
		{ LINUX(NS(JOIN("user"))), NULL },
		{ "", "rootless container requires user namespaces" },
		{ LINUX(NS(NEW("user"))), "rootless containers requires at least one UID mapping" },
		{ LINUX(NS(NEW("user")) ",'uidMappings':" MAP1),
		  "rootless containers requires at least one GID mapping" },
		{ OWNED("'uid=0','gid=9','uid=x','guid=77','xid=5'") LINUX(USERNS), NULL },
		{ OWNED("'uid=77'") LINUX(NS(JOIN("user"))), NULL },
		{ OWNED("'uid=10'") LINUX(USERNS),
		  "invalid mount mounts[0] (/a): cannot specify uid=10 mount option for rootless "
		  "container: user namespaces enabled, but no mapping found for uid 10" },
		{ OWNED("'mode=1,gid=5','size=1,gid=11'") LINUX(USERNS),
		  "invalid mount mounts[0] (/a): cannot specify gid=11 mount option for rootless "
		  "container: user namespaces enabled, but no mapping found for gid 11" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_user);
	check(OWNED("'uid=10'") LINUX(USERNS), &as_root, NULL);
}

Test(validate, propagation, .fini = t_fini)
{
	static const struct spec_env no_pivot = { .is_no_pivot = true };
	static const char text[] = "rootfsPropagation of [r]private is not safe without pivot_root";

	check(LINUX("'rootfsPropagation':'private'"), &as_root, NULL);
	check(LINUX("'rootfsPropagation':'slave'"), &no_pivot, NULL);
	check(LINUX(""), &no_pivot, NULL);
	check(LINUX("'rootfsPropagation':'private'"), &no_pivot, text);
	check(LINUX("'rootfsPropagation':'rprivate'"), &no_pivot, text);
}

Test(validate, intel_rdt, .fini = t_fini)
{
#define RDT(members) LINUX("'intelRdt':{" members "}")
	static const struct rule_case cases[] = {
		{ RDT(""), NULL },
		{ RDT("'closID':'a'"), NULL },
		{ RDT("'closID':'/'"), NULL },
		{ RDT("'closID':'.'"), "invalid intelRdt.ClosID '.'" },
		{ RDT("'closID':'..'"), "invalid intelRdt.ClosID '..'" },
		{ RDT("'closID':'a/b'"), "invalid intelRdt.ClosID 'a/b'" },
		{ RDT("'closID':'/a'"), "invalid intelRdt.ClosID '/a'" },
		{ RDT("'memBwSchema':'MB:0=1','schemata':['L3:0=1']"), NULL },
		{ RDT("'memBwSchema':'L3:0=1'"),
		  "linux.intelRdt.memBwSchema: expected one line that begins with MB:" },
		{ RDT("'memBwSchema':'MB:0=1\\nL3:0=1'"),
		  "linux.intelRdt.memBwSchema: expected one line that begins with MB:" },
		{ RDT("'schemata':['a','b\\nc']"),
		  "linux.intelRdt.schemata[1]: expected one line" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, memory_policy, .fini = t_fini)
{
#define POLICY(mode, nodes) LINUX("'memoryPolicy':{'mode':'MPOL_" mode "','nodes':'" nodes "'}")
	static const struct rule_case cases[] = {
		{ POLICY("DEFAULT", ""), NULL },
		{ POLICY("LOCAL", ""), NULL },
		{ POLICY("PREFERRED", ""), NULL },
		{ POLICY("PREFERRED", "0-1"), NULL },
		{ POLICY("BIND", "0"), NULL },
		{ POLICY("WEIGHTED_INTERLEAVE", "0-1023"), NULL },
		{ POLICY("DEFAULT", "0-7"), "memory policy mode requires 0 nodes but got 8" },
		{ POLICY("LOCAL", "1023"), "memory policy mode requires 0 nodes but got 1" },
		{ POLICY("BIND", ""), "memory policy mode requires at least one node but got 0" },
		{ POLICY("INTERLEAVE", ""),
		  "memory policy mode requires at least one node but got 0" },
		{ POLICY("PREFERRED_MANY", ""),
		  "memory policy mode requires at least one node but got 0" },
		{ POLICY("WEIGHTED_INTERLEAVE", ""),
		  "memory policy mode requires at least one node but got 0" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases), &as_root);
}

Test(validate, swappiness, .fini = t_fini)
{
#define SWAPPINESS(v) LINUX("'resources':{'memory':{'swappiness':" v "}}")
	check(SWAPPINESS("100"), &as_root, NULL);
	check(SWAPPINESS("18446744073709551615"), &as_root, NULL);
	check(SWAPPINESS("101"), &as_root,
	      "invalid memory swappiness value: 101 (valid range is 0-100)");
}

Test(validate, warnings, .fini = t_fini)
{
	const struct spec_runtime *spec = t_parse(CONFIG(",'mounts':[{'destination':'rel'}]" LINUX(
		"'resources':{'memory':{'kernelTCP':1}},"
		"'personality':{'domain':'LINUX','flags':['X']},"
		"'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':1,'syscalls':["
		"{'names':['a'],'action':'SCMP_ACT_LOG','errnoRet':1},"
		"{'names':['b'],'action':'SCMP_ACT_LOG','errnoRet':1}]}")));
	static const char *const lines[] = {
		"mount destination rel is not absolute. Support for non-absolute mount destin",
		"linux.seccomp.defaultErrnoRet has no effect with SCMP_ACT_ALLOW",
		"linux.seccomp.syscalls[0].errnoRet has no effect with SCMP_ACT_LOG",
		"Kernel memory settings are ignored and will be removed",
		"ignoring unsupported personality flags",
	};
	struct dv_log log = { .format = DV_LOG_TEXT, .level = DV_WARN };
	char text[4096] = "";
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	log.fd = fds[1];
	cr_assert_null(spec_runtime_validate(spec, &as_root, &log));
	cr_assert_gt(read(fds[0], text, sizeof(text) - 1), 0);
	close(fds[0]);
	close(fds[1]);
	for (size_t i = 0; i < DV_ARRAY_SIZE(lines); i++)
		cr_assert_not_null(strstr(text, lines[i]), "%s: %s", text, lines[i]);
	cr_assert_null(strstr(text, "syscalls[1]"));
}
