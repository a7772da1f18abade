/* SPDX-License-Identifier: Apache-2.0 */
/* The container's compiled seccomp program, kept beside its state for exec. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "state-private.h"
#include "sys/file.h"

struct head {
	char magic[8];
	uint32_t n_insns;
	uint32_t load_flags;
	uint32_t has_listener;
	uint32_t unused;
};

static const char magic[8] = "DVBPF1\n";

struct dv_err *rt_seccomp_save(const struct rt_container *c, const struct host_seccomp_program *p)
{
	struct head h = {
		.n_insns = (uint32_t)p->n_insns,
		.load_flags = p->load_flags,
		.has_listener = p->has_listener,
	};
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	memcpy(h.magic, magic, sizeof(magic));
	fd = sys_openat(c->state->dirfd, RT_SECCOMP, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
			0600);
	r = fd < 0 ? fd : sys_write_all(fd, &h, sizeof(h));
	if (r == 0)
		r = sys_write_all(fd, p->insns, p->n_insns * sizeof(*p->insns));
	return r < 0 ? dv_err_sys(r, "write %s of %s", RT_SECCOMP, c->id) : NULL;
}

struct dv_err *rt_seccomp_load(const struct rt_container *c, struct host_seccomp_program *ret)
{
	struct head h;
	struct dv_err *e;
	size_t len;
	char *text;

	e = rt_read_file(&c->state->arena, c->state->dirfd, RT_SECCOMP, 1 << 20, &text, &len);
	if (e)
		return dv_err_wrap(e, "seccomp program of %s", c->id);
	if (len >= sizeof(h))
		memcpy(&h, text, sizeof(h));
	if (len < sizeof(h) || memcmp(h.magic, magic, sizeof(magic)) != 0 ||
	    h.n_insns > BPF_MAXINSNS || len != sizeof(h) + h.n_insns * sizeof(struct sock_filter))
		return dv_err_new(DV_DATA_LOSS, "seccomp program of %s is damaged", c->id);
	ret->insns = dv_new_n(struct sock_filter, h.n_insns);
	memcpy(ret->insns, text + sizeof(h), h.n_insns * sizeof(struct sock_filter));
	ret->n_insns = h.n_insns;
	ret->load_flags = h.load_flags;
	ret->has_listener = h.has_listener;
	return NULL;
}
