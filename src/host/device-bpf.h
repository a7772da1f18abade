/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Device rules as an eBPF program of type CGROUP_DEVICE, and its attachment to a v2 cgroup. */

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "device-rules.h"

/*
 * The program: heap. Allowed is what a single exception of the allow list covers entirely;
 * denied what an exception of the deny list touches at all. Those are v1's semantics.
 */
void device_bpf_make(const struct device_rules *r, struct bpf_insn **ret, size_t *ret_n);

/*
 * Loads the program and attaches it to the cgroup @dirfd, in the place of all programs that
 * are attached there directly; @is_new: there are none.
 */
struct dv_err *device_bpf_apply(int dirfd, const struct bpf_insn *insns, size_t n, bool is_new,
				const struct dv_log *log) DV_CHECK;
