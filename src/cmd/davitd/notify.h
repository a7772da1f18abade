/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tells systemd (NOTIFY_SOCKET, see sd_notify(3)); does nothing when nobody asked. */
void notify(const char *state);
/* RELOADING=1, with its time; READY=1 follows. */
void notify_reloading(void);
