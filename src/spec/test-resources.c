/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources, alone as `update` reads it and within a document. */

#include "test-private.h"

static struct dv_err *try(const char *text, struct spec_resources **ret)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);

	return spec_resources_parse(&t_arena, json, strlen(json), ret);
}

static const struct spec_resources *parse(const char *text)
{
	struct spec_resources *r = NULL;
	struct dv_err *e = try(text, &r);

	cr_assert_null(e, "%s: %s", text, e ? dv_err_message(e) : "");
	return r;
}

static void refused(const char *text, const char *message)
{
	struct spec_resources *r = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = try(text, &r);

	cr_assert_not_null(e, "%s", text);
	cr_assert_null(r);
	cr_assert_str_eq(dv_err_message(e), message);
}

Test(resources, empty, .fini = t_fini)
{
	const struct spec_resources *r = parse("{'memory':{},'cpu':{},'pids':{},'blockIO':{}}");

	cr_assert_not(r->memory.limit.is_set);
	cr_assert_not(r->cpu.shares.is_set);
	cr_assert_null(r->cpu.cpus);
	cr_assert_not(r->pids_limit.is_set);
	cr_assert_eq(r->n_devices, 0);
}

Test(resources, devices, .fini = t_fini)
{
	const struct spec_resources *r =
		parse("{'devices':[{'allow':false,'access':'rwm'},"
		      "{'allow':true,'type':'c','major':10,'minor':229,'access':'mr'},"
		      "{'allow':true,'type':'b','major':8,'minor':-1,'access':'w'},"
		      "{'type':'','major':null,'access':'ra'},{'type':'a','access':'r'}]}");
	const struct spec_device_rule *d = r->devices;

	cr_assert_eq(r->n_devices, 5);
	cr_assert_not(d[0].is_allowed);
	cr_assert_eq(d[0].type, 'a');
	cr_assert_eq(d[0].major, -1);
	cr_assert_eq(d[0].minor, -1);
	cr_assert(d[0].reads && d[0].writes && d[0].mknods);
	cr_assert(d[1].is_allowed);
	cr_assert_eq(d[1].type, 'c');
	cr_assert_eq(d[1].major, 10);
	cr_assert_eq(d[1].minor, 229);
	cr_assert(d[1].reads && !d[1].writes && d[1].mknods);
	cr_assert_eq(d[2].type, 'b');
	cr_assert_eq(d[2].minor, -1);
	cr_assert(!d[2].reads && d[2].writes && !d[2].mknods);
	cr_assert_eq(d[3].type, 'a');
	cr_assert(d[3].reads && !d[3].writes && !d[3].mknods);
	cr_assert_eq(d[3].major, -1);

	refused("{'devices':[{'allow':true}]}", "devices[0].access: required property is missing");
	refused("{'devices':[{'access':''}]}",
		"devices[0].access: expected one or more of the letters r, w and m, got \"\"");
	refused("{'devices':[{'access':'a'}]}",
		"devices[0].access: expected one or more of the letters r, w and m, got \"a\"");
	refused("{'devices':[{'type':'p'}]}",
		"devices[0].type: invalid cgroup device type \"p\": expected a, b or c");
}

Test(resources, memory, .fini = t_fini)
{
	const struct spec_resources *r =
		parse("{'memory':{'limit':1,'reservation':2,'swap':-1,'kernel':4,'kernelTCP':5,"
		      "'swappiness':60,'disableOOMKiller':true,'useHierarchy':false,"
		      "'checkBeforeUpdate':true}}");

	cr_assert_eq(r->memory.limit.value, 1);
	cr_assert_eq(r->memory.reservation.value, 2);
	cr_assert(r->memory.swap.is_set);
	cr_assert_eq(r->memory.swap.value, -1);
	cr_assert_eq(r->memory.kernel.value, 4);
	cr_assert_eq(r->memory.kernel_tcp.value, 5);
	cr_assert_eq(r->memory.swappiness.value, 60);
	cr_assert(r->memory.disable_oom_killer.is_set && r->memory.disable_oom_killer.value);
	cr_assert(r->memory.use_hierarchy.is_set && !r->memory.use_hierarchy.value);
	cr_assert(r->memory.check_before_update.value);
}

Test(resources, cpu_and_pids, .fini = t_fini)
{
	const struct spec_resources *r =
		parse("{'cpu':{'shares':1024,'quota':-1,'period':100000,'burst':7,"
		      "'realtimeRuntime':95,'realtimePeriod':100,'cpus':'0-1','mems':'0','idle':1},"
		      "'pids':{'limit':0}}");

	cr_assert_eq(r->cpu.shares.value, 1024);
	cr_assert_eq(r->cpu.quota.value, -1);
	cr_assert_eq(r->cpu.period.value, 100000);
	cr_assert_eq(r->cpu.burst.value, 7);
	cr_assert_eq(r->cpu.realtime_runtime.value, 95);
	cr_assert_eq(r->cpu.realtime_period.value, 100);
	cr_assert_str_eq(r->cpu.cpus, "0-1");
	cr_assert_str_eq(r->cpu.mems, "0");
	cr_assert_eq(r->cpu.idle.value, 1);
	cr_assert(r->pids_limit.is_set);
	cr_assert_eq(r->pids_limit.value, 0);
}

Test(resources, block_io, .fini = t_fini)
{
	const struct spec_resources *r = parse(
		"{'blockIO':{'weight':10,'leafWeight':11,"
		"'weightDevice':[{'major':8,'minor':0,'weight':500,'leafWeight':300},"
		"{'major':8,'minor':16,'leafWeight':5}],"
		"'throttleReadBpsDevice':[{'major':1,'minor':2,'rate':3}],"
		"'throttleWriteBpsDevice':[{'major':4,'minor':5,'rate':6}],"
		"'throttleReadIOPSDevice':[{'major':7,'minor':8,'rate':9}],"
		"'throttleWriteIOPSDevice':[{'major':1,'minor':1,'rate':18446744073709551615}]}}");
	const struct spec_throttle_list *t = r->block_io.throttle;

	cr_assert_eq(r->block_io.weight.value, 10);
	cr_assert_eq(r->block_io.leaf_weight.value, 11);
	cr_assert_eq(r->block_io.n_weight_devices, 2);
	cr_assert_eq(r->block_io.weight_devices[0].weight.value, 500);
	cr_assert_not(r->block_io.weight_devices[1].weight.is_set);
	cr_assert_eq(r->block_io.weight_devices[1].minor, 16);
	for (int i = 0; i < SPEC_THROTTLE__N; i++)
		cr_assert_eq(t[i].n_items, 1);
	cr_assert_eq(t[SPEC_THROTTLE_READ_BPS].items[0].rate, 3);
	cr_assert_eq(t[SPEC_THROTTLE_WRITE_BPS].items[0].rate, 6);
	cr_assert_eq(t[SPEC_THROTTLE_READ_IOPS].items[0].major, 7);
	cr_assert_eq(t[SPEC_THROTTLE_WRITE_IOPS].items[0].rate, UINT64_MAX);

	refused("{'blockIO':{'weightDevice':[{'major':8,'minor':0}]}}",
		"blockIO.weightDevice[0]: neither weight nor leafWeight is given");
	refused("{'blockIO':{'weightDevice':[{'minor':8,'weight':0}]}}",
		"blockIO.weightDevice[0].major: required property is missing");
	refused("{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0}]}}",
		"blockIO.throttleReadBpsDevice[0].rate: required property is missing");
}

Test(resources, the_rest, .fini = t_fini)
{
	const struct spec_resources *r = parse(
		"{'hugepageLimits':[{'pageSize':'2MB','limit':9},{'pageSize':'64KB','limit':0}],"
		"'network':{'classID':4294967295,'priorities':[{'name':'eth0','priority':5}]},"
		"'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':10000},'rxe3':{'hcaObjects':1}},"
		"'unified':{'io.max':'259:0 rbps=1','memory.high':'5'}}");

	cr_assert_eq(r->n_hugepage_limits, 2);
	cr_assert_str_eq(r->hugepage_limits[1].page_size, "64KB");
	cr_assert_eq(r->hugepage_limits[0].limit, 9);
	cr_assert_eq(r->network.class_id.value, UINT32_MAX);
	cr_assert_eq(r->network.n_priorities, 1);
	cr_assert_str_eq(r->network.priorities[0].name, "eth0");
	cr_assert_eq(r->network.priorities[0].priority, 5);
	cr_assert_eq(r->n_rdma, 2);
	cr_assert_str_eq(r->rdma[0].device, "mlx5_1");
	cr_assert_eq(r->rdma[0].hca_handles.value, 3);
	cr_assert_not(r->rdma[1].hca_handles.is_set);
	cr_assert_eq(r->n_unified, 2);
	cr_assert_str_eq(r->unified[0].key, "io.max");
	cr_assert_str_eq(r->unified[1].value, "5");
}

/* What becomes part of a file's name or of a line. */
Test(resources, names_that_lead_elsewhere, .fini = t_fini)
{
	static const char *const sizes[] = {
		"2M", "MB", "0MB", "2mb", "2MB/../x", "../2MB", " 2MB"
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(sizes); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'hugepageLimits':[{'pageSize':'%s','limit':1}]}", sizes[i]);
		DV_CLEANUP(dv_freep)
		char *message = dv_printf("hugepageLimits[0]: pageSize: expected a size like 2MB, "
					  "got \"%s\"",
					  sizes[i]);

		refused(doc, message);
	}
	refused("{'hugepageLimits':[{'limit':1}]}",
		"hugepageLimits[0].pageSize: required property is missing");
	refused("{'hugepageLimits':[{'pageSize':'1GB'}]}",
		"hugepageLimits[0].limit: required property is missing");
	refused("{'unified':{'a/b':'1'}}",
		"document: unified resource \"a/b\" must be a file name (no slashes)");
	refused("{'unified':{'..':'1'}}",
		"document: unified resource \"..\" must be a file name (no slashes)");
	refused("{'unified':{'.':'1'}}",
		"document: unified resource \".\" must be a file name (no slashes)");
	t_refused(CONFIG(",'linux':{'resources':{'unified':{'/':'1'}}}"),
		  "linux.resources: unified resource '/' must be a file name (no slashes)");
	refused("{'rdma':{'a b':{'hcaObjects':1}}}", "rdma[\"a b\"]: not the name of a device");
	refused("{'rdma':{'a':{}}}", "rdma.a: neither hcaHandles nor hcaObjects is given");
	refused("{'rdma':{'a':null}}", "rdma.a: neither hcaHandles nor hcaObjects is given");
	refused("{'network':{'priorities':[{'name':'a\\nb','priority':1}]}}",
		"network.priorities[0]: name: not the name of a network device");
	refused("{'network':{'priorities':[{'priority':1}]}}",
		"network.priorities[0].name: required property is missing");
}

Test(resources, in_a_document, .fini = t_fini)
{
	const struct spec_runtime *spec =
		t_parse(CONFIG(",'linux':{'resources':{'pids':{'limit':5}}}"));

	cr_assert(spec->linux.has_resources);
	cr_assert_eq(spec->linux.resources->pids_limit.value, 5);
	spec = t_parse(CONFIG(",'linux':{'resources':null}"));
	cr_assert_not(spec->linux.has_resources);
	cr_assert_not_null(spec->linux.resources);
}
