/* SPDX-License-Identifier: Apache-2.0 */
/* One value of an option: from TOML or a text, compared, copied, and as TOML again. */

#include <limits.h>
#include <string.h>

#include "config-private.h"

/* The field of a configuration; the table's offsets have the table's types. */
#define AT(type, o, c)	     ((type *)((char *)(c) + (o)->offset))
#define CONST_AT(type, o, c) ((const type *)((const char *)(c) + (o)->offset))

static const size_t sizes[] = {
	[CONFIG_STRING] = sizeof(char *),
	[CONFIG_PATH] = sizeof(char *),
	[CONFIG_WORD] = sizeof(int),
	[CONFIG_BOOL] = sizeof(bool),
	[CONFIG_INT] = sizeof(int),
	[CONFIG_ID] = sizeof(uid_t),
	[CONFIG_MODE] = sizeof(mode_t),
	[CONFIG_SIZE] = sizeof(size_t),
	[CONFIG_DURATION] = sizeof(uint64_t),
	[CONFIG_FRACTION] = sizeof(double),
	[CONFIG_LIST] = sizeof(struct daemon_strings),
};
_Static_assert(sizeof(uid_t) == sizeof(gid_t) && sizeof(uid_t) == 4, "CONFIG_ID");
_Static_assert(sizeof(enum dv_level) == sizeof(int), "CONFIG_WORD");

/* ---- From a text -------------------------------------------------------------------------------- */

static struct dv_err *set_word(const struct config_option *o, const char *text, int *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf known = DV_STRBUF_INIT;

	for (const struct config_word *w = o->words; w->word; w++) {
		if (dv_streq(w->word, text)) {
			*ret = w->value;
			return NULL;
		}
		if (!w->is_alias)
			dv_strbuf_addf(&known, "%s%s", known.len ? ", " : "", w->word);
	}
	return dv_err_new(DV_INVALID, "\"%s\" is none of %s", text, known.data);
}

static struct dv_err *set_mode(const char *text, mode_t *ret)
{
	unsigned mode = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '7' && mode <= 0777; p++)
		mode = mode << 3 | (unsigned)(*p - '0');
	if (*p || p == text || mode > 0777)
		return dv_err_new(DV_INVALID, "\"%s\" is no mode such as \"0660\"", text);
	*ret = mode;
	return NULL;
}

static struct dv_err *set_number(const struct config_option *o, int64_t number,
				 struct daemon_config *io)
{
	int64_t min = o->min, max = o->max;

	if (o->type == CONFIG_ID)
		max = UINT32_MAX - 1; /* the last one stands for none */
	if (o->type == CONFIG_MODE)
		max = 0777;
	if (number < min || number > max)
		return dv_err_new(DV_INVALID, "%lld is not between %lld and %lld",
				  (long long)number, (long long)min, (long long)max);
	if (o->type == CONFIG_INT)
		*AT(int, o, io) = (int)number;
	else if (o->type == CONFIG_SIZE)
		*AT(size_t, o, io) = (size_t)number;
	else
		*AT(uint32_t, o, io) = (uint32_t)number;
	return NULL;
}

static struct dv_err *set_duration(const char *text, uint64_t *ret)
{
	int64_t ns;

	if (!dv_parse_duration(text, &ns) || ns < 0)
		return dv_err_new(DV_INVALID, "\"%s\" is no time such as \"1m30s\"", text);
	*ret = (uint64_t)ns;
	return NULL;
}

struct dv_err *config_value_set_text(const struct config_option *o, const char *text,
				     struct daemon_config *io)
{
	int64_t number;

	switch (o->type) {
	case CONFIG_PATH:
		if (*text && *text != '/')
			return dv_err_new(DV_INVALID, "\"%s\" is not an absolute path", text);
		*AT(const char *, o, io) = text;
		return NULL;
	case CONFIG_STRING:
		*AT(const char *, o, io) = text;
		return NULL;
	case CONFIG_WORD:
		return set_word(o, text, AT(int, o, io));
	case CONFIG_MODE:
		return set_mode(text, AT(mode_t, o, io));
	case CONFIG_SIZE:
		if (!dv_parse_size(text, &number))
			return dv_err_new(DV_INVALID, "\"%s\" is no size such as \"16MiB\"", text);
		return set_number(o, number, io);
	case CONFIG_DURATION:
		return set_duration(text, AT(uint64_t, o, io));
	case CONFIG_BOOL:
	case CONFIG_INT:
	case CONFIG_ID:
	case CONFIG_FRACTION:
	case CONFIG_LIST:
		break;
	}
	return dv_err_new(DV_INVALID, "a string, which it cannot be");
}

/* ---- From TOML ------------------------------------------------------------------------------- */

static struct dv_err *get_string(const struct dv_toml *value, struct dv_arena *arena,
				 const char **ret)
{
	if (value->type != DV_TOML_STRING)
		return dv_err_new(DV_INVALID, "%s, and not a string",
				  dv_toml_type_name(value->type));
	if (strlen(value->string) != value->n_string)
		return dv_err_new(DV_INVALID, "a NUL character in a string");
	*ret = dv_arena_strdup(arena, value->string);
	return NULL;
}

struct dv_err *config_list_set(const struct dv_toml *value, struct dv_arena *arena,
			       struct daemon_strings *ret)
{
	const char **items;
	struct dv_err *e;
	size_t n = 0;

	if (value->type != DV_TOML_ARRAY)
		return dv_err_new(DV_INVALID, "%s, and not an array",
				  dv_toml_type_name(value->type));
	items = dv_arena_new_n(arena, const char *, value->n_items + 1);
	for (const struct dv_toml *item = value->first; item; item = item->next) {
		e = get_string(item, arena, &items[n++]);
		if (e)
			return e;
	}
	*ret = (struct daemon_strings){ items, n };
	return NULL;
}

static struct dv_err *wrong_type(const struct dv_toml *value, const char *wanted)
{
	return dv_err_new(DV_INVALID, "%s, and not %s", dv_toml_type_name(value->type), wanted);
}

struct dv_err *config_value_set(const struct config_option *o, const struct dv_toml *value,
				struct dv_arena *arena, struct daemon_config *io)
{
	const char *text;
	struct dv_err *e;

	switch (o->type) {
	case CONFIG_LIST:
		return config_list_set(value, arena, AT(struct daemon_strings, o, io));
	case CONFIG_BOOL:
		if (value->type != DV_TOML_BOOL)
			return wrong_type(value, "true or false");
		*AT(bool, o, io) = value->boolean;
		return NULL;
	case CONFIG_FRACTION: {
		double number = value->type == DV_TOML_INT ? (double)value->integer : value->number;

		if (value->type != DV_TOML_INT && value->type != DV_TOML_FLOAT)
			return wrong_type(value, "a number");
		if (!(number >= 0 && number <= 1))
			return dv_err_new(DV_INVALID, "%g is not between 0 and 1", number);
		*AT(double, o, io) = number;
		return NULL;
	}
	case CONFIG_INT:
	case CONFIG_ID:
		if (value->type != DV_TOML_INT)
			return wrong_type(value, "an integer");
		return set_number(o, value->integer, io);
	case CONFIG_MODE:
	case CONFIG_SIZE:
		if (value->type == DV_TOML_INT)
			return set_number(o, value->integer, io);
		break;
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_WORD:
	case CONFIG_DURATION:
		break;
	}
	e = get_string(value, arena, &text);
	return e ? e : config_value_set_text(o, text, io);
}

/* ---- Comparing and writing ----------------------------------------------------------------------- */

static bool lists_equal(const struct daemon_strings *a, const struct daemon_strings *b)
{
	if (a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++) {
		if (!dv_streq(a->items[i], b->items[i]))
			return false;
	}
	return true;
}

bool config_value_equals(const struct config_option *o, const struct daemon_config *a,
			 const struct daemon_config *b)
{
	if (o->type == CONFIG_STRING || o->type == CONFIG_PATH)
		return dv_streq(*CONST_AT(char *, o, a), *CONST_AT(char *, o, b));
	if (o->type == CONFIG_LIST)
		return lists_equal(CONST_AT(struct daemon_strings, o, a),
				   CONST_AT(struct daemon_strings, o, b));
	return memcmp(CONST_AT(char, o, a), CONST_AT(char, o, b), sizes[o->type]) == 0;
}

void config_value_copy(const struct config_option *o, struct daemon_config *to,
		       const struct daemon_config *from)
{
	memcpy(AT(char, o, to), CONST_AT(char, o, from), sizes[o->type]);
}

static void add_word(const struct config_option *o, int value, struct dv_strbuf *out)
{
	for (const struct config_word *w = o->words; w->word; w++) {
		if (w->value == value && !w->is_alias) {
			dv_toml_add_string(out, w->word);
			return;
		}
	}
}

/* The largest unit that leaves nothing over, as "1m30s" would be for readers but not for us. */
static void add_duration(uint64_t ns, struct dv_strbuf *out)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "h", UINT64_C(3600000000000) },
		      { "m", UINT64_C(60000000000) },
		      { "s", UINT64_C(1000000000) },
		      { "ms", 1000000 },
		      { "us", 1000 },
		      { "ns", 1 } };
	size_t i = 0;

	while (ns > 0 && ns % units[i].ns != 0)
		i++;
	if (ns == 0)
		i = 2;
	dv_strbuf_addf(out, "\"%llu%s\"", (unsigned long long)(ns / units[i].ns), units[i].unit);
}

static void add_list(const struct daemon_strings *list, struct dv_strbuf *out)
{
	dv_strbuf_addc(out, '[');
	for (size_t i = 0; i < list->n_items; i++) {
		dv_strbuf_add(out, i ? ", " : "");
		dv_toml_add_string(out, list->items[i]);
	}
	dv_strbuf_addc(out, ']');
}

/* Of all decimals that are read as this number the shortest. */
static void add_fraction(double number, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	for (int digits = 1; digits <= 17; digits++) {
		dv_strbuf_clear(&text);
		dv_strbuf_addf(&text, "%.*g", digits, number);
		if (strtod(text.data, NULL) == number)
			break;
	}
	dv_strbuf_addf(out, "%s%s", text.data, strpbrk(text.data, ".e") ? "" : ".0");
}

void config_value_add(const struct config_option *o, const struct daemon_config *c,
		      struct dv_strbuf *out)
{
	switch (o->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
		dv_toml_add_string(out, *CONST_AT(char *, o, c));
		break;
	case CONFIG_WORD:
		add_word(o, *CONST_AT(int, o, c), out);
		break;
	case CONFIG_BOOL:
		dv_strbuf_add(out, *CONST_AT(bool, o, c) ? "true" : "false");
		break;
	case CONFIG_INT:
		dv_strbuf_addf(out, "%d", *CONST_AT(int, o, c));
		break;
	case CONFIG_ID:
		dv_strbuf_addf(out, "%u", *CONST_AT(uid_t, o, c));
		break;
	case CONFIG_MODE:
		dv_strbuf_addf(out, "0o%o", *CONST_AT(mode_t, o, c));
		break;
	case CONFIG_SIZE:
		dv_strbuf_addf(out, "%zu", *CONST_AT(size_t, o, c));
		break;
	case CONFIG_DURATION:
		add_duration(*CONST_AT(uint64_t, o, c), out);
		break;
	case CONFIG_FRACTION:
		add_fraction(*CONST_AT(double, o, c), out);
		break;
	case CONFIG_LIST:
		add_list(CONST_AT(struct daemon_strings, o, c), out);
		break;
	}
}
