/* SPDX-License-Identifier: Apache-2.0 */
/* See detach.h, and client/streams.h for the names of keys. */

#include "detach.h"

#include <ctype.h>
#include <string.h>

/* "ctrl-x" for letters and @[\]^_ as terminals send them; one character is itself. */
static bool parse_key(const char *s, size_t n, char *ret)
{
	static const char prefix[] = "ctrl-";
	enum { N_PREFIX = sizeof(prefix) - 1, CTRL = 0x1f };

	if (n == 1) {
		*ret = *s;
		return true;
	}
	if (n != N_PREFIX + 1 || strncmp(s, prefix, N_PREFIX) != 0)
		return false;
	if (!islower((unsigned char)s[N_PREFIX]) && !strchr("@[\\]^_", s[N_PREFIX]))
		return false;
	*ret = (char)(s[N_PREFIX] & CTRL);
	return true;
}

bool client_detach_keys_parse(const char *text, char *ret_keys, size_t *ret_n)
{
	char keys[CLIENT_DETACH_KEYS_MAX];
	size_t n_keys = 0;

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n_keys == sizeof(keys) || !parse_key(text, n, &keys[n_keys++]))
			return false;
		text += n;
		if (*text == ',' && !*++text)
			return false;
	}
	memcpy(ret_keys, keys, n_keys);
	*ret_n = n_keys;
	return true;
}

bool detach_filter(struct detach *d, const char *p, size_t n, struct dv_strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (d->n_keys > 0 && p[i] == d->keys[d->n_seen]) {
			if (++d->n_seen == d->n_keys)
				return true;
			continue;
		}
		/* It was none; this one may begin another. */
		dv_strbuf_add_n(out, d->keys, d->n_seen);
		d->n_seen = 0;
		if (d->n_keys > 0 && p[i] == d->keys[0])
			d->n_seen = 1;
		else
			dv_strbuf_addc(out, p[i]);
	}
	return false;
}
