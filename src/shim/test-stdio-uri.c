/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may write for a stream, and the options of a log. */

#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "log-file.h"
#include "stdio-uri.h"

/* "KEY=VALUE;KEY=VALUE;" */
static char *params_of(const struct stdio_uri *u)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (size_t i = 0; i < u->n_params; i++)
		dv_strbuf_addf(&b, "%s=%s;", u->params[i].key, u->params[i].value);
	return b.size ? b.data : dv_strdup("");
}

Test(uri, good)
{
	static const struct {
		const char *text;
		enum stdio_scheme scheme;
		const char *path, *params;
	} table[] = {
		{ "", STDIO_NULL, NULL, "" },
		{ "/run/fifo", STDIO_PATH, "/run/fifo", "" },
		{ "/a%20b?c#d", STDIO_PATH, "/a%20b?c#d", "" },
		{ "/a://b", STDIO_PATH, "/a://b", "" },
		{ "fifo:///f", STDIO_FIFO, "/f", "" },
		{ "file:///var/log/x%20y", STDIO_FILE, "/var/log/x y", "" },
		{ "file:///a+b", STDIO_FILE, "/a+b", "" },
		{ "file:///%2541", STDIO_FILE, "/%41", "" },
		{ "binary:///bin/l?a=b&c=d", STDIO_BINARY, "/bin/l", "a=b;c=d;" },
		{ "binary:///bin/l?", STDIO_BINARY, "/bin/l", "" },
		{ "binary:///bin/l?a&b=", STDIO_BINARY, "/bin/l", "a=;b=;" },
		{ "binary:///bin/l?a=1&a=2", STDIO_BINARY, "/bin/l", "a=1;" },
		{ "binary:///bin/l?&&a=b=c&", STDIO_BINARY, "/bin/l", "a=b=c;" },
		{ "binary-v2:///l?x+y=%2b%2B", STDIO_BINARY_V2, "/l", "x y=++;" },
		{ "cri:///l?stream=stdout#z", STDIO_CRI, "/l", "stream=stdout;" },
		{ "cri:///l#?a=b", STDIO_CRI, "/l", "" },
		{ "json:///l?attr.k=%26", STDIO_JSON, "/l", "attr.k=&;" },
	};
	struct stdio_uri u;

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		DV_CLEANUP(dv_err_freep)
		struct dv_err *e = stdio_uri_parse(table[i].text, &u);
		char *params;

		cr_assert_null(e, "%s: %s", table[i].text, e ? dv_err_message(e) : "");
		T_INT(u.scheme, ==, table[i].scheme);
		if (table[i].path)
			T_STR(u.path, table[i].path);
		else
			T_NULL(u.path);
		params = params_of(&u);
		T_STR(params, table[i].params);
		free(params);
		stdio_uri_fini(&u);
	}
	T_NULL(stdio_uri_parse(NULL, &u));
	T_INT(u.scheme, ==, STDIO_NULL);
}

static void check_bad(const char *text)
{
	struct stdio_uri u;
	struct dv_err *e = stdio_uri_parse(text, &u);

	cr_assert_not_null(e, "%.60s", text);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
}

Test(uri, bad)
{
	static const char *const table[] = {
		"relative",
		"://x",
		"gopher:///x",
		"FILE:///x",
		"streaming+ttrpc:///x",
		"file://",
		"file://host/x",
		"cri://relative",
		"file:///%",
		"file:///%4",
		"file:///%zz",
		"file:///%00",
		"cri:///x?a=%0",
		"json:///x?%00=b",
		"fifo:",
		"binary-v3:///x",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++)
		check_bad(table[i]);
}

Test(uri, bounds)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	dv_strbuf_add(&b, "file:///");
	while (b.len < PATH_MAX + 8)
		dv_strbuf_addc(&b, 'x');
	check_bad(b.data);
	while (b.len < 20 * 1024)
		dv_strbuf_addc(&b, 'x');
	check_bad(b.data);
	dv_strbuf_clear(&b);
	dv_strbuf_add(&b, "binary:///l?");
	for (int i = 0; i < 65; i++)
		dv_strbuf_addf(&b, "%d=&", i);
	check_bad(b.data);
	dv_strbuf_fini(&b);
}

/* ---- options ----------------------------------------------------------------------------------- */

static struct dv_err *parse(const char *text, struct log_opts *ret)
{
	struct stdio_uri u;
	struct dv_err *e = stdio_uri_parse(text, &u);

	cr_assert_null(e, "%s", text);
	e = log_opts_parse(&u, ret);
	stdio_uri_fini(&u);
	return e;
}

Test(options, defaults)
{
	struct log_opts o;

	T_NULL(parse("cri:///l", &o));
	T_INT(o.format, ==, LOG_CRI);
	T_STR(o.path, "/l");
	T_STR(o.attrs, "");
	T_NULL(o.stream);
	T_INT(o.max_line, ==, 16384);
	T_INT(o.max_size, ==, 0);
	T_INT(o.max_file, ==, 1);
	T_FALSE(o.is_existing);
	log_opts_fini(&o);
	T_NULL(parse("/l", &o));
	T_INT(o.format, ==, LOG_RAW);
	T_TRUE(o.is_existing);
	log_opts_fini(&o);
	log_opts_fini(&o);
}

Test(options, all)
{
	struct log_opts o, same, other;

	T_NULL(parse("json:///l?stream=stderr&max-line=100&max-size=1.5k&max-file=7&attr.a=b"
		     "&attr.%22=%0a",
		     &o));
	T_INT(o.format, ==, LOG_JSON);
	T_STR(o.stream, "stderr");
	T_INT(o.max_line, ==, 100);
	T_INT(o.max_size, ==, 1536);
	T_INT(o.max_file, ==, 7);
	T_STR(o.attrs, "\"attrs\":{\"a\":\"b\",\"\\\"\":\"\\n\"},");
	T_NULL(parse("json:///l?stream=stdout&max-line=100&max-size=1536&max-file=7&attr.a=b"
		     "&attr.%22=%0a",
		     &same));
	T_TRUE(log_opts_equal(&o, &same));
	T_NULL(parse("json:///l", &other));
	T_FALSE(log_opts_equal(&o, &other));
	log_opts_fini(&o);
	log_opts_fini(&same);
	log_opts_fini(&other);
}

Test(options, bad)
{
	static const char *const table[] = {
		"max-size=",
		"max-size=0",
		"max-size=-1",
		"max-size=1x",
		"max-size=99999999999P",
		"max-file=0",
		"max-file=1001",
		"max-file=x",
		"max-line=0",
		"max-line=3",
		"max-line=262145",
		"max-line=-1",
		"stream=",
		"stream=other",
		"stream=stdout%20",
		"stream=a%0ab",
		"colour=red",
		"=x",
		"MAX-FILE=2",
	};
	struct log_opts o;

	for (size_t i = 0; i < 2 * DV_ARRAY_SIZE(table); i++) {
		char *text = dv_printf("%s:///l?%s", i % 2 ? "cri" : "json", table[i / 2]);
		struct dv_err *e = parse(text, &o);

		cr_assert_not_null(e, "%s", text);
		T_INT(dv_err_code(e), ==, DV_INVALID);
		dv_err_free(e);
		free(text);
	}
}

Test(options, only_where_they_belong)
{
	static const char *const table[] = { "cri:///l?attr.a=b", "json:///l?attr.=b",
					     "file:///l?max-size=1k", "file:///l?stream=stdout" };
	struct log_opts o;

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		struct dv_err *e = parse(table[i], &o);

		cr_assert_not_null(e, "%s", table[i]);
		T_INT(dv_err_code(e), ==, DV_INVALID);
		dv_err_free(e);
	}
}

Test(options, attributes_are_bounded)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	struct log_opts o;
	struct dv_err *e;

	/* Each "%01" becomes six bytes. */
	dv_strbuf_add(&b, "json:///l?attr.a=");
	for (int i = 0; i < 3000; i++)
		dv_strbuf_add(&b, "%01");
	e = parse(b.data, &o);
	cr_assert_not_null(e);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	dv_strbuf_fini(&b);
}
