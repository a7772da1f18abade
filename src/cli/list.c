/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of fields, and --format. See list.h. */

#include "list.h"

#include <string.h>

#include "base/table.h"
#include "codec/json.h"
#include "human.h"
#include "template.h"

/* docker's columns: at least ten wide, three apart. */
enum { MIN_WIDTH = 10, PADDING = 3 };

struct cli_list {
	struct cli_list_opts opts;
	struct cli_template *template; /* NULL: JSON */
	bool is_table;
	struct dv_strbuf row, labels; /* JSON of the row that is being made */
	struct dv_jw row_writer, label_writer;
	struct dv_strbuf lines; /* of rows that are done */
};

/* docker's: "\t" and "\n" as people type them between single quotes. */
static char *unescape(const char *format)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (; *format; format++) {
		bool is_escape = format[0] == '\\' && (format[1] == 't' || format[1] == 'n');

		if (is_escape)
			format++;
		if (is_escape)
			dv_strbuf_addc(&b, *format == 't' ? '\t' : '\n');
		else
			dv_strbuf_addc(&b, *format);
	}
	return dv_strbuf_steal(&b);
}

/* "table TEMPLATE" is the template; NULL: "table" alone, or no table. */
static const char *table_template(const char *format)
{
	static const char word[] = "table";

	if (!dv_starts_with(format, word) || !strchr(" \t", format[sizeof(word) - 1]))
		return NULL;
	format += sizeof(word) - 1;
	format += strspn(format, " \t");
	return *format ? format : NULL;
}

static struct dv_err *parse_format(struct cli_list *l)
{
	const char *format = l->opts.format ? l->opts.format : "";
	DV_CLEANUP(dv_freep) char *text = unescape(format);
	const char *source = text;

	if (dv_streq(format, "json"))
		return NULL;
	if (!*format || dv_streq(format, "table")) {
		l->is_table = !l->opts.quiet;
		source = l->opts.quiet ? l->opts.quiet : l->opts.table;
	} else if (table_template(text)) {
		l->is_table = true;
		source = table_template(text);
	}
	return dv_err_wrap(cli_template_parse(source, &l->template), "--format");
}

struct dv_err *cli_list_new(const struct cli_list_opts *opts, struct cli_list **ret)
{
	DV_CLEANUP(cli_list_freep) struct cli_list *l = dv_new(struct cli_list);
	struct dv_err *e;

	l->opts = *opts;
	l->row = l->labels = l->lines = (struct dv_strbuf)DV_STRBUF_INIT;
	e = parse_format(l);
	if (e)
		return e;
	*ret = dv_steal(&l);
	return NULL;
}

struct cli_list *cli_list_free(struct cli_list *l)
{
	if (!l)
		return NULL;
	cli_template_free(l->template);
	dv_strbuf_fini(&l->row);
	dv_strbuf_fini(&l->labels);
	dv_strbuf_fini(&l->lines);
	free(l);
	return NULL;
}

bool cli_list_wants(const struct cli_list *l, const char *field)
{
	return !l->template || cli_template_uses(l->template, field);
}

/* ---- Rows ---- */

void cli_list_row(struct cli_list *l)
{
	dv_strbuf_clear(&l->row);
	dv_strbuf_clear(&l->labels);
	dv_jw_init(&l->row_writer, &l->row, NULL);
	dv_jw_init(&l->label_writer, &l->labels, NULL);
	dv_jw_object_begin(&l->row_writer, NULL);
	dv_jw_object_begin(&l->label_writer, NULL);
}

static void add(const struct cli_list *l, struct dv_jw *w, const char *key, const char *value)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf safe = DV_STRBUF_INIT;
	bool is_for_people = l->is_table || (l->template && l->opts.cli->is_terminal);

	if (is_for_people)
		cli_human_safe(value, &safe);
	dv_jw_string(w, key, is_for_people ? safe.data : value);
}

void cli_list_add(struct cli_list *l, const char *field, const char *value)
{
	add(l, &l->row_writer, field, value);
}

void cli_list_addf(struct cli_list *l, const char *field, const char *fmt, ...)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf value = DV_STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(&value, fmt, ap);
	va_end(ap);
	cli_list_add(l, field, value.data);
}

void cli_list_label(struct cli_list *l, const char *key, const char *value)
{
	add(l, &l->label_writer, key, value);
}

static struct dv_err *add_line(struct cli_list *l, const char *row, const char *labels,
			       struct dv_strbuf *out)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	DV_CLEANUP(dv_json_freep) struct dv_json *label_doc = NULL;
	struct dv_err *e = dv_json_parse(row, strlen(row), &doc);

	if (!e && labels)
		e = dv_json_parse(labels, strlen(labels), &label_doc);
	if (!e)
		e = cli_template_run(l->template,
				     &(struct cli_template_data){ .root = doc,
								  .labels = label_doc,
								  .is_header = !labels },
				     out);
	dv_strbuf_addc(out, '\n');
	return dv_err_wrap(e, "--format");
}

struct dv_err *cli_list_row_end(struct cli_list *l)
{
	dv_jw_object_end(&l->row_writer);
	dv_jw_object_end(&l->label_writer);
	if (l->template)
		return add_line(l, l->row.data, l->labels.data, &l->lines);
	dv_strbuf_addf(&l->lines, "%s\n", l->row.data);
	return NULL;
}

/* ---- Tables ---- */

static struct dv_err *add_headings(struct cli_list *l, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf row = DV_STRBUF_INIT;
	struct dv_jw w;

	dv_jw_init(&w, &row, NULL);
	dv_jw_object_begin(&w, NULL);
	for (const struct cli_heading *h = l->opts.headings; h->field; h++)
		dv_jw_string(&w, h->field, h->heading);
	dv_jw_object_end(&w);
	return add_line(l, row.data, NULL, out);
}

static size_t count(const char *s, const char *end, char c)
{
	size_t n = 0;

	for (; s < end; s++)
		n += *s == c;
	return n;
}

/* Lines of cells that tabs separate; those with fewer than the first one are filled up. */
static void align(const struct dv_strbuf *text, struct dv_strbuf *out)
{
	size_t n_columns = 1 + count(text->data, strchr(text->data, '\n'), '\t');
	struct dv_table table = DV_TABLE_INIT(n_columns);
	const char *line = text->data, *end;

	for (; *line; line = end + 1) {
		const char *cell = line;

		end = strchr(line, '\n');
		for (size_t i = 0; i < n_columns; i++) {
			size_t len =
				i + 1 < n_columns ? strcspn(cell, "\t\n") : (size_t)(end - cell);

			dv_table_addf(&table, "%.*s", (int)len, cell);
			cell += len + (cell[len] == '\t');
		}
	}
	dv_table_format(&table, MIN_WIDTH, PADDING, out);
	dv_table_fini(&table);
}

static void print_bold_line(const struct dv_strbuf *text, struct dv_strbuf *out)
{
	size_t len = strcspn(text->data, "\n");

	dv_strbuf_addf(out, "\033[1m%.*s\033[0m%s", (int)len, text->data, text->data + len);
}

struct dv_err *cli_list_print(struct cli_list *l)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf table = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	if (l->is_table) {
		e = add_headings(l, &text);
		if (e)
			return e;
		dv_strbuf_add_n(&text, l->lines.data, l->lines.len);
		align(&text, &table);
		if (l->opts.cli->has_colour)
			print_bold_line(&table, &out);
		e = cli_print(l->opts.cli->has_colour ? &out : &table);
	} else if (l->lines.len > 0) {
		e = cli_print(&l->lines);
	}
	dv_strbuf_clear(&l->lines);
	return e;
}
