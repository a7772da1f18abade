/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: parse, visit all, and write all strings so that they are read as they were. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "codec/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *string)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	const struct dv_toml *doc;
	struct dv_arena arena;
	struct dv_err *e;

	dv_toml_add_key(&text, string);
	dv_strbuf_add(&text, " = ");
	dv_toml_add_string(&text, string);
	dv_arena_init(&arena);
	e = dv_toml_parse(text.data, text.len, &arena, &doc);
	dv_assert(!e && dv_streq(doc->first->key, string) && dv_streq(doc->first->string, string));
	dv_arena_fini(&arena);
}

static void visit(const struct dv_toml *t)
{
	size_t n = 0;

	(void)dv_toml_type_name(t->type);
	if (t->string && t->n_string < 64)
		check_string(t->string);
	for (const struct dv_toml *c = t->first; c; c = c->next, n++) {
		dv_assert((t->type == DV_TOML_TABLE) == (c->key != NULL));
		visit(c);
	}
	dv_assert(n == t->n_items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dv_toml *doc;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = dv_toml_parse((const char *)data, size, &arena, &doc);
	if (!e)
		visit(doc);
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
