/* SPDX-License-Identifier: Apache-2.0 */
/* The document's own level: version, root, mounts, hooks, annotations; and how keys match. */

#include "test-private.h"

#include <stdio.h>

Test(runtime, least, .fini = t_fini)
{
	const struct spec_runtime *spec = t_parse(CONFIG(""));

	cr_assert_str_eq(spec->oci_version, "1.0.2");
	cr_assert_str_eq(spec->root.path, "rootfs");
	cr_assert_not(spec->root.is_readonly);
	cr_assert_null(spec->hostname);
	cr_assert_null(spec->process);
	cr_assert_not(spec->has_linux);
	cr_assert_not(spec->linux.has_resources);
	cr_assert_not_null(spec->linux.resources);
	cr_assert_eq(spec->n_mounts, 0);
	cr_assert_eq(spec->n_annotations, 0);
}

Test(runtime, missing, .fini = t_fini)
{
	t_refused("{}", "ociVersion: required property is missing");
	t_refused("{'ociVersion':'1.0.0'}", "root: required property is missing");
	t_refused("{'ociVersion':'1.0.0','root':{}}", "root.path: required property is missing");
	t_refused("{'ociVersion':'1.0.0','root':{'path':''}}", "root.path: must not be empty");
	t_refused(CONFIG(",'mounts':[{'type':'proc'}]"),
		  "mounts[0].destination: required property is missing");
	t_refused(CONFIG(",'mounts':[{'destination':'/'},{'destination':''}]"),
		  "mounts[1].destination: must not be empty");
	t_refused(CONFIG(",'hooks':{'poststop':[{'path':'/a'},{}]}"),
		  "hooks.poststop[1].path: required property is missing");
	t_refused(CONFIG(",'process':{'cwd':'/'}"), "process.args: required property is missing");
	t_refused(CONFIG(",'process':{'args':[]}"), "process.cwd: required property is missing");
	t_refused("null", "document: expected an object, got null");
	t_refused("[]", "document: expected an object, got []");
	t_refused("", "the document is incomplete");
	t_refused("{\n'ociVersion':\n}", "line 3: unexpected character");
}

Test(runtime, versions, .fini = t_fini)
{
	static const char *const good[] = {
		"1.0.0", "1.0.2-dev", "1.3.0+dev", "1.99.0", "1.0.0-rc5-dev", "1.0.0-rc.1+b.5",
	};
	static const char *const bad[] = {
		"1",	  "1.0",    "1.0.",   "v1.0.0",	 "1.0.0.0",   "1.0.x", "01.0.0",
		"1.0.00", "1.0.0-", "1.0.0 ", "1.0.0_a", "1.0.0-a b", "x",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(good); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'ociVersion':'%s','root':{'path':'r'}}", good[i]);

		cr_assert_str_eq(t_parse(doc)->oci_version, good[i]);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		DV_CLEANUP(dv_freep) char *doc = dv_printf("{'ociVersion':'%s'}", bad[i]);
		DV_CLEANUP(dv_freep)
		char *message =
			dv_printf("ociVersion: expected a version like 1.3.0, got '%s'", bad[i]);

		t_refused(doc, message);
	}
	t_refused("{'ociVersion':'2.0.0'}",
		  "ociVersion: version 2.0.0 is not supported, only 1.x is");
	t_refused("{'ociVersion':'0.1.0'}",
		  "ociVersion: version 0.1.0 is not supported, only 1.x is");
	t_refused("{'ociVersion':'10.1.0'}",
		  "ociVersion: version 10.1.0 is not supported, only 1.x is");
	t_refused("{'ociVersion':''}", "ociVersion: must not be empty");
}

Test(runtime, top_level, .fini = t_fini)
{
	const struct spec_runtime *spec =
		t_parse("{'ociVersion':'1.2.0','root':{'path':'/r','readonly':true},'hostname':'h',"
			"'domainname':'d','windows':{'x':[1]},'linux':{},'process':null}");

	cr_assert_str_eq(spec->root.path, "/r");
	cr_assert(spec->root.is_readonly);
	cr_assert_str_eq(spec->hostname, "h");
	cr_assert_str_eq(spec->domainname, "d");
	cr_assert(spec->has_linux);
	cr_assert_null(spec->process);
}

Test(runtime, mounts, .fini = t_fini)
{
	const struct spec_runtime *spec = t_parse(CONFIG(
		",'mounts':[{'destination':'/proc','type':'proc','source':'proc'},"
		"{'destination':'/data','type':'none','source':'/vol','options':['rbind','','x=1'],"
		"'uidMappings':[{'containerID':0,'hostID':1000,'size':5}],"
		"'gidMappings':[{'containerID':1,'hostID':2,'size':3},"
		"{'containerID':0,'hostID':0,'size':4294967295}]},"
		"{'destination':'rel','type':'','source':'','options':[]}]"));
	const struct spec_mount *m = spec->mounts;

	cr_assert_eq(spec->n_mounts, 3);
	cr_assert_str_eq(m[0].destination, "/proc");
	cr_assert_str_eq(m[0].type, "proc");
	cr_assert_str_eq(m[0].source, "proc");
	cr_assert_eq(m[0].n_options, 0);
	cr_assert_eq(m[1].n_options, 3);
	cr_assert_str_eq(m[1].options[0], "rbind");
	cr_assert_str_eq(m[1].options[1], "");
	cr_assert_eq(m[1].n_uid_mappings, 1);
	cr_assert_eq(m[1].uid_mappings[0].host_id, 1000);
	cr_assert_eq(m[1].uid_mappings[0].size, 5);
	cr_assert_eq(m[1].n_gid_mappings, 2);
	cr_assert_eq(m[1].gid_mappings[0].container_id, 1);
	cr_assert_eq(m[1].gid_mappings[1].size, UINT32_MAX);
	cr_assert_str_eq(m[2].destination, "rel");
	cr_assert_null(m[2].type);
	cr_assert_null(m[2].source);
}

Test(runtime, id_mappings_are_ranges, .fini = t_fini)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "'containerID':0,'hostID':0,'size':0", ": size must not be 0" },
		{ "'containerID':1,'hostID':0,'size':4294967295",
		  ": the range passes the last id, 4294967295" },
		{ "'containerID':0,'hostID':4294967295,'size':1",
		  ": the range passes the last id, 4294967295" },
		{ "'containerID':0,'hostID':0", ".size: required property is missing" },
		{ "'containerID':0,'size':1", ".hostID: required property is missing" },
		{ "'hostID':0,'size':1", ".containerID: required property is missing" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *doc = dv_printf("{'linux':{'uidMappings':[{%s}]}}", cases[i].text);
		DV_CLEANUP(dv_freep)
		char *message = dv_printf("linux.uidMappings[0]%s", cases[i].message);

		t_refused(doc, message);
	}
}

Test(runtime, annotations_are_sorted, .fini = t_fini)
{
	const struct spec_runtime *spec =
		t_parse(CONFIG(",'annotations':{'org.z':'1','org.a':'','b':'3','org.z':'4'}"));

	cr_assert_eq(spec->n_annotations, 3);
	cr_assert_str_eq(spec->annotations[0].key, "b");
	cr_assert_str_eq(spec->annotations[1].key, "org.a");
	cr_assert_str_eq(spec->annotations[1].value, "");
	cr_assert_str_eq(spec->annotations[2].key, "org.z");
	cr_assert_str_eq(spec->annotations[2].value, "4");
}

/* Go's decoder does, and runc's tests write "pagesize". */
Test(runtime, keys_match_in_any_case, .fini = t_fini)
{
	const struct spec_runtime *spec =
		t_parse("{'OCIVersion':'1.0.0','ROOT':{'Path':'r'},'HostName':'a',"
			"'linux':{'resources':{'hugepageLimits':[{'pagesize':'2MB','limit':1}]}}}");

	cr_assert_str_eq(spec->hostname, "a");
	cr_assert_str_eq(spec->linux.resources->hugepage_limits[0].page_size, "2MB");
	t_refused("{'Linux':{'NETDEVICES':7}}", "linux.netDevices: expected an object, got 7");
}

/* ---- hooks -------------------------------------------------------------------------- */

static const char hooks_text[] =
	"{\"prestart\":[{\"path\":\"/a\"},{\"path\":\"/b\",\"args\":[\"b\",\"\"],\"env\":[],"
	"\"timeout\":5}],\"createRuntime\":[{\"path\":\"/c\",\"env\":[\"A=b\"]}],"
	"\"createContainer\":[{\"path\":\"/d\"}],\"startContainer\":[{\"path\":\"/e\"}],"
	"\"poststart\":[{\"path\":\"/f\"}],\"poststop\":[{\"path\":\"/g\\\"\\n\"}]}";

Test(hooks, parse, .fini = t_fini)
{
	struct spec_hook_list hooks[SPEC_HOOK__N];

	cr_assert_null(spec_hooks_parse(&t_arena, hooks_text, strlen(hooks_text), hooks));
	cr_assert_eq(hooks[SPEC_HOOK_PRESTART].n_items, 2);
	cr_assert_str_eq(hooks[SPEC_HOOK_PRESTART].items[0].path, "/a");
	cr_assert_not(hooks[SPEC_HOOK_PRESTART].items[0].has_env);
	cr_assert_eq(hooks[SPEC_HOOK_PRESTART].items[0].timeout, 0);
	cr_assert_eq(hooks[SPEC_HOOK_PRESTART].items[1].n_args, 2);
	cr_assert(hooks[SPEC_HOOK_PRESTART].items[1].has_env);
	cr_assert_eq(hooks[SPEC_HOOK_PRESTART].items[1].n_env, 0);
	cr_assert_eq(hooks[SPEC_HOOK_PRESTART].items[1].timeout, 5);
	cr_assert_str_eq(hooks[SPEC_HOOK_CREATE_RUNTIME].items[0].env[0], "A=b");
	cr_assert_str_eq(hooks[SPEC_HOOK_POSTSTOP].items[0].path, "/g\"\n");
}

Test(hooks, format_is_what_parse_reads, .fini = t_fini)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct spec_hook_list hooks[SPEC_HOOK__N];

	cr_assert_null(spec_hooks_parse(&t_arena, hooks_text, strlen(hooks_text), hooks));
	spec_hooks_format(hooks, &b);
	cr_assert_str_eq(b.data, hooks_text);
}

Test(hooks, none, .fini = t_fini)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct spec_hook_list hooks[SPEC_HOOK__N];

	cr_assert_null(spec_hooks_parse(&t_arena, "{}", 2, hooks));
	spec_hooks_format(hooks, &b);
	cr_assert_str_eq(b.data, "{}");
}

Test(hooks, in_a_document, .fini = t_fini)
{
	const struct spec_runtime *spec = t_parse(
		CONFIG(",'hooks':{'poststop':[{'path':'/x'}],'prestart':null,'other':[7]}"));

	cr_assert_eq(spec->hooks[SPEC_HOOK_POSTSTOP].n_items, 1);
	cr_assert_eq(spec->hooks[SPEC_HOOK_PRESTART].n_items, 0);
	t_refused(CONFIG(",'hooks':{'poststart':[{'path':'bin/x'}]}"),
		  "hooks.poststart[0]: path 'bin/x' is not absolute");
	t_refused(CONFIG(",'hooks':{'poststart':[{'path':'/x','timeout':0}]}"),
		  "hooks.poststart[0].timeout: expected an integer from 1 to 2147483647, got 0");
}

Test(hooks, names)
{
	cr_assert_str_eq(spec_hook_kind_name(SPEC_HOOK_PRESTART), "prestart");
	cr_assert_str_eq(spec_hook_kind_name(SPEC_HOOK_POSTSTOP), "poststop");
	cr_assert_null(spec_hook_kind_name(SPEC_HOOK__N));
}
