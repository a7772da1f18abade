/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what docker prints for the same ones. */

#include "base/test.h"
#include "template.h"

static const char document[] =
	"{\"ID\":\"abc\",\"Names\":\"web\",\"Empty\":\"\",\"N\":3,\"Zero\":0,\"Yes\":true,\"F\":1.5,"
	"\"Null\":null,\"State\":{\"Status\":\"running\",\"Pid\":42},"
	"\"Mounts\":[{\"Source\":\"/a\"},{\"Source\":\"/b\"}],"
	"\"Cmd\":[\"sh\",\"-c\",\"x\"],\"None\":[],"
	"\"Config\":{\"Labels\":{\"a.b\":\"one\",\"c\":\"two\"}}}";

static const char labels[] = "{\"com.example.app-name\":\"shop\"}";

static const char *run_with(const char *text, const char *json, bool is_header)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	DV_CLEANUP(dv_json_freep) struct dv_json *more = NULL;
	static struct dv_strbuf out = DV_STRBUF_INIT;
	struct cli_template *t = NULL;
	struct dv_err *e;

	dv_strbuf_clear(&out);
	T_NULL(dv_json_parse(json, strlen(json), &doc));
	T_NULL(dv_json_parse(labels, strlen(labels), &more));
	e = cli_template_parse(text, &t);
	if (!e)
		e = cli_template_run(t,
				     &(struct cli_template_data){
					     .root = doc, .labels = more, .is_header = is_header },
				     &out);
	cli_template_free(t);
	if (e) {
		dv_strbuf_clear(&out);
		dv_strbuf_addf(&out, "error: %s", dv_err_message(e));
		dv_err_free(e);
	}
	return out.data;
}

struct example {
	const char *text, *result;
};

static void check(const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cr_expect_str_eq(run_with(examples[i].text, document, false), examples[i].result,
				 "%s: got %s, expected %s", examples[i].text,
				 run_with(examples[i].text, document, false), examples[i].result);
}
#define CHECK(examples) check(examples, DV_ARRAY_SIZE(examples))

Test(template, fields)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "text", "text" },
		{ "{{.ID}}\t{{.Names}}", "abc\tweb" },
		{ "{{ .ID }}", "abc" },
		{ "{{.State.Status}} {{.State.Pid}}", "running 42" },
		{ "{{.N}} {{.Yes}} {{.F}} {{.Null}}", "3 true 1.5 <no value>" },
		{ "{{.Cmd}}", "[sh -c x]" },
		{ "{{.State}}", "map[Status:running Pid:42]" },
		{ "{{$.ID}}", "abc" },
		{ "{{(index .Mounts 1).Source}}", "/b" },
		{ "{{.Label \"com.example.app-name\"}}|{{.Label \"no\"}}", "shop|" },
		{ "{{\"a\\tb\"}}{{`c\\t`}}", "a\tbc\\t" },
		{ "{{- .ID -}}", "abc" },
		{ "a {{- .ID -}} b", "aabcb" },
		{ "a{{/* nothing */}}b", "ab" },
		{ "a {{- /* nothing */ -}} b", "ab" },
		{ "}} {", "}} {" },
	};

	CHECK(examples);
}

Test(template, actions)
{
	static const struct example examples[] = {
		{ "{{if .Yes}}y{{end}}", "y" },
		{ "{{if .Zero}}y{{else}}n{{end}}", "n" },
		{ "{{if .Nope}}y{{else}}n{{end}}", "n" },
		{ "{{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}}", "-" },
		{ "{{if .Zero}}a{{else if .Yes}}b{{else}}c{{end}}", "b" },
		{ "{{if .Zero}}a{{else if .Zero}}b{{else}}c{{end}}", "c" },
		{ "{{if eq .State.Status \"running\" \"x\"}}up{{end}}", "up" },
		{ "{{with .State}}{{.Pid}}{{end}}{{.ID}}", "42abc" },
		{ "{{with .Empty}}x{{else}}none{{end}}", "none" },
		{ "{{with $x := .State}}{{$x.Pid}}{{end}}", "42" },
		{ "{{range .Mounts}}{{.Source}} {{end}}", "/a /b " },
		{ "{{range .None}}x{{else}}none{{end}}", "none" },
		{ "{{range .Nope}}x{{end}}", "" },
		{ "{{range $i, $c := .Cmd}}{{$i}}={{$c}} {{end}}", "0=sh 1=-c 2=x " },
		{ "{{range $c := .Cmd}}{{$c}}{{end}}", "sh-cx" },
		{ "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=one;c=two;" },
		{ "{{range .Cmd}}{{if eq . \"-c\"}}{{continue}}{{end}}{{.}}{{end}}", "shx" },
		{ "{{range .Cmd}}{{if eq . \"-c\"}}{{break}}{{end}}{{.}}{{end}}", "sh" },
		{ "{{range .Mounts}}{{range $.Cmd}}{{.}}{{break}}{{end}}{{end}}", "shsh" },
		{ "{{$x := .ID}}{{range .Cmd}}{{$x = .}}{{end}}{{$x}}", "x" },
		{ "{{range $i, $v := .None}}{{else}}{{$v}}{{end}}",
		  "error: template: at character 36: $v has no value here" },
	};

	CHECK(examples);
}

Test(template, functions)
{
	static const struct example examples[] = {
		{ "{{json .Cmd}} {{json .ID}} {{json .N}}", "[\"sh\",\"-c\",\"x\"] \"abc\" 3" },
		{ "{{json .State}}", "{\"Status\":\"running\",\"Pid\":42}" },
		{ "{{.ID | upper}} {{upper .ID | lower}} {{title .Names}}", "ABC abc Web" },
		{ "{{join .Cmd \" \"}}", "sh -c x" },
		{ "{{json (split \"a:b:\" \":\")}} {{split \"a:b\" \":\"}}",
		  "[\"a\",\"b\",\"\"] [a b]" },
		{ "{{index (split \"a:b\" \":\") 1}}", "b" },
		{ "{{len .Cmd}} {{len .ID}} {{len .State}}", "3 3 2" },
		{ "{{index .Config.Labels \"a.b\"}} {{index .Cmd 0}}", "one sh" },
		{ "{{index .Config.Labels \"nope\"}}|", "|" },
		{ "{{slice .ID 1}} {{slice .ID 0 1}}", "bc a" },
		{ "{{truncate .Names 2}} {{truncate .ID 9}} {{truncate \"\xc3\xa4\" 1}}",
		  "we abc " },
		{ "{{pad .ID 1 2}}|", " abc  |" },
		{ "{{println .ID 1}}", "abc 1\n" },
		{ "{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3" },
		{ "{{printf \"%s-%d-%05d|%-5s|%5s|%.2s|%q|%v|%%|%x|%.1f\" .ID 1 2 .ID .ID .ID .ID .Cmd 255 .F}}",
		  "abc-1-00002|abc  |  abc|ab|\"abc\"|[sh -c x]|%|ff|1.5" },
		{ "{{and .Yes .ID}} {{or .Zero .ID}} {{not .Yes}} {{and .Nope.A .ID | not}}",
		  "abc abc false true" },
		{ "{{eq .N 3}} {{ne .N 3}} {{lt .N 4}} {{le .N 3}} {{gt .N 2.}}", NULL },
		{ "{{lt \"a\" \"b\"}} {{ge 1 2}} {{eq .Nope \"x\"}}", "true false false" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(examples); i++) {
		if (examples[i].result)
			check(&examples[i], 1);
	}
}

Test(template, errors)
{
	static const struct example examples[] = {
		{ "{{.Nope}}", "error: template: at character 3: there is no field .Nope" },
		{ "{{.State.Nope}}", "error: template: at character 3: there is no field .Nope" },
		{ "{{upper .Nope}}", "error: template: at character 3: there is no field .Nope" },
		{ "{{.ID.x}}", "error: template: at character 3: a string has no field .x" },
		{ "{{", "error: template: at character 3: }} is missing" },
		{ "{{}}", "error: template: at character 3: a value is missing in front of }}" },
		{ "{{.ID}", "error: template: at character 6: unexpected character" },
		{ "{{nope .ID}}",
		  "error: template: at character 3: there is no function \"nope\"" },
		{ "{{if .ID}}", "error: template: at character 6: {{end}} is missing" },
		{ "{{end}}", "error: template: at character 6: {{end}} without a beginning" },
		{ "{{else}}", "error: template: at character 7: {{else}} without a beginning" },
		{ "{{$x}}", "error: template: at character 3: there is no variable \"$x\"" },
		{ "{{$x = 1}}", "error: template: at character 3: there is no variable \"$x\"" },
		{ "{{if .ID}}{{$y := 1}}{{else}}{{$y}}{{end}}",
		  "error: template: at character 32: there is no variable \"$y\"" },
		{ "{{($x := 1)}}{{$x}}",
		  "error: template: at character 3: variables cannot be set in parentheses" },
		{ "{{break}}", "error: template: at character 3: break outside of {{range}}" },
		{ "{{\"a}}", "error: template: at character 3: the string has no end" },
		{ "{{\"\\y\"}}",
		  "error: template: at character 5: \\ and this have no meaning in a string" },
		{ "{{/* }}", "error: template: at character 3: the comment has no end" },
		{ "{{.ID | .N}}", "error: template: at character 9: a function must follow \"|\"" },
		{ "{{.ID .N}}",
		  "error: template: at character 7: arguments of something that is no function" },
		{ "{{upper .N}}",
		  "error: template: at character 3: upper: a string is wanted, not a number" },
		{ "{{index .Cmd 7}}",
		  "error: template: at character 3: index: index 7 of a list of 3" },
		{ "{{lt .N .ID}}",
		  "error: template: at character 3: lt: a number and a string cannot be compared" },
		{ "{{printf \"%99999d\" 1}}",
		  "error: template: at character 3: printf: wider than 4096" },
		{ "{{printf \"%y\" 1}}",
		  "error: template: at character 3: printf: not supported: %y" },
		{ "{{printf \"%d\"}}",
		  "error: template: at character 3: printf: nothing is left for %d" },
		{ "{{pad .ID 1 99999}}",
		  "error: template: at character 3: pad: a number of blanks is wanted" },
		{ "{{len}}", "error: template: at character 3: len: wrong number of arguments" },
		{ "{{range .ID}}{{end}}", "error: template: at character 9: range over a string" },
		{ "{{1.5}}", "error: template: at character 3: not an integer" },
	};

	CHECK(examples);
}

Test(template, header)
{
	static const char headings[] = "{\"ID\":\"IMAGE ID\",\"Size\":\"SIZE\"}";

	T_STR(run_with("{{.ID}}\t{{upper .Size}}\t{{truncate .ID 3}}\t{{json .ID}}", headings,
		       true),
	      "IMAGE ID\tSIZE\tIMAGE ID\tIMAGE ID");
	T_STR(run_with("{{join (split .ID \":\") \"/\"}}", headings, true), "IMAGE ID");
	T_STR(run_with("{{.Label \"com.example.app-name\"}}", headings, true), "app name");
	T_STR(run_with("{{.Nope}}", headings, true),
	      "error: template: at character 3: there is no field .Nope");
}

Test(template, uses)
{
	DV_CLEANUP(cli_template_freep) struct cli_template *t = NULL;
	DV_CLEANUP(cli_template_freep) struct cli_template *all = NULL;

	T_NULL(cli_template_parse("{{if .ID}}{{.State.Pid}}{{end}}", &t));
	T_TRUE(cli_template_uses(t, "ID"));
	T_TRUE(cli_template_uses(t, "State"));
	T_FALSE(cli_template_uses(t, "Size"));
	T_NULL(cli_template_parse("{{json .}}", &all));
	T_TRUE(cli_template_uses(all, "Size"));
}

/* What must not take all memory, or for ever. */
Test(template, limits)
{
	static const char *const hostile[] = {
		"{{range .L}}{{range $.L}}{{range $.L}}{{range $.L}}{{range $.L}}{{end}}{{end}}{{end}}{{end}}{{end}}",
		"{{range .L}}{{range $.L}}{{range $.L}}{{printf \"%4096s\" \"\"}}{{end}}{{end}}{{end}}",
		"{{range .L}}{{range $.L}}{{range $.L}}{{$x := printf \"%4096s\" \"\"}}{{end}}{{end}}{{end}}",
	};
	struct dv_strbuf json = DV_STRBUF_INIT, deep = DV_STRBUF_INIT;

	dv_strbuf_add(&json, "{\"L\":[0");
	for (int i = 0; i < 99; i++)
		dv_strbuf_addf(&json, ",%d", i);
	dv_strbuf_add(&json, "]}");
	for (size_t i = 0; i < DV_ARRAY_SIZE(hostile); i++) {
		const char *result = run_with(hostile[i], json.data, false);

		cr_expect(dv_starts_with(result, "error: template: "), "%zu: %.80s", i, result);
	}
	for (int i = 0; i < 100; i++)
		dv_strbuf_add(&deep, "{{if (");
	T_STR(run_with(deep.data, json.data, false),
	      "error: template: at character 7: unexpected character");
	dv_strbuf_clear(&deep);
	dv_strbuf_add(&deep, "{{");
	for (int i = 0; i < 100; i++)
		dv_strbuf_add(&deep, "(");
	T_STR(run_with(deep.data, json.data, false), "error: template: deeper than 64");
	dv_strbuf_clear(&deep);
	for (int i = 0; i < 100; i++)
		dv_strbuf_add(&deep, "{{if .L}}");
	T_STR(run_with(deep.data, json.data, false), "error: template: deeper than 64");
	dv_strbuf_fini(&deep);
	dv_strbuf_fini(&json);
}
