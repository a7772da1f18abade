/* SPDX-License-Identifier: Apache-2.0 */

#include "base64.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { DECODE_MAX = 1 << 20 };

char *base64_encode(const void *p, size_t n)
{
	char *text = dv_new_n(char, (n + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)text, p, (int)n);
	return text;
}

char *base64_basic(const char *username, const char *secret)
{
	char *plain = dv_printf("%s:%s", username ? username : "", secret ? secret : "");
	char *text = base64_encode(plain, strlen(plain));
	char *value = dv_printf("Basic %s", text);

	explicit_bzero(plain, strlen(plain));
	explicit_bzero(text, strlen(text));
	free(plain);
	free(text);
	return value;
}

bool base64_decode(const char *text, size_t n, uint8_t **ret, size_t *ret_n)
{
	size_t padding = 0;
	uint8_t *out;
	int got;

	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	/* libcrypto is more tolerant of white space and of what is behind the end. */
	if (n % 4 || n > DECODE_MAX || memchr(text, '\0', n) ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") <
		    n - padding)
		return false;
	out = dv_new_n(uint8_t, n / 4 * 3 + 1);
	got = n ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) : 0;
	if (got < 0) {
		free(out);
		return false;
	}
	*ret_n = (size_t)got - padding;
	out[*ret_n] = '\0';
	*ret = out;
	return true;
}
