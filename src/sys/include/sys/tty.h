/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Terminals by descriptor. */

#include <stdint.h>
#include <termios.h>

#include "base/macros.h"

int sys_tty_unlock(int master); /* TIOCSPTLCK */
int sys_tty_peer(int master); /* TIOCGPTPEER: the slave, without any path */
int sys_tty_number(int master); /* TIOCGPTN */
int sys_tty_get_size(int fd, uint16_t *rows, uint16_t *cols);
int sys_tty_set_size(int fd, uint16_t rows, uint16_t cols);
int sys_tty_set_controlling(int fd);
int sys_tty_get_attr(int fd, struct termios *ret);
int sys_tty_set_attr(int fd, const struct termios *t);
