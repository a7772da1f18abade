/* SPDX-License-Identifier: Apache-2.0 */

#include "child.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "wire.h"

enum { LAST_MS = 1000 };

struct dv_err *image_child_died(int pidfd, const char *who)
{
	siginfo_t si = {};

	/* That it has closed the socket need not be its end. */
	if (sys_poll_in(pidfd, LAST_MS) != 1)
		(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	(void)sys_waitid_pidfd(pidfd, &si, WEXITED | WNOWAIT);
	if (si.si_code == CLD_EXITED)
		return dv_err_new(DV_INTERNAL, "%s ended with status %d", who, si.si_status);
	return dv_err_new(DV_INTERNAL, "%s was killed by signal %d", who, si.si_status);
}

struct dv_err *image_child_hear(int socket, int pidfd, const char *who, struct unpack_msg *ret,
				int *ret_fd, bool *ret_is_last)
{
	ssize_t n = sys_recv_fd(socket, ret, sizeof(*ret), ret_fd);

	if (n < 0)
		return dv_err_sys((int)n, "hear from %s", who);
	if (n == 0)
		return image_child_died(pidfd, who);
	if (n != (ssize_t)sizeof(*ret))
		return dv_err_new(DV_INTERNAL, "%s talks nonsense", who);
	ret->text[sizeof(ret->text) - 1] = '\0';
	*ret_is_last = ret->kind == UNPACK_DONE || ret->kind == UNPACK_FAILED;
	return NULL;
}

struct dv_err *image_child_answer(int socket, const char *who, struct unpack_msg *io, int code)
{
	int r;

	io->kind = UNPACK_RESULT;
	io->code = code;
	/* One that waits for each answer always has room. */
	r = (int)sys_send(socket, io, sizeof(*io), MSG_DONTWAIT | MSG_NOSIGNAL);
	return r < 0 ? dv_err_sys(r, "answer %s", who) : NULL;
}

void image_child_end(int pidfd)
{
	(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	(void)sys_waitid_pidfd(pidfd, &(siginfo_t){}, WEXITED);
}

struct dv_err *image_child_verdict(const struct unpack_msg *m, struct dv_digest *ret_digest,
				   int64_t *ret_size)
{
	DV_CLEANUP(dv_freep) char *text = NULL;

	if (m->kind == UNPACK_DONE) {
		*ret_digest = (struct dv_digest){ .alg = DV_SHA256 };
		memcpy(ret_digest->bytes, m->digest, sizeof(m->digest));
		*ret_size = m->size;
		return NULL;
	}
	/* Names of entries are in it; a terminal shall not have to do with what is not text. */
	text = dv_strdup(m->text);
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	if (m->code < DV_CANCELLED || m->code > DV_UNAUTHENTICATED)
		return dv_err_new(DV_INTERNAL, "%s", text);
	return dv_err_new((enum dv_code)m->code, "%s", text);
}
