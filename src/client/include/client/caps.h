/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * The capabilities that can be given to a container, as bits: those of our own bounding set, which on a
 * machine of its own is all that the kernel knows.
 */
uint64_t client_caps_known(void);
