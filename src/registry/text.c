/* SPDX-License-Identifier: Apache-2.0 */

#include "text.h"

#include "base/mem.h"
#include "base/str.h"

char *text_clean(const char *text, size_t n, size_t max)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (size_t i = 0; i < n && b.len < max; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > ' ' && c < 127)
			dv_strbuf_addc(&b, (char)c);
		else if (c >= 127)
			dv_strbuf_addc(&b, '?');
		else if (b.len && b.data[b.len - 1] != ' ')
			dv_strbuf_addc(&b, ' ');
	}
	while (b.len && b.data[b.len - 1] == ' ')
		b.data[--b.len] = '\0';
	return b.len ? dv_strbuf_steal(&b) : dv_strdup("");
}
