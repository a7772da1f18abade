/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Device rules: a list of allow and deny rules boiled down to a default and exceptions from
 * it, as the v1 devices cgroup keeps them. Rules take effect in order; one of type 'a' sets
 * the default and forgets everything before. A container starts with "deny all".
 *
 * Pure: yields lines for devices.allow and devices.deny, and (device-bpf.h) a program for v2.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "spec/runtime.h"

/* The kernel's bits: BPF_DEVCG_ACC_*. */
enum device_access { DEVICE_MKNOD = 1, DEVICE_READ = 2, DEVICE_WRITE = 4, DEVICE_RWM = 7 };

struct device_exception {
	char type; /* 'b' or 'c' */
	int64_t major, minor; /* -1: any */
	unsigned access; /* DEVICE_* */
};

struct device_rules {
	bool allows; /* the default; exceptions say the contrary */
	struct device_exception *items; /* heap */
	size_t n, size;
};

void device_rules_fini(struct device_rules *r);

/*
 * DV_INVALID: not expressible: taking a part out of an exception with a wildcard ("cannot
 * punch hole in existing wildcard rule"), a number too large.
 */
struct dv_err *device_rules_add(struct device_rules *r, const struct spec_device_rule *rule)
	DV_CHECK;

/* What every container may use, except for the paths that @devices defines anew. */
struct dv_err *device_rules_add_defaults(struct device_rules *r, const struct spec_device *devices,
					 size_t n_devices) DV_CHECK;

/* By major, minor, type, so that the result depends on the rules alone. */
void device_rules_sort(struct device_rules *r);

/* "c 1:3 rwm" */
void device_exception_format(const struct device_exception *x, struct dv_strbuf *out);
