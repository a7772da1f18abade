/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lines of passwd and group files, read with a buffer of fixed size. Fork-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	USER_LINE_SIZE = 4096,
	USER_FILE_MAX = 16 * 1024 * 1024, /* then the file ends for us */
	USER_FIELDS = 7,
};

struct user_reader {
	int fd;
	size_t begin, end; /* unread part of buf */
	size_t total;
	bool is_skipping; /* inside a line that is too long */
	bool is_at_end;
	char buf[USER_LINE_SIZE + 1];
};

/* The next line, terminated, without its newline: 1. At the end 0, or -errno. */
int user_next_line(struct user_reader *r, char **ret);

/* Splits at ':' in place; missing fields are "". Returns how many there were, 0: a comment. */
size_t user_split(char *line, char *fields[USER_FIELDS]);

/* Decimal, and not the one number that is no id. */
bool user_parse_id(const char *s, uint32_t *ret);
