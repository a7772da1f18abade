/* SPDX-License-Identifier: Apache-2.0 */
/* `linux.memoryPolicy` (config-linux.md, "Memory policy"; set_mempolicy(2)): its table. */

#include "spec/runtime.h"

#include <linux/mempolicy.h>

#include "id-list-private.h"
#include "table-private.h"

enum { MAX_NODE = sizeof(((struct spec_memory_policy *)0)->nodes) * 8 - 1 };

/* Debian 12's header ends before it (Linux 6.9). */
enum { MPOL_WEIGHTED_INTERLEAVE_ = 6 };

static const struct decode_name mode_rows[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE_ },
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
	{ "MPOL_LOCAL", MPOL_LOCAL },
};
static const struct decode_names mode_names = DECODE_NAMES("invalid memory policy mode", mode_rows);

static const struct decode_name flag_rows[] = {
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", (int64_t)MPOL_F_STATIC_NODES },
};
static const struct decode_names flag_names = DECODE_NAMES("invalid memory policy flag", flag_rows);

const char *spec_memory_policy_mode_name(size_t i)
{
	return i < DV_ARRAY_SIZE(mode_rows) ? mode_rows[i].name : NULL;
}

const char *spec_memory_policy_flag_name(size_t i)
{
	return i < DV_ARRAY_SIZE(flag_rows) ? flag_rows[i].name : NULL;
}

static struct dv_err *decode_nodes(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_memory_policy *policy = out;
	struct spec_id_range r;
	enum spec_id_list next;
	const char *text, *p;
	struct dv_err *e;

	e = spec_decode_text(d, v, false, &text);
	if (e || !text)
		return e;
	p = text;
	while ((next = spec_id_list_next(&p, MAX_NODE, &r)) == SPEC_ID_LIST_RANGE) {
		policy->has_nodes = true;
		for (unsigned i = r.first; i <= r.last; i++)
			policy->nodes[i / 64] |= UINT64_C(1) << (i % 64);
	}
	if (next == SPEC_ID_LIST_BAD || !policy->has_nodes)
		return spec_decode_error(d,
					 "invalid memory policy nodes \"%s\": expected a list of "
					 "numbers up to %d like 0-3,7",
					 text, (int)MAX_NODE);
	return NULL;
}

static void init_policy(void *out)
{
	((struct spec_memory_policy *)out)->mode = -1;
}

/* Not REQUIRED: callers match runc's words, which are the same as for a wrong mode. */
static struct dv_err *finish_policy(struct decoder *d, void *out)
{
	if (((struct spec_memory_policy *)out)->mode < 0)
		return spec_decode_error(d, "invalid memory policy mode: it is missing");
	return NULL;
}

#define T struct spec_memory_policy
static const struct decode_field policy_fields[] = {
	{ ENUM("mode", mode, mode_names) },
	{ CUSTOM("nodes", decode_nodes) },
	{ FLAGS("flags", flags, flag_names) },
};
const struct decode_object spec_memory_policy_object = {
	DECODE_OBJECT_OF(policy_fields),
	.init = init_policy,
	.finish = finish_policy,
};
#undef T
