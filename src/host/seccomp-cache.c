/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of compiled seccomp programs.
 *
 * A file is named by a hash of its key. The key is all that decides the program, written
 * out in full: the profile, the machine, the kernel release, the versions of libseccomp and
 * of our compiler. It is stored in the file and compared byte for byte, so a collision of
 * the hash only costs a compilation. A checksum over the rest finds files that a crash or a
 * disk has mangled. Files appear under their names complete (rename).
 *
 *	struct head | key | instructions
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "seccomp-private.h"
#include "sys/file.h"

enum {
	FILE_SIZE_MAX = 1024 * 1024,
	FILES_MAX = 64,
	NAME_SIZE = 32,
};

struct head {
	char magic[8];
	uint64_t checksum; /* of what follows this field */
	uint32_t key_size;
	uint32_t n_insns;
	uint32_t load_flags;
	uint32_t has_listener;
};

static const char magic[8] = "dvsecc1\n";

/* Appends to memory, or, without any, only counts. */
struct writer {
	char *out;
	size_t n;
};

static void put(struct writer *w, const void *p, size_t n)
{
	if (w->out && n > 0)
		memcpy(w->out + w->n, p, n);
	w->n += n;
}

static void put_u64(struct writer *w, uint64_t v)
{
	put(w, &v, sizeof(v));
}

/* With its length, so that no two lists of strings look alike. */
static void put_string(struct writer *w, const char *s)
{
	uint32_t n = (uint32_t)strlen(s);

	put(w, &n, sizeof(n));
	put(w, s, n);
}

static void put_rule(struct writer *w, const struct spec_seccomp_rule *r)
{
	put_u64(w, r->action);
	put_u64(w, r->errno_ret.is_set);
	put_u64(w, r->errno_ret.is_set ? r->errno_ret.value : 0);
	put_u64(w, r->n_names);
	for (size_t i = 0; i < r->n_names; i++)
		put_string(w, r->names[i]);
	put_u64(w, r->n_args);
	for (size_t i = 0; i < r->n_args; i++) {
		put_u64(w, r->args[i].index);
		put_u64(w, r->args[i].op);
		put_u64(w, r->args[i].value);
		put_u64(w, r->args[i].value_two);
	}
}

/* Every member of struct spec_seccomp but the listener's path and metadata. */
static void put_key(struct writer *w, const struct spec_seccomp *s, const struct utsname *uts)
{
	const struct scmp_version *v = seccomp_version();

	put_u64(w, SECCOMP_COMPILER_VERSION);
	put_u64(w, (uint64_t)v->major << 40 | (uint64_t)v->minor << 20 | v->micro);
	put_string(w, uts->machine);
	put_string(w, uts->release);
	put_u64(w, s->default_action);
	put_u64(w, s->default_errno_ret.is_set);
	put_u64(w, s->default_errno_ret.is_set ? s->default_errno_ret.value : 0);
	put_u64(w, s->n_architectures);
	for (size_t i = 0; i < s->n_architectures; i++)
		put_string(w, s->architectures[i]);
	put_u64(w, s->has_flags);
	put_u64(w, s->flags);
	put_u64(w, s->n_rules);
	for (size_t i = 0; i < s->n_rules; i++)
		put_rule(w, &s->rules[i]);
}

/* A fast mix of eight bytes at a time. Nothing relies on it being hard to collide. */
static uint64_t hash(const void *data, size_t n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	const char *p = data;
	uint64_t h = n * k;

	while (n > 0) {
		size_t chunk = DV_MIN(n, sizeof(uint64_t));
		uint64_t word = 0;

		memcpy(&word, p, chunk);
		h = (h ^ word) * k;
		h ^= h >> 32; /* both steps can be undone: no flipped bit is ever lost */
		p += chunk;
		n -= chunk;
	}
	return h;
}

struct key {
	char *data;
	size_t size;
	char name[NAME_SIZE];
};

static void make_key(const struct spec_seccomp *profile, struct key *ret)
{
	struct writer w = { .out = NULL };
	struct utsname uts;

	if (uname(&uts) < 0)
		uts = (struct utsname){ .release = "" };
	put_key(&w, profile, &uts);
	ret->size = w.n;
	ret->data = dv_alloc(w.n);
	w = (struct writer){ .out = ret->data };
	put_key(&w, profile, &uts);
	snprintf(ret->name, sizeof(ret->name), "%016llx",
		 (unsigned long long)hash(ret->data, ret->size));
}

static uint64_t checksum(const char *file, size_t size)
{
	size_t skip = offsetof(struct head, checksum) + sizeof(uint64_t);

	return hash(file + skip, size - skip);
}

/* Takes the file's bytes apart; false for any that we did not write for @key. */
static bool decode(const char *file, size_t size, const struct key *key,
		   struct host_seccomp_program *ret)
{
	struct head h;
	size_t insns_size;

	if (size < sizeof(h))
		return false;
	memcpy(&h, file, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 || h.key_size != key->size ||
	    h.n_insns == 0 || h.n_insns > BPF_MAXINSNS)
		return false;
	insns_size = h.n_insns * sizeof(struct sock_filter);
	if (size != sizeof(h) + key->size + insns_size ||
	    memcmp(file + sizeof(h), key->data, key->size) != 0 ||
	    h.checksum != checksum(file, size))
		return false;
	*ret = (struct host_seccomp_program){
		.insns = dv_new_n(struct sock_filter, h.n_insns),
		.n_insns = h.n_insns,
		.load_flags = h.load_flags,
		.has_listener = h.has_listener,
	};
	memcpy(ret->insns, file + sizeof(h) + key->size, insns_size);
	return true;
}

static bool load(int dirfd, const struct key *key, struct host_seccomp_program *ret)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	DV_CLEANUP(dv_freep) char *file = NULL;
	struct stat st;
	size_t size;

	fd = sys_openat(dirfd, key->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return false;
	/* A file that someone else could have written is none of ours. */
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077 || st.st_size <= 0 ||
	    st.st_size > FILE_SIZE_MAX)
		return false;
	size = (size_t)st.st_size;
	file = dv_realloc_n(NULL, size, 1);
	return sys_read(fd, file, size) == (ssize_t)size && decode(file, size, key, ret);
}

static char *encode(const struct key *key, const struct host_seccomp_program *p, size_t *ret_size)
{
	size_t insns_size = p->n_insns * sizeof(*p->insns);
	struct head h = {
		.key_size = (uint32_t)key->size,
		.n_insns = (uint32_t)p->n_insns,
		.load_flags = p->load_flags,
		.has_listener = p->has_listener,
	};
	size_t size = sizeof(h) + key->size + insns_size;
	char *file = dv_alloc(size);
	uint64_t sum;

	memcpy(h.magic, magic, sizeof(magic));
	memcpy(file, &h, sizeof(h));
	memcpy(file + sizeof(h), key->data, key->size);
	memcpy(file + sizeof(h) + key->size, p->insns, insns_size);
	sum = checksum(file, size);
	memcpy(file + offsetof(struct head, checksum), &sum, sizeof(sum));
	*ret_size = size;
	return file;
}

/* Removes the oldest file when there are too many. Temporary ones left behind count too. */
static void evict(int dirfd)
{
	int fd = sys_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct timespec oldest = { .tv_sec = 0 };
	char name[256] = "";
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		sys_close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    sys_fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n++;
		if (name[0] &&
		    (st.st_mtim.tv_sec > oldest.tv_sec ||
		     (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec >= oldest.tv_nsec)))
			continue;
		oldest = st.st_mtim;
		snprintf(name, sizeof(name), "%s", entry->d_name);
	}
	closedir(dir);
	if (n > FILES_MAX)
		(void)sys_unlinkat(dirfd, name, 0);
}

static int store(int dirfd, const struct key *key, const struct host_seccomp_program *p)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	DV_CLEANUP(dv_freep) char *file = NULL;
	char temp[NAME_SIZE * 2];
	size_t size;
	int r;

	file = encode(key, p, &size);
	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	/* Writers of the same program at the same time differ in their pids. */
	snprintf(temp, sizeof(temp), "%s.%d", key->name, getpid());
	fd = sys_openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd == -EEXIST && sys_unlinkat(dirfd, temp, 0) == 0) /* left by a crash */
		fd = sys_openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = sys_write_all(fd, file, size);
	if (r == 0)
		r = sys_renameat(dirfd, temp, dirfd, key->name);
	if (r < 0)
		(void)sys_unlinkat(dirfd, temp, 0);
	else
		evict(dirfd);
	return r;
}

struct dv_err *host_seccomp_get(int cache_dirfd, const struct spec_seccomp *profile,
				const struct dv_log *log, struct host_seccomp_program *ret)
{
	DV_CLEANUP(dv_freep) char *key_data = NULL;
	struct key key;
	struct dv_err *e;
	int r;

	if (cache_dirfd < 0)
		return host_seccomp_compile(profile, log, ret);
	make_key(profile, &key);
	key_data = key.data;
	if (load(cache_dirfd, &key, ret))
		return NULL;
	e = host_seccomp_compile(profile, log, ret);
	if (e)
		return e;
	r = store(cache_dirfd, &key, ret);
	if (r < 0)
		dv_log(log, DV_DEBUG, "seccomp: program not cached: %s", dv_errno_text(-r));
	return NULL;
}
