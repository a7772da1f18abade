/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of the kernel's counter files. See cgroup-stats-private.h. */

#include <stdlib.h>

#include "base/str.h"
#include "cgroup-stats-private.h"

uint64_t cgroup_stat_key(const char *text, const char *key)
{
	uint64_t value = 0;

	(void)cgroup_find_key(text, key, &value);
	return value;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* The next line without its end; false at the end of the text. */
static bool next_line(const char **text, const char **line, size_t *len)
{
	if (!**text)
		return false;
	*line = *text;
	*len = strcspn(*text, "\n");
	*text += *len + ((*text)[*len] == '\n');
	return true;
}

/* Digits only; stops at anything else. */
static bool take_number(const char **s, const char *end, uint64_t *ret)
{
	const char *start = *s;
	uint64_t value = 0;

	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**s - '0'), &value))
			return false;
	}
	*ret = value;
	return *s > start;
}

static bool take_char(const char **s, const char *end, char c)
{
	if (*s >= end || **s != c)
		return false;
	(*s)++;
	return true;
}

void cgroup_stat_keys(struct dv_arena *a, const char *text, struct host_cgroup_key **ret,
		      size_t *ret_n)
{
	struct host_cgroup_key *keys = dv_arena_new_n(a, struct host_cgroup_key, count_lines(text));
	const char *line;
	size_t n = 0, len;

	while (next_line(&text, &line, &len)) {
		const char *space = memchr(line, ' ', len), *s = space ? space + 1 : NULL;
		uint64_t value;

		if (!s || !take_number(&s, line + len, &value))
			continue;
		keys[n++] =
			(struct host_cgroup_key){ dv_arena_strndup(a, line, (size_t)(space - line)),
						  value };
	}
	*ret = keys;
	*ret_n = n;
}

void cgroup_stat_column(struct dv_arena *a, const char *text, unsigned skip, unsigned n_columns,
			unsigned column, struct host_cgroup_u64s *ret)
{
	const char *end = text + strlen(text);
	unsigned at = 0;
	uint64_t value;

	for (; skip > 0; skip--) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	/* A number and the space behind it take two bytes at least. */
	ret->items = dv_arena_new_n(a, uint64_t, (size_t)(end - text) / 2 + 1);
	ret->n_items = 0;
	for (; text < end; text++) {
		if (!take_number(&text, end, &value))
			continue;
		if (at++ % n_columns == column)
			ret->items[ret->n_items++] = value;
		if (text >= end)
			break;
	}
}

void cgroup_stat_list(struct dv_arena *a, const char *text, struct host_cgroup_u16s *ret)
{
	const char *end = text + strcspn(text, "\n"), *s;
	uint64_t first, last;

	*ret = (struct host_cgroup_u16s){ 0 };
	/* Twice: to count, and to fill. */
	for (int pass = 0; pass < 2; pass++) {
		size_t n = 0;

		for (s = text; take_number(&s, end, &first); s++) {
			last = first;
			if (take_char(&s, end, '-') && !take_number(&s, end, &last))
				return;
			if (last > UINT16_MAX || first > last)
				return;
			for (uint64_t i = first; i <= last; i++, n++) {
				if (pass)
					ret->items[n] = (uint16_t)i;
			}
			if (s >= end)
				break;
		}
		if (!pass)
			ret->items = dv_arena_new_n(a, uint16_t, n + 1);
		ret->n_items = pass ? n : 0;
	}
}

void cgroup_stat_psi(const char *text, struct host_cgroup_psi *ret)
{
	const char *line;
	size_t len;

	while (next_line(&text, &line, &len)) {
		struct host_cgroup_pressure *p = &ret->some;
		DV_CLEANUP(dv_freep) char *copy = dv_strndup(line, len);
		char *rest = copy, *word = strsep(&rest, " ");

		if (dv_streq(word, "full"))
			p = &ret->full;
		else if (!dv_streq(word, "some"))
			continue;
		ret->is_set = true;
		while ((word = strsep(&rest, " ")) != NULL) {
			if (dv_starts_with(word, "avg10="))
				p->avg10 = strtod(word + 6, NULL);
			else if (dv_starts_with(word, "avg60="))
				p->avg60 = strtod(word + 6, NULL);
			else if (dv_starts_with(word, "avg300="))
				p->avg300 = strtod(word + 7, NULL);
			else if (dv_starts_with(word, "total="))
				p->total = strtoull(word + 6, NULL, 10);
		}
	}
}

void cgroup_stat_blkio(struct dv_arena *a, const char *text, struct host_cgroup_io_list *ret)
{
	const char *line;
	size_t len;

	ret->items = dv_arena_new_n(a, struct host_cgroup_io_entry, count_lines(text));
	ret->n_items = 0;
	while (next_line(&text, &line, &len)) {
		const char *s = line, *end = line + len, *op;
		struct host_cgroup_io_entry x = { .op = "" };

		if (!take_number(&s, end, &x.major) || !take_char(&s, end, ':') ||
		    !take_number(&s, end, &x.minor) || !take_char(&s, end, ' '))
			continue; /* "Total 123" */
		if (!take_number(&s, end, &x.value)) {
			op = s;
			while (s < end && *s != ' ')
				s++;
			x.op = dv_arena_strndup(a, op, (size_t)(s - op));
			if (!take_char(&s, end, ' ') || !take_number(&s, end, &x.value))
				continue;
		}
		ret->items[ret->n_items++] = x;
	}
}

static void add_io(struct host_cgroup_io_list *list, const struct host_cgroup_io_entry *dev,
		   const char *op, uint64_t value)
{
	list->items[list->n_items++] =
		(struct host_cgroup_io_entry){ dev->major, dev->minor, op, value };
}

void cgroup_stat_io(struct dv_arena *a, const char *text, struct host_cgroup_stats *st)
{
	struct host_cgroup_io_list *bytes = &st->blkio.lists[HOST_CGROUP_IO_SERVICE_BYTES];
	struct host_cgroup_io_list *count = &st->blkio.lists[HOST_CGROUP_IO_SERVICED];
	size_t n = count_lines(text), len;
	const char *line;

	bytes->items = dv_arena_new_n(a, struct host_cgroup_io_entry, 2 * n);
	count->items = dv_arena_new_n(a, struct host_cgroup_io_entry, 2 * n);
	while (next_line(&text, &line, &len)) {
		DV_CLEANUP(dv_freep) char *copy = dv_strndup(line, len);
		const char *s = line, *end = line + len;
		char *rest = copy, *word;
		struct host_cgroup_io_entry dev;
		uint64_t v;

		if (!take_number(&s, end, &dev.major) || !take_char(&s, end, ':') ||
		    !take_number(&s, end, &dev.minor))
			continue;
		strsep(&rest, " ");
		while ((word = strsep(&rest, " ")) != NULL) {
			char *value = strchr(word, '=');

			if (!value || !dv_parse_u64(value + 1, &v))
				continue;
			*value = '\0';
			if (dv_streq(word, "rbytes") && bytes->n_items < 2 * n)
				add_io(bytes, &dev, "Read", v);
			else if (dv_streq(word, "wbytes") && bytes->n_items < 2 * n)
				add_io(bytes, &dev, "Write", v);
			else if (dv_streq(word, "rios") && count->n_items < 2 * n)
				add_io(count, &dev, "Read", v);
			else if (dv_streq(word, "wios") && count->n_items < 2 * n)
				add_io(count, &dev, "Write", v);
		}
	}
}

static uint32_t rdma_value(const char *s)
{
	uint32_t value;

	if (dv_streq(s, "max"))
		return UINT32_MAX;
	return dv_parse_u32(s, &value) ? value : 0;
}

void cgroup_stat_rdma(struct dv_arena *a, const char *text, struct host_cgroup_rdma_list *ret)
{
	const char *line;
	size_t len;

	ret->items = dv_arena_new_n(a, struct host_cgroup_rdma, count_lines(text));
	ret->n_items = 0;
	while (next_line(&text, &line, &len)) {
		DV_CLEANUP(dv_freep) char *copy = dv_strndup(line, len);
		char *rest = copy, *word = strsep(&rest, " ");
		struct host_cgroup_rdma x = { .device = dv_arena_strdup(a, word) };

		if (!rest)
			continue;
		while ((word = strsep(&rest, " ")) != NULL) {
			if (dv_starts_with(word, "hca_handle="))
				x.hca_handles = rdma_value(word + 11);
			else if (dv_starts_with(word, "hca_object="))
				x.hca_objects = rdma_value(word + 11);
		}
		ret->items[ret->n_items++] = x;
	}
}
