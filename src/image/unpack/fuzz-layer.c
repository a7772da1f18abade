/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer that means harm, unpacked for real: what lies beside its directory, where links lead to, must
 * stay as it is. The first byte says into what kind of snapshot; checksums of tar's headers are made
 * right, or hardly any input would get further.
 */

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "unpack-private.h"

enum { BLOCK = 512, INPUT_MAX = 64 * 1024, ENTRIES_MAX = 64, BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[64];
static int base_fd = -1;
static struct stat kept;

static void clean_up(void)
{
	(void)sys_remove_tree(AT_FDCWD, base);
}

static void make_base(void)
{
	int fd;

	(void)uselocale(newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL));
	(void)umask(0);
	snprintf(base, sizeof(base), "%s/davit-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	dv_assert(mkdtemp(base) != NULL);
	(void)atexit(clean_up);
	base_fd = sys_openat(AT_FDCWD, base, O_RDONLY | O_DIRECTORY, 0);
	dv_assert(sys_mkdirat(base_fd, "outside", 0700) == 0);
	dv_assert(sys_mkdirat(base_fd, "outside/directory", 0700) == 0);
	fd = sys_openat(base_fd, "outside/kept", O_WRONLY | O_CREAT, 0600);
	dv_assert(fd >= 0 && sys_write_all(fd, "kept", 4) == 0 && sys_fstat(fd, &kept) == 0);
	sys_close(fd);
}

/* With what a layer below may have. */
static int make_root(void)
{
	DV_CLEANUP(dv_freep) char *target = dv_printf("%s/outside", base);
	int root;

	dv_assert(sys_mkdirat(base_fd, "root", 0700) == 0);
	root = sys_openat(base_fd, "root", O_RDONLY | O_DIRECTORY, 0);
	dv_assert(root >= 0 && sys_mkdirat(root, "d", 0755) == 0);
	dv_assert(sys_symlinkat(target, root, "out") == 0);
	dv_assert(sys_symlinkat("../outside", root, "up") == 0);
	dv_assert(sys_symlinkat("../../outside", root, "d/up") == 0);
	return root;
}

static void check_outside(void)
{
	int fd = sys_openat(base_fd, "outside", O_RDONLY | O_DIRECTORY, 0), n = 0;
	struct stat st;
	DIR *d;

	dv_assert(sys_fstatat(fd, "kept", &st, AT_SYMLINK_NOFOLLOW) == 0);
	dv_assert(st.st_ino == kept.st_ino && st.st_mode == kept.st_mode && st.st_nlink == 1 &&
		  st.st_size == 4 && st.st_uid == kept.st_uid && st.st_ctime == kept.st_ctime);
	dv_assert(sys_fstatat(fd, "directory", &st, AT_SYMLINK_NOFOLLOW) == 0);
	dv_assert(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700 && st.st_nlink == 2);
	d = fdopendir(fd);
	dv_assert(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	dv_assert(n == 4); /* . .. kept directory */
	dv_assert(sys_fstatat(base_fd, "root", &st, AT_SYMLINK_NOFOLLOW) == 0);
	dv_assert(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700);
}

static void fix_checksum(uint8_t *block)
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t tar[INPUT_MAX];
	struct unpack_opts opts = { .socket = -1,
				    .max_bytes = BYTES_MAX,
				    .max_entries = ENTRIES_MAX };
	struct archive *a;
	struct dv_err *e;

	if (size < 1 + BLOCK || size > INPUT_MAX)
		return 0;
	if (base_fd < 0)
		make_base();
	opts.is_overlay = data[0] & 1;
	memcpy(tar, data + 1, --size);
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		if (memcmp(tar + at + 257, "ustar", 5) == 0)
			fix_checksum(tar + at);
	}
	a = archive_read_new();
	dv_assert(archive_read_support_format_tar(a) == ARCHIVE_OK);
	dv_assert(archive_read_support_format_empty(a) == ARCHIVE_OK);
	if (archive_read_open_memory(a, tar, size) == ARCHIVE_OK) {
		opts.root = make_root();
		e = layer_unpack(&opts, a);
		dv_assert(!e || *dv_err_message(e));
		dv_err_free(e);
		sys_close(opts.root);
		check_outside();
		dv_assert(sys_remove_tree(base_fd, "root") == 0);
	}
	archive_read_free(a);
	return 0;
}
