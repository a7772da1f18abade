/* SPDX-License-Identifier: Apache-2.0 */
/* The linux object, without resources. */

#include "test-private.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/personality.h>

#define LINUX(members) CONFIG(",'linux':{" members "}")

static const struct spec_linux *parse(const char *text)
{
	return &t_parse(text)->linux;
}

Test(linux_spec, namespaces, .fini = t_fini)
{
	const struct spec_linux *x = parse(
		LINUX("'namespaces':[{'type':'pid'},{'type':'network','path':'/run/netns/a'},"
		      "{'type':'mount','path':''},{'type':'ipc'},{'type':'uts'},{'type':'user'},"
		      "{'type':'cgroup'},{'type':'time'}]"));

	for (int ns = 0; ns < SPEC_NS__N; ns++)
		cr_assert(x->namespaces[ns].is_listed, "%d", ns);
	cr_assert_null(x->namespaces[SPEC_NS_PID].path);
	cr_assert_null(x->namespaces[SPEC_NS_MNT].path);
	cr_assert_str_eq(x->namespaces[SPEC_NS_NET].path, "/run/netns/a");
	cr_assert_not(parse(LINUX(""))->namespaces[SPEC_NS_PID].is_listed);
	cr_assert_str_eq(spec_ns_name(SPEC_NS_NET), "network");
	cr_assert_str_eq(spec_ns_name(SPEC_NS_MNT), "mount");
	cr_assert_null(spec_ns_name(SPEC_NS__N));
}

Test(linux_spec, namespaces_malformed, .fini = t_fini)
{
	t_refused(LINUX("'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'pid'}]"),
		  "linux.namespaces[2]: duplicated namespace 'pid'");
	t_refused(LINUX("'namespaces':[{'path':'/a'}]"),
		  "linux.namespaces[0].type: required property is missing");
	t_refused(LINUX("'namespaces':[{'type':'pid','path':'a'}]"),
		  "linux.namespaces[0]: path 'a' is not absolute");
	t_refused(LINUX("'namespaces':[{'type':'net'}]"),
		  "linux.namespaces[0].type: unknown namespace 'net': expected pid, network, "
		  "mount, ipc, uts, user, cgroup or time");
}

Test(linux_spec, mappings_and_offsets, .fini = t_fini)
{
	const struct spec_linux *x = parse(LINUX(
		"'uidMappings':[{'containerID':1,'hostID':2,'size':3}],"
		"'gidMappings':[{'containerID':4,'hostID':5,'size':6},"
		"{'containerID':7,'hostID':8,'size':9}],"
		"'timeOffsets':{'monotonic':{'secs':-7,'nanosecs':999999999},'boottime':{}}"));

	cr_assert_eq(x->n_uid_mappings, 1);
	cr_assert_eq(x->uid_mappings[0].size, 3);
	cr_assert_eq(x->n_gid_mappings, 2);
	cr_assert_eq(x->gid_mappings[1].container_id, 7);
	cr_assert(x->offset_monotonic.is_set);
	cr_assert_eq(x->offset_monotonic.secs, -7);
	cr_assert_eq(x->offset_monotonic.nanosecs, 999999999);
	cr_assert(x->offset_boottime.is_set);
	cr_assert_eq(x->offset_boottime.secs, 0);
	cr_assert_not(parse(LINUX("'timeOffsets':null"))->offset_boottime.is_set);
	cr_assert_not(parse(LINUX("'timeOffsets':{}"))->offset_boottime.is_set);
	t_refused(LINUX("'timeOffsets':{'realtime':{}}"),
		  "linux.timeOffsets.realtime: unknown clock: expected monotonic or boottime");
}

Test(linux_spec, devices, .fini = t_fini)
{
	const struct spec_linux *x = parse(LINUX(
		"'devices':[{'path':'/dev/fuse','type':'c','major':10,'minor':229,'fileMode':8630,"
		"'uid':1,'gid':2},{'path':'/dev/sda','type':'b','major':8,'minor':0},"
		"{'path':'/fifo','type':'p'},{'path':'/u','type':'u','major':0,'minor':0}]"));
	const struct spec_device *d = x->devices;

	cr_assert_eq(x->n_devices, 4);
	cr_assert_str_eq(d[0].path, "/dev/fuse");
	cr_assert_eq(d[0].type, 'c');
	cr_assert_eq(d[0].major, 10);
	cr_assert_eq(d[0].minor, 229);
	cr_assert(d[0].file_mode.is_set);
	cr_assert_eq(d[0].file_mode.value, 0666); /* 020666 in the document */
	cr_assert_eq(d[0].uid.value, 1);
	cr_assert_eq(d[0].gid.value, 2);
	cr_assert_eq(d[1].type, 'b');
	cr_assert_not(d[1].file_mode.is_set);
	cr_assert_not(d[1].uid.is_set);
	cr_assert_eq(d[2].type, 'p');
	cr_assert_eq(d[2].major, 0);
	cr_assert_eq(d[3].type, 'c');
}

Test(linux_spec, devices_malformed, .fini = t_fini)
{
	t_refused(LINUX("'devices':[{'type':'c','major':1,'minor':1}]"),
		  "linux.devices[0].path: required property is missing");
	t_refused(LINUX("'devices':[{'path':'/a','major':1,'minor':1}]"),
		  "linux.devices[0].type: required property is missing");
	t_refused(LINUX("'devices':[{'path':'/a','type':'c','minor':1}]"),
		  "linux.devices[0].major: required property is missing");
	t_refused(LINUX("'devices':[{'path':'/a','type':'b','major':1}]"),
		  "linux.devices[0].minor: required property is missing");
	t_refused(LINUX("'devices':[{'type':'a'}]"),
		  "linux.devices[0].type: invalid device type 'a': expected c, b, u or p");
}

Test(linux_spec, net_devices, .fini = t_fini)
{
	const struct spec_linux *x =
		parse(LINUX("'netDevices':{'eth0':{'name':'ct0'},'eth1':{},'eth2':null,"
			    "'eth3':{'name':''}}"));

	cr_assert_eq(x->n_net_devices, 4);
	cr_assert_str_eq(x->net_devices[0].host_name, "eth0");
	cr_assert_str_eq(x->net_devices[0].name, "ct0");
	cr_assert_str_eq(x->net_devices[1].name, "eth1");
	cr_assert_str_eq(x->net_devices[2].name, "eth2");
	cr_assert_str_eq(x->net_devices[3].name, "eth3");
}

Test(linux_spec, strings, .fini = t_fini)
{
	const struct spec_linux *x = parse(
		LINUX("'cgroupsPath':'/a/b','rootfsPropagation':'rslave',"
		      "'sysctl':{'net.ipv4.ip_forward':'1','kernel.sem':''},"
		      "'maskedPaths':['/proc/kcore'],'readonlyPaths':['/proc/sys','/proc/bus'],"
		      "'mountLabel':'label'"));

	cr_assert_str_eq(x->cgroups_path, "/a/b");
	cr_assert_str_eq(x->rootfs_propagation, "rslave");
	cr_assert_eq(x->n_sysctl, 2);
	cr_assert_str_eq(x->sysctl[0].key, "net.ipv4.ip_forward");
	cr_assert_str_eq(x->sysctl[0].value, "1");
	cr_assert_str_eq(x->sysctl[1].value, "");
	cr_assert_eq(x->n_masked_paths, 1);
	cr_assert_str_eq(x->masked_paths[0], "/proc/kcore");
	cr_assert_eq(x->n_readonly_paths, 2);
	cr_assert_str_eq(x->mount_label, "label");
	cr_assert_null(parse(LINUX("'rootfsPropagation':''"))->rootfs_propagation);
}

Test(linux_spec, propagations, .fini = t_fini)
{
	static const char *const modes[] = { "private", "rprivate", "slave",	  "rslave",
					     "shared",	"rshared",  "unbindable", "runbindable" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(modes); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'ociVersion':'1.0.0','root':{'path':'r'},"
				      "'linux':{'rootfsPropagation':'%s'}}",
				      modes[i]);

		cr_assert_str_eq(parse(doc)->rootfs_propagation, modes[i]);
	}
}

Test(linux_spec, intel_rdt, .fini = t_fini)
{
	const struct spec_intel_rdt *r =
		parse(LINUX("'intelRdt':{'closID':'c','schemata':['L3:0=f','MB:0=1'],"
			    "'l3CacheSchema':'L3:0=1','memBwSchema':'MB:0=2','enableMonitoring':true,"
			    "'enableCMT':true}"))
			->intel_rdt;

	cr_assert_str_eq(r->clos_id, "c");
	cr_assert_eq(r->n_schemata, 2);
	cr_assert_str_eq(r->schemata[1], "MB:0=1");
	cr_assert_str_eq(r->l3_cache_schema, "L3:0=1");
	cr_assert_str_eq(r->mem_bw_schema, "MB:0=2");
	cr_assert(r->enable_monitoring);
	cr_assert_null(parse(LINUX(""))->intel_rdt);
}

Test(linux_spec, memory_policy_names, .fini = t_fini)
{
	char text[256];
	const char *name;
	size_t i;

	/* What is announced is understood. */
	for (i = 0; (name = spec_memory_policy_mode_name(i)); i++) {
		snprintf(text, sizeof(text), LINUX("'memoryPolicy':{'mode':'%s'}"), name);
		cr_assert_geq(parse(text)->memory_policy->mode, 0);
	}
	cr_assert_eq(i, 7);
	for (i = 0; (name = spec_memory_policy_flag_name(i)); i++) {
		snprintf(text, sizeof(text),
			 LINUX("'memoryPolicy':{'mode':'MPOL_DEFAULT','flags':['%s']}"), name);
		cr_assert_neq(parse(text)->memory_policy->flags, 0);
	}
	cr_assert_eq(i, 3);
}

Test(linux_spec, memory_policy, .fini = t_fini)
{
	const struct spec_memory_policy *p =
		parse(LINUX("'memoryPolicy':{'mode':'MPOL_WEIGHTED_INTERLEAVE','nodes':'0-1,64,1023',"
			    "'flags':['MPOL_F_STATIC_NODES','MPOL_F_NUMA_BALANCING']}"))
			->memory_policy;

	cr_assert_eq(p->mode, 6);
	cr_assert_eq(p->flags, MPOL_F_STATIC_NODES | MPOL_F_NUMA_BALANCING);
	cr_assert(p->has_nodes);
	cr_assert_eq(p->nodes[0], 3);
	cr_assert_eq(p->nodes[1], 1);
	cr_assert_eq(p->nodes[15], UINT64_C(1) << 63);
	p = parse(LINUX("'memoryPolicy':{'mode':'MPOL_DEFAULT','nodes':''}"))->memory_policy;
	cr_assert_eq(p->mode, MPOL_DEFAULT);
	cr_assert_not(p->has_nodes);
}

/* The words that runc's memorypolicy.bats looks for. */
Test(linux_spec, memory_policy_malformed, .fini = t_fini)
{
	t_refused(LINUX("'memoryPolicy':{}"),
		  "linux.memoryPolicy: invalid memory policy mode: it is missing");
	t_refused(LINUX("'memoryPolicy':{'nodes':'0-7'}"),
		  "linux.memoryPolicy: invalid memory policy mode: it is missing");
	t_refused(LINUX("'memoryPolicy':{'mode':'INTERLEAVE'}"),
		  "linux.memoryPolicy.mode: invalid memory policy mode 'INTERLEAVE': expected "
		  "MPOL_DEFAULT, MPOL_BIND, MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE, "
		  "MPOL_PREFERRED, MPOL_PREFERRED_MANY or MPOL_LOCAL");
	t_refused(LINUX("'memoryPolicy':{'flags':['MPOL_F_RELATIVE_NODES','badflag']}"),
		  "linux.memoryPolicy.flags[1]: invalid memory policy flag 'badflag': expected "
		  "MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES or MPOL_F_STATIC_NODES");
	t_refused(LINUX("'memoryPolicy':{'nodes':'0-9876543210'}"),
		  "linux.memoryPolicy.nodes: invalid memory policy nodes '0-9876543210': expected "
		  "a list of numbers up to 1023 like 0-3,7");
	t_refused(LINUX("'memoryPolicy':{'nodes':','}"),
		  "linux.memoryPolicy.nodes: invalid memory policy nodes ',': expected a list of "
		  "numbers up to 1023 like 0-3,7");
}

Test(linux_spec, personality, .fini = t_fini)
{
	const struct spec_linux *x =
		parse(LINUX("'personality':{'domain':'LINUX32','flags':['X']}"));

	cr_assert(x->has_personality);
	cr_assert_eq(x->personality, PER_LINUX32);
	cr_assert(x->has_personality_flags);
	x = parse(LINUX("'personality':{'domain':'LINUX','flags':[]}"));
	cr_assert(x->has_personality);
	cr_assert_eq(x->personality, PER_LINUX);
	cr_assert_not(x->has_personality_flags);
	cr_assert_not(parse(LINUX("'personality':null"))->has_personality);
	t_refused(LINUX("'personality':{}"),
		  "linux.personality.domain: required property is missing");
}
