/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Seccomp: a profile of config.json becomes a BPF program, ready for sys_seccomp_load().
 *
 * libseccomp makes the program. In front of it goes a prologue of our own that answers
 * ENOSYS for system calls newer than the profile (see seccomp-enosys.c): without it a new
 * libc, which tries the new call first, would meet EPERM and give up.
 *
 * Making a program takes milliseconds, so programs are kept in a directory. A file there
 * holds the whole profile in a canonical form and is used only when that is equal, byte
 * for byte; anything odd about a file makes it a miss, never an error.
 */

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "spec/runtime.h"

struct host_seccomp_program {
	struct sock_filter *insns; /* heap */
	size_t n_insns;
	unsigned load_flags; /* SECCOMP_FILTER_FLAG_*, NEW_LISTENER included */
	bool has_listener; /* some rule notifies: loading yields a descriptor */
};

#define HOST_SECCOMP_PROGRAM_INIT \
	{ \
		.insns = NULL \
	}

/*
 * Compiles @profile. Names that libseccomp does not know are skipped (debug line).
 *
 * DV_INVALID: NOTIFY as default action or for write(2), bad comparison, ...
 * DV_PRECONDITION: the kernel cannot do what is asked (notification, a flag).
 */
struct dv_err *host_seccomp_compile(const struct spec_seccomp *profile, const struct dv_log *log,
				    struct host_seccomp_program *ret) DV_CHECK;

/*
 * The same, from the cache when it is there. @cache_dirfd: a directory of ours (mode 0700),
 * or -1 for no cache. Failure to write the cache is a debug line.
 */
struct dv_err *host_seccomp_get(int cache_dirfd, const struct spec_seccomp *profile,
				const struct dv_log *log, struct host_seccomp_program *ret)
	DV_CHECK;

void host_seccomp_program_fini(struct host_seccomp_program *p);

/* What `features` tells. The lists are static, in runc's order. */
const char *const *host_seccomp_known_actions(size_t *ret_n);
const char *const *host_seccomp_known_operators(size_t *ret_n);
const char *const *host_seccomp_known_archs(size_t *ret_n);
const char *const *host_seccomp_known_flags(size_t *ret_n);
/* Those of the known flags that this kernel takes. @names: room for all known ones. */
size_t host_seccomp_supported_flags(const char **names);
/* "2.5.4", the annotation io.github.seccomp.libseccomp.version. */
void host_seccomp_libseccomp_version(char *buf, size_t size);
