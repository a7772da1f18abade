/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side of wire.h. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "sys/sock.h"
#include "unpack-private.h"

static int ask(int socket, struct unpack_msg *msg, int fd)
{
	int r = fd >= 0 ? sys_send_fd(socket, msg, sizeof(*msg), fd)
			: (int)sys_send(socket, msg, sizeof(*msg), MSG_NOSIGNAL);

	if (r < 0)
		return r;
	r = (int)sys_recv(socket, msg, sizeof(*msg), 0);
	if (r < 0)
		return r;
	if (r != (int)sizeof(*msg) || msg->kind != UNPACK_RESULT)
		return -EPROTO;
	return msg->code;
}

int broker_opaque(int socket, int dir)
{
	struct unpack_msg msg = { .kind = UNPACK_OPAQUE };

	return socket < 0 ? 0 : ask(socket, &msg, dir);
}

int broker_is_opaque(int socket, int dir)
{
	struct unpack_msg msg = { .kind = UNPACK_IS_OPAQUE };

	return socket < 0 ? 0 : ask(socket, &msg, dir);
}

int broker_mknod(int socket, int dir, const char *name, struct archive_entry *entry)
{
	struct unpack_msg msg = { .kind = UNPACK_MKNOD,
				  .mode = archive_entry_mode(entry),
				  .uid = (uint32_t)archive_entry_uid(entry),
				  .gid = (uint32_t)archive_entry_gid(entry),
				  .dev_major = (uint32_t)archive_entry_rdevmajor(entry),
				  .dev_minor = (uint32_t)archive_entry_rdevminor(entry) };

	if (archive_entry_uid(entry) != msg.uid || archive_entry_gid(entry) != msg.gid)
		return -EINVAL;
	if (socket < 0)
		return 0;
	if (strlen(name) >= sizeof(msg.text))
		return -ENAMETOOLONG;
	memcpy(msg.text, name, strlen(name) + 1);
	return ask(socket, &msg, dir);
}

int broker_parent(int socket, const char *path, struct broker_parent *ret)
{
	struct unpack_msg msg = { .kind = UNPACK_PARENT };
	int r;

	if (socket < 0)
		return -ENOENT;
	if (strlen(path) >= sizeof(msg.text))
		return -ENAMETOOLONG;
	memcpy(msg.text, path, strlen(path) + 1);
	r = ask(socket, &msg, -1);
	if (r == 0)
		*ret = (struct broker_parent){ msg.mode & 07777, msg.uid, msg.gid };
	return r;
}

void broker_end(int socket, struct dv_err *take_e, int64_t size, const struct dv_digest *digest)
{
	struct unpack_msg msg = { .kind = UNPACK_DONE, .size = size };

	if (take_e) {
		msg.kind = UNPACK_FAILED;
		msg.code = (int32_t)dv_err_code(take_e);
		strncpy(msg.text, dv_err_message(take_e), sizeof(msg.text) - 1);
	} else {
		memcpy(msg.digest, digest->bytes, sizeof(msg.digest));
	}
	dv_err_free(take_e);
	(void)!sys_send(socket, &msg, sizeof(msg), MSG_NOSIGNAL);
}
