/* SPDX-License-Identifier: Apache-2.0 */
/* Names of capabilities (capabilities(7), linux/capability.h). */

#include "spec/runtime.h"

#include <linux/capability.h>
#include <string.h>
#include <strings.h>

#define CAP(name) [CAP_##name] = "CAP_" #name

static const char *const cap_names[] = {
	CAP(CHOWN),
	CAP(DAC_OVERRIDE),
	CAP(DAC_READ_SEARCH),
	CAP(FOWNER),
	CAP(FSETID),
	CAP(KILL),
	CAP(SETGID),
	CAP(SETUID),
	CAP(SETPCAP),
	CAP(LINUX_IMMUTABLE),
	CAP(NET_BIND_SERVICE),
	CAP(NET_BROADCAST),
	CAP(NET_ADMIN),
	CAP(NET_RAW),
	CAP(IPC_LOCK),
	CAP(IPC_OWNER),
	CAP(SYS_MODULE),
	CAP(SYS_RAWIO),
	CAP(SYS_CHROOT),
	CAP(SYS_PTRACE),
	CAP(SYS_PACCT),
	CAP(SYS_ADMIN),
	CAP(SYS_BOOT),
	CAP(SYS_NICE),
	CAP(SYS_RESOURCE),
	CAP(SYS_TIME),
	CAP(SYS_TTY_CONFIG),
	CAP(MKNOD),
	CAP(LEASE),
	CAP(AUDIT_WRITE),
	CAP(AUDIT_CONTROL),
	CAP(SETFCAP),
	CAP(MAC_OVERRIDE),
	CAP(MAC_ADMIN),
	CAP(SYSLOG),
	CAP(WAKE_ALARM),
	CAP(BLOCK_SUSPEND),
	CAP(AUDIT_READ),
	CAP(PERFMON),
	CAP(BPF),
	CAP(CHECKPOINT_RESTORE),
};
_Static_assert(DV_ARRAY_SIZE(cap_names) == 41, "CAP_CHECKPOINT_RESTORE is the last one known");

enum { PREFIX = sizeof("CAP_") - 1 };

const char *spec_cap_name(unsigned cap)
{
	return cap < DV_ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

int spec_cap_find(const char *name)
{
	if (strncasecmp(name, "CAP_", PREFIX) == 0)
		name += PREFIX;
	for (size_t i = 0; i < DV_ARRAY_SIZE(cap_names); i++) {
		/* The first letter rules out most without a call. */
		if (((name[0] ^ cap_names[i][PREFIX]) & ~0x20) == 0 &&
		    strcasecmp(name, cap_names[i] + PREFIX) == 0)
			return (int)i;
	}
	return -1;
}
