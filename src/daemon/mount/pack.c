/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of a mount holds: texts, each with its NUL; numbers are texts, too. */

#include <string.h>

#include "base/str.h"
#include "mounts-private.h"

#define VERSION "davit-mounts-1"
enum { LIST_MAX = 4096 };

static void put(struct dv_strbuf *b, const char *text)
{
	dv_strbuf_add_n(b, text ? text : "", strlen(text ? text : "") + 1);
}

static void put_number(struct dv_strbuf *b, int64_t n)
{
	dv_strbuf_addf(b, "%lld", (long long)n);
	dv_strbuf_addc(b, '\0');
}

static void put_mount(struct dv_strbuf *b, const struct snapshot_mount *m)
{
	put(b, m->type);
	put(b, m->source);
	put(b, m->target);
	put_number(b, (int64_t)m->n_options);
	for (size_t i = 0; i < m->n_options; i++)
		put(b, m->options[i]);
}

void mounts_pack(const struct mounts_state *state, struct dv_arena *arena, const void **ret,
		 size_t *ret_n)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	char *copy;

	put(&b, VERSION);
	put_number(&b, state->id);
	put_number(&b, state->is_complete);
	put_number(&b, (int64_t)state->info.n_active);
	for (size_t i = 0; i < state->info.n_active; i++) {
		const struct mounts_active *a = &state->info.active[i];

		put_mount(&b, &a->mount);
		put(&b, a->mount_point);
		put_number(&b, a->mounted_at.tv_sec);
		put_number(&b, a->mounted_at.tv_nsec);
	}
	put_number(&b, (int64_t)state->info.system.n_items);
	for (size_t i = 0; i < state->info.system.n_items; i++)
		put_mount(&b, &state->info.system.items[i]);
	copy = dv_arena_alloc(arena, b.len);
	memcpy(copy, b.data, b.len);
	*ret = copy;
	*ret_n = b.len;
}

struct reader {
	const char *at, *end;
	bool is_bad;
	struct dv_arena *arena;
};

static const char *get(struct reader *r)
{
	const char *nul = r->at < r->end ? memchr(r->at, '\0', (size_t)(r->end - r->at)) : NULL;
	const char *text;

	if (!nul) {
		r->is_bad = true;
		return "";
	}
	text = dv_arena_strdup(r->arena, r->at);
	r->at = nul + 1;
	return text;
}

static int64_t get_number(struct reader *r, int64_t max)
{
	int64_t n = 0;

	if (!dv_parse_i64(get(r), &n) || n < 0 || n > max) {
		r->is_bad = true;
		return 0;
	}
	return n;
}

static void get_mount(struct reader *r, struct snapshot_mount *m)
{
	const char **options;

	m->type = get(r);
	m->source = get(r);
	m->target = get(r);
	m->n_options = (size_t)get_number(r, LIST_MAX);
	m->options = options = dv_arena_new_n(r->arena, const char *, m->n_options + 1);
	for (size_t i = 0; i < m->n_options && !r->is_bad; i++)
		options[i] = get(r);
}

struct dv_err *mounts_unpack(const void *data, size_t n, struct dv_arena *arena,
			     struct mounts_state *ret)
{
	struct reader r = { .at = data, .end = (const char *)data + n, .arena = arena };
	struct mounts_active *active;
	struct snapshot_mount *system;
	struct mounts_state s = { 0 };

	if (n == 0 || !dv_streq(get(&r), VERSION))
		r.is_bad = true;
	s.id = get_number(&r, INT64_MAX);
	s.is_complete = get_number(&r, 1) != 0;
	s.info.n_active = (size_t)get_number(&r, LIST_MAX);
	s.info.active = active = dv_arena_new_n(arena, struct mounts_active, s.info.n_active + 1);
	for (size_t i = 0; i < s.info.n_active && !r.is_bad; i++) {
		get_mount(&r, &active[i].mount);
		active[i].mount_point = get(&r);
		active[i].mounted_at.tv_sec = get_number(&r, INT64_MAX);
		active[i].mounted_at.tv_nsec = get_number(&r, 999999999);
	}
	s.info.system.n_items = (size_t)get_number(&r, LIST_MAX);
	s.info.system.items = system =
		dv_arena_new_n(arena, struct snapshot_mount, s.info.system.n_items + 1);
	for (size_t i = 0; i < s.info.system.n_items && !r.is_bad; i++)
		get_mount(&r, &system[i]);
	if (r.is_bad || r.at != r.end)
		return dv_err_new(DV_DATA_LOSS, "the record of a mount is damaged");
	*ret = s;
	return NULL;
}
