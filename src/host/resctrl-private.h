/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the test of resctrl.c. */

/* Where /proc/self/mountinfo shows a resctrl filesystem; NULL: nowhere. Heap. */
char *resctrl_find_mountpoint(int procfd);
