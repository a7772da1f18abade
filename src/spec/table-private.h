/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The words that tables are written in, and the tables that others refer to. */

#include "decode-private.h"

/*
 * Rows of tables. T is the struct that the table describes, defined and undefined around
 * it. TYPED gives the offset of a member and does not compile when it has another type.
 */
#define TYPED(type, m) .offset = (uint16_t)(offsetof(T, m) + 0 * sizeof((type *)0 == &((T *)0)->m))
#define SIZED(m)       .offset = offsetof(T, m), .size = sizeof(((T *)0)->m)
#define COUNTED(n)     .n_offset = (uint16_t)(offsetof(T, n) + 0 * sizeof((size_t *)0 == &((T *)0)->n))

#define REQUIRED   .is_required = true
#define FLAGGED(m) .flag_offset = offsetof(T, m)
#define MANY	   .max_items = DECODE_MANY_ITEMS

#define BOOL(k, m)	  .key = (k), .kind = DECODE_BOOL, TYPED(bool, m)
#define OPT_BOOL(k, m)	  .key = (k), .kind = DECODE_OPT_BOOL, TYPED(struct spec_bool, m)
#define INT(k, m, lo, hi) .key = (k), .kind = DECODE_INT, SIZED(m), .min = (lo), .max = (hi)
#define UINT(k, m, hi)	  .key = (k), .kind = DECODE_UINT, SIZED(m), .umax = (hi)
#define STRING(k, m)	  .key = (k), .kind = DECODE_STRING, TYPED(const char *, m)
#define STRINGS(k, m, n)  .key = (k), .kind = DECODE_STRINGS, TYPED(const char **, m), COUNTED(n)
#define U32S(k, m, n)	  .key = (k), .kind = DECODE_U32S, TYPED(uint32_t *, m), COUNTED(n)
#define ENUM(k, m, t)	  .key = (k), .kind = DECODE_ENUM, SIZED(m), .names = &(t)
#define FLAGS(k, m, t)	  .key = (k), .kind = DECODE_FLAGS, SIZED(m), .names = &(t)
#define OBJECT(k, m, o)	  .key = (k), .kind = DECODE_OBJECT, .offset = offsetof(T, m), .object = &(o)
/* An object of the document whose properties are members of T itself. */
#define GROUP(k, o)  .key = (k), .kind = DECODE_OBJECT, .offset = 0, .object = &(o)
#define CUSTOM(k, f) .key = (k), .kind = DECODE_CUSTOM, .fn = (f)
#define OBJECT_NEW(k, m, o) \
	.key = (k), .kind = DECODE_OBJECT_NEW, .offset = offsetof(T, m), .object = &(o)
#define LIST(k, m, n, o) \
	.key = (k), .kind = DECODE_LIST, .offset = offsetof(T, m), COUNTED(n), .object = &(o)
#define MAP(k, m, n, o) \
	.key = (k), .kind = DECODE_MAP, .offset = offsetof(T, m), COUNTED(n), .object = &(o)
#define PAIRS(k, m, n) \
	.key = (k), .kind = DECODE_PAIRS, TYPED(struct spec_string_pair *, m), COUNTED(n)
#define OPT_INT(k, m, lo, hi) \
	.key = (k), .kind = DECODE_OPT_INT, TYPED(struct spec_i64, m), .min = (lo), .max = (hi)
#define OPT_UINT(k, m, hi) \
	.key = (k), .kind = DECODE_OPT_UINT, TYPED(struct spec_u64, m), .umax = (hi)

#define DECODE_OBJECT_OF(rows) .size = sizeof(T), .fields = (rows), .n_fields = DV_ARRAY_SIZE(rows)
#define DECODE_NAMES(what, rows) \
	{ \
		.complaint = (what), .items = (rows), .n_items = DV_ARRAY_SIZE(rows) \
	}

/* The tables. */
extern const struct decode_object spec_process_object;
extern const struct decode_object spec_mount_object;
extern const struct decode_object spec_root_object;
extern const struct decode_object spec_id_mapping_object;
extern const struct decode_object spec_hooks_object; /* into struct spec_hook_list[SPEC_HOOK__N] */
extern const struct decode_object spec_linux_object;
extern const struct decode_object spec_resources_object;
extern const struct decode_object spec_seccomp_object;
extern const struct decode_object spec_memory_policy_object;
extern const struct decode_names spec_scheduler_policies;
