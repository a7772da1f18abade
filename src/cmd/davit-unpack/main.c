/* SPDX-License-Identifier: Apache-2.0 */
/*
 * davit-unpack: reads archives for davitd, which alone runs it (src/image), with descriptors as in
 * wire.h:
 *
 *	davit-unpack overlay|plain <max bytes> <max entries>	unpacks a layer (unpack.c)
 *	davit-unpack entries <max bytes> <max entries>		says what is in an archive (archive.c)
 *	davit-unpack pack upper|trees|all plain|gzip|zstd <epoch>|-	makes a layer (diff.c)
 */

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/file.h"
#include "unpack-private.h"

struct limits {
	uint64_t max_bytes, max_entries;
};

static la_ssize_t read_piece(struct archive *a, void *arg, const void **ret)
{
	(void)a;
	return (la_ssize_t)pipeline_next(arg, ret);
}

static struct dv_err *open_archive(struct pipeline *p, struct archive **ret)
{
	struct archive *a = archive_read_new();

	/* Raw tar alone: compression is off already, and other formats are no layers. */
	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_format_gnutar(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK ||
	    archive_read_open(a, p, NULL, read_piece, NULL) != ARCHIVE_OK)
		return dv_err_new(DV_INVALID, "not a tar archive: %s",
				  a ? archive_error_string(a) : "no memory");
	*ret = a;
	return NULL;
}

static struct dv_err *unpack(struct pipeline *p, const struct unpack_opts *opts)
{
	struct archive *a = NULL;
	struct dv_err *e = open_archive(p, &a);

	if (!e)
		e = layer_unpack(opts, a);
	archive_read_free(a);
	return e;
}

/* Gives up everything, and starts to read. */
static struct dv_err *begin(enum unpack_role role, const struct limits *limits, int *ret_root,
			    struct pipeline **ret)
{
	struct dv_err *e = unpack_isolate(UNPACK_FD_TARGET);

	if (e)
		return e;
	sys_close(UNPACK_FD_TARGET);
	*ret_root = sys_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
	if (*ret_root < 0)
		return dv_err_sys(*ret_root, "open the layer's directory");
	e = unpack_drop(role);
	if (!e)
		e = pipeline_new(UNPACK_FD_ARCHIVE, limits->max_bytes, role == UNPACK_LAYER, ret);
	/* It needs a thread, which may not be made any more, and sees nothing before that. */
	if (!e)
		e = unpack_filter(role);
	if (!e)
		pipeline_begin(*ret);
	return e;
}

static struct dv_err *run(const struct limits *limits, struct unpack_opts *opts, int64_t *ret_size,
			  struct dv_digest *ret)
{
	DV_CLEANUP(pipeline_freep) struct pipeline *p = NULL;
	struct dv_err *e, *input;

	e = begin(UNPACK_LAYER, limits, &opts->root, &p);
	if (e)
		return e;
	e = unpack(p, opts);
	if (e && dv_err_code(e) != DV_INVALID)
		return e;
	/* Where the bytes are bad, what tar made of them is not the reason. */
	input = pipeline_finish(p, ret_size, ret);
	if (!input)
		return e;
	dv_err_free(e);
	return input;
}

static struct dv_err *run_entries(const struct limits *limits)
{
	DV_CLEANUP(pipeline_freep) struct pipeline *p = NULL;
	struct archive *a = NULL;
	struct dv_err *e, *input;
	int root = -1;

	e = begin(UNPACK_ENTRIES, limits, &root, &p);
	if (e)
		return e;
	e = open_archive(p, &a);
	if (!e)
		e = entries_send(a, ENTRIES_FD_OUT, limits->max_bytes, limits->max_entries);
	archive_read_free(a);
	if (!e)
		return pipeline_finish(p, NULL, NULL); /* the client wants to be rid of all of it */
	input = pipeline_problem(p);
	if (!input)
		return e;
	dv_err_free(e);
	return input;
}

/* Names in pax headers are UTF-8. Loaded now: there are no files of the system later. */
static void use_utf8(void)
{
	(void)uselocale(newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL));
}

int main(int argc, char **argv)
{
	struct unpack_opts opts = { .root = -1, .socket = UNPACK_FD_SOCKET };
	struct limits limits;
	struct dv_digest digest = {};
	struct dv_err *e;
	int64_t size = 0;

	if (argc == 5 && dv_streq(argv[1], "pack")) {
		use_utf8();
		return pack_main(argv + 2);
	}
	if (argc != 4 || !dv_parse_u64(argv[2], &limits.max_bytes) ||
	    !dv_parse_u64(argv[3], &limits.max_entries))
		return EXIT_FAILURE; /* nobody runs us by hand */
	opts.max_bytes = limits.max_bytes;
	opts.max_entries = limits.max_entries;
	use_utf8();
	(void)umask(0);
	if (dv_streq(argv[1], "entries")) {
		entries_end(ENTRIES_FD_OUT, run_entries(&limits));
		return EXIT_SUCCESS;
	}
	opts.is_overlay = dv_streq(argv[1], "overlay");
	e = run(&limits, &opts, &size, &digest);
	broker_end(UNPACK_FD_SOCKET, e, size, &digest);
	return e ? EXIT_FAILURE : EXIT_SUCCESS;
}
