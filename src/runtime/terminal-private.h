/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The terminal of a foreground process, as a set of descriptors to be polled: our standard
 * input goes to the container's terminal, what comes from there to our standard output.
 * Nothing here waits.
 */

#include <poll.h>
#include <stdbool.h>

#include "launch-private.h"

enum { RT_TERMINAL_FDS = 3 };

/* Fills @p with what to wait for; unused ones have fd -1. */
void rt_terminal_poll(const struct rt_terminal *t, struct pollfd p[RT_TERMINAL_FDS]);
/* Does what has become possible. */
void rt_terminal_serve(struct rt_terminal *t, const struct pollfd p[RT_TERMINAL_FDS]);
/* Gives the container's terminal the size of ours, if we have one. */
void rt_terminal_resize(struct rt_terminal *t);
/* After SIGCONT: the shell had the terminal. Its mode is set again, and reading, which fails in
 * the background, gets another try. */
void rt_terminal_resume(struct rt_terminal *t);

/*
 * After the process is gone: true while there is something for standard output. Nothing is read
 * from standard input any more.
 */
bool rt_terminal_has_rest(struct rt_terminal *t);
/* Writes some of it; may wait no longer than standard output makes us, once it is writable. */
void rt_terminal_flush(struct rt_terminal *t);
void rt_terminal_restore(struct rt_terminal *t);
