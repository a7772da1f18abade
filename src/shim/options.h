/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Options of a container's runtime, the ones that containerd's runc shim takes
 * (containerd.runc.v1.Options), and the two files in a bundle that keep them for `delete`:
 * options.json and runtime, which containerd's own shim writes and reads as well.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

struct shim_options {
	bool no_pivot_root, no_new_keyring, systemd_cgroup;
	uid_t io_uid; /* 0: left as it is */
	gid_t io_gid;
	char *shim_cgroup; /* NULL: none; heap, as all strings here */
	char *binary_name; /* NULL: ours */
	char *root; /* NULL: the default */
};

struct shim_options *shim_options_new(void);
struct shim_options *
shim_options_dup(const struct shim_options *options); /* NULL gives empty ones */
struct shim_options *shim_options_free(struct shim_options *options);
DV_DEFINE_CLEANUP(struct shim_options *, shim_options_free);

/* Writes both files. */
struct dv_err *shim_options_save(const struct shim_options *options, int bundle_fd) DV_CHECK;
/* Reads them; what is not there is empty. DV_DATA_LOSS: not JSON. */
struct dv_err *shim_options_load(int bundle_fd, struct shim_options **ret) DV_CHECK;
