/* SPDX-License-Identifier: Apache-2.0 */

/* The database as a whole: opening, versions, transactions; identifiers and labels. */

#include "test-meta.h"

#include "store/meta-namespace.h"

Test(meta, opens_twice_in_a_row_but_not_at_once)
{
	RIG(r);
	struct meta *other;

	T_CODE(meta_open(&(struct meta_opts){ .dir = r.dir }, &other), DV_UNAVAILABLE);
	r.m = meta_close(r.m);
	T_OK(meta_open(&(struct meta_opts){ .dir = r.dir }, &r.m));
}

Test(meta, namespaces)
{
	RIG(r);
	struct meta_namespace ns = { .name = "a", .labels = T_LABELS({ "k", "v" }, { "e", "" }) };

	T_WRITE(&r, meta_namespace_create(tx, &ns));
	T_WRITE_CODE(&r, meta_namespace_create(tx, &ns), DV_EXISTS);
	T_READ(&r, meta_namespace_get(tx, "a", &r.arena, &ns));
	T_INT(ns.labels.n_items, ==, 1);
	T_STR(meta_label_get(&ns.labels, "k"), "v");
}
