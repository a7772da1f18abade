/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What labels mean to the collector. All begin with "containerd.io/gc.":
 *
 *	root				the object is a root
 *	ref.content[./x]		= digest	the object refers to it
 *	ref.image[./x]			= name
 *	ref.mount[./x]			= name
 *	ref.snapshot.<sn>[/x]		= key
 *	bref.container[./x], bref.content, bref.image, bref.snapshot.<sn>[/x]
 *					that one refers to the object
 *	expire = RFC 3339		leases, images
 *	flat				leases
 *	cond.snapshot[.<sn>][/x]	= usedat<24h[,...]|key: the object refers to the snapshot as
 *					long as a condition on its value holds
 *	cond.value-usedat = RFC 3339	the value, on the snapshot
 */

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "gc-private.h"

#define PREFIX "containerd.io/gc."

/* Behind @prefix in @s; NULL when @s does not begin with it. */
static const char *behind(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/*
 * The node that a label names; GC_NONE when the label is none of these. @key is behind "ref." or
 * "bref.".
 */
static uint32_t named_node(struct gc_graph *g, uint32_t ns, const char *key, const char *value)
{
	static const struct {
		const char *name;
		enum meta_node_kind kind;
	} kinds[] = {
		{ "container", META_NODE_CONTAINER },
		{ "content", META_NODE_CONTENT },
		{ "image", META_NODE_IMAGE },
		{ "mount", META_NODE_MOUNT },
	};
	const char *rest = behind(key, "snapshot.");

	if (rest)
		return gc_node(g, META_NODE_SNAPSHOT, ns, rest, strcspn(rest, "/"), value);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		rest = behind(key, kinds[i].name);
		if (rest && (*rest == '\0' || *rest == '.' || *rest == '/'))
			return gc_node(g, kinds[i].kind, ns, "", 0, value);
	}
	return GC_NONE;
}

static bool parse_time(const char *text, int64_t *ret)
{
	struct timespec ts;

	if (!dv_clock_parse(text, &ts))
		return false;
	/* The year 2262 is as far as nanoseconds go. */
	*ret = ts.tv_sec > INT64_MAX / 1000000000 - 1	? INT64_MAX
	       : ts.tv_sec < INT64_MIN / 1000000000 + 1 ? INT64_MIN
							: meta_ns(ts);
	return true;
}

/* "usedat<24h": the one condition there is. */
static void add_condition(struct gc_graph *g, uint32_t from, uint32_t to, const char *text,
			  size_t n)
{
	DV_CLEANUP(dv_freep) char *copy = dv_strndup(text, n);
	const char *rest = behind(copy, "usedat");
	struct gc_condition *c;
	int64_t limit;

	if (!rest || (*rest != '<' && *rest != '>') || !dv_parse_duration(rest + 1, &limit))
		return;
	c = meta_vec_push(&g->conditions);
	*c = (struct gc_condition){ from, to, limit, *rest == '<' };
}

/* @key is behind "cond.snapshot". */
static void add_conditions(struct gc_graph *g, uint32_t from, const char *key, const char *value)
{
	const char *bar = strchr(value, '|'), *end;
	uint32_t to;

	if (!bar)
		return;
	key += strspn(key, "./");
	to = gc_node(g, META_NODE_SNAPSHOT, g->nodes[from].ns, key, strcspn(key, "/"), bar + 1);
	for (const char *p = value; p < bar; p = end + 1) {
		end = memchr(p, ',', (size_t)(bar - p));
		if (!end)
			end = bar;
		add_condition(g, from, to, p, (size_t)(end - p));
	}
}

/* Leases and images have an end; a text that is no time is none. */
static void expire(struct gc_graph *g, uint32_t node, const char *value)
{
	enum meta_node_kind kind = g->nodes[node].kind;
	int64_t at;

	if ((kind == META_NODE_LEASE || kind == META_NODE_IMAGE) && parse_time(value, &at) &&
	    gc_is_expired(g, at))
		g->nodes[node].is_root = false;
}

static void add_bref(struct gc_graph *g, uint32_t node, const char *key, const char *value)
{
	uint32_t from = named_node(g, g->nodes[node].ns, key, value);

	if (from == GC_NONE)
		return;
	gc_edge(g, from, node);
	/* A mount without a lease is a root, unless it says whose it is. */
	if (g->nodes[node].kind == META_NODE_MOUNT)
		g->nodes[node].is_root = false;
}

static void one_label(struct gc_graph *g, uint32_t node, const char *key, const char *value)
{
	enum meta_node_kind kind = g->nodes[node].kind;
	const char *rest;
	uint32_t to;

	if ((rest = behind(key, "ref."))) {
		to = named_node(g, g->nodes[node].ns, rest, value);
		/* A lease refers to its resources alone. */
		if (to != GC_NONE && kind != META_NODE_LEASE)
			gc_edge(g, node, to);
	} else if ((rest = behind(key, "bref."))) {
		add_bref(g, node, rest, value);
	} else if (behind(key, "root")) {
		if (kind == META_NODE_CONTENT || kind == META_NODE_SNAPSHOT)
			g->nodes[node].is_root = true;
	} else if (dv_streq(key, "expire")) {
		expire(g, node, value);
	} else if (dv_streq(key, "flat")) {
		g->nodes[node].is_flat = kind == META_NODE_LEASE;
	} else if (behind(key, "cond.value-usedat")) {
		int64_t at;

		if (kind == META_NODE_SNAPSHOT && parse_time(value, &at))
			*(struct gc_value *)meta_vec_push(&g->values) =
				(struct gc_value){ node, at };
	} else if ((rest = behind(key, "cond.snapshot"))) {
		if (kind == META_NODE_CONTENT || kind == META_NODE_IMAGE)
			add_conditions(g, node, rest, value);
	}
}

bool gc_labels(struct gc_graph *g, uint32_t node, const char *packed, size_t n)
{
	const char *p = packed, *end = packed + n;

	if (n && end[-1] != '\0')
		return false;
	while (p < end) {
		const char *key = behind(p, PREFIX), *value = p + strlen(p) + 1;

		if (value >= end)
			return false;
		if (key)
			one_label(g, node, key, value);
		p = value + strlen(value) + 1;
	}
	return true;
}
