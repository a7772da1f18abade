/* SPDX-License-Identifier: Apache-2.0 */
/* "davit-unpack pack upper|trees|all plain|gzip|zstd <epoch>|-", with descriptors as in wire.h. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "pack-private.h"
#include "sys/file.h"

static struct dv_err *parse(char **args, struct pack_opts *opts, enum dv_compression *ret)
{
	static const char *const kinds[] = {
		[DV_PLAIN] = "plain", [DV_GZIP] = "gzip", [DV_ZSTD] = "zstd"
	};

	opts->is_upper = dv_streq(args[0], "upper");
	if (dv_streq(args[0], "trees"))
		opts->left = PACK_FD_LEFT;
	opts->has_epoch = !dv_streq(args[2], "-");
	if (opts->has_epoch && !dv_parse_i64(args[2], &opts->epoch))
		return dv_err_new(DV_INVALID, "%s: not a time", args[2]);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		if (dv_streq(args[1], kinds[i])) {
			*ret = (enum dv_compression)i;
			return NULL;
		}
	}
	return dv_err_new(DV_INVALID, "%s: not a compression", args[1]);
}

static struct dv_err *run(char **args, int64_t *ret_size, struct dv_digest *ret)
{
	struct pack_opts opts = { .left = -1, .right = -1, .socket = UNPACK_FD_SOCKET };
	DV_CLEANUP(pack_output_freep) struct pack_output *o = NULL;
	enum dv_compression kind = DV_PLAIN;
	struct dv_err *e;

	e = parse(args, &opts, &kind);
	if (!e)
		e = unpack_isolate(UNPACK_FD_TARGET);
	if (e)
		return e;
	sys_close(UNPACK_FD_TARGET);
	opts.right = sys_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
	if (opts.right < 0)
		return dv_err_sys(opts.right, "open the tree");
	if (opts.left >= 0) {
		/* What came is a place (O_PATH); a mount that is nowhere stays while it is open. */
		opts.left = sys_openat(PACK_FD_LEFT, ".", O_RDONLY | O_DIRECTORY, 0);
		if (opts.left < 0)
			return dv_err_sys(opts.left, "open the tree below");
	}
	e = unpack_drop(UNPACK_PACK);
	if (!e)
		e = unpack_filter(UNPACK_PACK);
	if (e)
		return e;
	o = pack_output_new(PACK_FD_OUT, kind);
	e = pack_tree(&opts, o);
	return e ? e : pack_output_finish(o, ret_size, ret);
}

int pack_main(char **args)
{
	struct dv_digest digest = {};
	int64_t size = 0;
	struct dv_err *e = run(args, &size, &digest);

	/* The bytes are all there before the last word about them. */
	sys_close(PACK_FD_OUT);
	broker_end(UNPACK_FD_SOCKET, e, size, &digest);
	return EXIT_SUCCESS;
}
