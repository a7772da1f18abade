/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A tar archive of regular files and directories with short names that are ours, in the form that all
 * programs read (ustar, sizes from 8 GiB on in GNU's way). No owner, no time: the same files give the
 * same archive. What has to read archives is in davit-unpack.
 */

#include <stdint.h>

#include "image/sink.h"

enum { TAR_NAME_MAX = 99 };

/* "a/" is a directory. @size bytes are to follow, and tar_write_padding() behind them. */
struct dv_err *tar_write_head(const struct image_sink *to, const char *name, uint64_t size)
	DV_CHECK;
struct dv_err *tar_write_padding(const struct image_sink *to, uint64_t size) DV_CHECK;
/* Both, and the bytes. */
struct dv_err *tar_write_file(const struct image_sink *to, const char *name, const void *p,
			      size_t n) DV_CHECK;
struct dv_err *tar_write_end(const struct image_sink *to) DV_CHECK;
