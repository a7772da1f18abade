/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of images: every property read, what must be refused, the choice by platform. */

#include "spec/image.h"
#include "test-private.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DA  "'digest':'sha256:" A64 "'"
#define DB  "'digest':'sha256:" B64 "'"

#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"

static struct dv_err *parse_index(const char *text, struct spec_index **ret)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);

	return spec_index_parse(&t_arena, json, strlen(json), ret);
}

static struct dv_err *parse_manifest(const char *text, struct spec_manifest **ret)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);

	return spec_manifest_parse(&t_arena, json, strlen(json), ret);
}

static struct dv_err *parse_image(const char *text, struct spec_image **ret)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);

	return spec_image_parse(&t_arena, json, strlen(json), ret);
}

static void is_error(struct dv_err *e, const char *message)
{
	DV_CLEANUP(dv_freep) char *want = t_json(message);

	cr_assert_not_null(e, "expected: %s", want);
	cr_assert_str_eq(dv_err_message(e), want);
	dv_err_free(e);
}

Test(spec_image, manifest)
{
	struct spec_manifest *m = NULL;

	cr_assert_null(parse_manifest(
		"{'schemaVersion':2,'mediaType':'" OCI_MANIFEST "',"
		"'config':{'mediaType':'application/vnd.oci.image.config.v1+json'," DA ",'size':7},"
		"'layers':[{'mediaType':'application/vnd.oci.image.layer.v1.tar+gzip'," DB
		",'size':9,'annotations':{'a':'b'}}],'annotations':{'x':'y'}}",
		&m));
	cr_assert_eq(spec_media_of(m->media_type), SPEC_MEDIA_MANIFEST);
	cr_assert_eq(m->config.size, 7);
	cr_assert_str_eq(m->config.digest_text, "sha256:" A64);
	cr_assert_eq(m->config.digest.bytes[31], 0xaa);
	cr_assert_eq(m->n_layers, 1);
	cr_assert_eq(spec_media_of(m->layers[0].media_type), SPEC_MEDIA_LAYER);
	cr_assert_str_eq(spec_pairs_find(m->layers[0].annotations, 1, "a"), "b");
	cr_assert_str_eq(spec_pairs_find(m->annotations, m->n_annotations, "x"), "y");
	cr_assert_null(spec_pairs_find(m->annotations, m->n_annotations, "y"));
	t_fini();
}

Test(spec_image, manifest_refused)
{
	struct spec_manifest *m = NULL;

	is_error(parse_manifest("{'layers':[]}", &m), "config: required property is missing");
	is_error(parse_manifest("{'config':{'digest':'sha256:12','size':1}}", &m),
		 "config.digest: expected a digest like sha256:<64 hex digits>, got 'sha256:12'");
	is_error(parse_manifest("{'config':{" DA ",'size':-1}}", &m),
		 "config.size: expected an integer from 0 to 9223372036854775807, got -1");
	is_error(parse_manifest("{'config':{" DA ",'size':1},'manifests':[]}", &m),
		 "manifests: a manifest has no such property");
	is_error(parse_manifest("{'mediaType':'" OCI_INDEX "','config':{" DA ",'size':1}}", &m),
		 "document: a manifest was expected, mediaType is " OCI_INDEX);
	cr_assert_null(m);
	t_fini();
}

Test(spec_image, index_refused)
{
	struct spec_index *i = NULL;

	is_error(parse_index("{}", &i), "manifests: required property is missing");
	is_error(parse_index("{'manifests':[],'layers':[]}", &i),
		 "layers: an index has no such property");
	is_error(parse_index("{'mediaType':'" OCI_MANIFEST "','manifests':[]}", &i),
		 "document: an index was expected, mediaType is " OCI_MANIFEST);
	cr_assert_null(i);
	t_fini();
}

Test(spec_image, too_large)
{
	size_t len = SPEC_IMAGE_MAX_DOCUMENT + 1;
	DV_CLEANUP(dv_freep) char *text = dv_alloc(len + 1);
	struct spec_image *image = NULL;
	struct dv_err *e;

	memset(text, ' ', len);
	e = spec_image_parse(&t_arena, text, len, &image);
	cr_assert_eq(dv_err_code(e), DV_EXHAUSTED);
	dv_err_free(e);
	t_fini();
}

#define ENTRY(os, arch, variant, n) \
	"{'mediaType':'" OCI_MANIFEST "'," DA ",'size':" #n ",'platform':{'os':'" os \
	"','architecture':'" arch "','variant':'" variant "'}}"

static const char many[] = "{'manifests':[" ENTRY("unknown", "unknown", "", 1) "," ENTRY(
	"linux", "arm", "v6",
	2) "," ENTRY("linux", "arm", "v7",
		     3) "," ENTRY("linux", "386", "",
				  4) "," ENTRY("linux", "amd64", "v3",
					       5) "," ENTRY("linux", "amd64", "",
							    6) "," ENTRY("windows", "amd64", "",
									 7) "]}";

static int64_t choose(const struct spec_index *index, const char *platform)
{
	struct spec_platform want;
	const struct spec_descriptor *d;

	cr_assert_null(spec_platform_parse(&t_arena, platform, &want));
	d = spec_index_choose(index, &want);
	return d ? d->size : 0;
}

Test(spec_image, choice)
{
	struct spec_index *i = NULL, *plain = NULL;

	cr_assert_null(parse_index(many, &i));
	cr_assert_eq(choose(i, "linux/amd64"), 6);
	cr_assert_eq(choose(i, "linux/x86_64/v2"), 6);
	cr_assert_eq(choose(i, "linux/amd64/v3"), 5);
	cr_assert_eq(choose(i, "amd64/v4"), 0, "the first word is the system's, then");
	cr_assert_eq(choose(i, "linux/amd64/v4"), 5);
	cr_assert_eq(choose(i, "386"), 4);
	cr_assert_eq(choose(i, "aarch64"), 3);
	cr_assert_eq(choose(i, "linux/arm/v5"), 0);
	cr_assert_eq(choose(i, "linux/armel"), 2);
	cr_assert_eq(choose(i, "windows/amd64"), 7);
	cr_assert_eq(choose(i, "linux/riscv64"), 0);

	cr_assert_null(parse_index("{'manifests':[{'mediaType':'text/plain'," DA ",'size':1},"
				   "{'mediaType':'" OCI_MANIFEST "'," DB ",'size':2}]}",
				   &plain));
	cr_assert_eq(choose(plain, "linux/amd64"), 2);
	t_fini();
}

Test(spec_image, platforms)
{
	struct spec_platform p, host;
	DV_CLEANUP(dv_freep) char *text = NULL;

	spec_platform_host(&host);
	cr_assert_eq(spec_platform_rank(&host, &host), 0);
	cr_assert_null(spec_platform_parse(&t_arena, "Linux/AArch64/v8", &p));
	text = spec_platform_format(&p);
	cr_assert_str_eq(text, "linux/arm64");
	cr_assert_null(spec_platform_parse(&t_arena, "linux", &p));
	cr_assert_eq(spec_platform_rank(&host, &p), 0);
	is_error(spec_platform_parse(&t_arena, "linux//v8", &p),
		 "platform 'linux//v8' is not os/architecture or os/architecture/variant");
	is_error(spec_platform_parse(&t_arena, "a/b/c/d", &p),
		 "platform 'a/b/c/d' is not os/architecture or os/architecture/variant");
	t_fini();
}

static const char config[] =
	"{'created':'2024-01-02T03:04:05Z','author':'me','architecture':'arm64','os':'linux',"
	"'variant':'v8','config':{'User':'1000:daemon','Env':['A=b','C'],'Entrypoint':['/e'],"
	"'Cmd':['x','y'],'WorkingDir':'/w','Labels':{'k':'v'},'StopSignal':'SIGQUIT',"
	"'StopTimeout':3,'ExposedPorts':{'80/tcp':{},'53/udp':{}},'Volumes':{'/data':null},"
	"'Healthcheck':{'Test':['NONE'],'Interval':5}},"
	"'rootfs':{'type':'layers','diff_ids':['sha256:" A64 "','sha256:" B64 "']},"
	"'history':[{'created_by':'RUN','empty_layer':true}]}";

Test(spec_image, config)
{
	struct spec_image *i = NULL;

	cr_assert_null(parse_image(config, &i));
	cr_assert_str_eq(i->platform.architecture, "arm64");
	cr_assert_str_eq(i->user, "1000:daemon");
	cr_assert_eq(i->n_env, 2);
	cr_assert_str_eq(i->entrypoint[0], "/e");
	cr_assert_eq(i->n_cmd, 2);
	cr_assert_null(i->cmd[2]);
	cr_assert_str_eq(i->working_dir, "/w");
	cr_assert_str_eq(spec_pairs_find(i->labels, i->n_labels, "k"), "v");
	cr_assert_str_eq(i->stop_signal, "SIGQUIT");
	cr_assert_eq(i->stop_timeout.value, 3);
	cr_assert_eq(i->n_exposed_ports, 2);
	cr_assert_str_eq(i->exposed_ports[1], "53/udp");
	cr_assert_str_eq(i->volumes[0], "/data");
	cr_assert_str_eq(i->healthcheck->test[0], "NONE");
	cr_assert_eq(i->healthcheck->interval, 5);
	cr_assert_eq(i->n_diff_ids, 2);
	cr_assert_eq(i->diff_ids[1].bytes[0], 0xbb);
	cr_assert(i->history[0].is_empty_layer);
	t_fini();
}

Test(spec_image, config_least_and_odd)
{
	struct spec_image *i = NULL;

	cr_assert_null(parse_image("{'config':null,'rootfs':{}}", &i));
	cr_assert_eq(i->n_diff_ids, 0);
	cr_assert_null(parse_image("{'config':{'Cmd':'a b','Env':null},'rootfs':{}}", &i));
	cr_assert_eq(i->n_cmd, 1);
	cr_assert_str_eq(i->cmd[0], "a b");
	i = NULL;
	is_error(parse_image("{}", &i), "rootfs: required property is missing");
	is_error(parse_image("{'config':{'Cmd':[1]},'rootfs':{}}", &i),
		 "config.Cmd: expected a string, got 1");
	is_error(parse_image("{'config':{'Volumes':{'/a':3}},'rootfs':{}}", &i),
		 "config.Volumes: expected an empty object for '/a', got 3");
	is_error(parse_image("{'rootfs':{'diff_ids':['md5:12']}}", &i),
		 "rootfs.diff_ids[0]: expected a digest like sha256:<64 hex digits>, got 'md5:12'");
	cr_assert_null(i);
	t_fini();
}

Test(spec_image, layers_must_match)
{
	struct spec_manifest m = { .n_layers = 2 };
	struct spec_image i = { .n_diff_ids = 2 };

	cr_assert_null(spec_image_check_layers(&i, &m));
	i.n_diff_ids = 1;
	is_error(spec_image_check_layers(&i, &m),
		 "the manifest has 2 layers, the configuration names 1");
}

/* From `printf 'sha256:aa.. sha256:bb..' | sha256sum`. */
Test(spec_image, chain_id)
{
	char text[DV_DIGEST_STR];
	struct dv_digest ids[2], chain;

	cr_assert_null(dv_digest_parse("sha256:" A64, &ids[0]));
	cr_assert_null(dv_digest_parse("sha256:" B64, &ids[1]));
	spec_image_chain_id(ids, 1, &chain);
	cr_assert(dv_digest_eq(&chain, &ids[0]));
	spec_image_chain_id(ids, 2, &chain);
	cr_assert_str_eq(dv_digest_str(&chain, text),
			 "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c");
}
