/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as a document and as a manual page; what differs between two. */

#include <string.h>

#include "config-private.h"

enum { WIDTH = 90 };

static void add_comment(struct dv_strbuf *out, const char *text)
{
	while (*text) {
		size_t n = strlen(text);

		if (n > WIDTH) {
			n = WIDTH;
			while (n > 0 && text[n] != ' ')
				n--;
		}
		dv_strbuf_addf(out, "# %.*s\n", (int)n, text);
		text += n;
		while (*text == ' ')
			text++;
	}
}

/* "grpc.uid" is uid in the table grpc; 0: it is in none. */
static size_t table_length(const struct config_option *o)
{
	const char *dot = strchr(o->name, '.');

	return dot ? (size_t)(dot - o->name) : 0;
}

static void add_proxy(const struct daemon_proxy *p, struct dv_strbuf *out)
{
	dv_strbuf_add(out, "\n[proxy_plugins.");
	dv_toml_add_key(out, p->name);
	dv_strbuf_add(out, "]\ntype = ");
	dv_toml_add_string(out, p->type);
	dv_strbuf_add(out, "\naddress = ");
	dv_toml_add_string(out, p->address);
	dv_strbuf_add(out, "\n");
	if (p->capabilities.n_items == 0)
		return;
	dv_strbuf_add(out, "capabilities = [");
	for (size_t i = 0; i < p->capabilities.n_items; i++) {
		dv_strbuf_add(out, i ? ", " : "");
		dv_toml_add_string(out, p->capabilities.items[i]);
	}
	dv_strbuf_add(out, "]\n");
}

void daemon_config_print(const struct daemon_config *c, bool has_comments, struct dv_strbuf *out)
{
	size_t last = 0;

	for (const struct config_option *o = config_options; o->name; o++) {
		size_t n = table_length(o);
		bool is_first = o == config_options, is_new = false;

		if (n > 0 && (n != last || strncmp(o->name, o[-1].name, n) != 0)) {
			dv_strbuf_addf(out, "\n[%.*s]\n", (int)n, o->name);
			is_new = true;
		}
		last = n;
		if (has_comments) {
			dv_strbuf_add(out, is_first || is_new ? "" : "\n");
			add_comment(out, o->help);
		}
		dv_strbuf_addf(out, "%s = ", o->name + (n > 0 ? n + 1 : 0));
		config_value_add(o, c, out);
		dv_strbuf_addc(out, '\n');
	}
	for (size_t i = 0; i < c->n_proxies; i++)
		add_proxy(&c->proxies[i], out);
}

/* ---- Differences ----------------------------------------------------------------------------------- */

static bool proxies_equal(const struct daemon_config *a, const struct daemon_config *b)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf one = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf two = DV_STRBUF_INIT;

	for (size_t i = 0; i < a->n_proxies; i++)
		add_proxy(&a->proxies[i], &one);
	for (size_t i = 0; i < b->n_proxies; i++)
		add_proxy(&b->proxies[i], &two);
	return dv_streq(one.data, two.data);
}

void daemon_config_compare(const struct daemon_config *a, const struct daemon_config *b,
			   void (*fn)(void *arg, const char *name, bool is_live), void *arg)
{
	for (const struct config_option *o = config_options; o->name; o++) {
		if (!config_value_equals(o, a, b))
			fn(arg, o->name, o->is_live);
	}
	if (!proxies_equal(a, b))
		fn(arg, "proxy_plugins", false);
}

void daemon_config_adopt(struct daemon_config *to, const struct daemon_config *from)
{
	for (const struct config_option *o = config_options; o->name; o++) {
		if (o->is_live)
			config_value_copy(o, to, from);
	}
}

/* ---- The manual ------------------------------------------------------------------------------------- */

static void add_roff(struct dv_strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			dv_strbuf_addc(out, '\\');
		dv_strbuf_addc(out, *text);
	}
}

void daemon_config_manual(struct dv_strbuf *out)
{
	static const struct daemon_config preset = DAEMON_CONFIG_DEFAULT;

	for (const struct config_option *o = config_options; o->name; o++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf value = DV_STRBUF_INIT;

		config_value_add(o, &preset, &value);
		dv_strbuf_addf(out, ".TP\n\\fB%s\\fR = ", o->name);
		add_roff(out, value.data);
		dv_strbuf_addc(out, '\n');
		add_roff(out, o->help);
		if (o->is_live)
			dv_strbuf_add(out, " Can be changed while the daemon runs.");
		dv_strbuf_addc(out, '\n');
	}
}
