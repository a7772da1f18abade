/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as JSON or by a template. See inspect.h. */

#include "inspect.h"

#include "codec/json.h"
#include "template.h"

static const char indent[] = "    "; /* docker's */

struct cli_inspect {
	struct cli *cli;
	struct cli_template *template;
	bool is_array;
	size_t n;
	struct dv_strbuf out;
};

struct dv_err *cli_inspect_new(struct cli *cli, const char *format, struct cli_inspect **ret)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *i = dv_new(struct cli_inspect);
	bool is_given = format && *format;

	i->cli = cli;
	i->out = (struct dv_strbuf)DV_STRBUF_INIT;
	i->is_array = !is_given;
	if (is_given && !dv_streq(format, "json")) {
		struct dv_err *e = cli_template_parse(format, &i->template);

		if (e)
			return dv_err_wrap(e, "--format");
	}
	*ret = dv_steal(&i);
	return NULL;
}

struct cli_inspect *cli_inspect_free(struct cli_inspect *i)
{
	if (!i)
		return NULL;
	cli_template_free(i->template);
	dv_strbuf_fini(&i->out);
	free(i);
	return NULL;
}

static void new_line(struct dv_strbuf *out, unsigned depth)
{
	dv_strbuf_addc(out, '\n');
	for (; depth > 0; depth--)
		dv_strbuf_add(out, indent);
}

/* The string that begins at @s, quotes included; returns what is behind it. */
static const char *add_string(const char *s, struct dv_strbuf *out)
{
	const char *start = s++;

	for (; *s && *s != '"'; s++)
		s += s[0] == '\\' && s[1];
	s += *s == '"';
	dv_strbuf_add_n(out, start, (size_t)(s - start));
	return s;
}

/* @json has no white space outside of strings. */
static void add_indented(const char *json, unsigned depth, struct dv_strbuf *out)
{
	const char *s = json;

	while (*s) {
		char c = *s;

		if (c == '"') {
			s = add_string(s, out);
			continue;
		}
		if (c == '}' || c == ']')
			new_line(out, --depth);
		dv_strbuf_addc(out, c);
		s++;
		if ((c == '{' || c == '[') && *s == c + 2) { /* nothing in it: both pairs are so */
			dv_strbuf_addc(out, *s++);
		} else if (c == '{' || c == '[') {
			new_line(out, ++depth);
		} else if (c == ',') {
			new_line(out, depth);
		} else if (c == ':') {
			dv_strbuf_addc(out, ' ');
		}
	}
}

struct dv_err *cli_inspect_add(struct cli_inspect *i, const char *json)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	DV_CLEANUP(dv_freep) char *compact = NULL;
	struct dv_err *e = dv_json_parse(json, strlen(json), &doc);

	if (e)
		return e;
	if (i->template) {
		e = cli_template_run(i->template, &(struct cli_template_data){ .root = doc },
				     &i->out);
		dv_strbuf_addc(&i->out, '\n');
		return dv_err_wrap(e, "--format");
	}
	compact = dv_json_text(doc);
	if (!i->is_array) {
		dv_strbuf_addf(&i->out, "%s\n", compact);
		return NULL;
	}
	if (i->n++ > 0)
		dv_strbuf_addc(&i->out, ',');
	new_line(&i->out, 1);
	add_indented(compact, 1, &i->out);
	return NULL;
}

struct dv_err *cli_inspect_print(struct cli_inspect *i)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf array = DV_STRBUF_INIT;

	if (!i->is_array)
		return cli_print(&i->out);
	dv_strbuf_addf(&array, "[%s%s]\n", i->out.data, i->n ? "\n" : "");
	return cli_print(&array);
}
