/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals by descriptor. See sys/tty.h. */

#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

static int ret(int r)
{
	return r < 0 ? -errno : r;
}

int sys_tty_unlock(int master)
{
	int unlock = 0;

	return ret(ioctl(master, TIOCSPTLCK, &unlock));
}

int sys_tty_peer(int master)
{
	return ret(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

int sys_tty_number(int master)
{
	unsigned n;

	return ioctl(master, TIOCGPTN, &n) < 0 ? -errno : (int)n;
}

int sys_tty_get_size(int fd, uint16_t *rows, uint16_t *cols)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return -errno;
	*rows = ws.ws_row;
	*cols = ws.ws_col;
	return 0;
}

int sys_tty_set_size(int fd, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	return ret(ioctl(fd, TIOCSWINSZ, &ws));
}

int sys_tty_set_controlling(int fd)
{
	return ret(ioctl(fd, TIOCSCTTY, 0));
}

int sys_tty_get_attr(int fd, struct termios *t)
{
	return ret(tcgetattr(fd, t));
}

int sys_tty_set_attr(int fd, const struct termios *t)
{
	return ret(tcsetattr(fd, TCSANOW, t));
}
