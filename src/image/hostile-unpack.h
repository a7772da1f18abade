/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests: what hostile-unpack tries, as its last argument, the number of entries, says. */

enum hostile_unpack {
	LEAVES_SOCKET = 1,
	DOES_NOT_LISTEN,
	TOUCHES_ARCHIVE,
	ASKS_TOO_MUCH,
	STUTTERS,
	SPITS,
	SENDS_DESCRIPTORS,
	LINGERS,
};
