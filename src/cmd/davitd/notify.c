/* SPDX-License-Identifier: Apache-2.0 */

#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "sys/file.h"
#include "sys/sock.h"

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int fd;

	if (!path || (*path != '/' && *path != '@'))
		return;
	fd = sys_unix_connect_dgram(path);
	if (fd < 0)
		return;
	(void)sys_send(fd, state, strlen(state), MSG_NOSIGNAL);
	sys_close(fd);
}

void notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(uv_hrtime() / 1000));
	notify(text);
}
